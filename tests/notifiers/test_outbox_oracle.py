"""Random lives of an outbox against a naive oracle: nothing missed, nothing told twice, everything with its reason."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from lastseen.model import Matcher, Preferences, Quiet, Status
from lastseen.storage.memory import MemoryStore
from lastseen.storage.postgres import open_postgres
from lastseen.storage.sql import SqlStore
from lastseen.storage.sqlite import open_sqlite
from tests.notifiers.oracle import complaints
from tests.notifiers.outbox_world import EARS, MACHINES, POINTS, World
from tests.servers.postgres import shared

EXAMPLES = int(os.environ.get("LASTSEEN_TEST_LIVES", "0"))
"""Lives of each kind; 0: a few, and the same ones each time."""

LIVES = settings(
    max_examples=EXAMPLES or 5,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if EXAMPLES else [])],
)

some = st.lists(st.sampled_from(sorted(MACHINES)), min_size=1, unique=True)
channel = st.sampled_from(sorted(EARS))
matcher = st.sampled_from([Matcher(), Matcher(groups=("north",)), Matcher(names=("b1",))])
wishes = st.builds(
    Preferences,
    events=st.sampled_from([(), (), (), ("machine.offline",)]),
    machines=st.sampled_from([Matcher(), Matcher(), Matcher(groups=("north",))]),
    quiet=st.sampled_from([None, None, Quiet("22:00", "07:00", "UTC")]),
    notify_after=st.sampled_from([0, 0, 60, 1800]),
    repeat_every=st.sampled_from([0, 0, 1800, 7200]),
    fallback_after=st.sampled_from([60, 900]),
)
wait = st.tuples(st.just("wait"), st.sampled_from([1, 3, 7, 30, 61, 400, 3600, 20_000]))
change = st.tuples(
    st.just("to"), st.sampled_from([Status.OFFLINE, Status.OFFLINE, Status.ONLINE, Status.ONLINE, Status.ERROR]), some
)
mood = st.tuples(st.just("mood"), channel, st.sampled_from(["ok", "ok", "fail", "lie", "refuse", "busy", "gone"]))
crash = st.tuples(st.just("crash"), st.sampled_from(POINTS))
stop = st.tuples(st.just("stop"), st.sampled_from(POINTS))
go_on = st.tuples(st.just("go_on"))
ack = st.tuples(st.just("ack"), st.sampled_from(sorted(MACHINES)))
prefer = st.tuples(st.just("prefer"), channel, wishes, st.one_of(st.none(), channel))
switch = st.tuples(st.just("switch"), channel, st.booleans())
silence = st.tuples(st.just("silence"), matcher, st.sampled_from([0, 0, 100, 1000]), st.sampled_from([1, 20, 300]))
unsilence = st.tuples(st.just("unsilence"))

always = (change, change, change, wait, wait, wait, ack)
wishing = (prefer, prefer, silence, unsilence)


def lives(*steps: Any) -> Any:
    """`one_of` would take a step that is named three times for one."""
    return st.lists(st.sampled_from(steps).flatmap(lambda step: step), min_size=12, max_size=40)


async def live(store: Any, steps: list[Any]) -> list[str]:
    async with World(store).living() as world:
        for kind, *given in steps:
            match kind:
                case "to":
                    await world.to(given[0], *given[1])
                case "wait":
                    await world.wait(given[0])
                case "mood":
                    world.ears[given[0]].mood = given[1]
                case "crash":
                    world.armed = given[0]
                case "stop":
                    world.halting = given[0]
                case _:
                    await getattr(world, {"unsilence": "end_silence"}.get(kind, kind))(*given)
        await world.end()
        found = complaints(world.diary, {one.uid: one.name for one in world.channels})
        return [*found, *map(str, steps)] if found else []


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that is only copied: to make one takes longer than many a life."""
    path = tmp_path_factory.mktemp("lives") / "empty.db"

    async def make() -> None:
        store = open_sqlite(f"sqlite:///{path}")
        await store.open()
        await store.close()

    anyio.run(make)
    return path


def in_memory(steps: list[Any]) -> list[str]:
    return anyio.run(live, MemoryStore(), steps)


def on_a_server(steps: list[Any]) -> list[str]:
    return in_sql(lambda: open_postgres(shared().migrated(), migrate="check"), steps)


def on_disk(empty: Path, steps: list[Any]) -> list[str]:
    path = empty.with_name("life.db")
    for old in empty.parent.glob("life.db*"):
        old.unlink()
    shutil.copy(empty, path)
    return in_sql(lambda: open_sqlite(f"sqlite:///{path}"), steps)


def in_sql(made: Callable[[], SqlStore], steps: list[Any]) -> list[str]:
    async def run() -> list[str]:
        store = made()
        await store.open()
        try:
            return await live(store, steps)
        finally:
            await store.close()

    return anyio.run(run)


@given(steps=lives(*always, mood, crash))
@LIVES
def test_in_memory_through_trouble_and_crashes(steps: list[Any]) -> None:
    wrong = in_memory(steps)
    assert not wrong, "\n".join(wrong)


def down(*machines: str) -> tuple[Any, ...]:
    return ("to", Status.OFFLINE, machines)


LATE_TAKE = [("stop", "before take"), down("a1"), ("wait", 61), ("wait", 61), down("a2"), ("go_on",), ("wait", 61)]
"""Who was stopped before it took anything goes on just when there is something, and another has its lane."""

LATE_RESULT = [
    ("mood", "hook", "fail"),
    ("stop", "before finish"),
    down("a1"),
    ("wait", 61),
    ("mood", "hook", "ok"),
    ("wait", 61),
    ("go_on",),
    ("wait", 400),
]
"""Its send failed; another's did not, and is written down first."""


@given(steps=lives(*always, mood, mood, stop, stop, go_on))
@example(steps=LATE_TAKE)
@example(steps=LATE_RESULT)
@LIVES
def test_through_processes_that_are_stopped_past_their_leases_and_go_on(empty: Path, steps: list[Any]) -> None:
    wrong = on_disk(empty, steps)
    assert not wrong, "\n".join(wrong)


REMINDED = [("prefer", "hook", Preferences(repeat_every=1800), None), ("wait", 1), down("a1"), ("wait", 20_000)]


@given(steps=lives(*always, *wishing))
@example(steps=REMINDED)
@LIVES
def test_what_people_wish(empty: Path, steps: list[Any]) -> None:
    wrong = on_disk(empty, steps)
    assert not wrong, "\n".join(wrong)


LONG_TROUBLE = [("mood", "hook", "fail"), down("a1", "a2", "a3", "b1"), ("wait", 5000)]
"""Each was tried so often by then that its own next try is hours away."""


@given(steps=lives(*always, *wishing, mood, mood))
@example(steps=LONG_TROUBLE)
@LIVES
def test_through_trouble_with_every_wish(empty: Path, steps: list[Any]) -> None:
    wrong = on_disk(empty, steps)
    assert not wrong, "\n".join(wrong)


@given(steps=lives(*always, *wishing, mood, mood, crash, stop, go_on, switch))
@LIVES
def test_through_everything_at_once(empty: Path, steps: list[Any]) -> None:
    wrong = on_disk(empty, steps)
    assert not wrong, "\n".join(wrong)


@given(steps=lives(*always, *wishing, mood, mood, crash, stop, go_on, switch))
@settings(LIVES, max_examples=EXAMPLES // 10 or 3)
def test_through_everything_at_once_on_a_server(steps: list[Any]) -> None:
    wrong = on_a_server(steps)
    assert not wrong, "\n".join(wrong)
