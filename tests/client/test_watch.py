"""`lastseen watch` by a server: the same as where the database is, and on from where it was cut off."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.cli.conftest import Cli
from tests.client.conftest import Both
from tests.client.test_refused import said
from tests.stream.test_watch import at_a_terminal, lines_of, running
from tests.support import until


class Relay:
    """A way to a server, which can be cut."""

    def __init__(self, url: str) -> None:
        self._port = urlsplit(url).port or 0
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._own = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._own}"
        self._accept()

    def cut(self) -> None:
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def mend(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._own))
        self._accept()

    def _accept(self) -> None:
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                self._open += (near, far)
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    @staticmethod
    def _pump(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while some := one.recv(65536):
                other.sendall(some)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)


@pytest.fixture
def relay(both: Both) -> Iterator[Relay]:
    made = Relay(both.url)
    yield made
    made.cut()


def elsewhere(both: Both, relay: Relay) -> Cli:
    """What knows the way to the server, and has no database."""
    return Cli(both.there.folder, {"LASTSEEN_SERVER": relay.url, "LASTSEEN_API_KEY_FILE": str(both.files / "read")})


def test_once_shows_the_same(both: Both) -> None:
    until(lambda: both.here.json("watch", "--once")["watched"], "the first sign of the server")
    for words in (("watch", "--once", "--json"), ("watch", "--once", "--json", "--group", "no group")):
        here, there = both.here(*words).value, both.ask(*words).value
        assert there["watched"] is here["watched"] is True
        assert there["counts"] == here["counts"]
        assert [one["slug"] for one in there["machines"]] == [one["slug"] for one in here["machines"]] != []
    nowhere = [ask("watch", "--once", "--group", "nowhere") for ask in (both.here, both.ask)]
    assert [(one.code, one.out, one.err) for one in nowhere] == [(1, "", nowhere[0].err)] * 2
    assert "3 offline" in both.ask("watch", "--once").out


def test_every_change_is_told_once_although_the_server_was_away(both: Both, relay: Relay) -> None:
    both.here.json("machines", "add", "fan")
    with running(elsewhere(both, relay), "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        told, warned = lines_of(process.stdout), lines_of(process.stderr)
        until(lambda: toggled(both) and told.lines, "a change, now that it reads")
        relay.cut()
        until(lambda: "going on when it is back" in warned.text, "that the server is away")
        toggled(both)
        both.here.json("machines", "remove", "fan")
        relay.mend()
        until(lambda: '"machine.removed"' in told.text, "what came meanwhile")
        until(lambda: f"{relay.url} is back" in warned.text, "that it is back")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        told.close()
        warned.close()
    assert len(warned.lines) == 2, warned.text
    fans = [json.loads(line)["event"] for line in told.lines if '"fan"' in line]
    seqs = [one["seq"] for one in fans]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert fans[-1]["type"] == "machine.removed"


def toggled(both: Both) -> bool:
    return all(both.here("machines", verb, "fan").code == 0 for verb in ("pause", "resume"))


def test_the_screen_says_that_the_server_is_away_and_goes_on(both: Both, relay: Relay) -> None:
    both.here.json("machines", "add", "vent")
    with at_a_terminal(elsewhere(both, relay)) as (terminal, process):
        until(lambda: terminal.shows("vent"), "the first picture")
        relay.cut()
        until(lambda: terminal.shows("not up to date"), "that the server is away")
        relay.mend()
        until(lambda: paused_again(both) and terminal.shows("machine.paused"), "a change, now that it is back")
        terminal.forget()
        until(lambda: terminal.shows("s ago"), "another picture")
        assert not terminal.shows("not up to date")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert "Traceback" not in terminal.said


def paused_again(both: Both) -> bool:
    return all(both.here("machines", verb, "vent").code == 0 for verb in ("resume", "pause"))


def test_who_may_not_look_and_who_is_not_there_end_it_at_once(both: Both) -> None:
    (both.files / "wrong").write_text("lsa_wrong\n")
    for how in ("--once", "--json"):
        assert "key" in said(both.ask("watch", how, may="wrong"), both)
        assert "cannot be reached" in said(both.ask("watch", how, server="http://127.0.0.1:1"), both)
