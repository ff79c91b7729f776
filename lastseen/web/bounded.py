"""uvicorn's protocol with bounds on what a client can make it keep: a head, trailers and chunk extensions without end,
and requests sent one behind the other without waiting for the answers.

Imported only where httptools is installed; uvicorn's other protocol (h11) has bounds of its own.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEAD = 64 * 1024
"""Bytes of a request that are no body, beyond those that come with its first ones: line, headers, chunk sizes,
trailers."""

FRAMING = 16
"""Bytes of chunk sizes that each byte of a body may bring with it."""

MOST_WAITING = 256
"""Requests of one connection that wait for the one before them."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class TooManyWaiting(Exception):
    """Ends the parsing: the client is told 400 and hung up on."""


class Bounded(HttpToolsProtocol):
    """Hangs up where a bound is passed."""

    _unpaid = 0

    def data_received(self, data: bytes) -> None:
        self._unpaid += len(data)
        super().data_received(data)
        if self._unpaid > LONGEST_HEAD and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        self._unpaid = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= MOST_WAITING:
            raise TooManyWaiting
        super().on_headers_complete()
        # Trailers end up here, and not among the headers of the request (RFC 9110, section 6.5.1): there they could
        # change what a proxy has checked.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        self._unpaid = max(0, self._unpaid - FRAMING * len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unpaid = 0
        super().on_message_complete()
