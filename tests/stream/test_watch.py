"""`lastseen watch`: at once, as lines of JSON, and in a terminal."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import pty
import re
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from lastseen.cli.watch_view import Shown, picture
from tests.cli.conftest import Cli, beat
from tests.support import until

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[=>])")


def machine(slug: str, status: str = "online", **more: Any) -> dict[str, Any]:
    seen = (NOW - timedelta(seconds=41)).isoformat()
    plain = {"slug": slug, "status": status, "late": False, "last_seen": seen, "status_since": seen, "group": "http"}
    return {**plain, "offline_after_seconds": 120, "acknowledged_by": None, **more}


def change(number: int) -> dict[str, Any]:
    event = {"at": NOW.isoformat(), "type": "machine.online", "machine": f"m{number}", "reason": "heard"}
    return {"event": event, "machine": None}


def drawn(shown: Shown, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(picture(shown, width, height))
    return capture.get().splitlines()


def test_an_outage_is_said_to_last_since_it_began_and_an_older_server_knows_when_it_was_noticed() -> None:
    began = (NOW - timedelta(minutes=7)).isoformat()
    board = {"counts": {"offline": 2}, "machines": [machine("new", "offline", since=began), machine("old", "offline")]}
    lines = drawn(Shown(board, NOW, [], 0, ""), 120, 24)
    (new,), (old,) = ([line for line in lines if name in line] for name in ("new", "old"))
    assert "7 min ago" in new
    assert old.count("41 s ago") == 2


def test_who_is_late_or_awaited_is_called_so_where_nothing_worse_is_known() -> None:
    ways = {
        "plain": ({"awaited": False}, "online"),
        "older-server": ({}, "online"),
        "slow": ({"late": True}, "late"),
        "resumed": ({"late": True, "awaited": True}, "awaited"),
        "broken": ({"status": "error", "late": True}, "error"),
    }
    machines = [machine(slug, **{"status": "online", **more}) for slug, (more, _) in ways.items()]
    lines = drawn(Shown({"counts": {"online": 5}, "machines": machines}, NOW, [], 0, ""), 120, 24)
    found = {line.split()[0]: line.split()[1] for line in lines if line.split()[:1] and line.split()[0] in ways}
    assert found == {slug: word for slug, (_, word) in ways.items()}


def test_it_says_where_nobody_watches() -> None:
    board = {"counts": {"online": 1}, "machines": [machine("m")]}
    for watched, said in ((None, False), (True, False), (False, True)):
        shown = Shown(board if watched is None else {**board, "watched": watched}, NOW, [], 0, "")
        assert ("nobody watches: no server runs" in drawn(shown, 120, 24)[0]) is said


def test_a_disabled_machine_is_not_shown_as_paused() -> None:
    board = {"counts": {"paused": 1, "disabled": 1}, "machines": [machine("off", "paused", enabled=False)]}
    lines = drawn(Shown(board, NOW, [], 0, ""), 120, 24)
    assert "1 paused   1 disabled" in lines[0]
    (row,) = [line for line in lines if line.startswith("off")]
    assert "disabled" in row


def test_a_job_is_shown_with_its_schedule_and_not_with_a_limit_that_does_not_hold() -> None:
    board = {"counts": {"online": 1}, "machines": [machine("backup", schedule="30 2 * * *"), machine("web")]}
    lines = drawn(Shown(board, NOW, [], 0, ""), 120, 24)
    (job,), (web,) = ([line for line in lines if name in line] for name in ("backup", "web"))
    assert "30 2 * * *" in job
    assert "2 min" not in job
    assert "2 min" in web


@pytest.mark.parametrize("size", [(200, 50), (80, 24), (49, 24), (30, 9), (20, 5), (120, 200)])
@pytest.mark.parametrize("count", [0, 1, 10, 300])
def test_what_is_shown_fits_every_terminal(size: tuple[int, int], count: int) -> None:
    board = {"counts": {"online": count}, "machines": [machine(f"machine-{n:03}") for n in range(count)]}
    for top in (0, 5, 1000):
        lines = drawn(Shown(board, NOW, [change(n) for n in range(9)], top, "not up to date: gone"), *size)
        assert len(lines) <= max(size[1], 7)
        assert all(len(line) <= size[0] for line in lines)


def test_names_move_no_cursor_and_times_tick() -> None:
    board = {"counts": {"error": 1}, "machines": [machine("\x1b[2Jx", "error", acknowledged_by="\x1b[Hann")]}
    text = "\n".join(drawn(Shown(board, NOW), 120, 24))
    assert "\x1b" not in text
    assert "41 s ago" in text
    assert "42 s ago" in "\n".join(drawn(Shown(board, NOW + timedelta(seconds=1)), 120, 24))


@pytest.mark.parametrize("width", [60, 70, 80, 100])
def test_long_groups_and_then_long_names_make_room_for_how_it_is_and_since_when(width: int) -> None:
    since = (NOW - timedelta(minutes=12, seconds=30)).isoformat()
    some = [
        machine("backup-server-frankfurt-01", "offline", group="Datacenter " * 8, status_since=since),
        machine("mail-gateway-frankfurt-02", "provisioning", group="cellar", acknowledged_by="somebody " * 8),
    ]
    board = {"counts": {"offline": 2}, "machines": some}
    head, first, second = (line.rstrip() for line in drawn(Shown(board, NOW), width, 24)[2:5])
    assert head.split()[:5] == ["machine", "status", "last", "seen", "since"]
    assert all(word in first for word in (" offline ", " 41 s ago ", " 12 min 30 s ago"))
    assert " provisioning" in second
    assert first.startswith("backup-serv")
    assert ("limit" in head, " 2 min" in first) == (width > 60,) * 2
    assert ("group" in head, "Datace" in first) == (width > 70,) * 2
    if width == 100:
        assert "backup-server-frankfurt-01 " in first, "the group was enough"


def test_of_more_machines_than_there_is_room_for_it_says_how_many() -> None:
    board = {"counts": {"online": 300}, "machines": [machine(f"m{n:03}") for n in range(300)]}
    lines = drawn(Shown(board, NOW, top=7), 80, 24)
    shown = [line.split()[0] for line in lines if line.startswith("m0")]
    assert shown[0] == "m007"
    assert f"and {300 - 7 - len(shown)} more" in "\n".join(lines)


def test_once_shows_what_is_wrong_first(cli: Cli) -> None:
    for slug in ("calm", "broken", "quiet"):
        cli.json("machines", "add", slug)
    cli("machines", "set", "quiet", "--group", "cellar")
    cli("machines", "pause", "quiet")
    whole = cli.json("watch", "--once")
    assert whole["watched"] is False, "no server runs"
    with closing(sqlite3.connect(cli.folder / "lastseen.db")) as db, db:
        ago = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
        db.execute(
            "INSERT INTO nodes (id, name, version, started_at, alive_at) VALUES ('n', 'n', '1', ?, ?)", (ago, ago)
        )
    assert cli.json("watch", "--once")["watched"] is False, "the one that did gave no sign for a minute"
    assert whole["counts"] == {"offline": 0, "error": 0, "provisioning": 2, "online": 0, "paused": 1, "disabled": 0}
    assert [one["slug"] for one in whole["machines"]] == ["broken", "calm", "quiet"], "the newest first"
    assert [one["slug"] for one in cli.json("watch", "--once", "--group", "No group")["machines"]] == ["broken", "calm"]
    for flags in (["--once"], ["--once", "--json"], ["--json"]):
        nobody = cli("watch", *flags, "--group", "attic")
        assert (nobody.code, nobody.out) == (1, "")
        assert "--group: no machine is in it: 'attic'" in nobody.err
    assert [one["slug"] for one in cli.json("watch", "--once", "--group", "cellar")["machines"]] == ["quiet"]
    said = cli("watch", "--once").out
    assert "2 provisioning" in said
    assert said.index("calm") < said.index("quiet")
    assert "2 provisioning" in cli("watch").out, "it ends by itself where there is no terminal"


@contextmanager
def running(cli: Cli, *arguments: str, **given: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "lastseen", "watch", *arguments], env=cli.environment(), **given)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(60)


def test_each_change_is_a_line_of_json(cli: Cli) -> None:
    cli.json("machines", "add", "pump")
    verbs = itertools.cycle(["pause", "resume"])
    with running(cli, "--json", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        read = _Lines(process.stdout)
        until(lambda: cli("machines", next(verbs), "pump").code == 0 and read.lines, "a line, now that it reads")
        cli.json("machines", "remove", "pump")
        until(lambda: '"machine.removed"' in read.text, "the last change")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        read.close()
    changes = [json.loads(line) for line in read.lines]
    seqs = [one["event"]["seq"] for one in changes]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert changes[0]["machine"]["slug"] == "pump"
    assert (changes[-1]["event"]["type"], changes[-1]["machine"]) == ("machine.removed", None)


def lines_of(stream: Any) -> _Lines:
    return _Lines(stream)


class _Lines:
    def __init__(self, stream: Any) -> None:
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: Any) -> None:
        with stream:
            for line in stream:
                self.lines.append(line.decode())

    def close(self) -> None:
        self._thread.join(60)

    @property
    def text(self) -> str:
        return "".join(self.lines)


@dataclass
class Terminal:
    """Somebody sits at it."""

    fd: int
    said: str = ""

    def read(self) -> None:
        while True:
            try:
                some = os.read(self.fd, 65536)
            except OSError:
                return
            self.said += some.decode(errors="replace")

    def shows(self, words: str) -> bool:
        return words in ESCAPES.sub("", self.said)

    def forget(self) -> None:
        self.said = ""

    def press(self, key: str) -> None:
        os.write(self.fd, key.encode())

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@contextmanager
def at_a_terminal(cli: Cli) -> Iterator[tuple[Terminal, subprocess.Popen[bytes]]]:
    ours, theirs = pty.openpty()
    terminal = Terminal(ours)
    terminal.resize(100, 30)
    environment = {name: value for name, value in cli.environment().items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", "lastseen", "watch"],
        env={**environment, "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    thread = threading.Thread(target=terminal.read, daemon=True)
    thread.start()
    try:
        yield terminal, process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(60)
        thread.join(60)
        os.close(ours)


def test_in_a_terminal_it_follows_what_happens_until_q(cli: Cli) -> None:
    made = [cli.json("machines", "add", f"pump-{number:02}") for number in range(20)]
    with cli.serving() as url, at_a_terminal(cli) as (terminal, process):
        until(lambda: terminal.shows("20 provisioning"), "the first picture")
        assert beat(url, made[0]["key"]) == 204
        until(lambda: terminal.shows("1 online") and terminal.shows("machine.online"), "the change")
        terminal.forget()
        until(lambda: terminal.shows("s ago"), "a tick")
        terminal.forget()
        terminal.resize(60, 12)
        process.send_signal(signal.SIGWINCH)
        until(lambda: re.search(r"and 1\d more", ESCAPES.sub("", terminal.said)), "a smaller picture")
        terminal.press("jj\x1b[Aq")
        assert process.wait(60) == 0
    assert "Traceback" not in terminal.said
