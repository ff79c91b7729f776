"""Names: what may be a slug, which group is meant, and the uids that make repeating harmless."""

from __future__ import annotations

import hashlib
import re
import unicodedata
import uuid
from datetime import datetime
from typing import Final

from lastseen.errors import InvalidInput
from lastseen.words import say

SLUG = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._:-]{1,200}")
"""Not one dot or two: in an address they mean another place, and browsers go there."""

KNOWN_SLUG = re.compile(r"[A-Za-z0-9._:-]{1,200}")
"""What may be looked for: of a machine from before it may be those."""


def check_slug(slug: str, field: str = "slug") -> None:
    """Raises InvalidInput naming `field`."""
    if slug in (".", ".."):
        raise InvalidInput(say("must not be {slug!r}: that means another place in an address", slug=slug), field)
    if not SLUG.fullmatch(slug):
        raise InvalidInput(say("must be 1 to 200 of A-Z a-z 0-9 . _ : -, not {slug!r}", slug=slug), field)


NO_GROUP: Final = "http"
"""Of whom nothing was said."""

NO_GROUP_CALLED: Final = say("no group")
"""As pages call it."""


def group_meant(text: str) -> str:
    """Which group somebody names: what pages call no group is never another one of that name."""
    return NO_GROUP if text.strip().casefold() == NO_GROUP_CALLED.casefold() else text


def slugify(name: str) -> str:
    """A slug made from any name: what is not `[A-Za-z0-9._:-]` becomes `-`; "" when nothing is left that is one."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^A-Za-z0-9._:-]+", "-", plain).strip("-")[:200]
    return slug if SLUG.fullmatch(slug) else ""


def event_uid(machine_uid: str, seq: int) -> str:
    """The uid of a machine's event: derived, so that writing it twice is harmless (RFC 9562, version 5)."""
    return _uuid5(_space(machine_uid), str(seq))


def subject_event_uid(event_type: str, subject: str, start: datetime) -> str:
    """The uid of an event without a machine: from its type, what it is about and when that began."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"lastseen:{event_type}/{subject}/{start.isoformat()}"))


def notification_uid(event: str, channel: str, occasion: int = 0) -> str:
    """The uid of a notification: from its event, its channel and the occasion."""
    return _uuid5(_space(event), f"{channel}/{occasion}")


def run_uid(machine_uid: str, at: datetime, run: str | None) -> str:
    """The uid of a run: from its machine, when it was first heard of, and what the machine calls it."""
    return _uuid5(_space(machine_uid), f"run/{at.isoformat()}/{run or ''}")


def code_channel_uid(name: str) -> str:
    """The uid of a channel that is given in code under a durable name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"lastseen:code-channel/{name}"))


def _space(uid: str) -> bytes:
    """The 16 bytes of a uid in its usual form, or in any other that `uuid` reads."""
    try:
        space = bytes.fromhex(uid.replace("-", ""))
    except ValueError:
        space = b""
    return space if len(space) == 16 else uuid.UUID(uid).bytes


def _uuid5(space: bytes, name: str) -> str:
    """`str(uuid.uuid5(…))` without its objects, which take five times as long: a storm makes thousands."""
    digest = bytearray(hashlib.sha1(space + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
