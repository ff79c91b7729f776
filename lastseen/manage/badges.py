"""Badges: small pictures of how machines are, for other pages. What they say: `lastseen.manage.status_view`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from lastseen.clock import rfc3339
from lastseen.errors import InvalidInput, NotFound
from lastseen.manage import owners, subjects
from lastseen.manage.cursors import part_of
from lastseen.manage.office import Office
from lastseen.model.public import SHOWS, Badge
from lastseen.words import say

MOST, LABEL = 5_000, 60


async def add(office: Office, said: Mapping[str, Any]) -> dict[str, Any]:
    """`said`: one of `machine`, `group`, `tag`, `all`; `shows` (`status`, `uptime`), `label`, `shared`. Raises
    InvalidInput, Forbidden."""
    office.who.must_edit()
    owner = owners.of_new(office, {name: said[name] for name in ("shared",) if said.get(name) is not None}).get("owner")
    shows, label = said.get("shows") or "status", str(said.get("label") or "").strip()
    if shows not in SHOWS:
        raise InvalidInput(say("must be {wanted}, not {shows!r}", wanted=" or ".join(SHOWS), shows=shows), "shows")
    if len(label) > LABEL:
        raise InvalidInput(say("must have {label} characters at most", label=LABEL), "label")
    subject = await subjects.subject_of(office, said, owner)
    if len(await office.store.badges()) >= MOST:
        raise InvalidInput(say("there are {most} badges already", most=MOST), "label")
    badge = Badge(secrets.token_urlsafe(16), subject, shows, label, owner)
    (planned,) = await _described(office, [badge])
    about = {name: planned[name] for name in ("machine", "group", "tag", "all", "shows") if planned.get(name)}
    adding = office.store.add_badge(badge, office.monitor.clock.now())
    with office.published.changing():
        made = await office.do(adding, "badges.add", lambda made: f"badge {made.id}", about)
    return (await _described(office, [made]))[0]


async def listed(office: Office) -> list[dict[str, Any]]:
    """By id, those that who asks may see."""
    return await _described(office, [one for one in await office.store.badges() if office.who.sees(one.owner)])


async def page(office: Office, *, limit: int = 100, cursor: str | None = None) -> dict[str, Any]:
    """`{"items": […], "next": …}` of the same. Raises InvalidInput."""
    mine = [one for one in await office.store.badges() if office.who.sees(one.owner)]
    shown, following = part_of(mine, lambda one: (one.id,), limit, cursor, "id")
    return {"items": await _described(office, shown), "next": following}


async def show(office: Office, badge: int) -> dict[str, Any]:
    """Raises NotFound."""
    for one in await listed(office):
        if one["id"] == badge:
            return one
    raise NotFound(say("there is no badge {badge}", badge=badge))


async def remove(office: Office, badge: int) -> dict[str, Any]:
    """Its address shows nothing any more. Raises NotFound, Forbidden."""
    for one in await office.store.badges():
        if one.id == badge and office.who.sees(one.owner):
            office.who.must_edit(one.owner)
            with office.published.changing():
                await office.do(office.store.remove_badge(badge), "badges.remove", f"badge {badge}")
            return {"id": badge, "removed": True}
    raise NotFound(say("there is no badge {badge}", badge=badge))


async def _described(office: Office, badges: Sequence[Badge]) -> list[dict[str, Any]]:
    slugs = await subjects.slugs_of(office, (badge.subject for badge in badges))
    known, base = await owners.names(office), office.base_url()
    return [
        {
            "id": badge.id,
            "key": badge.key,
            **subjects.described(badge.subject, slugs),
            "shows": badge.shows,
            "label": badge.label,
            **owners.described(badge.owner, known),
            "created_at": rfc3339(badge.created_at),
            "svg_url": None if base is None else f"{base}/badge/{badge.key}.svg",
            "json_url": None if base is None else f"{base}/badge/{badge.key}.json",
        }
        for badge in badges
    ]
