"""What is told while somebody listens: silence for a while is no server that is away, and silence for long is one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from lastseen.client import Remote, following, remote
from lastseen.client.following import RESET, Following
from tests.secrecy import secret
from tests.support import free_port

KEY = secret("lsa_for-a-stream")
SHORT = 1.0

Tell = Callable[[asyncio.StreamWriter, str], Awaitable[None]]


@asynccontextmanager
async def telling(tell: Tell) -> AsyncIterator[str]:
    """A server of streams. `tell` is given from where on it is asked."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        asked = head.partition("last-event-id: ")[2].partition("\r\n")[0]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        try:
            await tell(writer, asked)
        except ConnectionError:
            pass
        finally:
            writer.close()

    port = free_port()
    async with await asyncio.start_server(answer, "127.0.0.1", port):
        yield f"http://127.0.0.1:{port}"


def event(position: str, value: object = None, name: str = "") -> bytes:
    lines = [f"id: {position}"]
    if name:
        lines.append(f"event: {name}")
    if value is not None:
        lines.append(f"data: {json.dumps(value)}")
    return ("\n".join(lines) + "\n\n").encode()


async def test_silence_for_a_while_is_no_server_that_is_away() -> None:
    warned: list[str] = []
    go_on = asyncio.Event()

    async def tell(writer: asyncio.StreamWriter, asked: str) -> None:
        writer.write(event("1"))
        await go_on.wait()
        writer.write(event("2", "late"))
        await asyncio.Event().wait()

    async with (
        telling(tell) as url,
        Remote(url, KEY, timeout=SHORT, warn=warned.append) as server,
        Following(server, "stream") as told,
    ):
        asyncio.get_running_loop().call_later(2 * SHORT, go_on.set)
        with anyio.fail_after(60):
            assert await anext(told) == "late"
    assert warned == []


async def test_silence_for_long_is_and_a_server_with_another_past_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "SILENT", SHORT)
    monkeypatch.setattr(following, "PAUSE", 0.01)
    warned: list[str] = []
    positions: list[str] = []

    async def tell(writer: asyncio.StreamWriter, asked: str) -> None:
        positions.append(asked)
        if len(positions) == 1:
            writer.write(event("1", "first"))
        else:
            writer.write(event("7", {"lost": True}, "reset") + event("8", "second"))
        await asyncio.Event().wait()

    async with (
        telling(tell) as url,
        Remote(url, KEY, warn=warned.append) as server,
        Following(server, "stream") as told,
    ):
        with anyio.fail_after(60):
            assert [await anext(told), await anext(told)] == ["first", "second"]
    assert positions[:2] == ["", "1"]
    assert RESET in warned
    assert warned[0].endswith("going on when it is back")
