"""Up to where somebody has read what happens. A position is a text that survives a restart, and is good on every node.

Ids of events are given before they are committed. Where several processes write at once, an event with a smaller id may
be there after one with a greater id; so a position is the greatest id that was seen, and the gaps below it: ids that
were given to somebody who had not committed yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from lastseen.errors import InvalidInput

MOST_GAPS = 1000
"""More are not remembered: the oldest are taken for ids that were given back."""

MOST_WRITTEN = 100
"""Gaps in a text: headers have an end."""

GREATEST = 2**63 - 1
_WANTED = "must be an id as the stream sends it, or the id of an event"

_TEXT = re.compile(r"\d{1,19}(\.\d{1,19}(-\d{1,19})?){0,100}")


class Gap(NamedTuple):
    """Ids from `first` to `last`. `horizon`: whoever may still commit them began before it, in the store's own count;
    None: not asked yet."""

    first: int
    last: int
    horizon: int | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """All events up to the id `top`, but for those in `gaps`, which rise and do not touch."""

    top: int = 0
    gaps: tuple[Gap, ...] = ()

    def __contains__(self, event: int) -> bool:
        return event <= self.top and not any(gap.first <= event <= gap.last for gap in self.gaps)

    @property
    def text(self) -> str:
        """As `read` takes it: `120`, or `120.111.115-117`."""
        written = (f".{g.first}" if g.first == g.last else f".{g.first}-{g.last}" for g in self.gaps[-MOST_WRITTEN:])
        return f"{self.top}{''.join(written)}"

    @classmethod
    def read(cls, text: str, field: str = "after") -> Seen:
        """Raises InvalidInput naming the field."""
        if not (text.isascii() and _TEXT.fullmatch(text)):
            raise InvalidInput(_WANTED, field)
        top, *spans = text.split(".")
        pairs = [tuple(map(int, span.split("-"))) for span in spans]
        gaps = tuple(Gap(pair[0], pair[-1]) for pair in pairs)
        ends = [*(end for gap in gaps for end in gap[:2]), int(top)]
        if ends[-1] > GREATEST or any(one > next_ for one, next_ in pairwise(ends)):
            raise InvalidInput(_WANTED, field)
        return cls(int(top), gaps)

    def lacking(self, gaps: Iterable[Gap]) -> Seen:
        """Without what is in these gaps."""
        both = (*self.gaps, *clipped(gaps, self.top))
        return Seen(self.top, joined(gap._replace(horizon=None) for gap in both))

    def at(self, top: int) -> tuple[Gap, ...]:
        """The gaps up to there."""
        return tuple(clipped(self.gaps, top))


@dataclass(frozen=True, slots=True)
class Followed:
    """An event, as `History` prints it. `owner`: whose machine or channel it is of, None: everybody may know."""

    event: Mapping[str, Any]
    owner: int | None = None

    @property
    def id(self) -> int:
        return int(self.event["id"])


@dataclass(frozen=True, slots=True)
class Sequel:
    """What came after a position, by id, and the position from then on. `more`: there may be more already."""

    events: Sequence[Followed]
    seen: Seen
    more: bool = False


def positions(before: Seen, events: Sequence[int], after: Seen) -> Iterator[Seen]:
    """After each of these, of whoever was at `before` and is given them in this order, which rises."""
    late = [event for event in events if event <= before.top]
    for number, event in enumerate(events):
        if event <= before.top:
            waiting = [Gap(one, one) for one in late[number + 1 :]]
            yield Seen(before.top, joined([*after.at(before.top), *waiting]))
        else:
            yield Seen(event, after.at(event))


def without(gaps: Iterable[Gap], ids: Sequence[int]) -> list[Gap]:
    """The gaps but for these ids, which rise."""
    left: list[Gap] = []
    for gap in gaps:
        first = gap.first
        for one in (one for one in ids if gap.first <= one <= gap.last):
            if first < one:
                left.append(Gap(first, one - 1, gap.horizon))
            first = one + 1
        if first <= gap.last:
            left.append(Gap(first, gap.last, gap.horizon))
    return left


def between(after: int, ids: Sequence[int]) -> list[Gap]:
    """The gaps from there to the last of these ids, which rise."""
    return without([Gap(after + 1, ids[-1])], ids) if ids and ids[-1] > after else []


def common(gaps: Iterable[Gap], others: Sequence[Gap]) -> list[Gap]:
    """What is in both, with the horizons of the others."""
    pieces = (
        Gap(max(gap.first, other.first), min(gap.last, other.last), other.horizon) for gap in gaps for other in others
    )
    return [piece for piece in pieces if piece.first <= piece.last]


def clipped(gaps: Iterable[Gap], top: int) -> list[Gap]:
    return [Gap(gap.first, min(gap.last, top), gap.horizon) for gap in gaps if gap.first <= top]


def joined(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """In order, with those that touch made one; at most MOST_GAPS."""
    done: list[Gap] = []
    for gap in sorted(gaps, key=lambda gap: gap.first):
        last = done[-1] if done else None
        if last is not None and gap.first <= last.last + 1 and gap.horizon == last.horizon:
            done[-1] = Gap(last.first, max(last.last, gap.last), gap.horizon)
        else:
            done.append(gap)
    return tuple(done[-MOST_GAPS:])
