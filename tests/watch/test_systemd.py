"""What is said to the service manager, heard by a real datagram socket."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lastseen.systemd import Manager
from tests.watch.listening import Listening


@contextmanager
def heard(address: str) -> Iterator[Listening]:
    with Listening(address) as listening:
        yield listening


@pytest.fixture(params=["file", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "file" else f"@lastseen-test-{os.getpid()}"


def test_each_word_is_one_datagram_of_lines(address: str) -> None:
    with heard(address) as listening:
        manager = Manager(address)
        manager.ready()
        manager.status("3 of 4 machines online,\n1 offline")
        manager.alive()
        manager.stopping()
        assert listening.messages() == [
            {"READY": "1"},
            {"STATUS": "3 of 4 machines online, 1 offline"},
            {"WATCHDOG": "1"},
            {"STOPPING": "1", "STATUS": "stopping"},
        ]


def test_the_same_status_is_said_once(address: str) -> None:
    with heard(address) as listening:
        manager = Manager(address)
        for text in ("one", "one", "two"):
            manager.status(text)
        assert listening.messages() == [{"STATUS": "one"}, {"STATUS": "two"}]


def test_a_manager_that_does_not_read_is_not_waited_for_and_misses_nothing_that_counts(address: str) -> None:
    with heard(address) as listening:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.setblocking(False)
            with contextlib.suppress(BlockingIOError):  # it comes, or this never ends
                while True:
                    other.sendto(b"NOISE=1", listening.name)
        manager = Manager(address)
        manager.ready()
        manager.alive()
        listening.messages()
        manager.status("late")
        assert listening.messages() == [{"READY": "1", "STATUS": "late"}]  # that we lived a while ago is no news


def test_a_manager_that_went_away_is_no_trouble(tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "nobody"))
    manager.ready()
    manager.alive()


@pytest.mark.parametrize(
    ("environment", "watchdog"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_ours_only_when_it_says_so(environment: dict[str, str], watchdog: float | None) -> None:
    given = {"NOTIFY_SOCKET": "@somebody", "PATH": "/bin", **environment}
    manager = Manager.of_environment(given)
    assert manager is not None
    assert manager.watchdog == watchdog
    assert given == {"PATH": "/bin"}, "programs that we start are not meant"


@pytest.mark.parametrize("address", ["", "@", "/", "vsock:2:1234", "relative/path"])
def test_without_an_address_that_is_understood_nobody_wants_to_hear_of_us(address: str) -> None:
    assert Manager.of_environment({"NOTIFY_SOCKET": address}) is None
