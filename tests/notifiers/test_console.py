"""The console notifier."""

from __future__ import annotations

import io
import sys

import pytest

from lastseen.notifiers.console import Console
from tests.notifiers.builders import message


async def test_it_prints_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert await Console().send(message(text="🔴 db-01 offline\nline two")) is None
    assert capsys.readouterr().out == "🔴 db-01 offline\nline two\n"


async def test_it_prints_to_standard_error_when_told_to(capsys: pytest.CaptureFixture[str]) -> None:
    await Console(Console.Config(stream="stderr")).send(message(text="x"))
    assert capsys.readouterr().err == "x\n"


async def test_a_terminal_that_knows_no_emoji_gets_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    await Console().send(message(text="🔴 db-01"))
    assert raw.getvalue() == b"? db-01\n"
