"""Sending a test message through a channel, now."""

from __future__ import annotations

from lastseen.client.remote import Remote
from lastseen.client.shapes import Tried


async def test(server: Remote, text: str) -> Tried:
    """The server sends it, and says what the far end answered."""
    return await server.post(Tried, "channels", text, "test")
