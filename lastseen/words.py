"""Texts that people read, kept so that they can be said in another language later.

`say` marks a text for a translator and is English to whoever takes it for text: programs, logs, the command line,
chats. Only where it is escaped into a page (`__html__`) is it said in the language of who reads the page. So whoever
raises an error or tells a story knows nothing of languages, and nothing that is written down or sent depends on who
looked.

The text is a template of `str.format`, collected as it stands: no f-string, and nothing else that is not constant.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from html import escape
from typing import Any, Final, Self


@dataclass(frozen=True, slots=True)
class Language:
    """`tag` as HTML has it (`de`, `pt-BR`); `catalogue`: its texts by the English ones."""

    tag: str
    catalogue: gettext.NullTranslations = field(default_factory=gettext.NullTranslations)


ENGLISH: Final = Language("en")

_spoken: ContextVar[Language] = ContextVar("lastseen_language", default=ENGLISH)


def spoken() -> Language:
    """That of the page that is being made."""
    return _spoken.get()


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """While a page is made."""
    token = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(token)


class Words(str):
    """English, and what it was made from. `say` and `say_many` make collected ones; `Words("{field}: {text}", …)` is
    for a form that no language changes."""

    __slots__ = ("_more", "_template", "_values")

    _template: str
    _more: tuple[str, int] | None
    _values: dict[str, Any]

    def __new__(cls, template: str, /, _more: tuple[str, int] | None = None, **values: Any) -> Self:
        chosen = template if _more is None or _more[1] == 1 else _more[0]
        made = super().__new__(cls, _filled(chosen, values))
        made._template, made._more, made._values = template, _more, values
        return made

    def __str__(self) -> str:
        """Itself: an error made from it can be said in another language too."""
        return self

    def __format__(self, spec: str) -> str:
        return format(self[:], spec)

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (self[:],)

    def within(self, language: Language) -> str:
        """Said in this language, as far as it has the words."""
        if self._more is None:
            template = language.catalogue.gettext(self._template) if self._template else ""
        else:
            template = language.catalogue.ngettext(self._template, *self._more)
        values = {name: one.within(language) if isinstance(one, Words) else one for name, one in self._values.items()}
        try:
            return _filled(template, values)
        except (LookupError, ValueError):  # a translator's slip is no reason to show nothing
            return self[:]

    def __html__(self) -> str:
        return _Escaped(escape(self.within(_spoken.get())))


class Apart(Words):
    """What is said on pages in other words: a command line and a chat say what to type, a page has buttons and links.
    `Apart(say("watch it again: `{command}`", …), page=say("watch it again"))`."""

    __slots__ = ("_page",)

    _page: Words

    def __new__(cls, words: Words, /, *, page: Words) -> Self:
        made = super().__new__(cls, "{words}", words=words)
        made._page = page
        return made

    def within(self, language: Language) -> str:
        return self._page.within(language)


class _Escaped(str):
    """Not to be escaped again."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


def _filled(template: str, values: dict[str, Any]) -> str:
    return template.format(**values) if values else template


def say(template: str, /, **values: Any) -> Words:
    """A text for people: `say("no machine {machine!r}", machine=slug)`."""
    return Words(template, **values)


def say_many(one: str, many: str, n: int, /, **values: Any) -> Words:
    """A text about so many, as `{n}`: `say_many("1 outage", "{n} outages", n)`."""
    return Words(one, (many, n), n=n, **values)


def plain(value: object) -> str:
    """For encoders that know no other text than `str` itself."""
    if isinstance(value, Words):
        return value[:]
    raise NotImplementedError(f"a {type(value).__name__} has no place in an answer")


def listed(parts: list[Any], between: str = ", ") -> Words:
    """One after the other."""
    names = [f"p{number}" for number in range(len(parts))]
    return Words(between.join(f"{{{name}}}" for name in names), **dict(zip(names, parts, strict=True)))
