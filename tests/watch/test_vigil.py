"""When the proof of life is called and when not, in virtual time, with a real receiver and a real datagram socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from lastseen.monitor.health import Part, Trouble
from lastseen.proof_of_life import AGAIN, LOOK, Proof, Vigil, summary
from lastseen.systemd import Manager
from lastseen.testing import FakeClock
from lastseen.testing.http_server import Answer, Received, http_server
from tests.support import eventually
from tests.watch.listening import Listening


@dataclass
class Site:
    """A vigil in virtual time. `wrong` is what `health` says; `called` counts what arrived."""

    clock: FakeClock = field(default_factory=FakeClock)
    wrong: dict[Part, str] = field(default_factory=dict)
    answer: Answer = field(default_factory=Answer)
    called: int = 0
    listening: Listening | None = None

    async def health(self) -> Sequence[Trouble]:
        return [Trouble(part, reason, self.clock.now()) for part, reason in self.wrong.items()]

    async def count(self) -> dict[str, int]:
        return {"online": 3, "offline": 1}

    async def receive(self, request: Received) -> Answer:
        self.called += 1
        return self.answer

    async def pass_(self, seconds: float) -> None:
        """In virtual time, look by look; what was sent has arrived, and was answered."""
        for _ in range(round(seconds / LOOK)):
            await self.clock.advance(f"{LOOK}s")
            if self.listening is not None:
                self.listening.messages()  # a socket's queue is short
            await eventually(lambda: not self.proof._calling)

    proof: Proof = field(init=False)


@asynccontextmanager
async def site(every: float = 60.0, manager: Manager | None = None) -> AsyncIterator[Site]:
    here = Site()
    async with http_server(here.receive) as url, anyio.create_task_group() as group:
        here.proof = Proof(f"{url}/ping/5ec7e7", every, here.clock)
        vigil = Vigil(here.health, here.count, here.clock, here.proof, manager)
        group.start_soon(vigil.run)
        await eventually(lambda: here.called == 1 and not here.proof._calling)
        yield here
        vigil.end()


async def test_it_is_called_every_so_often_while_all_is_well() -> None:
    async with site() as here:
        await here.pass_(600)
        assert here.called == 11


@pytest.mark.parametrize("part", list(Part))
async def test_it_is_not_called_while_anything_is_wrong_and_at_once_when_it_is_right_again(part: Part) -> None:
    async with site() as here:
        here.wrong[part] = "it stands"
        await here.pass_(600)
        assert here.called == 1
        here.wrong.clear()
        await here.pass_(LOOK)
        assert here.called == 2


async def test_each_change_is_one_line_with_its_beginning() -> None:
    async with site() as here:
        with capture_logs() as lines:
            since = here.clock.now()
            here.wrong = {Part.STORE: "it cannot be written"}
            await here.pass_(60)
            here.wrong[Part.MONITOR] = "the sweep is late"
            await here.pass_(60)
            here.wrong = {Part.MONITOR: "the sweep is late"}
            await here.pass_(60)
            here.wrong = {}
            await here.pass_(60)
        said = [(line["event"], line.get("part")) for line in lines if line["event"].startswith("watch_")]
        assert said == [
            ("watch_troubled", "store"), ("watch_troubled", "monitor"),
            ("watch_restored", "store"), ("watch_restored", "monitor"),
        ]  # fmt: skip
        first = since.isoformat()[:16]
        assert lines[0]["since"].startswith(first)
        assert next(line["since"] for line in lines if line["event"] == "watch_restored").startswith(first)


async def test_a_receiver_that_fails_is_asked_again_soon_and_told_of_once() -> None:
    async with site() as here:
        with capture_logs() as lines:
            here.answer = Answer(503)
            await here.pass_(60 + 3 * AGAIN)
            assert here.called == 5
            here.answer = Answer(200)
            await here.pass_(AGAIN)
            await here.pass_(50)
            assert here.called == 6
        assert [line["event"] for line in lines] == ["proof_of_life_unheard", "proof_of_life_heard"]
        assert lines[0]["reason"] == "it answered 503"
        assert "5ec7e7" not in repr(lines) + repr(here.proof)


async def test_a_receiver_that_hangs_delays_nothing_and_is_not_called_twice_at_a_time(tmp_path: Path) -> None:
    with Listening(str(tmp_path / "notify")) as listening:
        async with site(manager=Manager(str(tmp_path / "notify"), watchdog=20.0)) as here:
            here.answer = Answer(hang=True)
            await here.clock.advance("60s")
            await eventually(lambda: here.called == 2)
            before = listening.count("WATCHDOG")
            for _ in range(30):
                await here.clock.advance("20s")
                listening.messages()  # a socket's queue is short
            assert here.called == 2
            assert listening.count("WATCHDOG") - before >= 60
        assert listening.messages()[-1] == {"STOPPING": "1", "STATUS": "stopping"}


async def test_the_watchdog_hears_of_us_at_half_its_time_and_not_while_anything_is_wrong(tmp_path: Path) -> None:
    with Listening(str(tmp_path / "notify")) as listening:
        async with site(manager=Manager(str(tmp_path / "notify"), watchdog=40.0)) as here:
            here.listening = listening
            assert listening.count("READY") == 1
            await here.pass_(400)
            assert listening.count("WATCHDOG") in (20, 21)
            assert listening.status == "3 of 4 machines online, 1 offline"
            here.wrong = {Part.OUTBOX: "what is due is not sent"}
            await here.pass_(LOOK)
            assert listening.status.startswith("outbox: what is due is not sent since ")
            before = listening.count("WATCHDOG")
            await here.pass_(400)
            assert listening.count("WATCHDOG") == before
            here.wrong = {}
            await here.pass_(LOOK)
            assert listening.count("WATCHDOG") == before + 1
            assert listening.status == "3 of 4 machines online, 1 offline"


async def test_looking_that_fails_is_told_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with site() as here:
        with capture_logs() as lines:
            here.wrong = None  # type: ignore[assignment]
            await here.pass_(LOOK * 2)
            here.wrong = {}
            await here.pass_(60)
        assert [line["event"] for line in lines] == ["watch_failed", "watch_failed"]
        assert here.called == 2


def test_a_look_after_a_stop_of_our_own_comes_one_period_later() -> None:
    async def work() -> None:
        async with site(every=2.0) as here:
            await here.pass_(LOOK)
            assert here.called == 2
            here.clock._elapsed += 3600  # the process was stopped
            await here.clock.advance("1s")
            assert here.called == 2
            await here.pass_(LOOK)
            assert here.called == 3

    anyio.run(work)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40)), min_size=1, max_size=12))
def test_never_called_in_trouble_and_never_late_without(spells: list[tuple[bool, int]]) -> None:
    async def work() -> None:
        async with site(every=20.0) as here:
            since_call = 0.0
            for well, looks in spells:
                here.wrong = {} if well else {Part.STORE: "it cannot be written"}
                for _ in range(looks):
                    before = here.called
                    await here.pass_(LOOK)
                    since_call += LOOK
                    if here.called > before:
                        assert well
                        assert here.called == before + 1
                        assert since_call >= 20.0
                        since_call = 0.0
                    assert not well or since_call < 20.0

    anyio.run(work)


@pytest.mark.parametrize(
    ("machines", "text"),
    [
        ({}, "no machines yet"),
        ({"online": 1}, "1 of 1 machine online"),
        ({"online": 97, "offline": 2, "error": 1, "paused": 0}, "97 of 100 machines online, 2 offline, 1 error"),
    ],
)
def test_the_status_line_counts_the_machines(machines: dict[str, int], text: str) -> None:
    assert summary(machines) == text
