"""The pages for authors of notifiers and stores, followed to the letter: files are written where they say, and commands
are typed as they stand, but for the network."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from lastseen import plugins
from lastseen.testing.far_end import FarEnd
from tests.cli.conftest import Cli

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"(?:`([\w.]+)`\n\n)?^```(\w*)\n(.*?)^```", re.M | re.S)
PIP = "-m pip install --no-deps --no-build-isolation --no-index --disable-pip-version-check -q"


class Reader:
    """Somebody with an empty folder, who does what a page says. `said` is what the commands printed."""

    def __init__(self, page: str, folder: Path, instead: dict[str, str] | None = None) -> None:
        self.folder, self.instead = folder / "work", instead or {}
        self.loose: list[str] = []
        self.said = ""
        self._tools(folder)
        for name, kind, text in BLOCK.findall((ROOT / "docs" / page).read_text()):
            if name:
                (self.folder / name).write_text(text)
            elif kind == "shell":
                self.said += self.run(text)
            elif kind == "python":
                self.loose.append(text)

    def _tools(self, folder: Path) -> None:
        """`python`, `pip` and `lastseen` of an environment with this tree in it; what pip installs goes to a folder."""
        python, tools = shlex.quote(sys.executable), folder / "bin"
        self.folder.mkdir()
        tools.mkdir()
        installing = f'shift; exec {python} {PIP} --target {folder}/site "$@"'
        for name, does in {
            "python": f'exec {python} "$@"',
            "pip": f'[ "$1" = install ] && {{ {installing}; }}',
            "lastseen": f'exec {python} -m lastseen "$@"',
        }.items():
            (tools / name).write_text(f"#!/bin/sh\n{does}\n")
            (tools / name).chmod(0o755)
        plain = Cli(folder / "data").environment()
        paths = os.pathsep.join([str(folder / "site"), str(ROOT)])
        alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "anyio.pytest_plugin", "PYTEST_ADDOPTS": ""}
        self.env = {**plain, **alone, "PATH": f"{tools}:{plain['PATH']}", "PYTHONPATH": paths}

    def run(self, lines: str) -> str:
        for text, ours in self.instead.items():
            lines = lines.replace(text, ours)
        done = subprocess.run(
            ["sh", "-ec", lines], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, (lines, done.stdout, done.stderr)
        return done.stdout


def test_the_page_for_notifiers_leads_to_an_installed_channel(tmp_path: Path) -> None:
    assert Cli(tmp_path / "data")("db", "upgrade").code == 0
    with FarEnd() as ticker:
        reader = Reader("write-a-notifier.md", tmp_path, {"http://127.0.0.1:8399/": ticker.url})
    assert re.search(r"\d\d passed", reader.said)
    assert re.search(r"ticker +lastseen-ticker 0\.1\.0 +yes +Shows alerts on a ticker\.", reader.said)
    (request,) = ticker.requests
    assert request.headers["authorization"] == "Bearer t0p-s3cret"
    assert request.json["line"].startswith("✅ Test")


def test_the_notifier_that_blocks_is_one(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "write-a-notifier.md").read_text()
    (source,) = [text for name, kind, text in BLOCK.findall(page) if kind == "python" and not name]
    made: dict[str, type] = {}
    exec(source, made)
    assert plugins._wrong(made["Postcard"]) is None


def test_the_page_for_stores_leads_to_an_installed_store(tmp_path: Path) -> None:
    reader = Reader("write-a-store.md", tmp_path)
    assert re.search(r"\d\d passed", reader.said)
    assert re.search(r"file +lastseen-filestore 0\.1\.0 +yes +The store of `file:relative/path`", reader.said)
    assert re.search(r"^heard: 20\d\d-", reader.said, re.M)
    assert (reader.folder / "machines.state").stat().st_size
    (loose,) = reader.loose
    (reader.folder / "test_mine.py").write_text(loose)
    assert re.search(r"passed, \d+ skipped", reader.run("python -m pytest test_mine.py"))


def test_the_page_for_notifiers_lists_every_attribute_of_the_protocol() -> None:
    from lastseen.protocols import Notifier

    page = (ROOT / "docs" / "write-a-notifier.md").read_text().split("## What more there may be")[1]
    promised = re.findall(r"`(?:async )?(\w+)", "\n".join(re.findall(r"^ +- (.*)", Notifier.__doc__ or "", re.M)))
    assert promised
    assert [name for name in promised if f"`{name}" not in page] == []
