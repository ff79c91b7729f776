"""A test that lacks something fails in CI, is skipped elsewhere, and says what it lacks; a wait ends."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import support

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
