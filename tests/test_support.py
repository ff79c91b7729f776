"""A test that lacks something fails in CI, is skipped elsewhere, and says what it lacks; a wait ends."""

from __future__ import annotations

import ast
import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import support
from tests.conftest import LONGEST

TESTS = Path(__file__).parent
OTHER_WAYS = {"skip", "skipif", "importorskip", "xfail", "skipTest"}


@pytest.mark.parametrize("value", ["true", "1", "yes", "True", "on"])
def test_what_is_not_here_fails_in_ci(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CI", value)
    support.need("here", "never said")
    with pytest.raises(pytest.fail.Exception, match="no curl"):
        support.need(None, "no curl")


@pytest.mark.parametrize("value", [None, "", "false", "False", "0"])
def test_what_is_not_here_skips_elsewhere(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("CI", raising=False) if value is None else monkeypatch.setenv("CI", value)
    support.need("here", "never said")
    with pytest.raises(pytest.skip.Exception, match="no curl"):
        support.need(None, "no curl")


def test_a_mark_for_programs_names_those_that_are_missing() -> None:
    assert support.needs_programs("sh").args == (True, "not installed: ")
    assert support.needs_programs("sh", "no-such-program").args == (False, "not installed: no-such-program")


MARKED = """
import pytest
from tests.support import needs

@pytest.fixture
def made():
    raise RuntimeError("made all the same")

@needs(False, "no moon here")
def test_it(made):
    pass
"""


@pytest.mark.parametrize(("ci", "code", "said"), [("0", 0, "1 skipped"), ("1", 1, "in CI: no moon here")])
def test_the_mark_is_answered_before_the_test_and_its_fixtures(tmp_path: Path, ci: str, code: int, said: str) -> None:
    (tmp_path / "test_moon.py").write_text(MARKED)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=TESTS.parent,
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, said in done.stdout) == (code, True), done.stdout + done.stderr
    assert "made all the same" not in done.stdout


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: str(path.relative_to(TESTS)))
def test_no_test_is_skipped_in_another_way(path: Path) -> None:
    if path.name in ("support.py", "test_support.py"):
        return
    tree = ast.walk(ast.parse(path.read_text()))
    assert {node.attr for node in tree if isinstance(node, ast.Attribute)} & OTHER_WAYS == set()


SLEEPS = {"support.py", "notifiers/test_broken_notifiers.py", "doctor/test_plugins.py"}
"""Where the one wait is written, and notifiers whose fault is that they sleep."""


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: str(path.relative_to(TESTS)))
def test_no_test_sleeps_instead_of_waiting_for_something(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    slept = [node for node in calls if ast.unparse(node.func) in ("asyncio.sleep", "anyio.sleep", "time.sleep")]
    found = [ast.unparse(node) for node in slept if ast.unparse(node.args[0]) != "0"]
    assert bool(found) == (str(path.relative_to(TESTS)) in SLEEPS), found


def test_a_wait_ends_with_what_it_waited_for_or_says_what_did_not_come() -> None:
    answers = iter([0, 0, 7])
    assert support.until(lambda: next(answers), "seven") == 7

    def never() -> bool:
        raise AssertionError("still two")

    with pytest.raises(AssertionError, match=r"not within 0.01 s: one") as caught:
        support.until(never, "one", timeout=0.01)
    assert "still two" in str(caught.value.__cause__)


async def test_so_does_one_that_is_async() -> None:
    async def answer() -> int:
        return 7

    assert await support.eventually(answer) == 7
    with pytest.raises(AssertionError, match=r"not within 0.01 s"):
        await support.eventually(lambda: False, timeout=0.01)


@pytest.mark.parametrize("path", LONGEST)
def test_what_begins_first_is_there(path: str) -> None:
    assert (TESTS.parent / path).exists()


async def test_a_process_that_ends_before_it_says_what_is_waited_for_is_noticed_at_once() -> None:
    process = await asyncio.create_subprocess_exec("echo", "something else", stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    with pytest.raises(AssertionError, match="something else"):
        await support.read_until(process.stdout, b"ready")
    await process.wait()
