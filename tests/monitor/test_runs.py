"""The runs of a job, as a pure value."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from lastseen.model import Machine, RunOutcome, Said, Signal
from lastseen.monitor.runs import MOST_OPEN, Runs, length
from lastseen.testing.script import at

JOB = Machine(id=1, uid="0b0a2c44-0000-4000-8000-000000000001", slug="backup", name="backup", kind="job")
SERVER = Machine(id=2, uid="0b0a2c44-0000-4000-8000-000000000002", slug="web", name="web", kind="server")


def start(second: float, run: str | None = None) -> Signal:
    return Signal(Said.START, at(second), run=run)


def end(second: float, run: str | None = None, code: int | None = None) -> Signal:
    return Signal(Said.OK, at(second), run=run, exit_code=code)


def test_a_run_has_its_length() -> None:
    runs = Runs(JOB, ())
    runs.start(start(0))
    ended = runs.end(end(90), RunOutcome.SUCCESS)
    assert ended is not None
    assert (length(ended), ended.outcome) == (timedelta(seconds=90), RunOutcome.SUCCESS)
    assert runs.running() == []


def test_an_end_belongs_to_the_run_of_its_name() -> None:
    runs = Runs(JOB, ())
    for second, name in ((0, "a"), (1, "b"), (2, None)):
        runs.start(start(second, name))
    assert runs.end(end(10, "b"), RunOutcome.SUCCESS).started_at == at(1)  # type: ignore[union-attr]
    assert runs.end(end(11, "unheard of"), RunOutcome.FAIL).started_at == at(2)  # type: ignore[union-attr]
    assert [run.run for run in runs.running()] == ["a"]
    assert runs.end(end(12), RunOutcome.SUCCESS).started_at == at(0), "the only one left"  # type: ignore[union-attr]


def test_a_second_start_takes_the_place_of_the_first() -> None:
    runs = Runs(JOB, ())
    runs.start(start(0))
    runs.start(start(60))
    assert [run.started_at for run in runs.running()] == [at(60)]
    assert [run.outcome for run in runs.changed] == [RunOutcome.LOST, None]


def test_a_start_that_is_older_than_the_open_run_is_that_run() -> None:
    runs = Runs(JOB, ())
    runs.start(start(60))
    runs.start(start(50))
    assert [run.started_at for run in runs.running()] == [at(60)]
    assert [run.outcome for run in runs.changed] == [None]
    runs.start(start(50, "other"))
    assert [run.started_at for run in runs.running()] == [at(50), at(60)]


def test_an_end_without_a_start_is_a_run_of_a_job_only() -> None:
    assert Runs(SERVER, ()).end(end(0), RunOutcome.SUCCESS) is None
    alone = Runs(JOB, ()).end(end(0, code=3), RunOutcome.FAIL)
    assert alone is not None
    assert (alone.started_at, alone.exit_code, length(alone)) == (None, 3, None)


def test_what_is_known_of_the_past() -> None:
    runs = Runs(JOB, ())
    for day, outcome in enumerate([RunOutcome.SUCCESS, RunOutcome.SUCCESS, RunOutcome.FAIL, RunOutcome.FAIL]):
        runs.start(start(day * 100))
        runs.end(end(day * 100 + 10 * (day + 1)), outcome)
    assert runs.failures_in_row() == 2
    assert runs.usual() == timedelta(seconds=15)
    success = runs.last_success()
    assert success is not None
    assert success.ended_at == at(120)


names = st.sampled_from([None, "a", "b", "c"])
acts = st.lists(st.tuples(st.sampled_from(["start", "ok", "fail"]), names), max_size=60)


@given(acts)
def test_whatever_is_said_no_name_runs_twice_and_few_are_open(said: list[tuple[str, str | None]]) -> None:
    runs = Runs(JOB, ())
    for second, (act, name) in enumerate(said):
        if act == "start":
            runs.start(start(second, name))
        else:
            runs.end(end(second, name), RunOutcome.SUCCESS if act == "ok" else RunOutcome.FAIL)
        running = runs.running()
        assert len({run.run for run in running}) == len(running) <= MOST_OPEN
    for run in runs.changed:
        assert (run.ended_at is None) == (run.outcome is None)
        assert run.started_at is None or run.ended_at is None or run.ended_at >= run.started_at


def test_so_many_open_runs_that_the_oldest_count_as_lost() -> None:
    runs = Runs(JOB, ())
    for second in range(MOST_OPEN + 5):
        runs.start(start(second, f"r{second}"))
    assert [run.started_at for run in runs.running()] == [at(second) for second in range(5, MOST_OPEN + 5)]


def test_seeing_the_same_facts_again_makes_the_same_runs() -> None:
    """A transaction may be done twice: what it writes is put by the run's uid."""
    first, second = Runs(JOB, ()), Runs(JOB, ())
    for runs in (first, second):
        runs.start(start(0, "a"))
        runs.end(end(5, "a"), RunOutcome.SUCCESS)
    assert first.changed == second.changed


def test_an_end_without_a_start_and_a_start_in_one_moment_are_two_runs() -> None:
    """They came by one uid, which no row could have: the machine was never decided on again."""
    runs = Runs(JOB, ())
    ended = runs.end(end(0, "nightly"), RunOutcome.SUCCESS)
    runs.start(start(0, "nightly"))
    (begun,) = runs.running()
    assert ended is not None
    assert begun.uid != ended.uid
    assert (begun.started_at, begun.ended_at) == (at(0), None)
    again = Runs(JOB, runs.changed)
    again.start(start(0, "nightly"))
    assert {run.uid for run in again.running()}.isdisjoint({ended.uid})
