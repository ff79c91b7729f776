"""What the documentation names is there: commands, settings, files, links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from lastseen.settings import OTHER_VARIABLES, Settings

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "CHANGELOG.md"])
IDS = [page.name for page in PAGES]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
RUNNABLE = ("sh", "bash", "console", "crontab", "ini")


def commands(page: Path) -> Iterator[list[str]]:
    """Every `lastseen …` of a page, in code blocks and in running text."""
    text = page.read_text()
    lines = [line for kind, block in FENCE.findall(text) if kind in RUNNABLE for line in _joined(block)]
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


def _is_command(words: list[str]) -> bool:
    """It names a command that is there, with options that this command has."""
    from lastseen.cli.main import app

    command = typer.main.get_command(app)
    context = command.make_context("lastseen", [], resilient_parsing=True)
    rest = list(words)
    alternatives = rest and "|" in rest[0]
    while rest and hasattr(command, "get_command") and not rest[0].startswith("-"):
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
