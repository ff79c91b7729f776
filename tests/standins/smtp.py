"""A real mail server (aiosmtpd) in a thread of its own, that has trouble where it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from tests.standins.tls import issue
from tests.support import pace

USER, PASSWORD = "lastseen", "c0rrect-horse-battery"
START = 10.0  # seconds

logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # it writes down whole conversations


@dataclass(frozen=True)
class Trouble:
    """What the server does at a command (CONNECT, AUTH, MAIL, RCPT, DATA) instead of its work. `to`: at this recipient
    only. `delay`: seconds before it goes on as usual, unless it answers."""

    at: str
    answer: str = ""
    to: str | None = None
    hang: bool = False
    reset: bool = False
    delay: float = 0.0


@dataclass(frozen=True)
class Letter:
    """One that the server took."""

    sender: str
    to: tuple[str, ...]
    raw: bytes
    login: str | None

    @property
    def mail(self) -> EmailMessage:
        mail = message_from_bytes(self.raw, policy=default)
        assert isinstance(mail, EmailMessage)
        return mail

    def body(self, kind: str = "plain") -> str:
        part = self.mail.get_body((kind,))
        assert part is not None
        return str(part.get_content()).replace("\r\n", "\n")

    @property
    def said(self) -> str:
        return "\n".join((str(self.mail["subject"]), self.body(), self.body("html")))


class Certificate:
    """For localhost and 127.0.0.1, signed by itself. `file` is what a client must trust."""

    def __init__(self, folder: Path) -> None:
        issued = issue(folder / "mail.pem", "localhost", "127.0.0.1")
        self.file, self.context = issued.file, issued.context


class _Connection(SMTP):
    """Remembers what is below its TLS: closing that twice makes the rest of asyncio forget it."""

    lines: tuple[Any, ...] = ()

    def connection_made(self, transport: Any) -> None:
        tls = getattr(transport, "_ssl_protocol", None)
        self.lines += (transport if tls is None else tls._transport,)
        super().connection_made(transport)


class MailServer:
    """`with MailServer(certificate, "starttls") as server:` takes mail at `server.port` of 127.0.0.1.

    Trouble given by `script` is used up in turn, each when its command comes; `otherwise` is there every time.
    """

    def __init__(self, certificate: Certificate, security: str = "starttls", size: int = 1_000_000) -> None:
        self._certificate, self._security, self._size = certificate, security, size
        self.letters: list[Letter] = []
        self.otherwise: Trouble | None = None
        self.heard = ""  # what it was told in confidence
        self.connections = 0
        self.port = 0
        self._script: deque[Trouble] = deque()
        self._open: list[_Connection] = []
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="mail server", daemon=True)

    def script(self, *troubles: Trouble) -> None:
        self._script.extend(troubles)

    @property
    def had_its_trouble(self) -> bool:
        return not self._script

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(START):
            raise RuntimeError("the mail server did not start")
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        context = self._certificate.context
        server = await self._loop.create_server(
            self._connection, "127.0.0.1", 0, ssl=context if self._security == "tls" else None
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for line in [line for one in self._open for line in one.lines]:
            line.abort()
        for _ in range(10):  # until they are gone
            await asyncio.sleep(0)

    def _connection(self) -> SMTP:
        self.connections += 1
        starttls = self._security == "starttls"
        smtp = _Connection(
            self,
            hostname="mail.example",
            loop=self._loop,
            data_size_limit=self._size,
            enable_SMTPUTF8=True,
            tls_context=self._certificate.context if starttls else None,
            require_starttls=starttls,
            auth_require_tls=starttls,
            authenticator=self._login,
        )
        self._open.append(smtp)
        return smtp

    # -- what aiosmtpd calls

    def _login(self, server: SMTP, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        user, password = given.login.decode(), given.password.decode()
        self.heard += f" {user} {password}"
        trouble = self._due("AUTH")
        if trouble is not None:
            return AuthResult(success=False, handled=False, message=trouble.answer.format(heard=self.heard))
        right = (user, password) == (USER, PASSWORD)
        return AuthResult(success=right, handled=False, auth_data=user)

    async def handle_MAIL(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        answer = await self._suffer("MAIL", server)
        if answer is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return answer or "250 OK"

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        answer = await self._suffer("RCPT", server, address)
        if answer is None:
            envelope.rcpt_tos.append(address)
        return answer or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        answer = await self._suffer("DATA", server)
        if answer is None:
            login = session.auth_data if session.authenticated else None
            self.letters.append(Letter(envelope.mail_from, tuple(envelope.rcpt_tos), envelope.content, login))
        return answer or "250 taken"

    async def _suffer(self, at: str, server: SMTP, address: str | None = None) -> str | None:
        trouble = self._due(at, address)
        if trouble is None:
            return None
        if trouble.hang:
            await asyncio.Event().wait()
        await pace(trouble.delay)
        if trouble.reset:
            _reset(server)
            await asyncio.Event().wait()
        return trouble.answer.format(heard=self.heard) or None

    def _due(self, at: str, address: str | None = None) -> Trouble | None:
        for trouble in self._script:
            if trouble.at == at and trouble.to in (None, address):
                self._script.remove(trouble)
                return trouble
        other = self.otherwise
        return other if other is not None and other.at == at and other.to in (None, address) else None


def _reset(server: SMTP) -> None:
    raw = server.transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.transport.abort()


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """A port at which somebody takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]
