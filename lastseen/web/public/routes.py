"""`/status/<slug>`, `/badge/<key>.svg` and `/badge/<key>.json`: for everybody, and cheap however many ask.

What there is, is read once in some seconds for all, and what a page or a badge shows likewise. A name that is nobody's
costs no read, and what is not public is not there: it is answered as a name that nobody has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

import anyio
from fastapi import APIRouter, Request, Response
from markupsafe import Markup
from starlette.exceptions import HTTPException

from lastseen.manage.office import Office
from lastseen.manage.status_view import BadgeView, Shown, View, badge_view, page_view
from lastseen.model.public import Badge, StatusPage
from lastseen.notifiers.wording import When
from lastseen.protocols import Public
from lastseen.web.dashboard.rendering import environment
from lastseen.web.languages import language_of
from lastseen.web.prefix import placed, prefix_of
from lastseen.web.public import picture
from lastseen.web.public.kept import Body, Kept, Shelf
from lastseen.web.public.zones import Zones
from lastseen.web.strip import strip
from lastseen.web.zones import zone_named
from lastseen.words import ENGLISH, Language, say, say_many, speaking

CATALOGUE, PAGE, BADGE = 3.0, 15.0, 15.0
"""Seconds for which an answer is given again: what there is, a page, a badge."""

AT_ONCE = 2
"""Pages and badges that are made at the same time."""

VERDICTS: Final = {
    "up": say("Everything is up"),
    "down": say("Down"),
    "partly": say("Some of this is down"),
    "error": say("Something reports an error"),
    "unknown": say("Some of this is not known at the moment"),
    "idle": say("Nothing of this is watched at the moment"),
}
STATES: Final = {
    "up": say("up"),
    "down": say("down"),
    "partly": say("partly down"),
    "error": say("reports an error"),
    "unknown": say("not known"),
    "idle": say("not watched"),
}

_SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
PAGE_HEADERS: Final[Mapping[str, str]] = {
    **_SAFE,
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",  # who has it asks whether it is there still
    "Vary": "Accept-Encoding, Accept-Language",
}
BADGE_HEADERS: Final[Mapping[str, str]] = {
    **_SAFE,
    "Content-Security-Policy": "default-src 'none'",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": f"public, max-age={BADGE:g}",
    "Vary": "Accept-Encoding",
}


@dataclass(frozen=True, slots=True)
class Catalogue:
    pages: Mapping[str, StatusPage]
    badges: Mapping[str, Badge]


class Publisher:
    """What one server shows to everybody."""

    def __init__(self, office: Office) -> None:
        self._office, clock = office, office.monitor.clock
        self._catalogue, self._changes = Kept(self._read, clock, CATALOGUE), office.published.changes
        self._zones = Zones(office.own_zone, clock)
        self._pages: Shelf[Body] = Shelf(clock, PAGE)
        self._badges: Shelf[tuple[Body, Body] | None] = Shelf(clock, BADGE, most=1_000)
        self._room = anyio.CapacityLimiter(AT_ONCE)

    async def _there(self) -> Catalogue:
        """What was changed here is so with the next request; what was changed elsewhere, in some seconds."""
        changes = self._office.published.changes
        if changes != self._changes:
            self._catalogue, self._changes = Kept(self._read, self._office.monitor.clock, CATALOGUE), changes
        return await self._catalogue.get()

    async def _read(self) -> Catalogue:
        store: Any = self._office.store
        if not isinstance(store, Public):
            return Catalogue({}, {})
        pages = {page.slug: page for page in await store.status_pages() if page.is_public}
        return Catalogue(pages, {badge.key: badge for badge in await store.badges()})

    async def page(
        self, slug: str, zone: ZoneInfo | None = None, language: Language = ENGLISH
    ) -> tuple[StatusPage, Body] | None:
        """`zone`: where it is read, `language`: in which."""
        found = (await self._there()).pages.get(slug)
        if found is None:
            return None

        office = self._office.read_in(self._zones.of(zone))

        async def make() -> Body:
            async with self._room:
                view = await page_view(office, found)
                return await anyio.to_thread.run_sync(self._rendered, view, office.zone, language)

        name = f"{slug} {language.tag} {office.their_zone.key if office.their_zone else ''}"
        return found, await self._pages.get(name, found, make)

    def _rendered(self, view: View, zone: ZoneInfo | None, language: Language) -> Body:
        with speaking(language):
            return Body.of(self._text(view, zone))

    def _text(self, view: View, zone: ZoneInfo | None) -> str:
        when = When(view.at, zone)
        text = environment().get_template("public_status.html").render(
            page=view.page,
            view=view,
            when=when,
            zone="" if zone is None else zone.key,
            offset="UTC" + view.at.astimezone(zone).isoformat(timespec="minutes")[16:],
            strip=_strip,
            verdicts=VERDICTS,
            states=STATES,
        )  # fmt: skip
        return placed(text, prefix_of(self._office.base_url()))

    async def badge(self, key: str) -> tuple[Body, Body] | None:
        """As a picture, and for shields.io."""
        found = (await self._there()).badges.get(key)
        if found is None:
            return None

        async def make() -> tuple[Body, Body] | None:
            async with self._room:
                view: BadgeView | None = await badge_view(self._office, found)
            return None if view is None else (Body.of(picture.svg(view)), Body.of(picture.shields(view)))

        return await self._badges.get(key, found, make)


def _strip(line: Shown) -> Markup:
    bad, days = sum(day.kind == "down" for day in line.days), len(line.days)
    none = say("{days} days: no outage", days=days)
    some = say_many("{days} days: an outage on 1 of them", "{days} days: an outage on {n} of them", bad, days=days)
    return strip(line.days, some if bad else none, parted=True)


def public_routes() -> APIRouter:
    """Outside the API's document: pages and pictures."""
    router = APIRouter(include_in_schema=False)

    @router.get("/status/{slug}")
    async def status_page(request: Request, slug: str, timezone: str = "") -> Response:
        found = await _publisher(request).page(slug, zone_named(timezone), language_of(request))
        if found is None:
            raise HTTPException(404)
        page, body = found
        headers = dict(PAGE_HEADERS) if page.is_listed else {**PAGE_HEADERS, "X-Robots-Tag": "noindex"}
        return _answer(request, body, headers, "text/html; charset=utf-8")

    @router.get("/badge/{name}")
    async def badge(request: Request, name: str) -> Response:
        key, _, ending = name.rpartition(".")
        found = await _publisher(request).badge(key) if ending in ("svg", "json") else None
        if found is None:
            raise HTTPException(404)
        svg, shields = found
        if ending == "svg":
            return _answer(request, svg, BADGE_HEADERS, "image/svg+xml; charset=utf-8")
        return _answer(request, shields, BADGE_HEADERS, "application/json")

    return router


def _publisher(request: Request) -> Publisher:
    state = request.app.state
    found: Publisher | None = getattr(state, "publisher", None)
    if found is None:
        found = state.publisher = Publisher(state.entrance.office)
    return found


def _answer(request: Request, body: Body, headers: Mapping[str, str], media_type: str) -> Response:
    """304 where the browser has it already; packed where it can read that."""
    said = {**headers, "ETag": body.etag}
    known = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    if body.etag.removeprefix("W/") in known or "*" in known:
        return Response(status_code=304, headers=said)
    if len(body.packed) < len(body.plain) and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(body.packed, headers={**said, "Content-Encoding": "gzip"}, media_type=media_type)
    return Response(body.plain, headers=said, media_type=media_type)
