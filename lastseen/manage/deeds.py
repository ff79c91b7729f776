"""Who did what: a line for each verb that changed something, written with that change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec

from lastseen.clock import rfc3339
from lastseen.errors import Forbidden, InvalidInput, StoreUnavailable
from lastseen.log import get_logger
from lastseen.manage.cursors import cursor_of, page_of, place_in
from lastseen.manage.who import Who
from lastseen.model.people import Deed
from lastseen.model.texts import cleaned
from lastseen.protocols import Deeds, Witness
from lastseen.words import say

if TYPE_CHECKING:
    from lastseen.manage.office import Office

MOST: Final = 1000
"""Lines of one answer."""

HIDDEN: Final = frozenset({"password", "secret", "secrets", "token", "key", "digest"})
"""Fields that are written without what was said, should a verb ever pass one."""

_LONGEST = 500

_log = get_logger()
T = TypeVar("T")


@dataclass(frozen=True)
class Doing(Generic[T]):
    """`verb` to `subject`, by `who`. What of it is known only when it is done is made of what that came to; a `subject`
    of None: nothing was done after all."""

    who: Who | Callable[[T], Who]
    verb: str
    subject: str | Callable[[T], str | None]
    changed: Mapping[str, Any] | Callable[[T], Mapping[str, Any] | None] | None
    now: datetime

    def told(self, came: T) -> Sequence[Deed]:
        subject = self.subject(came) if callable(self.subject) else self.subject
        if subject is None:
            return []
        said = self.changed(came) if callable(self.changed) else self.changed
        who, changed = self.who(came) if callable(self.who) else self.who, _plain(said or {})
        by, verb, subject, address = map(cleaned, (who.name, self.verb, subject[:_LONGEST], who.address))
        return [Deed(self.now, by, verb, subject, who.user_id, who.through, address, changed)]


async def do(store: Any, doing: Doing[T], change: Awaitable[T]) -> T:
    """Await this change, by one verb of the store or several. Its deed is in the transaction of the first; a store that
    is no `Witness` is told of it afterwards. What is refused is no deed."""
    if not isinstance(store, Witness):
        came = await change
        await write(store, doing.told(came))
        return came
    with store.witness(doing.told) as witnessed:
        try:
            came = await change
        finally:
            _say(witnessed.deeds or [])
    if witnessed.deeds is None:  # it changed nothing in the store, or not by itself
        await write(store, doing.told(came))
    return came


async def write(store: Any, deeds: Sequence[Deed]) -> None:
    """A store that keeps no such thing has them in the log alone. What is done stays done where this cannot be written:
    the log says so."""
    _say(deeds)
    if not deeds or not isinstance(store, Deeds):
        return
    try:
        await store.keep_deeds(deeds)
    except StoreUnavailable as error:
        for deed in deeds:
            _log.error("deed_not_written", by=deed.by, verb=deed.verb, subject=deed.subject, error=str(error))


def _say(deeds: Sequence[Deed]) -> None:
    for deed in deeds:
        _log.info("deed_done", by=deed.by, through=deed.through, verb=deed.verb, subject=deed.subject)


def _plain(changed: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: "…" if name in HIDDEN else _short(msgspec.to_builtins(value, enc_hook=str))
        for name, value in changed.items()
    }


def _short(value: Any) -> Any:
    match value:
        case str():
            text = cleaned(value)
            return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
        case list():
            return [_short(one) for one in value]
        case dict():
            return {str(name): _short(one) for name, one in value.items()}
    return value


async def listed(
    office: Office, limit: int = 100, before: int | None = None, subject: str | None = None, by: str | None = None
) -> list[dict[str, Any]]:
    """The newest first; `before`: those with smaller ids; `subject`: about this alone (`machine db-01`); `by`: done by
    who was called so. For admins. Raises Forbidden, InvalidInput."""
    if not 1 <= limit <= MOST:
        raise InvalidInput(say("must be 1 to {most}", most=MOST), "limit")
    return await _read(office, limit, before, subject, by)


async def page(
    office: Office,
    *,
    before: int | None = None,
    subject: str | None = None,
    by: str | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> dict[str, Any]:
    """`{"items": […], "next": …}` of the same. Raises Forbidden, InvalidInput."""
    place = place_in(cursor, "id", True)
    befores = [one for one in (before, None if place is None else place[0]) if isinstance(one, int)]
    found = await _read(office, limit + 1, min(befores, default=None), subject, by)
    return page_of(found, limit, lambda last: cursor_of("id", True, (last["id"],)))


async def _read(
    office: Office, limit: int, before: int | None, subject: str | None, by: str | None
) -> list[dict[str, Any]]:
    if not office.who.is_admin:
        raise Forbidden(say("only an admin sees who did what"))
    if not isinstance(office.store, Deeds):
        return []
    return [describe(deed) for deed in await office.store.deeds(limit, before, subject, by)]


def describe(deed: Deed) -> dict[str, Any]:
    return {
        "id": deed.id,
        "at": rfc3339(deed.at),
        "by": deed.by,
        "user_id": deed.user_id,
        "through": deed.through,
        "address": deed.address,
        "verb": deed.verb,
        "subject": deed.subject,
        "changed": dict(deed.changed),
    }
