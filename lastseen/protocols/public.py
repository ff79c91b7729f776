"""What a store may keep of what everybody may look at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from lastseen.model.public import Badge, StatusPage


@runtime_checkable
class Public(Protocol):
    """Status pages by slug, badges by key."""

    async def status_pages(self) -> Sequence[StatusPage]:
        """All, by slug."""

    async def add_status_page(self, page: StatusPage, now: datetime) -> StatusPage:
        """Raises Conflict where the slug is taken."""

    async def change_status_page(self, page: StatusPage) -> StatusPage:
        """The page with its id is this one now, but for its owner and when it was made. Raises NotFound, Conflict."""

    async def remove_status_page(self, page: int) -> None:
        """Raises NotFound."""

    async def badges(self) -> Sequence[Badge]:
        """All, by id."""

    async def add_badge(self, badge: Badge, now: datetime) -> Badge: ...

    async def remove_badge(self, badge: int) -> None:
        """Raises NotFound."""
