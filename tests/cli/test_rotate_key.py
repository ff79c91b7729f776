"""`lastseen db rotate-key`, by the key file and by the setting."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from cryptography.fernet import Fernet

from lastseen.cli.demo_stage import receiving
from tests.cli.conftest import Cli

URL = "http://127.0.0.1:9/hook"


def webhook(cli: Cli, name: str, url: str = URL) -> str:
    made: str = cli.json("channels", "add", "webhook", "--name", name, "--url", url)["secret"]
    return made


def test_a_new_key_is_made_and_a_running_server_goes_on(cli: Cli) -> None:
    file = cli.folder / "lastseen.db.key"
    with receiving() as receiver, cli.serving() as url:
        receiver.trust(webhook(cli, "ops", receiver.url))
        old = file.read_text()
        done = cli("db", "rotate-key")
        assert done.code == 0, done.err
        assert "1 secrets are encrypted" in done.out
        assert "gone from there: 1" in done.out
        assert old.strip() not in file.read_text() + done.out
        webhook(cli, "second")
        assert cli.json("db", "rotate-key") == {"place": str(file), "secrets": 2, "keys": [0, 2], "dropped": 1}
        for switch in ("disable", "enable"):  # so the server reads its secret anew
            cli.json("channels", switch, "ops")
        assert "db.rotate-key" in [line["verb"] for line in cli.json("audit")]
        key = cli.json("machines", "add", "db-01", "--offline-after", "3s")["key"]
        httpx.post(f"{url}/api/v1/heartbeat", headers={"X-API-Key": key}, trust_env=False).raise_for_status()
        assert not receiver.wait("machine.offline", "db-01", 15).problem


def test_the_first_key_of_the_setting_is_used_and_the_others_may_go(cli: Cli) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    cli.env["LASTSEEN_SECRET_KEY"] = old
    webhook(cli, "ops")
    alone = cli("db", "rotate-key")
    assert alone.code == 0, alone.err
    assert "It is the only one" in alone.out

    cli.env["LASTSEEN_SECRET_KEY"] = f"{new},{old}"
    done = cli("db", "rotate-key")
    assert done.code == 0, done.err
    assert "key 2: 1 secrets were encrypted with it" in done.out
    assert "may now be removed" in done.out
    assert new not in done.out
    assert old not in done.out

    cli.env["LASTSEEN_SECRET_KEY"] = new
    assert cli.json("db", "rotate-key") == {"place": "LASTSEEN_SECRET_KEY", "secrets": 1, "keys": [1], "dropped": 0}


@pytest.mark.parametrize("lost", [True, False])
def test_without_the_key_that_is_needed_nothing_is_changed(cli: Cli, lost: bool) -> None:
    webhook(cli, "ops")
    file: Path = cli.folder / "lastseen.db.key"
    if lost:
        file.unlink()
    else:
        file.write_text(Fernet.generate_key().decode())
    before = file.exists() and file.read_text()
    done = cli("db", "rotate-key")
    assert (done.code, done.out) == (1, "")
    assert "put the old key back" in done.err
    assert (file.exists() and file.read_text()) == before
