"""What lies between us and the Bot API: a name, a certificate, a server that runs or not."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Any, Self

import certifi
import pytest

from tests.standins.telegram import BotApi
from tests.standins.tls import Issued, issue

HOST = "api.telegram.example"


class Line:
    """`async with Line(api, folder, monkeypatch):`, then `line.url` leads to the stand-in, until it is broken."""

    def __init__(self, api: BotApi, folder: Path, patch: pytest.MonkeyPatch, tls: bool = False) -> None:
        self.api, self.resolves = api, True
        self._stack = contextlib.AsyncExitStack()
        self._folder, self._port = folder, 0
        authority = issue(folder / "authority.pem", "an authority")
        patch.setattr(certifi, "where", lambda: str(authority.file))
        patch.setattr(socket, "getaddrinfo", self._resolve)
        self._right = issue(folder / "right.pem", HOST, by=authority)
        self._wrong = {
            "self-signed": issue(folder / "own.pem", HOST),
            "expired": issue(folder / "old.pem", HOST, by=authority, expired=True),
            "other name": issue(folder / "other.pem", "elsewhere.example", by=authority),
        }
        self._context = self._right.context if tls else None

    def certificate(self, kind: str = "") -> None:
        """What it shows from now on: self-signed, expired, other name; "": the right one."""
        shown: Issued = self._wrong[kind] if kind else self._right
        assert self._context is not None
        self._context.load_cert_chain(shown.file)

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.down()

    async def up(self) -> None:
        await self._stack.enter_async_context(self.api.serving(self._port, self._context))
        scheme, _, port = self.api.url.split(":")
        self._port = int(port)
        self.url = f"{scheme}://{HOST}:{port}"

    async def down(self) -> None:
        """Nobody listens at its port."""
        await self._stack.aclose()

    def _resolve(self, host: Any, port: Any, *_: Any, **__: Any) -> list[Any]:
        if not self.resolves:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", int(port)))]
