"""`lastseen machines advice`."""

from __future__ import annotations

from tests.cli.conftest import Cli


def test_the_command_says_what_is_not_known_yet(cli: Cli) -> None:
    cli.json("machines", "add", "db-01")
    done = cli("machines", "advice", "db-01")
    assert done.code == 0
    assert done.out.startswith("Nothing is known yet: ")
    assert cli.json("machines", "advice", "db-01", "--limit", "90s")["would"]["outages"] == 0
    assert "It is not its turn now." in done.out
    done = cli("machines", "advice", "db-01", "--listen", "2d")
    assert done.out.startswith("db-01 is listened to from ")
    found = cli.json("machines", "advice", "db-01")
    assert (found["listening_since"], found["listening_from"] is None) == (None, False), "it is to begin"
    done = cli("machines", "advice", "db-01")
    assert "It is listened to from " in done.out
    assert "not its turn" not in done.out
    for wrong in (["--window", "50d"], ["--listen", "1s"], ["--limit", "x"], ["--false-alarms-under", "x"]):
        done = cli("machines", "advice", "db-01", *wrong)
        assert (done.code, done.out) == (1, "")
        assert wrong[0] in done.err


def test_a_server_says_the_same(cli: Cli) -> None:
    with cli.serving() as url:
        cli.json("machines", "add", "db-01")
        key = cli.folder / "api.key"
        key.write_text(cli.json("keys", "add", "api", "--may", "write")["key"])
        there = ("--server", url, "--api-key-file", str(key))
        asked = cli.json(*there, "machines", "advice", "db-01", "--listen", "1h")
        far, near = cli.json(*there, "machines", "advice", "db-01"), cli.json("machines", "advice", "db-01")
        wrong = cli(*there, "machines", "advice", "db-01", "--listen", "40d")
    assert asked["machine"] == "db-01"
    moving = {"start", "end"}
    assert {name: far[name] for name in far.keys() - moving} == {name: near[name] for name in near.keys() - moving}
    assert (far["listening_since"], far["listening_from"]) == (None, asked["listening_from"])
    assert (wrong.code, wrong.out) == (1, "")
    assert "--listen" in wrong.err
