"""What happened."""

from __future__ import annotations

from lastseen.client.addresses import address
from lastseen.client.answers import value_of
from lastseen.client.remote import Page, Remote
from lastseen.client.shapes import Event, Outage


async def listed(server: Remote, machine: str | None = None, type_: str | None = None, limit: int = 100) -> list[Event]:
    """Newest first."""
    return [one async for one in server.pages(Event, "events", limit=limit, machine=machine, type=type_)]


async def outages(server: Remote, machine: str, limit: int = 100, cursor: str | None = None) -> Page:
    """A page of one machine's (a slug or an id, as in `verbs.machines`), each an `Outage`, newest first, also of
    one that was removed; `next` is the `cursor` of the next one."""
    path = "machines", await address(server, machine), "outages"
    page = await server.get(Page, *path, limit=limit, cursor=cursor)
    value_of(page["items"], list[Outage], server.url)
    return page
