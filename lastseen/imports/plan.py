"""What is to be moved, whatever program it comes from, and what cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from lastseen.model import slugify
from lastseen.model.arrival import Arriving, ArrivingChannel, ArrivingKey, ArrivingMachine, ArrivingSilence

What = TypeVar("What", bound=Arriving)


@dataclass(frozen=True, slots=True)
class Hears:
    """Which machines a channel hears of, or a silence covers: all, those of groups, or those with these marks."""

    everything: bool = False
    groups: tuple[str, ...] = ()
    marks: frozenset[str] = frozenset()

    @property
    def nothing(self) -> bool:
        return not (self.everything or self.groups or self.marks)


@dataclass(frozen=True, slots=True)
class Coming(Generic[What]):
    """One thing that is to come.

    `name`: what it is called there. `what`: what it is to be here. `notes`: what of it does not come along, for people.
    `hears`: the machines that a channel or a silence is about; they are put into `what` once it is known which of them
    come. `reaches`: the marks of the machines that a key reaches, by the slugs that it calls them by.
    """

    name: str
    what: What
    notes: tuple[str, ...] = ()
    hears: Hears = Hears()
    reaches: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Left:
    """What cannot move. `kind`: of what sort it is, as `check` or `http monitor`."""

    kind: str
    name: str
    why: str


@dataclass(slots=True)
class Plan:
    """All of one program. `remarks`: what is to be known of the move as a whole, for people."""

    program: str
    machines: list[Coming[ArrivingMachine]] = field(default_factory=list)
    channels: list[Coming[ArrivingChannel]] = field(default_factory=list)
    keys: list[Coming[ArrivingKey]] = field(default_factory=list)
    silences: list[Coming[ArrivingSilence]] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def leave(self, kind: str, name: str, why: str) -> None:
        self.left.append(Left(kind, name, why))


class Names:
    """Names that are each given once: the second `db` is `db-2`."""

    def __init__(self, longest: int = 200) -> None:
        self._given: set[str] = set()
        self._longest = longest

    def unique(self, name: str) -> str:
        given, count = name[: self._longest], 1
        while given in self._given:
            count += 1
            given = f"{name[: self._longest - 5]}-{count}"
        self._given.add(given)
        return given

    def slug(self, name: str, otherwise: str) -> str:
        """Made of a name, in lower case; `otherwise` where nothing of it can be in a slug."""
        return self.unique(slugify(name).lower() or otherwise)


def tags_of(words: Iterable[str]) -> tuple[str, ...]:
    """As machines have them: each once, of 1 to 100 characters."""
    return tuple(sorted({word[:100] for word in words if word}))
