"""What the documentation says is so: commands, settings, files and links are there, tables and code are the code's, and
following the README leads to a first alert."""

from __future__ import annotations

import ast
import contextlib
import json
import re
import runpy
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from lastseen.cli.demo_stage import receiving
from lastseen.log import EVENTS
from lastseen.model import Event, Severity, Status
from lastseen.monitor.states import TABLE, Fact
from lastseen.notifiers.webhook import payload
from lastseen.settings import OTHER_VARIABLES, Settings
from tests.cli.conftest import Cli
from tests.support import needs_programs, until

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "CHANGELOG.md"])
IDS = [page.name for page in PAGES]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
RUNNABLE = ("sh", "bash", "console", "crontab", "ini")


def commands(page: Path, running_text: bool = True) -> Iterator[list[str]]:
    """Every `lastseen …` of a page, in code blocks and, if wanted, in running text."""
    text = page.read_text()
    lines = [line for kind, block in FENCE.findall(text) if kind in RUNNABLE for line in _joined(block)]
    if running_text:
        lines += re.findall(r"`(lastseen [^`\n]+)`", FENCE.sub("", text))
    for line in lines:
        match = re.search(r"(?:^|[\s/=(])lastseen (?=[a-z-])(.*)", line)
        if match and not line.lstrip().startswith(("#", "pip")) and "Description" not in line:
            yield _words(match.group(1))


def _joined(block: str) -> list[str]:
    return block.replace("\\\n", " ").splitlines()


def _words(line: str) -> list[str]:
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        words = line.split()
    ends = [i for i, word in enumerate(words) if word in ("|", ">", "&&", ";", "…")]
    return words[: ends[0]] if ends else words


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_named_is_one(page: Path) -> None:
    wrong = [" ".join(words) for words in commands(page) if not _is_command(words)]
    assert wrong == []


@cache
def _program() -> Any:
    from lastseen.cli.main import app

    return typer.main.get_command(app)


def _is_command(words: list[str]) -> bool:
    """It names a command that is there, with options that this command has."""
    command = _program()
    context = command.make_context("lastseen", [], resilient_parsing=True)
    rest = list(words)
    alternatives = rest and "|" in rest[0]
    while rest and hasattr(command, "get_command") and not rest[0].startswith("-"):
        if rest[0].isupper():
            return True  # stands for several
        names = rest.pop(0).split("|")
        found = [command.get_command(context, name) for name in names]
        if not all(found):
            return False
        command = found[0]
        context = command.make_context(names[0], [], resilient_parsing=True, parent=context)
    if alternatives:
        return True
    known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    known |= {"--help", "-h"}
    return all(word.split("=")[0] in known for word in rest if re.match(r"--?[a-z]", word))


def test_the_table_of_commands_is_that_of_the_program() -> None:
    written = runpy.run_path(str(ROOT / "docs" / "write_commands.py"))
    assert (ROOT / "docs" / "commands.md").read_text().endswith(written["table"]()), "python docs/write_commands.py"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_setting_named_is_one(page: Path) -> None:
    known = {name for name, _, _ in Settings.describe()} | OTHER_VARIABLES
    named = re.findall(r"\b(?:LASTSEEN|MACHINE|TELEGRAM)_[A-Z_]+[A-Z]\b", page.read_text())
    assert {name for name in named if name.removesuffix("_FILE") not in known and name not in known} == set()


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"https?://|mailto:", target):
            continue
        file, _, anchor = target.partition("#")
        aim = (page.parent / file).resolve() if file else page
        assert aim.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", aim.read_text(), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}, target


def test_the_readme_links_every_page() -> None:
    linked = re.findall(r"\]\((docs/[\w-]+\.md)\)", (ROOT / "README.md").read_text())
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {Path(link).name for link in linked} == set()


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_path_named_is_there(page: Path) -> None:
    tops = "lastseen|tests|docs|examples|benchmarks|deploy"
    named = re.findall(rf"`((?:{tops})/[\w./-]+?\.\w+|(?:{tops})/[\w/-]+/)`", page.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_make_target_named_is_one(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    named = re.findall(r"(?:^|`)make ([a-z]+)", page.read_text(), re.M)
    assert set(named) <= targets


# -- tables and code blocks, held to the code they speak of


def rows(page: str) -> list[list[str]]:
    """The cells of every table row of a page, without header and rule."""
    lines = (ROOT / "docs" / page).read_text().splitlines()
    cells = [[cell.strip() for cell in line[1:].rstrip("|").split("|")] for line in lines if line.startswith("| `")]
    return [[row[0].strip("`"), *row[1:]] for row in cells]


def test_the_settings_page_is_what_can_be_set() -> None:
    said = [tuple(row) for row in rows("deployment.md") if re.fullmatch(r"[A-Z_]+", row[0])]
    assert said == [(name, default or "none", meaning) for name, default, meaning in Settings.describe()]


def test_the_page_of_log_lines_is_the_table() -> None:
    table = [(name, level, fields or "–", meaning) for name, (level, fields, meaning) in EVENTS.items()]
    assert [tuple(row) for row in rows("logs.md")] == table


def test_every_log_line_in_the_code_is_in_the_table_as_it_is_and_every_one_in_the_table_is_used() -> None:
    made: dict[str, set[tuple[str, frozenset[str]]]] = {}
    for name, level, fields in log_calls():
        made.setdefault(name, set()).add((level, fields))
    table = {
        name: {(level, frozenset(filter(None, fields.split(", "))))} for name, (level, fields, _) in EVENTS.items()
    }
    assert made == table


def log_calls() -> Iterator[tuple[str, str, frozenset[str]]]:
    """Name, level and fields of every call of a logger in the package."""
    for file in (ROOT / "lastseen").rglob("*.py"):
        source = file.read_text()
        if "get_logger" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if ast.unparse(node.func.value).split(".")[-1].strip("_") not in ("log", "logger"):
                continue
            first = node.args[0] if node.args else None
            assert isinstance(first, ast.Constant), f"{file}:{node.lineno}: the name of a log line is a constant"
            yield str(first.value), node.func.attr, frozenset(str(k.arg) for k in node.keywords) - {"exc_info"}


def test_the_states_page_is_the_table_that_decides() -> None:
    facts = (
        Fact.HEARD,
        Fact.OK,
        Fact.ERROR,
        Fact.FAILED,
        Fact.PRESENT,
        Fact.GONE,
        Fact.SILENT,
        Fact.PAUSE,
        Fact.RESUME,
    )
    said = {row[0]: row[1:] for row in rows("design.md") if row[0] in ("provisioning", "online", "offline", "error")}
    assert list(said) == ["provisioning", "online", "offline", "error"]
    for status, cells in said.items():
        moves = [TABLE[Status(status), fact] for fact in facts]
        assert TABLE[Status(status), Fact.OVERRUN] == TABLE[Status(status), Fact.SILENT], "they share a column"
        to = [move and move.to for move in moves]
        assert cells == ["" if m is None else "told again" if m == status else f"→ {m}" for m in to], status


def test_the_code_of_the_library_page_is_the_files_that_it_names() -> None:
    text = (ROOT / "docs" / "library.md").read_text()
    shown = re.findall(r"`(examples/\w+\.py)`\n\n```python\n(.*?)```", text, re.S)
    assert len(shown) == text.count("```python")
    for name, code in shown:
        assert code == without_docstring(ROOT / name), name


def test_the_readme_shows_the_smallest_example() -> None:
    assert f"```python\n{without_docstring(ROOT / 'examples' / 'minimal.py')}```" in (ROOT / "README.md").read_text()


def without_docstring(file: Path) -> str:
    return re.sub(r'\A"""[\s\S]*?"""\n+', "", file.read_text())


def test_the_example_of_a_webhook_has_the_fields_of_a_webhook() -> None:
    text = (ROOT / "docs" / "notifications.md").read_text()
    (block,) = [block for kind, block in FENCE.findall(text) if kind == "json"]
    when = datetime(2025, 10, 10, tzinfo=UTC)
    shown = json.loads(block)
    made = payload(Event("uid", "machine.offline", Severity.ALERT, when, "silent", {"machine": {"id": 1}}))
    assert list(shown) == list(made)
    assert set(shown["machine"]) == set(made["machine"])
    assert set(shown["data"]) == set(made["data"])


# -- commands, run


# these need a server, or are one: the test after this one, and tests/cli
NOT_ALONE = {"serve", "agent", "run", "demo", "doctor", "webhook", "drill"}
NOT_ALONE |= {"watch"}  # goes on until it is interrupted: tests/stream/test_watch.py
NOT_ALONE |= {"--server"}  # needs one: tests/client
NOT_ALONE |= {"import"}  # from the databases of other programs: tests/imports/test_docs_import.py
FAR_ENDS = {("channels", "test"), ("channels", "add", "telegram"), ("notifications", "replay")}
FAR_ENDS |= {("channels", "invite")}  # tests/cli/test_invites.py
FAR_ENDS |= {("machines", "show", "pump-1")}  # a fleet key made it, in a request: tests/foreign/test_docs_http.py


SECRET_FILES = {
    "mail-password": "c0rrect-horse",
    "ntfy-topic": "alerts-Xq7",
    "ntfy-token": "tk_AgQdq7mVBo",
    "apprise-addresses": "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js\n",
}
"""What pages have read from files of these names."""

CHANNELS = {"wishes.md": ("ops", "family", "boss")}
"""Channels that a page says something to."""

SHELLS = [page for page in PAGES if any(commands(page, running_text=False))]


@pytest.mark.parametrize("page", SHELLS, ids=[page.name for page in SHELLS])
def test_every_command_in_a_shell_block_does_what_it_is_there_for(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in SECRET_FILES.items():
        (tmp_path / name).write_text(text)
    cli = Cli(tmp_path / "data")
    assert cli("db", "upgrade").code == 0
    assert cli("machines", "add", "db-01").code == 0
    for name in CHANNELS.get(page.name, ()):
        assert cli("channels", "add", "console", "--name", name).code == 0
    for words in commands(page, running_text=False):
        if words[0] in NOT_ALONE or any(tuple(words[: len(far)]) == far for far in FAR_ENDS):
            continue
        if words[:2] == ["machines", "add"]:
            words = [*words, "--if-missing"]
        done = cli(*words)
        assert done.code == 0, (words, done.err)


@needs_programs("curl")
def test_the_readme_leads_to_a_first_alert(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Every line of that section as it stands, but for addresses and patience: a real server, agent and receiver."""
    steps = iter(first_alert())
    with receiving() as receiver, Cli(tmp_path / "data", {"LASTSEEN_LOG_FORMAT": "json"}).serving() as url:
        shell = Shell(tmp_path, {"http://127.0.0.1:8383": url, "https://example.org/hooks/lastseen": receiver.url})
        assert "Its key is in db-01.key." in shell.run(next(steps))
        assert (tmp_path / "db-01.key").stat().st_mode & 0o777 == 0o600

        beat = next(steps).splitlines()

        def listed() -> bool:
            shell.run(beat[0])
            return re.search(r"db-01 +(online|offline) +\d", shell.run(beat[1])) is not None  # a list may take its time

        until(listed, "the machine is listed with its heartbeat")

        *adding, trying = next(steps).splitlines()
        secret = re.search(r"whsec_\S+", shell.run("\n".join(adding)))
        assert secret is not None
        receiver.trust(secret[0])
        assert "It works: delivered" in shell.run(trying)

        agent = next(steps)
        with shell.started(agent):
            until(lambda: "online" in shell.run("lastseen machines show db-01"), "the agent is heard")
        receiver.wait("machine.offline", "db-01", 60)
        with shell.started(agent):
            receiver.wait("machine.online", "db-01", 60)
            history, told = next(steps).splitlines()
            assert {"machine.offline", "machine.online"} <= set(shell.run(history).split())
            until(lambda: shell.run(told).count("delivered") >= 4, "both channels were told twice")
    assert list(steps) == []
    assert not any(arrival.problem for arrival in receiver.arrivals)
    assert "🔴 db-01 offline since" in capfd.readouterr().out, "the console channel prints where the server runs"


def first_alert() -> list[str]:
    text = (ROOT / "README.md").read_text()
    section = text.split("## The first machine and the first alert\n")[1].split("\n## ")[0]
    return [block.strip() for kind, block in FENCE.findall(section) if kind == "sh"]


class Shell:
    """Where the README is typed into: a folder, and what a reader puts in the place of its addresses."""

    def __init__(self, folder: Path, instead: dict[str, str]) -> None:
        self.folder, self.instead = folder, {**instead, "--offline-after 20s": "--offline-after 3s", "5s": "500ms"}
        commands = folder / "bin"
        commands.mkdir()
        program = commands / "lastseen"
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m lastseen "$@"\n')
        program.chmod(0o755)
        plain = Cli(folder / "data").environment()
        self.env = {**plain, "PATH": f"{commands}:{plain['PATH']}", "PYTHONPATH": str(ROOT)}

    def _meant(self, lines: str) -> str:
        for text, ours in self.instead.items():
            lines = lines.replace(text, ours)
        return lines

    def run(self, lines: str) -> str:
        done = subprocess.run(
            ["sh", "-ec", self._meant(lines)],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, (lines, done.stdout, done.stderr)
        return done.stdout

    @contextlib.contextmanager
    def started(self, line: str) -> Iterator[None]:
        """It runs until Ctrl-C."""
        process = subprocess.Popen(
            ["sh", "-c", f"exec {self._meant(line)}"], cwd=self.folder, env=self.env, stderr=subprocess.DEVNULL
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
