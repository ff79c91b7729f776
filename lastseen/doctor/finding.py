"""What a check says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """`bad`: something does not work. `warning`: something will not, or did not. `hint`: good to know."""

    BAD = "bad"
    WARNING = "warning"
    HINT = "hint"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing. `code` is its constant name; `do` is what to do about it, as a sentence."""

    severity: Severity
    code: str
    what: str
    do: str = ""

    @property
    def wants_doing(self) -> bool:
        return self.severity is not Severity.HINT


@dataclass(frozen=True, slots=True)
class Checked:
    """A check's answer: how things are, in a few words, and what is to be said about it."""

    summary: str
    findings: tuple[Finding, ...] = ()


def listed(names: Iterable[str], count: int | None = None, shown: int = 5) -> str:
    """`a, b, c and 12 more`."""
    known = list(names)
    total = len(known) if count is None else count
    first = known[:shown]
    more = total - len(first)
    return ", ".join(first) + (f" and {more} more" if more > 0 else "")


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 machine`, `2,000 machines`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
