"""The command on a data folder of its own: within this process, which is quick, or as the process people run."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest
import structlog

from lastseen.cli import main
from tests.starting import Started, finished, start
from tests.support import until

FOREIGN = ("LASTSEEN_", "MACHINE_", "TELEGRAM_")


def beat(url: str, key: str, body: dict[str, str] | None = None) -> int:
    """The status with which the server takes it."""
    headers = {"X-API-Key": key}
    return httpx.post(f"{url}/api/v1/heartbeat", headers=headers, json=body, trust_env=False).status_code


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """The one JSON value on standard output."""
        return json.loads(self.out)


@dataclass
class Cli:
    """`cli("machines", "list")` runs it here, `cli.beside(…)` in a process of its own, `cli.process(…)` just as people
    start it; `cli.json(…)` adds --json and wants success."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def environment(self) -> Mapping[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        return {**plain, "LASTSEEN_DATA_DIR": str(self.folder), "COLUMNS": "200", "TZ": "UTC", **self.env}

    def __call__(self, *arguments: str) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.environment(), clear=True),
            mock.patch.object(sys, "argv", ["lastseen", *arguments]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            logs_as_they_were(),
        ):
            try:
                main()
                code: Any = 0
            except SystemExit as end:
                code = end.code
        assert "Traceback" not in err.getvalue(), err.getvalue()
        return Done(int(code or 0), out.getvalue(), err.getvalue())

    def beside(self, *arguments: str) -> Done:
        code, out, err = finished(arguments, self.environment())
        assert "Traceback" not in err, err
        return Done(code, out, err)

    def process(self, *arguments: str, timeout: float = 300) -> Done:
        command = [sys.executable, "-m", "lastseen", *arguments]
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, timeout=timeout)
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def json(self, *arguments: str) -> Any:
        done = self(*arguments, "--json")
        assert done.code == 0, done.err
        assert done.err == ""
        return done.value

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """`lastseen serve` beside the test; its address."""
        log = self.folder.parent / "serve.log"
        env = {**self.environment(), "LASTSEEN_PORT": "0", "LASTSEEN_LOG_FORMAT": "json"}
        with log.open("wb") as stream:
            process = start(["serve"], env, errors=stream)
        try:
            yield _url(process, log)
        finally:
            process.terminate()
            process.wait(60)


@contextlib.contextmanager
def logs_as_they_were() -> Iterator[None]:
    """A command sets up logging for its whole process, which here is that of the tests."""
    root, config = logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:], root.level = handlers, level
        structlog.configure(**config)
        logging.captureWarnings(False)


def _url(process: Started | subprocess.Popen[Any], log: Path) -> str:
    def said() -> list[str]:
        lines = [line for line in log.read_text().splitlines() if '"serving"' in line]
        if not lines and process.poll() is not None:
            raise RuntimeError(f"serve ended: {log.read_text()}")
        return lines

    return str(json.loads(until(said, f"serve begins: {log.read_text()}", 240)[0])["url"])


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a new database in it, made once and copied for each test."""
    folder = tmp_path_factory.mktemp("fresh") / "data"
    done = Cli(folder)("db", "upgrade")
    assert done.code == 0, done.err
    return folder


@pytest.fixture
def cli(fresh: Path, tmp_path: Path) -> Cli:
    folder = tmp_path / "data"
    shutil.copytree(fresh, folder)
    return Cli(folder)


@pytest.fixture
def empty(tmp_path: Path) -> Cli:
    """Without a database."""
    return Cli(tmp_path / "data")
