"""What a machine said of itself last."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from lastseen.clock import rfc3339
from lastseen.errors import ConfigurationError
from lastseen.manage.machines import find
from lastseen.manage.office import Office
from lastseen.model import MachineRef
from lastseen.protocols import Annals
from lastseen.words import say

SKEWED = 60.0
"""Seconds by which a machine's clock may be off before people are told."""


async def latest(office: Office, ref: MachineRef) -> dict[str, Any] | None:
    """`{at, body, ahead_seconds}`: `ahead_seconds` is how far its clock is ahead of ours (behind: negative), None where
    it sent no time or less than SKEWED is amiss; how long the report was on its way is in it. Raises UnknownMachine."""
    machine = (await find(office, ref)).machine
    if not isinstance(office.store, Annals):
        raise ConfigurationError(say("this store keeps no reports"))
    found = await office.store.latest_report(machine.id)
    if found is None:
        return None
    at, text = found
    body = _body(text)
    return {"at": rfc3339(at), "body": body, "ahead_seconds": _ahead(body.get("timestamp"), at)}


def _body(text: str) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _ahead(said: object, at: datetime) -> float | None:
    try:
        there = msgspec.convert(said, datetime)
    except (msgspec.ValidationError, ValueError):
        return None
    if there.tzinfo is None:
        return None
    off = (there - at).total_seconds()
    return off if abs(off) > SKEWED else None
