"""How much of the time machines were up."""

from __future__ import annotations

from datetime import timedelta

from lastseen.client.addresses import address
from lastseen.client.remote import Remote
from lastseen.client.shapes import MachineUptime, Uptime


async def listed(server: Remote, span: timedelta, *, without_silenced: bool = False) -> list[Uptime]:
    """Of every machine, by id."""
    window, leave_out = _asked(span, without_silenced)
    return [one async for one in server.pages(Uptime, "uptime", window=window, without_silenced=leave_out)]


async def show(server: Remote, ref: str, span: timedelta, *, without_silenced: bool = False) -> MachineUptime:
    """Of one, and of each day of it, in the `timezone` of `server`."""
    window, leave_out = _asked(span, without_silenced)
    params = {"window": window, "without_silenced": leave_out, "timezone": server.timezone}
    return await server.get(MachineUptime, "machines", await address(server, ref), "uptime", **params)


def _asked(span: timedelta, without_silenced: bool) -> tuple[str, str | None]:
    return str(span.total_seconds()), "true" if without_silenced else None
