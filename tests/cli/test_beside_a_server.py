"""Commands beside a real `lastseen serve` on the same database, and machines that report to it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import httpx

from lastseen.cli.demo_stage import Receiver, receiving
from tests.cli.conftest import Cli
from tests.support import needs_programs, until

DOCS = Path(__file__).parent.parent.parent / "docs"


def beat(url: str, key: str) -> int:
    return httpx.post(f"{url}/api/v1/heartbeat", headers={"X-API-Key": key}, trust_env=False).status_code


def test_what_a_command_changes_holds_for_the_server_at_once(cli: Cli) -> None:
    with cli.serving() as url:
        old = cli.json("machines", "add", "db-01")["key"]
        assert beat(url, old) == 204
        until(lambda: cli.json("machines", "show", "db-01")["status"] == "online", "online")

        new = cli.json("machines", "rotate-key", "db-01")["key"]
        assert beat(url, old) == 204
        until(lambda: beat(url, new) == 204, "the new key is known")
        until(lambda: beat(url, old) == 401, "the old key is not known any more")

        cli.json("machines", "disable", "db-01")
        until(lambda: beat(url, new) == 403, "the machine is refused")
        cli.json("machines", "enable", "db-01")
        until(lambda: beat(url, new) == 204, "the machine is accepted again")

        cli.json("machines", "remove", "db-01")
        until(lambda: beat(url, new) == 401, "the key died with its machine")


def test_a_second_server_on_the_same_database_is_refused(cli: Cli) -> None:
    with cli.serving():
        done = cli.process("serve", "--port", "0", timeout=60)
    assert (done.code, done.out) == (1, "")
    assert "served already" in done.err


def test_the_agent_reports_and_its_exit_code_says_whether_it_was_heard(cli: Cli, tmp_path: Path) -> None:
    with cli.serving() as url:
        machine = cli.json("machines", "add", "db-01")
        key_file = tmp_path / "key"
        key_file.write_text(machine["key"])
        once = ("agent", "--server", url, "--key-file", str(key_file), "--once")
        assert cli.process(*once).code == 0
        until(lambda: cli.json("machines", "show", "db-01")["status"] == "online", "online")
        assert cli.process(*once, "--status", "error", "--message", "disk").code == 0
        until(lambda: cli.json("machines", "show", "db-01")["status"] == "error", "error")
        key_file.write_text("lsm_wrong-key-0123456789abcdef")
        refused = cli.process(*once)
    assert refused.code == 1
    assert "agent_refused" in refused.err
    assert "wrong-key" not in refused.err


@needs_programs("curl")
def test_the_line_for_a_crontab_reports_what_the_agent_does(cli: Cli, tmp_path: Path) -> None:
    found = re.search(r"```crontab\n\* \* \* \* \* (.+)\n```", (DOCS / "agent.md").read_text())
    assert found is not None
    assert "%" not in found[1]  # cron would cut the line there
    with cli.serving() as url:
        key = cli.json("machines", "add", "db-01")["key"]
        (tmp_path / "key").write_text(key + "\n")
        line = found[1].replace("/etc/lastseen/key", str(tmp_path / "key"))
        line = line.replace("https://lastseen.example.org", url).replace("--retry 3", "--retry 0")
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        until(lambda: cli.json("machines", "show", "db-01")["status"] == "online", "online")
        wrong = subprocess.run(["sh", "-c", line.replace(str(tmp_path / "key"), "/dev/null")], capture_output=True)
        assert wrong.returncode != 0


def test_silence_is_told_once_can_be_replayed_and_a_channel_can_be_tried(cli: Cli) -> None:
    cli.env["MACHINE_OFFLINE_THRESHOLD"] = "1s"
    with receiving() as receiver, cli.serving() as url:
        made = cli.json("channels", "add", "webhook", "--name", "ops", "--url", receiver.url)
        receiver.trust(made["secret"])
        assert cli.json("channels", "test", "ops") == {"ok": True, "detail": "delivered"}
        assert [arrival.type for arrival in receiver.arrivals] == ["channel.test"]

        key = cli.json("machines", "add", "db-01")["key"]
        assert beat(url, key) == 204
        first = receiver.wait("machine.offline", "db-01", 20)
        told = _only_told(cli, first.id)
        assert (told["cause"], told["attempts"]) == ("first", 1)

        replayed = cli.json("notifications", "replay", first.id)
        assert replayed["cause"] == "replay"
        assert receiver.wait("machine.offline", "db-01", 20).id == replayed["uid"]
        assert beat(url, key) == 204
        receiver.wait("machine.online", "db-01", 20)
    assert not any(arrival.problem for arrival in receiver.arrivals)


def _only_told(cli: Cli, uid: str) -> dict[str, object]:
    """The delivered row with this uid, once the server has written down that it is delivered."""

    def delivered() -> list[dict[str, object]]:
        return [row for row in cli.json("notifications", "list", "--state", "delivered") if row["uid"] == uid]

    (row,) = until(delivered, "the delivery is written down")
    return row


def test_a_receiver_that_refuses_makes_the_test_fail_with_its_reason(cli: Cli) -> None:
    with receiving() as receiver:
        cli.json("channels", "add", "webhook", "--name", "ops", "--url", receiver.url)
        receiver.trust("whsec_" + "A" * 32)
        done = cli("channels", "test", "ops", "--json")
    assert done.code == 1
    assert done.value["ok"] is False
    assert "401" in done.value["detail"]


def test_the_referee_of_the_demo_believes_no_wrong_signature() -> None:
    receiver = Receiver()
    receiver.trust("whsec_" + "A" * 32)
    assert receiver.take(b"{}", {"webhook-id": "x", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}) == 401
    assert receiver.take(b"{}", {}) == 401
    assert all(arrival.problem for arrival in receiver.arrivals)
