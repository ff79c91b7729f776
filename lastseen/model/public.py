"""What everybody may look at: status pages, and badges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

SHOWS: Final = ("status", "uptime")
"""What a badge says: how its machines are now, or how much of the last 30 days they were up."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One machine by its id, the machines of a group, those with a tag, or (none of these) all."""

    machine: int | None = None
    group: str | None = None
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """What a status page shows. `alias` stands for it, and hides what it is called here: several machines are one line
    under it. Without one each machine is a line with its name."""

    subject: Subject
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class StatusPage:
    """`is_public`: whoever has its address sees it; else nobody does. `is_listed`: search engines may list it. `owner`:
    a user; None: it is shared, and shows what is shared."""

    slug: str
    title: str
    lines: tuple[Line, ...] = ()
    text: str = ""
    is_public: bool = True
    is_listed: bool = False
    owner: int | None = None
    created_at: datetime | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class Badge:
    """`key`: its address. `label`: what stands on its left; "": the name of what it is about. `owner` as of a page."""

    key: str
    subject: Subject
    shows: str = "status"
    label: str = ""
    owner: int | None = None
    created_at: datetime | None = None
    id: int = 0
