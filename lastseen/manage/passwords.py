"""Passwords: which may be one, and whether one is somebody's. Hashed with argon2id, as `pwdlib` recommends, in a
thread: one takes a tenth of a second and 64 MiB, so only `AT_ONCE` are worked on at a time."""

from __future__ import annotations

import secrets
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Final, TypeVar

from lastseen.errors import InvalidInput
from lastseen.manage.beside import Beside
from lastseen.model.texts import refuse_unfit
from lastseen.words import say

if TYPE_CHECKING:
    from pwdlib import PasswordHash

T = TypeVar("T")

SHORTEST: Final = 8
LONGEST: Final = 1000
AT_ONCE: Final = 2

_in_a_thread = Beside("passwords", AT_ONCE)


def check_password(password: str) -> None:
    """Raises InvalidInput naming `password`."""
    refuse_unfit(password=password)
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidInput(
            say("must be {shortest} to {longest} characters", shortest=SHORTEST, longest=LONGEST), "password"
        )


async def hashed(password: str) -> str:
    """What is stored. Raises InvalidInput naming `password`."""
    check_password(password)
    return await _in_a_thread(lambda: _hasher().hash(_plain(password)))


async def matches(password: str, stored: str | None) -> bool:
    """Whether it is the one that was hashed. Against None it is nobody's, and that takes as long to find out."""
    try:
        refuse_unfit(password=password)
    except InvalidInput:
        return False
    if len(password) > LONGEST:
        return False
    return await _in_a_thread(lambda: _matches(password, stored))


def _matches(password: str, stored: str | None) -> bool:
    from pwdlib.exceptions import UnknownHashError

    nobodys = _nobodys()
    try:
        right = _hasher().verify(_plain(password), stored or nobodys)
    except UnknownHashError:  # it came into the database some other way
        return False
    return right and stored is not None


def _plain(password: str) -> str:
    """Keyboards write one and the same letter in different ways."""
    return unicodedata.normalize("NFC", password)


@cache
def _hasher() -> PasswordHash:
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    return PasswordHash((Argon2Hasher(),))


@cache
def _nobodys() -> str:
    return _hasher().hash(secrets.token_urlsafe())
