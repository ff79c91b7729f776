"""Commands beside a server that has a copy: what they change is in it at once, and doctor says when it is away."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import anyio
import pytest

from lastseen.storage import redis_link
from tests.cli.conftest import Cli, cli, empty, fresh
from tests.redis.copies import serving
from tests.secrecy import secret
from tests.servers.valkey import Valkey
from tests.support import eventually, free_port

__all__ = ["cli", "empty", "fresh"]


@pytest.mark.anyio
async def test_what_a_command_changes_the_server_says_at_once(tmp_path: Path, valkey: Valkey) -> None:
    async with serving(tmp_path, valkey) as node:
        beside = Cli(tmp_path, {"LASTSEEN_REDIS_URL": valkey.url})
        await node.says("online")
        await anyio.to_thread.run_sync(partial(beside.process, "machines", "pause", "pump"))
        await node.says("paused")
        assert valkey.client.get(f"device:status:{node.pump}") == "offline"
        valkey.kill()
        done = await anyio.to_thread.run_sync(partial(beside.process, "machines", "resume", "pump"))
        assert done.code == 0
        assert valkey.password not in done.out + done.err
        await eventually(lambda: not node.copy.link.there)
        await node.says("online")


def test_doctor_asks_the_server_and_names_what_is_wrong_with_it(
    cli: Cli, shared: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_link, "PROBE_WITHIN", 60.0)  # a busy machine is no answer
    password = secret("a-wrong-password-1")
    reasons = {
        shared.url: None,
        shared.url.replace(shared.password, password): "password",
        f"redis://:{password}@127.0.0.1:{free_port()}": "no connection",
    }
    for url, reason in reasons.items():
        cli.env["LASTSEEN_REDIS_URL"] = url
        (check,) = [check for check in cli("doctor", "--json").value["checks"] if check["name"] == "redis"]
        found = [finding["what"] for finding in check["findings"] if finding["code"] == "redis.away"]
        assert [reason in what for what in found] == ([] if reason is None else [True])
        assert password not in str(check)


def test_without_a_server_doctor_has_nothing_to_ask(cli: Cli) -> None:
    assert "redis" not in [check["name"] for check in cli("doctor", "--json").value["checks"]]


@pytest.mark.parametrize("command", [("doctor",), ("machines", "list")])
def test_an_address_that_is_none_is_named_by_its_setting_and_not_repeated(cli: Cli, command: tuple[str, ...]) -> None:
    password = secret("not-an-address-1")
    cli.env["LASTSEEN_REDIS_URL"] = f"http://:{password}@host"
    done = cli(*command)
    assert done.code != 0
    assert "LASTSEEN_REDIS_URL: must be redis://" in done.out + done.err
    assert password not in done.out + done.err
