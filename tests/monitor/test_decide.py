"""The state table against an oracle that counts seconds and knows nothing of deadlines."""

from __future__ import annotations

import asyncio
import functools
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastseen.model import (
    Beat,
    BlindPeriod,
    BlindReason,
    Case,
    Channel,
    Event,
    EventType,
    NotificationState,
    Outage,
    OutageReason,
    Pause,
    Resume,
    Said,
    Standing,
    Status,
    Verdict,
    Watch,
    replace,
)
from lastseen.monitor.deadline import Rules
from lastseen.monitor.decide import ALERTS, decide
from lastseen.monitor.states import TABLE, Fact
from lastseen.storage.memory import MemoryStore

T0 = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT, GRACE = 12, 4
FLAPS, WINDOW = 3, 30
RULES = Rules(
    offline_after=timedelta(seconds=LIMIT),
    goodbye_grace=timedelta(seconds=GRACE),
    flapping_changes=FLAPS,
    flapping_window=timedelta(seconds=WINDOW),
)
CHANNEL = Channel(uid="0f4ac8a1-5d3c-5c0a-9f6b-000000000001", name="ops", type="code")


def at(second: float) -> datetime:
    return T0 + timedelta(seconds=second)


def test_the_table_is_total() -> None:
    assert set(TABLE) == set(itertools.product(Status, Fact))


def test_only_alerts_open_outages_and_provisioning_never_becomes_offline() -> None:
    for (status, fact), move in TABLE.items():
        if move is not None and move.opens:
            assert (move.to, move.event) == (Status.OFFLINE, EventType.OFFLINE), (status, fact)
            assert status in (Status.ONLINE, Status.ERROR)


# --- the oracle ---------------------------------------------------------------------------------------------------


@dataclass
class Oracle:
    """One machine, second by second. Patience runs out while nobody is deaf. `moment`: when it is looked at."""

    status: str = "provisioning"
    heard: bool = False
    patience: int = 0
    credits: int = 2
    grace: int | None = None
    told: list[tuple[int, str]] = field(default_factory=list)
    moment: float = 0.0
    refreshed: float = 0.0
    changed: list[float] = field(default_factory=list)
    flaps: bool = False

    def become(self, status: str, word: str, second: int) -> None:
        watched = {"online", "offline", "error"}
        change = self.status in watched and status in watched
        self.status = status
        if status not in watched or word == "resumed":
            self.changed.clear()
            if self.flaps:
                self.told.append((second, "steady"))
            self.flaps = False
        self.told.append((second, word))
        if change:
            self.changed.append(self.moment)
            lately = [moment for moment in self.changed if moment >= round(self.moment - WINDOW, 3)]
            if len(lately) >= FLAPS and not self.flaps:
                self.flaps = True
                self.told.append((second, "flapping"))

    def look(self, second: int) -> None:
        if self.flaps and self.moment >= round(self.changed[-1] + WINDOW, 3):
            self.flaps = False
            self.told.append((second, "steady"))

    def refresh(self) -> None:
        self.heard, self.patience, self.credits, self.grace = True, LIMIT, 2, None
        self.refreshed = self.moment

    def is_over(self) -> bool:
        """To the thousandth: patience is counted in seconds."""
        return self.patience <= 0 and round(self.moment - self.refreshed, 3) >= LIMIT

    def say(self, word: str, second: int) -> None:
        if word == "goodbye":
            if self.status in ("online", "error") and self.is_over():
                self.become("offline", "offline", second)  # it says so when its time is over already
            elif self.status in ("online", "error"):
                self.grace = GRACE
            return
        self.refresh()
        if self.status == "paused":
            return
        if word == "error":
            if self.status != "error":
                self.become("error", "error", second)
        elif self.status in ("provisioning", "offline") or (self.status == "error" and word == "ok"):
            self.become("online", "online", second)

    def order(self, word: str, second: int) -> None:
        if word == "pause" and self.status != "paused":
            self.become("paused", "paused", second)
            self.grace = None
        elif word == "resume" and self.status == "paused":
            self.become("online" if self.heard else "provisioning", "resumed", second)
            self.patience, self.credits, self.grace = LIMIT, 2, None
            self.refreshed = self.moment

    def tick(self, second: int) -> None:
        if self.status not in ("online", "error"):
            return
        if self.patience <= 0 or (self.grace is not None and self.grace <= 0):
            self.become("offline", "offline", second)
            self.grace = None


WORDS = ["beat", "ok", "error", "goodbye", "pause", "resume"]
SAID = {"beat": Said.ALIVE, "ok": Said.OK, "error": Said.ERROR, "goodbye": Said.GOODBYE}
histories = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["beat"] * 4 + WORDS)), min_size=1, max_size=25)


def run_oracle(history: list[tuple[int, str]], end: int) -> list[tuple[int, str]]:
    oracle = Oracle()
    by_second: dict[int, list[str]] = {}
    second = 0
    for gap, word in history:
        second += gap
        by_second.setdefault(second, []).append(word)
    for now in range(end):
        if now:
            oracle.patience -= 1
            if oracle.grace is not None:
                oracle.grace -= 1
        for place, word in enumerate(by_second.get(now, []), 1):
            oracle.moment = now + place / 1000
            if word in ("pause", "resume"):
                oracle.order(word, now)
            else:
                oracle.say(word, now)
                oracle.look(now)
        oracle.moment = now + 0.5
        oracle.tick(now)
        oracle.look(now)
    return oracle.told


async def run_real(history: list[tuple[int, str]], end: int) -> list[tuple[int, str]]:
    store, ruled = MemoryStore(), functools.partial(decide, rules=RULES)
    events = list(await store.order("pump", Watch(), ruled, at(0)))
    second, moments = 0, iter(history)
    pending = next(moments, None)
    due = pending[0] if pending else end
    for second in range(end):
        tick = itertools.count(1)
        while pending is not None and due == second:
            word = pending[1]
            now = at(second + next(tick) / 1000)
            if word in SAID:
                await store.record([Beat("pump", now, SAID[word])], now)
                events += await store.settle(ruled, now)
            else:
                events += await store.order("pump", Pause() if word == "pause" else Resume(), ruled, now)
            pending = next(moments, None)
            due = second + pending[0] if pending else end
        events += await store.settle(ruled, at(second + 0.5))
    return [(int((e.at - T0).total_seconds()), e.type.removeprefix("machine.")) for e in events[1:]]


@settings(max_examples=400, deadline=None)
@given(histories)
def test_decide_agrees_with_an_oracle_that_counts_seconds(history: list[tuple[int, str]]) -> None:
    end = sum(gap for gap, _ in history) + 3 * LIMIT + WINDOW
    assert asyncio.run(run_real(history, end)) == run_oracle(history, end)


# --- blind time -----------------------------------------------------------------------------------------------------


def blind_oracle(spans: list[tuple[int, int]], end: int) -> int | None:
    """The second in which a machine heard at 0 is silent. Deaf seconds do not tire; the first two deaf stretches that
    end give all patience back."""
    deaf = {second for start, stop in spans for second in range(start, stop)}
    patience, credits_left = LIMIT, 2
    for second in range(1, end):
        if second - 1 in deaf:
            if second not in deaf and credits_left:
                patience, credits_left = LIMIT, credits_left - 1
        else:
            patience -= 1
        if patience <= 0 and (second not in deaf or second - 1 not in deaf):
            return second
    return None


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 15), st.integers(1, 30)), max_size=6))
def test_blind_time_is_credited_as_an_oracle_that_counts_seconds_credits_it(gaps: list[tuple[int, int]]) -> None:
    spans, second = [], 0
    for gap, length in gaps:
        spans.append((second + gap, second + gap + length))
        second += gap + length
    end = second + 4 * LIMIT
    found = None
    for now in range(1, end):
        blind = tuple(
            BlindPeriod(0, at(start), None if stop > now else at(stop), BlindReason.STALLED)
            for start, stop in spans
            if start <= now
        )
        verdict = decide(replace(case(last_seen=at(0), now=at(now)), blind=blind), RULES)
        if verdict.events:
            found = now
            break
    assert found == blind_oracle(spans, end)


def case(status: Status = Status.ONLINE, last_seen: datetime | None = None, now: datetime = T0, **row: object) -> Case:
    """A machine as it stands, for one decision."""
    made = _standing()
    liveness = replace(made.liveness, status=status, last_seen=last_seen, check_at=now, **{"seq": 1, **row})
    return Case(replace(made, liveness=liveness), now, channels=(CHANNEL,))


@functools.cache
def _standing() -> Standing:
    async def declared() -> Standing:
        store = MemoryStore()
        await store.order("pump", Watch(), lambda c: Verdict(c.standing.liveness), T0)
        return (await store.liveness(["pump"]))["pump"]

    return asyncio.run(declared())


def test_just_under_the_threshold_is_online_and_just_over_it_offline() -> None:
    under = decide(case(last_seen=at(0), now=at(LIMIT - 0.000001)), RULES)
    over = decide(case(last_seen=at(0), now=at(LIMIT)), RULES)
    assert under.events == ()
    assert under.liveness.check_at == at(LIMIT)
    assert [e.type for e in over.events] == ["machine.offline"]


def test_a_wrong_status_never_stays_due() -> None:
    for status in Status:
        verdict = decide(case(status, last_seen=at(0), now=at(5)), RULES)
        assert verdict.liveness.check_at is None or verdict.liveness.check_at > at(5)


def test_every_event_has_a_row_for_every_channel() -> None:
    for status, fact in TABLE:
        verdict = decide(replace(case(status, last_seen=at(0), now=at(900)), order=None), RULES)
        assert len(verdict.notifications) == len(verdict.events), (status, fact)
        for event, row in zip(verdict.events, verdict.notifications, strict=True):
            wanted = event.type in ALERTS
            assert (row.state is NotificationState.PENDING) == wanted
            assert wanted or row.reason


@given(st.integers(0, 3 * LIMIT), st.integers(0, 3 * LIMIT), st.integers(0, 3 * LIMIT))
def test_who_is_back_is_told_of_at_once_and_silence_is_judged_for_the_moment_that_holds(
    spoke_for: int, since: int, held: int
) -> None:
    """Offline since -10, heard from 0 on for a while, decided a while after that, of which the last part is held."""
    now, silent = spoke_for + since, spoke_for + LIMIT
    until = now - held
    away = case(Status.OFFLINE, last_seen=at(spoke_for), now=at(now), incident="e", back_at=at(0))
    outage = Outage(away.standing.machine.id, at(-LIMIT - 10), at(-10), OutageReason.SILENT, opened_by="e")
    away = replace(away, standing=replace(away.standing, outage=outage), until=at(until))
    verdict = decide(away, RULES)
    if silent <= until:
        assert verdict.events == (), "it came back and went, and neither was known in time"
        assert verdict.liveness.status is Status.OFFLINE
        return
    assert [(e.type, e.at) for e in verdict.events] == [("machine.online", at(now))]
    assert verdict.liveness.check_at == at(silent), "it may be past: it is looked at when that may be judged"


def test_an_order_never_finds_a_machine_silent() -> None:
    """It may come from a process that does not know that nobody listened."""
    late = replace(case(last_seen=at(0), now=at(900)), order=Watch({"name": "x"}))
    verdict = decide(late, RULES)
    assert verdict.events == ()
    assert verdict.liveness.check_at == at(LIMIT)


def test_nobody_reads_the_past_of_a_machine_that_held_still() -> None:
    """A million of them may fall silent at once."""

    def read(count: int) -> list[Event]:
        raise AssertionError("its events were read")

    held_still = case(last_seen=at(0), now=at(900), status_since=at(900 - WINDOW - 1))
    young = case(last_seen=at(0), now=at(900), status_since=at(880))
    for one in (held_still, young):
        assert [e.type for e in decide(replace(one, newest_events=read), RULES).events] == ["machine.offline"]
    restless = case(last_seen=at(0), now=at(900), status_since=at(880), seq=FLAPS)
    with pytest.raises(AssertionError, match="were read"):
        decide(replace(restless, newest_events=read), RULES)


def test_who_left_is_gone_when_that_may_be_judged() -> None:
    said = case(last_seen=at(0), now=at(9), goodbye_at=at(1))
    held = decide(replace(said, until=at(1 + GRACE - 1)), RULES)
    assert (held.events, held.liveness.check_at) == ((), at(1 + GRACE))
    assert [e.type for e in decide(replace(said, until=at(1 + GRACE)), RULES).events] == ["machine.offline"]


def test_neither_an_order_nor_a_moment_that_is_not_known_yet_finds_a_machine_steady() -> None:
    flapping = case(last_seen=at(0), now=at(5), status_since=at(5 - WINDOW - 1), flapping_since=at(-WINDOW))
    ordered = decide(replace(flapping, order=Watch({"name": "x"})), RULES)
    assert ordered.events == ()
    assert ordered.liveness.flapping_since == at(-WINDOW)
    assert ordered.liveness.check_at == at(4), "so that the monitor looks"
    held = decide(replace(flapping, until=at(3)), RULES)
    assert (held.events, held.liveness.check_at) == ((), at(4)), "what was said since is not known yet"
    assert [e.type for e in decide(replace(flapping, until=at(4)), RULES).events] == ["machine.steady"]
    assert [e.type for e in decide(flapping, RULES).events] == ["machine.steady"]


def test_after_blind_time_a_goodbye_gets_the_full_threshold() -> None:
    """It may have come back while nobody listened."""
    said = case(last_seen=at(0), now=at(9), goodbye_at=at(1))
    blind = (BlindPeriod(0, at(2), at(8), BlindReason.STOPPED),)
    assert decide(said, RULES).events[0].reason == "goodbye"
    verdict = decide(replace(said, blind=blind), RULES)
    assert verdict.events == ()
    assert verdict.liveness.check_at == at(8 + LIMIT)
