"""Clients that are gone without a word."""

from __future__ import annotations

import socket

from lastseen.listening import GONE, bind
from tests.support import needs


@needs(hasattr(socket, "TCP_USER_TIMEOUT"), "the system has no such limit")
def test_a_connection_on_which_nothing_of_ours_arrives_is_soon_over() -> None:
    with bind("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        listener.setblocking(True)
        with listener.accept()[0] as taken:
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == GONE * 1000
