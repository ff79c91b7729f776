"""In which language a page is made: of those that there are catalogues for, the one that the browser likes best.

A catalogue is what gettext makes of a translation: `<folder>/<language>/LC_MESSAGES/*.mo`, in `lastseen/web/locale` or
in the folder of the settings, which comes first. English needs none.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from starlette.requests import Request

from lastseen.errors import ConfigurationError
from lastseen.words import ENGLISH, Language

OURS: Final = Path(__file__).parent / "locale"

LONGEST: Final = 500
"""Characters of what a browser says it likes that are looked at."""

_TAG: Final = re.compile(r"[a-z]{2,8}(-[a-z0-9]{1,8})*", re.I)


class Languages:
    """All that there are, by their tags in small letters."""

    def __init__(self, folder: Path | None = None) -> None:
        """Raises ConfigurationError where `folder` is none, or holds what is no catalogue."""
        if folder is not None and not folder.is_dir():
            raise ConfigurationError(f"LASTSEEN_LOCALE_DIR: there is no folder {folder}")
        self._known: Mapping[str, Language] = {
            one.tag.lower(): one for root in (OURS, folder) if root is not None for one in _in(root)
        }

    def best(self, liked: str) -> Language:
        """`liked`: an Accept-Language header."""
        if not self._known:
            return ENGLISH
        for tag in _in_order(liked[:LONGEST]):
            while tag:
                if tag in self._known:
                    return self._known[tag]
                if tag in ("en", "*"):
                    return ENGLISH
                tag = tag.rpartition("-")[0]
        return ENGLISH

    def of(self, request: Request) -> Language:
        return self.best(request.headers.get("accept-language", ""))


def language_of(request: Request) -> Language:
    languages: Languages = request.app.state.languages
    return languages.of(request)


def _in_order(liked: str) -> list[str]:
    """The best liked first: `de-AT, en;q=0.5`."""
    found: list[tuple[float, str]] = []
    for part in liked.split(","):
        tag, _, weight = part.strip().partition(";")
        quality = re.fullmatch(r"\s*q=([01](?:\.\d{1,3})?)\s*", weight)
        much = float(quality[1]) if quality else 0.0 if weight else 1.0
        if much and (tag == "*" or _TAG.fullmatch(tag)):
            found.append((much, tag.lower()))
    return [tag for _, tag in sorted(found, key=lambda one: -one[0])]


def _in(root: Path) -> Iterator[Language]:
    for folder in sorted(root.glob("*/LC_MESSAGES")):
        tag = folder.parent.name.replace("_", "-")
        files = sorted(folder.glob("*.mo"))
        if files and _TAG.fullmatch(tag):
            yield Language(tag, _read(files))


def _read(files: list[Path]) -> gettext.NullTranslations:
    """One after the other is asked."""
    every = gettext.NullTranslations()
    for path in files:
        try:
            with path.open("rb") as file:
                every.add_fallback(gettext.GNUTranslations(file))
        except (OSError, ValueError) as error:  # UnicodeDecodeError is a ValueError
            raise ConfigurationError(f"{path} is no catalogue of gettext: {error}") from None
    return every
