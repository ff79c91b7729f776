"""`lastseen machines advice`."""

from __future__ import annotations

from tests.cli.conftest import Cli


def test_the_command_says_what_is_not_known_yet(cli: Cli) -> None:
    cli.json("machines", "add", "db-01")
    done = cli("machines", "advice", "db-01")
    assert done.code == 0
    assert done.out.startswith("Nothing is known yet: ")
    assert cli.json("machines", "advice", "db-01", "--limit", "90s")["would"]["outages"] == 0
    assert cli.json("machines", "advice", "db-01", "--listen", "2d")["machine"] == "db-01"
    assert cli.json("machines", "advice", "db-01")["listening_since"] is not None
    for wrong in (["--window", "50d"], ["--listen", "1s"], ["--limit", "x"], ["--false-alarms-under", "x"]):
        done = cli("machines", "advice", "db-01", *wrong)
        assert (done.code, done.out) == (1, "")
        assert wrong[0] in done.err
