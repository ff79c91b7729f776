"""Writing down what was heard: the hot path.

A batch is merged per machine here, and goes to the database as one statement with one JSON parameter: a statement per
row would hand the interpreter's lock back and forth for every machine. The plain statement names only `last_seen` and
`heard`, which are in no index; what a decision needs is written in further statements, for the few machines concerned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection

from lastseen.model import HEARTBEATS, PRESENCE, SIGNALS, Beat, MachineRef, Recorded, Said
from lastseen.storage import dialect
from lastseen.storage.dialect import stamp
from lastseen.storage.fold import expectation
from lastseen.storage.sqltools import GREATEST_ID, is_id

REMEMBERED = 250_000
"""Slugs whose id is kept in memory."""

KEPT = SIGNALS | {Said.NOTE}
"""Reports that are kept one by one."""

_json = msgspec.json.Encoder()


@dataclass(slots=True)
class _Heard:
    """What a batch says of a machine that says more than that it is alive, or says it twice. `first`, `newest`: of its
    heartbeats, in the order given and by time."""

    first: datetime | None = None
    newest: datetime | None = None
    bits: int = 0  # sources of its heartbeats
    signals: list[Beat] = field(default_factory=list)  # and notes, which nothing is decided about
    broker: int = 0  # sources that said something of its presence
    present: bool | None = None  # what they said last
    body: Beat | None = None
    expect_at: datetime | None = None  # by the word of the newest
    expected: datetime | None = None  # when such a word was last said

    def add(self, beat: Beat) -> None:
        if beat.said in HEARTBEATS:
            self.first = self.first or beat.at
            if self.newest is None or beat.at >= self.newest:
                self.newest, self.expect_at = beat.at, expectation(beat)
                self.expected = self.expected if self.expect_at is None else beat.at
            self.bits |= 1 << beat.source
        if beat.said in PRESENCE:
            self.broker |= 1 << beat.source
            self.present = beat.said is Said.PRESENT
        if beat.said in KEPT:
            self.signals.append(beat)
        if beat.body is not None and (self.body is None or beat.at >= self.body.at):
            self.body = beat


class Slugs:
    """Ids by slug, of machines that were there. Forgotten as a whole when any process removes or renames a machine,
    which `meta.slugs_version` tells. Several threads may use it: what one of them read under a version goes where only
    that version is asked, and what is forgotten is put aside, not emptied under the hands of another."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._size = size
        self._known: tuple[str, dict[str, int]] = ("", {})

    def resolve(self, connection: Connection, wanted: Set[str], version: str) -> Mapping[str, int]:
        """Ids by slug; a slug that nobody has is left out."""
        of_version, known = self._known
        if version != of_version:
            known = self._forgotten(version)
        missing = {slug for slug in wanted if slug not in known}
        if missing and len(known) + len(missing) > self._size:
            known, missing = self._forgotten(version), set(wanted)
        if missing:
            known.update(dialect.of(connection).ids_of(connection, sorted(missing)))
        return {slug: known[slug] for slug in wanted if slug in known}

    def forget(self) -> None:
        """What was learnt in a transaction that was undone may never have been."""
        self._forgotten("")

    def _forgotten(self, version: str) -> dict[str, int]:
        known: dict[str, int] = {}
        self._known = (version, known)
        return known


class _Batch:
    """What was heard, by machine. Nearly always that is one plain heartbeat of each: those are `plain`, and cost no
    more than a place in a dictionary."""

    def __init__(self, beats: Sequence[Beat], slugs: Mapping[str, int]) -> None:
        self.plain: dict[int, Beat] = {}
        self.rest: dict[int, _Heard] = {}
        plain, rest, alive = self.plain, self.rest, Said.ALIVE
        for beat in beats:
            machine_id = beat.machine
            if type(machine_id) is not int:
                found = slugs.get(machine_id)  # type: ignore[arg-type]
                if found is None:
                    continue
                machine_id = found
            elif not 0 < machine_id <= GREATEST_ID:  # written out: this is done for every heartbeat
                continue
            if (
                beat.said is alive
                and beat.body is None
                and beat.next_in is None
                and machine_id not in plain
                and machine_id not in rest
            ):
                plain[machine_id] = beat
            else:
                self._add(machine_id, beat)

    def _add(self, machine_id: int, beat: Beat) -> None:
        if machine_id not in self.rest:
            one = self.rest[machine_id] = _Heard()
            before = self.plain.pop(machine_id, None)
            if before is not None:
                one.add(before)
        self.rest[machine_id].add(beat)

    def ids(self) -> list[int]:
        return sorted([*self.plain, *self.rest])

    def firsts(self) -> dict[int, datetime]:
        """The first heartbeat of each machine that sent one."""
        found = {machine_id: one.first for machine_id, one in self.rest.items() if one.first is not None}
        return {**{machine_id: beat.at for machine_id, beat in self.plain.items()}, **found}

    def newest(self, machine_id: int) -> datetime | None:
        beat = self.plain.get(machine_id)
        return self.rest[machine_id].newest if beat is None else beat.at

    def pulses(self) -> dict[int, dict[int, datetime]]:
        """The newest heartbeat of each machine, by the sources it was heard on; ids rising."""
        plain, rest = self.plain, self.rest
        by_bits: dict[int, dict[int, datetime]] = {}
        for machine_id in self.ids():
            beat = plain.get(machine_id)
            if beat is not None:
                bits, newest = 1 << beat.source, beat.at
            else:
                one = rest[machine_id]
                if one.newest is None:
                    continue
                bits, newest = one.bits, one.newest
            if newest.tzinfo is not UTC:
                newest = newest.astimezone(UTC)
            pulses = by_bits.get(bits)
            if pulses is None:
                pulses = by_bits[bits] = {}
            pulses[machine_id] = newest
        return by_bits

    def drop(self, gone: Iterable[int]) -> None:
        for machine_id in gone:
            self.plain.pop(machine_id, None)
            self.rest.pop(machine_id, None)


def record(connection: Connection, slugs: Slugs, beats: Sequence[Beat], now: datetime) -> Recorded:
    """`Store.record`, in the caller's transaction."""
    refs = {beat.machine for beat in beats}
    names = {ref for ref in refs if isinstance(ref, str)}
    version, any_troubled, any_expected = dialect.of(connection).flags(connection)
    ids = slugs.resolve(connection, names, version)
    batch = _Batch(beats, ids)
    held = dialect.of(connection).hold(connection, batch.ids)
    if held is not None:  # what was asked before the rows were ours may not be so any more
        any_troubled, any_expected = held
    expected = _write_expectations(connection, batch, any_expected, stamp(now))
    gone = _write_heartbeats(connection, batch)
    batch.drop(gone)
    troubled = dialect.of(connection).troubled(connection, _text(batch.ids())) if any_troubled else {}
    due = _write_facts(connection, batch, troubled, stamp(now)) or expected
    _write_bodies(connection, batch)
    unknown: set[MachineRef] = {*(names - ids.keys())}
    if len(names) < len(refs):
        unknown |= {ref for ref in refs if isinstance(ref, int) and not is_id(ref)}
    if gone:
        unknown |= {ref for ref in refs if (ids.get(ref) if isinstance(ref, str) else ref) in gone}
    return Recorded(frozenset(unknown), due)


def _write_expectations(connection: Connection, batch: _Batch, any_expected: bool, now: str) -> bool:
    """Machines that say when they will be heard next, and those that said so before and are heard again. Before
    last_seen moves: what is older than that says nothing of the future. True if there is any."""
    rows: dict[int, tuple[str, str | None, str | None]] = {
        machine_id: (stamp(one.newest), None if one.expect_at is None else stamp(one.expect_at), stamp(one.expected))
        for machine_id, one in batch.rest.items()
        if one.expected is not None and one.newest is not None
    }
    if any_expected:
        for machine_id in dialect.of(connection).expecting(connection, _text(batch.ids())) - rows.keys():
            newest = batch.newest(machine_id)
            if newest is not None:
                rows[machine_id] = (stamp(newest), None, None)
    if rows:
        dialect.of(connection).expect(
            connection, _text([(machine_id, *row) for machine_id, row in sorted(rows.items())]), now
        )
    return bool(rows)


def _write_heartbeats(connection: Connection, batch: _Batch) -> frozenset[int]:
    """Move last_seen on. Returns the machines that are not there."""
    touched = 0
    for bits, pulses in batch.pulses().items():
        touched += dialect.of(connection).move_on(connection, _text(pulses), bits)
    if touched == len(batch.plain) + len(batch.rest):
        return frozenset()
    asked = batch.ids()
    return frozenset(asked) - dialect.of(connection).there(connection, _text(asked))


def _write_facts(connection: Connection, batch: _Batch, troubled: Mapping[int, str], now: str) -> bool:
    """What wants deciding: machines that are back, and signals. True if there is any."""
    away = [machine_id for machine_id, status in troubled.items() if status in ("offline", "provisioning")]
    firsts = batch.firsts() if away else {}
    back = {machine_id: stamp(firsts[machine_id]) for machine_id in away if machine_id in firsts}
    if back:
        dialect.of(connection).mark_back(connection, _text(back), now)
    calm = _calm(connection, batch, troubled)
    signals = [
        (machine_id, beat)
        for machine_id, one in batch.rest.items()
        if one.signals and troubled.get(machine_id) != "paused"
        for beat in one.signals
        if machine_id not in calm or not _bare(beat)
    ]
    if signals:
        dialect.of(connection).keep_signals(
            connection, [_signal(machine_id, beat, calm) for machine_id, beat in signals]
        )
    bits = {machine_id: one.broker for machine_id, one in batch.rest.items() if one.broker}
    if bits:
        dialect.of(connection).heard_of(connection, _text(bits))
        paused = {machine_id: batch.rest[machine_id].present for machine_id in bits if machine_id in troubled}
        if paused:
            dialect.of(connection).note_presence(connection, _text(paused))
    looks = sorted({machine_id for machine_id, beat in signals if beat.said in SIGNALS and machine_id not in calm})
    if looks:
        dialect.of(connection).look_now(connection, _text(looks), now)
    return bool(back or looks)


def _calm(connection: Connection, batch: _Batch, troubled: Mapping[int, str]) -> frozenset[int]:
    """Machines of which only successes are told, and which no success can change: nothing is to be decided about them.
    Most pings are such, and a look at each would cost more than all the rest."""
    asked = [
        machine_id
        for machine_id, one in batch.rest.items()
        if one.signals and machine_id not in troubled and all(beat.said in (Said.OK, Said.NOTE) for beat in one.signals)
    ]
    return dialect.of(connection).calm(connection, _text(asked)) if asked else frozenset()


def _bare(beat: Beat) -> bool:
    """It says that all is well, and no more."""
    return beat.said is Said.OK and beat.body is None and beat.run is None and beat.exit_code is None


def _signal(machine_id: int, beat: Beat, calm: Set[int]) -> tuple[Any, ...]:
    said_at = None if beat.said_at is None else stamp(beat.said_at)
    pending = beat.said in SIGNALS and machine_id not in calm
    values = (machine_id, beat.source, stamp(beat.at), said_at, beat.said.value, beat.body)
    return *values, beat.run, beat.exit_code, pending


def _write_bodies(connection: Connection, batch: _Batch) -> None:
    bodies = [
        (machine_id, stamp(one.body.at), one.body.body)
        for machine_id, one in sorted(batch.rest.items())
        if one.body is not None
    ]
    if bodies:
        dialect.of(connection).keep_bodies(connection, _text(bodies))


def _text(value: Any) -> str:
    return _json.encode(value).decode()
