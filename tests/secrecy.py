"""Every secret that a test uses is noted here; nothing that is logged anywhere may contain one."""

from __future__ import annotations

from pathlib import Path

LOGGED: list[tuple[str, str]] = []
"""What tests logged: the test, the text."""

_SECRETS: set[str] = set()
_FROM_FILES: list[tuple[str, str]] = []


def secret(text: str) -> str:
    """Note a secret, and return it."""
    if len(text) < 8:
        raise ValueError("too short to be looked for")
    _SECRETS.add(text)
    return text


def log_of(name: str, path: Path) -> None:
    """Keep what a process has logged, before its folder goes."""
    _FROM_FILES.append((name, path.read_text(errors="replace")))


def leaks() -> list[tuple[str, str]]:
    """Where, and the beginning of, each secret that was found."""
    return sorted(
        {(where, text[:9]) for where, logged in [*LOGGED, *_FROM_FILES] for text in _SECRETS if text in logged}
    )
