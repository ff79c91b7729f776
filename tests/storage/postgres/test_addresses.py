"""The address of a database: what is wrong with it is said, and nothing of what may be a password is."""

from __future__ import annotations

import os
import socket
import traceback

import pytest

from lastseen.errors import ConfigurationError
from lastseen.storage import open_store
from lastseen.storage.postgres import UNHEARD, connect
from tests.servers.postgres import PostgresServer
from tests.support import needs

PASSWORD = "hunter2-of-the-database"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"postgresql://lastseen:{PASSWORD}%@host/name", "invalid percent-encoded token"),
        (f"postgresql://lastseen:100%{PASSWORD}@host/name", "invalid percent-encoded token"),
        (f"postgresql://host/name?{PASSWORD}=1", "invalid URI query parameter"),
        (f"postgresql://host/name?{PASSWORD}", "missing key/value separator"),
        (f"postgresql://[{PASSWORD}/name", "end of string reached"),
        (f'postgresql://lastseen:"%{PASSWORD}"@host/name', "invalid percent-encoded token"),
    ],
)
def test_an_address_that_cannot_be_read_is_not_repeated(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        open_store(url)
    assert PASSWORD not in "".join(traceback.format_exception(refused.value, limit=0))


@needs(hasattr(socket, "TCP_USER_TIMEOUT"), "the system has no such limit")
@pytest.mark.parametrize(("query", "seconds"), [("", UNHEARD), ("?tcp_user_timeout=4000", 4)])
def test_a_connection_is_lost_on_which_nothing_of_ours_arrives_for_so_long(
    postgres_server: PostgresServer, query: str, seconds: float
) -> None:
    """Else it is the system that decides how often it is tried again: a line that was gone for two minutes was back a
    minute and a half later."""
    connection = connect(f"{postgres_server.url()}{query}")
    with connection, socket.socket(fileno=os.dup(connection.fileno())) as line:
        assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == seconds * 1000
