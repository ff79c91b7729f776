"""All that is wrong with what somebody said: found one by one, and told at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lastseen.errors import InvalidInput


class Faults:
    """`with faults.noted(): …` for each check, then `faults.tell()`. Of each field the first is told."""

    def __init__(self) -> None:
        self._found: dict[str, InvalidInput] = {}

    @contextmanager
    def noted(self) -> Iterator[None]:
        try:
            yield
        except InvalidInput as error:
            self.note(error)

    def note(self, error: InvalidInput) -> None:
        for one in (error, *error.others):
            self._found.setdefault(one.field, one)

    def has(self, *fields: str) -> bool:
        return any(field in self._found for field in fields)

    def tell(self) -> None:
        """Raises InvalidInput where something is wrong."""
        if self._found:
            first, *others = self._found.values()
            raise InvalidInput(first.message, first.field, others) from None
