"""Writing down what was heard: the hot path.

A batch is merged per machine here, and goes to the database as one statement with one JSON parameter: a statement per
row would hand the interpreter's lock back and forth for every machine. The plain statement names only `last_seen` and
`heard`, which are in no index; what a decision needs is written in further statements, for the few machines concerned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection

from lastseen.model import HEARTBEATS, SIGNALS, Beat, MachineRef, Recorded, Said
from lastseen.storage import dialect_sqlite as sql
from lastseen.storage.dialect_sqlite import stamp

REMEMBERED = 250_000
"""Slugs whose id is kept in memory."""

_json = msgspec.json.Encoder()


@dataclass(slots=True)
class _Heard:
    """What a batch says of one machine. `first`, `newest`: of its heartbeats, in the order given and by time."""

    first: datetime | None = None
    newest: datetime | None = None
    bits: int = 0
    signals: list[Beat] = field(default_factory=list)
    body: Beat | None = None

    def add(self, beat: Beat) -> None:
        if beat.said in HEARTBEATS:
            if self.first is None or self.newest is None:
                self.first = self.newest = beat.at
            elif beat.at > self.newest:
                self.newest = beat.at
            self.bits |= 1 << beat.source
        if beat.said in SIGNALS:
            self.signals.append(beat)
        if beat.body is not None and (self.body is None or beat.at >= self.body.at):
            self.body = beat


class Slugs:
    """Ids by slug, of machines that were there. Forgotten as a whole when any process removes or renames a machine,
    which `meta.slugs_version` tells. Used by the writer alone."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._ids: dict[str, int] = {}
        self._size, self._version = size, ""

    def resolve(self, connection: Connection, refs: Iterable[MachineRef], version: str) -> Mapping[MachineRef, int]:
        """Ids of refs; a slug that nobody has is left out, an id is taken at its word."""
        if version != self._version:
            self._ids.clear()
            self._version = version
        known = self._ids
        missing = {ref for ref in refs if isinstance(ref, str) and ref not in known}
        if missing:
            if len(known) + len(missing) > self._size:
                known.clear()
                missing = {ref for ref in refs if isinstance(ref, str)}
            known.update(sql.ids_of(connection, sorted(missing)))
        return {
            ref: known[ref] if isinstance(ref, str) else ref for ref in refs if not isinstance(ref, str) or ref in known
        }

    def forget(self) -> None:
        """What was learnt in a transaction that was undone may never have been."""
        self._ids.clear()
        self._version = ""


def record(connection: Connection, slugs: Slugs, beats: Sequence[Beat], now: datetime) -> Recorded:
    """`Store.record`, in the caller's transaction."""
    refs = {beat.machine for beat in beats}
    version, any_troubled = sql.flags(connection)
    ids = slugs.resolve(connection, refs, version)
    heard = _merged(beats, ids)
    gone = _write_heartbeats(connection, heard)
    for machine_id in gone:
        del heard[machine_id]
    troubled = sql.troubled(connection, _text(sorted(heard))) if any_troubled and heard else {}
    due = _write_facts(connection, heard, troubled, stamp(now))
    _write_bodies(connection, heard)
    unknown = {ref for ref in refs if ref not in ids or ids[ref] in gone}
    return Recorded(frozenset(unknown), due)


def _merged(beats: Sequence[Beat], ids: Mapping[MachineRef, int]) -> dict[int, _Heard]:
    heard: dict[int, _Heard] = {}
    for beat in beats:
        machine_id = ids.get(beat.machine)
        if machine_id is None:
            continue
        one = heard.get(machine_id)
        if one is None:
            one = heard[machine_id] = _Heard()
        if beat.said is Said.ALIVE and beat.body is None and one.newest is None:
            one.first = one.newest = beat.at  # nearly always: one plain heartbeat of a machine
            one.bits = 1 << beat.source
        else:
            one.add(beat)
    return heard


def _write_heartbeats(connection: Connection, heard: Mapping[int, _Heard]) -> frozenset[int]:
    """Move last_seen on. Returns the machines that are not there."""
    by_bits: dict[int, dict[str, str]] = {}
    for machine_id in sorted(heard):
        one = heard[machine_id]
        if one.newest is not None:
            by_bits.setdefault(one.bits, {})[str(machine_id)] = stamp(one.newest)
    touched = 0
    for bits, pulses in by_bits.items():
        touched += sql.move_on(connection, _text(pulses), bits)
    if touched == len(heard):
        return frozenset()
    return frozenset(heard) - sql.there(connection, _text(sorted(heard)))


def _write_facts(connection: Connection, heard: Mapping[int, _Heard], troubled: Mapping[int, str], now: str) -> bool:
    """What wants deciding: machines that are back, and signals. True if there is any."""
    firsts = {id_: heard[id_].first for id_, status in troubled.items() if status in ("offline", "provisioning")}
    back = {str(machine_id): stamp(first) for machine_id, first in firsts.items() if first is not None}
    if back:
        sql.mark_back(connection, _text(back), now)
    signals = [
        (machine_id, beat)
        for machine_id, one in heard.items()
        if one.signals and troubled.get(machine_id) != "paused"
        for beat in one.signals
    ]
    if signals:
        sql.keep_signals(connection, [_signal(machine_id, beat) for machine_id, beat in signals])
        sql.look_now(connection, _text(sorted({machine_id for machine_id, _ in signals})), now)
    return bool(back or signals)


def _signal(machine_id: int, beat: Beat) -> tuple[Any, ...]:
    said_at = None if beat.said_at is None else stamp(beat.said_at)
    return machine_id, beat.source, stamp(beat.at), said_at, beat.said.value, beat.body


def _write_bodies(connection: Connection, heard: Mapping[int, _Heard]) -> None:
    bodies = [
        (machine_id, stamp(one.body.at), one.body.body)
        for machine_id, one in sorted(heard.items())
        if one.body is not None
    ]
    if bodies:
        sql.keep_bodies(connection, _text(bodies))


def _text(value: Any) -> str:
    return _json.encode(value).decode()
