"""Telling of a run when the server is slow, away, or will not have it; hours pass by a clock that the test turns."""

from __future__ import annotations

import sys
from collections.abc import Callable

import anyio
import pytest
from structlog.testing import capture_logs

from lastseen.agent.output import TAIL, text
from lastseen.agent.pace import Answer, Kind
from lastseen.agent.runner import Job, run
from lastseen.agent.telling import Ending, Story, ping_address
from lastseen.clock import Clock
from lastseen.errors import InvalidInput
from lastseen.testing import FakeClock
from tests.support import eventually

SENT, FAILED, REFUSED = Answer(Kind.SENT), Answer(Kind.FAILED, "away"), Answer(Kind.REFUSED, "401")
MALFORMED = Answer(Kind.MALFORMED, "422")
RUN = "0b9d8c4e-6f3a-4b21-9d57-1f1f5b7a9a10"
HALF_AN_HOUR = Ending(0, 1800.0, "done")


class Script:
    """Answers in order, the last one for ever; notes what was told and when."""

    def __init__(self, *answers: Answer | Callable[[], Answer]) -> None:
        self.answers, self.told = list(answers), list[tuple[str, float]]()

    async def began(self, run: str, clock: Clock) -> Answer:
        return self._next("start", clock)

    async def ended(self, run: str, ending: Ending, clock: Clock, bare: bool = False) -> Answer:
        return self._next("bare end" if bare else "end", clock)

    def _next(self, what: str, clock: Clock) -> Answer:
        self.told.append((what, clock.monotonic()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, Answer) else answer()


async def end(script: Script, retry_for: float = 60.0) -> tuple[Kind, FakeClock]:
    clock, found = FakeClock(), list[Kind]()

    async def tell() -> None:
        found.append(await Story(script, RUN, clock, retry_for).tell_end(HALF_AN_HOUR))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tell)
        while not found:
            await clock.advance("1s")
    return found[0], clock


async def test_an_end_is_told_again_until_the_server_has_it() -> None:
    script = Script(FAILED, FAILED, FAILED, SENT)
    assert (await end(script))[0] is Kind.SENT
    assert len(script.told) == 4


async def test_an_end_is_given_up_when_its_time_is_over_and_not_before() -> None:
    script = Script(FAILED)
    with capture_logs() as logs:
        assert (await end(script))[0] is Kind.FAILED
    assert script.told[-1][1] == 60.0
    assert 5 <= len(script.told) <= 20
    assert [log["event"] for log in logs] == ["run_not_told"]


async def test_one_try_is_one_try() -> None:
    script = Script(FAILED)
    await end(script, retry_for=0.0)
    assert len(script.told) == 1


async def test_what_the_server_asks_for_is_waited() -> None:
    script = Script(Answer(Kind.FAILED, "503", retry_after=30.0), SENT)
    assert (await end(script))[0] is Kind.SENT
    assert 30.0 <= script.told[1][1] <= 34.0


async def test_an_end_that_is_refused_is_not_told_again() -> None:
    script = Script(REFUSED)
    assert (await end(script))[0] is Kind.REFUSED
    assert len(script.told) == 1


async def test_an_end_whose_output_the_server_will_not_have_is_told_without() -> None:
    script = Script(MALFORMED, SENT)
    assert (await end(script))[0] is Kind.SENT
    assert [what for what, _ in script.told] == ["end", "bare end"]


async def test_an_end_that_breaks_on_our_side_is_told_again() -> None:
    def broken() -> Answer:
        raise RuntimeError("a bug")

    assert (await end(Script(broken, SENT)))[0] is Kind.SENT


async def test_a_start_is_told_again_while_the_job_runs() -> None:
    script, clock = Script(FAILED, FAILED, SENT), FakeClock()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Story(script, RUN, clock, 60.0).tell_start)
        await clock.advance("10m")
    assert [what for what, _ in script.told] == ["start"] * 3


async def test_a_start_that_is_being_told_is_waited_for_so_that_it_cannot_come_after_the_end() -> None:
    held, order = anyio.Event(), list[str]()

    class Slow(Script):
        async def began(self, run: str, clock: Clock) -> Answer:
            await held.wait()
            order.append("start")
            return SENT

        async def ended(self, run: str, ending: Ending, clock: Clock, bare: bool = False) -> Answer:
            order.append("end")
            return SENT

    async def let_go() -> None:
        await anyio.wait_all_tasks_blocked()
        held.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(let_go)
        assert await run(Job([sys.executable, "-c", "pass"]), Slow(SENT), FakeClock()) == 0
    assert order == ["start", "end"]


async def test_a_job_of_hours_is_stopped_at_its_time_and_killed_when_it_will_not() -> None:
    script, clock, codes = Script(SENT), FakeClock(), list[int]()
    stubborn = "import signal,time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"

    async def work() -> None:
        codes.append(await run(Job([sys.executable, "-c", stubborn], timeout=7200.0), script, clock))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await eventually(lambda: script.told)
        await clock.advance("1h59m")
        assert codes == []
        await clock.advance("1m")
        await clock.advance("10s")
        await eventually(lambda: codes)
    assert codes == [124]
    assert [what for what, _ in script.told] == ["start", "end"]


@pytest.mark.parametrize(
    ("output", "kept"),
    [
        (b"", ""),
        (b"a\0b\xff\n", "ab\ufffd\n"),
        (b"x" * 20_000, "x" * TAIL),
        ("ä".encode() * 6_000, "ä" * 5_000),
        (b"x" + "ä".encode() * 5_000, "ä" * 5_000),
        (b"\xff" * 20_000, ""),
    ],
)
def test_what_is_kept_of_an_output_is_text_of_at_most_10000_bytes(output: bytes, kept: str) -> None:
    assert text(output) == kept
    assert len(text(output).encode()) <= TAIL


@pytest.mark.parametrize("url", ["", "example.org/ping/x", "ftp://example.org", "http://", "http://[", "http://a:x"])
def test_what_is_no_ping_address_is_refused_without_saying_it(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ping_address(url)
    assert caught.value.field == "--ping-url"
    assert "example.org" not in str(caught.value)
