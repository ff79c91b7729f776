"""Looking in at a source's broker, now."""

from __future__ import annotations

from lastseen.client.remote import Remote
from lastseen.client.shapes import TriedSource


async def test(server: Remote, name: str) -> TriedSource:
    """The server looks, and says what it finds."""
    return await server.post(TriedSource, "sources", name, "test")
