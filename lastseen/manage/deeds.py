"""Who did what: a line for each verb that changed something, written when it is done."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from lastseen.clock import rfc3339
from lastseen.errors import Forbidden, InvalidInput, StoreUnavailable
from lastseen.log import get_logger
from lastseen.manage.who import Who
from lastseen.model.people import Deed
from lastseen.model.texts import cleaned
from lastseen.protocols import Deeds

if TYPE_CHECKING:
    from lastseen.manage.office import Office

MOST: Final = 1000
"""Lines of one answer."""

HIDDEN: Final = frozenset({"password", "secret", "secrets", "token", "key", "digest"})
"""Fields that are written without what was said, should a verb ever pass one."""

_LONGEST = 500

_log = get_logger()


async def write(
    store: Any, who: Who, verb: str, subject: str, changed: Mapping[str, Any] | None, now: datetime
) -> None:
    """A store that keeps no such thing has it in the log alone. What is done stays done where this cannot be written:
    the log says so."""
    verb, subject = cleaned(verb), cleaned(subject)[:_LONGEST]
    _log.info("deed_done", by=who.name, through=who.through, verb=verb, subject=subject)
    if not isinstance(store, Deeds):
        return
    by, address = cleaned(who.name), cleaned(who.address)
    deed = Deed(now, by, verb, subject, who.user_id, who.through, address, _plain(changed or {}))
    try:
        await store.keep_deeds([deed])
    except StoreUnavailable as error:
        _log.error("deed_not_written", by=who.name, verb=verb, subject=subject, error=str(error))


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
    office: Office, limit: int = 100, before: int | None = None, subject: str | None = None
) -> list[dict[str, Any]]:
    """The newest first; `before`: those with smaller ids; `subject`: about this alone (`machine db-01`). For admins.
    Raises Forbidden, InvalidInput."""
    if not office.who.is_admin:
        raise Forbidden("only an admin sees who did what")
    if not 1 <= limit <= MOST:
        raise InvalidInput(f"must be 1 to {MOST}", "limit")
    if not isinstance(office.store, Deeds):
        return []
    return [describe(deed) for deed in await office.store.deeds(limit, before, subject)]


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
