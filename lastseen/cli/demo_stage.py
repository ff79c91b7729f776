"""What the demo plays on: real processes of this program, and a receiver that believes signatures alone."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

from lastseen.clock import SystemClock
from lastseen.errors import ConfigurationError, LastseenError

T = TypeVar("T")
CLOCK = SystemClock()
GRACE = 10.0
"""Seconds that a process has to end by itself."""


class DemoFailed(LastseenError):
    """Something that had to happen did not."""


def environment(folder: Path, threshold: str, check_interval: str) -> dict[str, str]:
    """Everything that decides what the demo does is named here, so that no setting of this computer reaches into it."""
    ours = ("LASTSEEN_", "MACHINE_", "TELEGRAM_")
    data = folder / "data"
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        "LASTSEEN_DATA_DIR": str(data),
        "LASTSEEN_DATABASE_URL": f"sqlite:///{data / 'lastseen.db'}",
        "LASTSEEN_HOST": "127.0.0.1",
        "LASTSEEN_PORT": "0",
        "LASTSEEN_LOG_FORMAT": "json",
        "LASTSEEN_RATE_LIMIT": "600/minute",  # its agents report twice a second, which is all that the default lets in
        "MACHINE_OFFLINE_THRESHOLD": threshold,
        "MACHINE_HEARTBEAT_CHECK_INTERVAL": check_interval,
    }


@dataclass
class Stage:
    """Starts and stops `lastseen …` processes; each writes its log into the folder."""

    folder: Path
    env: Mapping[str, str]

    def __post_init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []

    def command(self, *arguments: str) -> Any:
        """Run `lastseen … --json` to its end; the value that it printed."""
        done = subprocess.run(  # noqa: S603 - our own program with our own arguments
            [sys.executable, "-m", "lastseen", *arguments, "--json"], env=self.env, capture_output=True, check=False
        )
        if done.returncode:
            raise DemoFailed(f"lastseen {' '.join(arguments)}: {done.stderr.decode(errors='replace').strip()}")
        return json.loads(done.stdout)

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - as above
                [sys.executable, "-m", "lastseen", *arguments],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the demo, which then stops them in order
            )
        self._running.append(process)
        return process

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def logged(self, name: str, event: str) -> dict[str, Any] | None:
        """The first line of a process's log with this event."""
        for line in self.log(name).read_text(errors="replace").splitlines():
            if f'"{event}"' in line and line.startswith("{") and line.endswith("}"):
                found: dict[str, Any] = json.loads(line)
                if found.get("event") == event:
                    return found
        return None

    def tail(self, name: str, lines: int = 12) -> str:
        path = self.log(name)
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def stop(self) -> None:
        """The newest first, so that the server is last; by their own process ids, and for certain."""
        for process in reversed(self._running):
            process.terminate()
        deadline = CLOCK.monotonic() + GRACE
        for process in reversed(self._running):
            try:
                process.wait(max(0.1, deadline - CLOCK.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()


@dataclass(frozen=True)
class Arrival:
    """One webhook as it arrived. `problem`: why its signature is not to be believed, or ""."""

    at: datetime
    id: str
    payload: Mapping[str, Any]
    problem: str = ""

    @property
    def type(self) -> str:
        return str(self.payload.get("type"))

    @property
    def machine(self) -> str:
        return str((self.payload.get("data") or {}).get("slug"))


class Receiver:
    """A webhook receiver as anybody might write it, with the `standardwebhooks` package as the judge."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.url = ""
        self._new: queue.Queue[Arrival] = queue.Queue()
        self._secret: str | None = None

    def trust(self, secret: str) -> None:
        self._secret = secret

    def wait(self, type_: str, machine: str, timeout: float) -> Arrival:
        """The next arrival of this type for this machine; others before it are kept for the summary."""
        deadline = CLOCK.monotonic() + timeout
        while (left := deadline - CLOCK.monotonic()) > 0:
            try:
                arrival = self._new.get(timeout=left)
            except queue.Empty:
                break
            if (arrival.type, arrival.machine) == (type_, machine):
                return arrival
        raise DemoFailed(f"no {type_} of {machine} arrived within {timeout:g} s")

    def take(self, body: bytes, headers: Mapping[str, str]) -> int:
        """The HTTP status to answer with."""
        from standardwebhooks.webhooks import Webhook, WebhookVerificationError

        at = CLOCK.wall()
        lower = {name.lower(): value for name, value in headers.items()}
        problem, payload = "", {}
        try:
            payload = Webhook(self._secret or "").verify(body, lower)
        except (WebhookVerificationError, ValueError, RuntimeError) as error:
            problem = f"{type(error).__name__}: {error}"
        arrival = Arrival(at, lower.get("webhook-id", ""), payload, problem)
        self.arrivals.append(arrival)
        self._new.put(arrival)
        return 401 if problem else 204


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port of loopback."""
    try:
        import standardwebhooks  # noqa: F401 - better to know before anything is started
    except ImportError:
        raise ConfigurationError(
            "the demo verifies signatures: pip install 'lastseen[server]' or standardwebhooks"
        ) from None
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(receiver.take(body, dict(self.headers.items())))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
            """Quiet: the demo has its own words."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hooks/lastseen"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(GRACE)


def until(check: Callable[[], T | None], what: str, timeout: float, every: float = 0.05) -> T:
    """The first answer of `check` that is something; DemoFailed after `timeout` seconds."""
    deadline = CLOCK.monotonic() + timeout
    while not (found := check()):
        if CLOCK.monotonic() > deadline:
            raise DemoFailed(f"{what}: not within {timeout:g} s")
        time.sleep(every)
    return found
