"""The first page: what is wrong now, then all machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from lastseen.manage.beside import drawn
from lastseen.manage.overview import BAD, SPANS, Overview, Pictured, Wanted, overview
from lastseen.model import Status
from lastseen.model.directory import DISABLED, Sought
from lastseen.notifiers.wording import When
from lastseen.web.dashboard.asking import Asked, Page
from lastseen.web.dashboard.pictures import Picture, picture
from lastseen.web.dashboard.rendering import is_fragment, templates

PAGE: Final = 50
"""Machines on a page."""

LONGEST: Final = 200
"""Characters that are looked for."""

ORDERS: Final = {
    "group": ("group", False),
    "name": ("name", False),
    "status": ("status", False),
    "silent": ("last_seen", False),
    "heard": ("last_seen", True),
    "changed": ("status_since", True),
}
"""How the list may be sorted, as `Sought` has it."""


STATES: Final[Mapping[str, tuple[tuple[Status, ...], bool | None]]] = {
    **{status.value: ((status,), None) for status in Status},
    Status.PAUSED.value: ((Status.PAUSED,), True),
    DISABLED: ((), False),
    "wrong": (BAD, None),
}
"""How machines may be chosen that are looked for, as `Sought` has it: by status, and whether they are enabled."""


@dataclass(frozen=True, slots=True)
class Query:
    """What the address says; what makes no sense there is as if it were not."""

    q: str = ""
    status: str = ""
    group: str = ""
    kind: str = ""
    tag: str = ""
    sort: str = "group"
    span: str = "24h"
    after: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Query:
        said = {name: given[name].replace("\0", "")[:LONGEST] for name in cls.__dataclass_fields__ if given.get(name)}
        made = cls(**said)
        return replace(
            made,
            status=made.status if made.status in STATES else "",
            sort=made.sort if made.sort in ORDERS else "group",
            span=made.span if made.span in SPANS else "24h",
        )

    def wanted(self) -> Wanted:
        def some(word: str) -> tuple[str, ...]:
            return (word,) if word else ()

        statuses, enabled = STATES.get(self.status, ((), None))
        sort, descending = ORDERS[self.sort]
        filters = {"kinds": some(self.kind), "groups": some(self.group), "tags": some(self.tag), "text": self.q}
        sought = Sought(statuses, **filters, enabled=enabled, sort=sort, descending=descending, limit=PAGE)  # type: ignore[arg-type]
        return Wanted(sought, self.after, self.span)

    def address(self, **other: str) -> str:
        """Of the page with this query but for what is `other`."""
        plain = Query()
        said = replace(self, **other)
        names = [name for name in self.__dataclass_fields__ if getattr(said, name) != getattr(plain, name)]
        words = urlencode({name: getattr(said, name) for name in names})
        return f"/?{words}" if words else "/"

    @property
    def filtered(self) -> bool:
        return bool(self.q or self.status or self.group or self.kind or self.tag)


@dataclass(frozen=True, slots=True)
class Row:
    """A machine as the list shows it."""

    one: Mapping[str, Any]
    picture: Picture


@dataclass(frozen=True, slots=True)
class Section:
    """Machines of a group, or (`name` None) all in another order. `counts`: of all of the group that fit."""

    name: str | None
    counts: Mapping[str, int]
    rows: Sequence[Row]


def overview_routes() -> APIRouter:
    router = APIRouter(route_class=Page, include_in_schema=False)

    @router.get("/")
    async def machines(request: Request, office: Asked) -> Response:
        query = Query.of(request.query_params)
        found = await overview(office, query.wanted())
        name = "board.html" if is_fragment(request) else "overview.html"
        when = When(found.now, office.zone)
        sections = await drawn(lambda: list(_sections(found, query, when)))
        return templates(request, name, query=query, found=found, when=when, sections=sections, may_edit=_edits(office))

    return router


def _edits(office: Asked) -> bool:
    return office.who.edits_something


def _sections(found: Overview, query: Query, when: When) -> Iterator[Section]:
    def rows(some: Sequence[Pictured]) -> list[Row]:
        return [Row(one.said, picture(one, query.span, when)) for one in some]

    if query.sort != "group":
        yield Section(None, {}, rows(found.page))
        return
    for name, some in groupby(found.page, lambda one: str(one.said["group"])):
        yield Section(name, found.groups.get(name, {}), rows(list(some)))
