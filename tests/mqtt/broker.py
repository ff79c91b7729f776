"""A real Mosquitto, started on a free port and stopped by its process id."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests import support
from tests.support import free_port, need, until


def find(name: str) -> str:
    """The program, which a test needs."""
    found = support.find(name)
    need(found, f"{name} is not installed: apt-get install mosquitto mosquitto-clients")
    assert found is not None
    return found


class Mosquitto:
    """`lines` are added to its configuration. Its port stays the same over restarts."""

    def __init__(
        self, folder: Path, lines: Sequence[str] = ("allow_anonymous true",), persistent: bool = False
    ) -> None:
        self.program, self.port = find("mosquitto"), free_port()
        self._config, self._log = folder / f"mosquitto-{self.port}.conf", folder / f"mosquitto-{self.port}.log"
        store = [f"persistence_location {folder}/", f"persistence_file {self.port}.db"] if persistent else []
        user = ["user root"] if os.geteuid() == 0 else []
        self._config.write_text(
            "\n".join(
                [
                    f"listener {self.port} 127.0.0.1",
                    f"persistence {str(persistent).lower()}",
                    *store,
                    *user,
                    *lines,
                    "",
                ]
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([self.program, "-c", str(self._config)], stdout=log, stderr=log)
        until(self._answers, f"mosquitto answers; its log: {self._log}")

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"mosquitto ended: {self.said()}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    def said(self) -> str:
        """Its log."""
        return self._log.read_text()

    def kill(self) -> None:
        """As a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
            self._process = None

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def publish(self, topic: str, payload: str = "", *options: str) -> None:
        """By Mosquitto's own client; returns when the broker has it."""
        what = ["-m", payload] if payload else ["-n"]
        subprocess.run(
            [find("mosquitto_pub"), "-h", "127.0.0.1", "-p", str(self.port), "-t", topic, "-q", "1", *what, *options],
            check=True,
            timeout=20,
        )

    def with_will(self, topic: str, payload: str) -> subprocess.Popen[bytes]:
        """A device that is there until it is killed."""
        return subprocess.Popen(
            [
                *(find("mosquitto_sub"), "-h", "127.0.0.1", "-p", str(self.port), "-t", "nothing", "-k", "5"),
                *("--will-topic", topic, "--will-payload", payload, "--will-qos", "1", "--will-retain"),
            ]
        )


@contextmanager
def mosquitto(folder: Path, *settings: str) -> Iterator[int]:
    """A broker's port. It says often what it counts."""
    broker = Mosquitto(folder, ("sys_interval 1", *settings))
    broker.start()
    try:
        yield broker.port
    finally:
        broker.stop()
