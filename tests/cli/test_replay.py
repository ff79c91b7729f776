"""`lastseen notifications list` and `replay` by filter: what was given up is found, and told again once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from lastseen.storage import open_store
from lastseen.testing.script import at, by_rule
from lastseen.testing.suite_base import online
from tests.cli.conftest import Cli

MACHINES = [f"pump-{number:02}" for number in range(8)]
GIVEN_UP = 200 + 76 * 3600


async def give_up(cli: Cli, machines: Sequence[str]) -> None:
    """They went silent on the first of March of 2026, and nobody could be told."""
    store = open_store(f"sqlite:///{cli.folder / 'lastseen.db'}", migrate="check")
    await store.open()  # type: ignore[attr-defined]
    channels = [one.uid for one in await store.channels()]  # type: ignore[attr-defined]
    await online(store, *machines)
    await store.settle(by_rule(channels), at(200))
    await store.tidy(at(GIVEN_UP))  # type: ignore[attr-defined]
    await store.close()  # type: ignore[attr-defined]


@pytest.fixture
def dead(cli: Cli) -> Cli:
    """16 notifications that were given up, of eight machines for two channels."""
    for name in ("ops", "boss"):
        cli.json("channels", "add", "console", "--name", name)
    asyncio.run(give_up(cli, MACHINES))
    return cli


def test_what_was_given_up_is_listed_by_channel_machine_and_time(dead: Cli) -> None:
    assert len(dead.json("notifications", "list", "--state", "dead")) == 16
    found = dead.json("notifications", "list", "--state", "dead", "--channel", "ops")
    assert {one["channel"] for one in found} == {"ops"}
    assert [one["machine"] for one in found] == MACHINES[::-1]
    (one,) = dead.json("notifications", "list", "--channel", "ops", "--machine", "pump-03", "--state", "dead")
    assert (one["type"], one["state"]) == ("machine.offline", "dead")
    assert dead.json("notifications", "list", "--state", "dead", "--since", "2026-03-05") == []
    assert len(dead.json("notifications", "list", "--state", "dead", "--since", "2026-03-01")) == 16
    assert dead.json("notifications", "list", "--state", "dead", "--since", "2h") == []


def test_a_dry_run_says_what_would_be_told_and_tells_nothing(dead: Cli) -> None:
    said = dead.json("notifications", "replay", "--state", "dead", "--channel", "ops", "--dry-run")
    assert (said["dry_run"], said["found"], said["replayed"]) == (True, 8, 0)
    assert [one["machine"] for one in said["notifications"]] == MACHINES
    assert dead.json("notifications", "list", "--state", "pending") == []
    done = dead("notifications", "replay", "--state", "dead", "--dry-run")
    assert done.out.splitlines()[-1] == "16 would be told again."


def test_a_few_are_told_again_and_a_second_time_none(dead: Cli) -> None:
    said = dead.json("notifications", "replay", "--state", "dead", "--channel", "ops")
    assert (said["found"], said["replayed"], said["again"]) == (8, 8, 0)
    assert {one["cause"] for one in said["notifications"]} == {"replay"}
    assert len(dead.json("notifications", "list", "--state", "pending")) == 8
    again = dead("notifications", "replay", "--state", "dead", "--channel", "ops")
    assert again.code == 0
    assert "Nothing is to be told again." in again.out
    assert again.out.splitlines()[-1] == "0 are told again. 8 left out: told since, or about to be."
    assert len(dead.json("notifications", "list", "--state", "pending")) == 8


def test_many_are_told_again_only_by_who_means_it(dead: Cli) -> None:
    done = dead.beside("notifications", "replay", "--state", "dead")
    assert (done.code, done.out) == (1, "")
    assert "--yes: 16 would be told again" in done.err
    assert dead.json("notifications", "list", "--state", "pending") == []
    assert dead.json("notifications", "replay", "--state", "dead", "--yes")["replayed"] == 16


def test_what_a_channel_that_is_off_was_not_told_waits_for_it_to_be_enabled(dead: Cli) -> None:
    dead.json("channels", "disable", "boss")
    done = dead("notifications", "replay", "--state", "dead")
    assert done.out.splitlines()[-1] == (
        "8 are told again. 8 left out: the channel is off or gone (`lastseen channels enable NAME`)."
    )
    dead.json("channels", "enable", "boss")
    assert dead.json("notifications", "replay", "--state", "dead")["replayed"] == 8


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "say which one, or --state dead"),
        (("--channel", "ops"), 2, "say which one, or --state dead"),
        (("--state", "skipped"), 2, "say which one, or --state dead"),
        (("1", "--state", "dead"), 2, "not both"),
        (("--state", "dead", "--channel", "nobody"), 1, "no channel 'nobody'"),
        (("--state", "dead", "--machine", "ghost"), 1, "no machine 'ghost'"),
        (("--state", "dead", "--since", "lately"), 1, "--since: must be as 2h (ago)"),
        (("--state", "dead", "--since", "2099-01-01"), 1, "--since: 2099-01-01 is still to come"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    dead: Cli, words: tuple[str, ...], code: int, said: str
) -> None:
    done = dead("notifications", "replay", *words)
    assert (done.code, done.out) == (code, "")
    assert said in " ".join(done.err.split())
    assert dead.json("notifications", "list", "--state", "pending") == []
