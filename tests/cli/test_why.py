"""`lastseen why`: what happened to a machine, and why somebody was not told."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Cli, beat
from tests.support import until


def test_beside_a_server_it_tells_of_the_outage_the_channel_and_the_refused_key(cli: Cli) -> None:
    cli.env["LASTSEEN_GOODBYE_GRACE"] = "0s"
    cli.json("channels", "add", "console", "--name", "ops")
    cli.json("channels", "add", "console", "--name", "family")
    cli.json("channels", "set", "family", "--tag", "home")
    with cli.serving() as url:
        old = cli.json("machines", "add", "db-01")["key"]
        assert beat(url, old) == 204
        assert beat(url, old, {"status": "offline"}) == 204
        until(lambda: "told " in cli("why", "db-01").out, "the outage is told")
        new = cli.json("machines", "rotate-key", "db-01")["key"]
        until(lambda: beat(url, new, {"status": "offline"}) == 204, "the new key is known")
        until(lambda: beat(url, old) == 401, "the old key is not known any more")
        until(lambda: "REFUSED" in cli("why", "db-01").out, "the refusal is written")
        shown = cli("why", "db-01").out
        value = cli.json("why", "db-01")
        facts = cli("machines", "show", "db-01").out
    assert "noticed at " in facts
    assert "told at" not in facts, "whether anybody was told of it is for `why` to say"
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert lines[0].startswith("db-01 OFFLINE since ")
    assert [line for line in lines if line.startswith("ops console told ")]
    assert 'family console not told: wants only tag "home"' in lines
    assert [line for line in lines if f"REFUSED: key {old[:12]}… was replaced " in line]
    (refused,) = value["refused"]
    assert (refused["machine"], refused["reason"], refused["replaced"]) == ("db-01", "revoked", True)
    (noticed,) = (one for one in value["timeline"] if one["type"] == "machine.offline")
    assert {one["channel"]: one["state"] for one in noticed["told"]} == {"ops": "delivered", "family": "skipped"}


def test_without_a_server_it_says_that_the_machine_was_never_heard(cli: Cli) -> None:
    cli.json("machines", "add", "db-01")
    done = cli.beside("why", "db-01")
    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == "db-01  never heard"
    assert "what was never heard is not missed" in done.out
    assert "there is no channel" in done.out


def test_a_machine_that_was_removed_has_its_story(cli: Cli) -> None:
    made = cli.json("machines", "add", "db-01")
    cli.json("machines", "remove", "db-01")
    for ref in ("db-01", str(made["id"])):
        assert cli("why", ref).out.startswith("db-01  removed ")
        assert cli.json("why", ref)["removed_at"].endswith("Z")


def test_an_id_will_do(cli: Cli) -> None:
    made = cli.json("machines", "add", "db-01")
    assert cli.json("why", str(made["id"]))["machine"] == "db-01"


def test_a_name_that_nobody_has_gets_the_nearest_ones(cli: Cli) -> None:
    cli.json("machines", "add", "db-01", "--name", "Main database")
    cli.json("machines", "add", "printer")
    done = cli("why", "db-1")
    assert (done.code, done.out) == (1, "")
    assert done.err == "lastseen: no machine 'db-1': did you mean db-01?\n"
    assert "did you mean db-01?" in cli("why", "main databse").err
    assert cli("why", "zzzzzzzz").err == "lastseen: no machine 'zzzzzzzz'\n"


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("yesterday", "--at: must be a time such as 03:12"),
        ("2099-01-01T00:00", "--at: 2099-01-01T00:00 is still to come"),
    ],
)
def test_a_time_that_makes_no_sense_is_refused(cli: Cli, at: str, words: str) -> None:
    cli.json("machines", "add", "db-01")
    done = cli("why", "db-01", "--at", at)
    assert (done.code, done.out) == (1, "")
    assert words in done.err


def test_local_time_is_that_of_the_settings(cli: Cli) -> None:
    cli.json("machines", "add", "db-01")
    cli.env["LASTSEEN_TIMEZONE"] = "Asia/Kolkata"
    asked = cli.json("why", "db-01", "--at", "2026-01-01T05:30")["asked"]
    assert asked["since"] == "2026-01-01T00:00:00Z"
