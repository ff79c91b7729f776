"""Which texts every store can keep: those that UTF-8 can write, without NUL, which PostgreSQL's columns do not hold."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lastseen.errors import InvalidInput
from lastseen.words import say

NUL = say("must not hold the character NUL")
SURROGATE = say("must not hold half of a surrogate pair: it is no character")

_UNFIT = re.compile("[\0\ud800-\udfff]")


def refuse_unfit(**given: str | Iterable[str] | None) -> None:
    """Texts that people give, by the names of their fields. Raises InvalidInput."""
    for field, value in given.items():
        for text in (value,) if value is None or isinstance(value, str) else value:
            found = None if text is None else _UNFIT.search(text)
            if found is not None:
                raise InvalidInput(NUL if found[0] == "\0" else SURROGATE, field)


def is_fit(text: str) -> bool:
    """Whether anything that is kept can be called so."""
    return _UNFIT.search(text) is None


def cleaned(text: str) -> str:
    """A text of whom nobody can be told that it is unfit: U+FFFD in the place of what is."""
    return _UNFIT.sub("\ufffd", text) if not text.isprintable() else text
