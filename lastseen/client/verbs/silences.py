"""Spans in which events of some machines are recorded and not told."""

from __future__ import annotations

from datetime import datetime, timedelta

from lastseen.client.remote import Remote
from lastseen.client.shapes import Silence
from lastseen.clock import rfc3339
from lastseen.errors import InvalidInput
from lastseen.model import Matcher


async def add(
    server: Remote, name: str, lasting: timedelta, matcher: Matcher, by: str, start: datetime | None = None
) -> Silence:
    """The server knows whose key it is, and writes that in the place of `by`. A matcher that names nothing is of all
    machines. Raises InvalidInput."""
    named = {part: list(getattr(matcher, part)) for part in ("groups", "tags", "kinds", "names")}
    which = named if matcher.of_machines else {"all": True}
    body = {"name": name, "lasting": lasting.total_seconds(), "machines": which, "starts_at": rfc3339(start)}
    try:
        return await server.post(Silence, "silences", body=body)
    except InvalidInput as error:
        if all(one.field != "machines.all" for one in (error, *error.others)):
            raise
        message = "is not known to the server, which is older: the name `*` is of all machines too"
        raise InvalidInput(message, "machines.all") from None


async def listed(server: Remote) -> list[Silence]:
    """Those that are not over."""
    return await server.all(Silence, "silences")


async def end(server: Remote, silence: int) -> Silence:
    """Now: what is still so is told."""
    return await server.delete(Silence, "silences", str(silence))
