"""A small real HTTP server for tests: one handler, every request as a value."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import h11


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came in; header names in lower case, the path without its query. `gone`: whether the client has
    hung up meanwhile."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    gone: Callable[[], bool] = field(default=lambda: False, repr=False, compare=False)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @property
    def said(self) -> str:
        """Everything that can be read in it, decoded: for looking whether some words arrived."""
        text = self.body.decode("utf-8", "replace")
        parts = [
            unquote(self.path),
            *self.query.values(),
            *self.headers.values(),
            text,
            unquote(text.replace("+", " ")),
        ]
        with contextlib.suppress(ValueError):
            parts.append(json.dumps(json.loads(text), ensure_ascii=False))
        return "\n".join(parts)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answers. `delay`: seconds before it; `drip`: seconds between two bytes of the body; `hang`: no
    answer, ever; `reset`: the connection is reset instead; `endless`: the body again and again, until the client has
    had enough."""

    status: int = 200
    body: bytes = b"ok"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drip: float = 0.0
    hang: bool = False
    reset: bool = False
    endless: bool = False

    @classmethod
    def of_json(cls, value: Any, status: int = 200) -> Self:
        return cls(status, json.dumps(value).encode(), {"content-type": "application/json"})


Handler = Callable[[Received], Awaitable[Answer]]


@contextlib.asynccontextmanager
async def http_server(
    handler: Handler, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Serve until left, over TLS if it is given. Gives the address, `http://127.0.0.1:…` or `https://…`."""
    open_: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        open_.add(task)
        try:
            await _converse(handler, reader, writer)
        except (OSError, h11.ProtocolError, asyncio.CancelledError):
            """The client went away, talks nonsense, or the server is being stopped: no more of this connection."""
        finally:
            open_.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, host, port, backlog=512, ssl=tls)
    try:
        yield f"http{'s' if tls else ''}://{host}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(open_):
            task.cancel()
        await asyncio.gather(*open_, return_exceptions=True)


async def _converse(handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer request after request on one connection."""
    connection = h11.Connection(h11.SERVER)
    while True:
        request = await _read(connection, reader)
        if request is None:
            return
        answer = await handler(request)
        if answer.hang:
            await reader.read()  # until the client has had enough
            return
        await asyncio.sleep(answer.delay)
        if answer.reset:
            _reset(writer)
            return
        await _write(connection, writer, answer)
        if connection.our_state is h11.MUST_CLOSE:
            return
        connection.start_next_cycle()


async def _read(connection: h11.Connection, reader: asyncio.StreamReader) -> Received | None:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            url = urlsplit(head.target.decode("ascii", "replace"))
            return Received(
                method=head.method.decode(),
                path=url.path,
                query=dict(parse_qsl(url.query, keep_blank_values=True)),
                headers={name.decode().lower(): value.decode("latin-1") for name, value in head.headers},
                body=bytes(body),
                gone=reader.at_eof,
            )
        else:
            return None


async def _write(connection: h11.Connection, writer: asyncio.StreamWriter, answer: Answer) -> None:
    headers = {"content-length": str(len(answer.body)), **answer.headers}
    if answer.status < 200 or answer.status in (204, 304) or answer.endless:
        headers.pop("content-length")
    head = connection.send(h11.Response(status_code=answer.status, headers=list(headers.items()), reason=b"As told"))
    chunks = [answer.body] if not answer.drip else [bytes([byte]) for byte in answer.body]
    writer.write(head or b"")
    for chunk in itertools.cycle(chunks) if answer.endless else chunks:
        if answer.drip:
            await asyncio.sleep(answer.drip)
        if answer.endless or "content-length" in headers:
            writer.write(connection.send(h11.Data(data=chunk)) or b"")
        await writer.drain()
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset instead of an end."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
