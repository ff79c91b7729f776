"""`serve` as a process, its log read along."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.starting import start
from tests.support import eventually

PROGRAM = """
import sys
from lastseen.errors import LastseenError
from lastseen.serving import serve
from lastseen.settings import Settings
try:
    serve(Settings.load())
except LastseenError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


class Process:
    """A `serve`, its log read along."""

    def __init__(self, folder: Path, *, program: str = PROGRAM, **environment: str) -> None:
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("LASTSEEN_", "MACHINE_", "TELEGRAM_"))}
        ours = {"LASTSEEN_DATA_DIR": str(folder), "LASTSEEN_PORT": "0", "LASTSEEN_LOG_FORMAT": "json"}
        reading, writing = os.pipe()
        with os.fdopen(writing, "w") as errors:
            self.popen = start([], {**plain, **ours, **environment}, errors=errors, program=program)
        self._errors = os.fdopen(reading)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._errors:
            self.lines.append(line)

    def said(self, event: str) -> dict[str, Any] | None:
        for line in list(self.lines):
            if line.startswith("{") and json.loads(line)["event"] == event:
                found: dict[str, Any] = json.loads(line)
                return found
        return None

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in list(self.lines) if line.startswith("{")]

    async def url(self) -> str:
        line = await eventually(lambda: self.said("serving") or (self.popen.poll() is not None and {}))
        assert line, "".join(self.lines)
        return str(line["url"])

    async def ended(self) -> int:
        await eventually(lambda: self.popen.poll() is not None)
        self._reader.join(60)
        return int(self.popen.returncode)


@contextmanager
def serving(folder: Path, *, program: str = PROGRAM, **environment: str) -> Iterator[Process]:
    process = Process(folder, program=program, **environment)
    try:
        yield process
    finally:
        process.popen.kill()
        process.popen.wait()
        process._reader.join(60)
        process._errors.close()
