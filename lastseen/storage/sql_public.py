"""Status pages and badges as rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from lastseen.errors import Conflict, NotFound
from lastseen.model.public import Badge, Line, StatusPage, Subject
from lastseen.model.texts import refuse_unfit
from lastseen.storage import tables
from lastseen.storage.sqltools import is_id, table
from lastseen.words import say

pages = table(tables.StatusPages)
badges = table(tables.Badges)

_json = msgspec.json.Encoder()
_lines = msgspec.json.Decoder(tuple[Line, ...])
_subject = msgspec.json.Decoder(Subject)


# --- status pages -----------------------------------------------------------------------------------------------------


def listed_pages(connection: Connection) -> list[StatusPage]:
    return [_page(row) for row in connection.execute(select(pages).order_by(pages.c.slug))]


def add_page(connection: Connection, page: StatusPage, now: datetime) -> StatusPage:
    _check(connection, page)
    values = {**_page_values(page), "owner_id": page.owner, "created_at": now}
    made = connection.execute(insert(pages).values(values)).inserted_primary_key
    return _page_of(connection, made[0])  # type: ignore[index]


def change_page(connection: Connection, page: StatusPage) -> StatusPage:
    known = select(pages.c.id).where(pages.c.id == page.id)
    if not is_id(page.id) or connection.execute(known).first() is None:
        raise NotFound(say("there is no status page {slug}", slug=page.slug))
    _check(connection, page)
    connection.execute(update(pages).where(pages.c.id == page.id).values(_page_values(page)))
    return _page_of(connection, page.id)


def remove_page(connection: Connection, page: int) -> None:
    if not is_id(page) or connection.execute(delete(pages).where(pages.c.id == page)).rowcount != 1:
        raise NotFound(say("there is no status page {page}", page=page))


def _check(connection: Connection, page: StatusPage) -> None:
    refuse_unfit(slug=page.slug, title=page.title, text=page.text)
    for line in page.lines:
        refuse_unfit(group=line.subject.group, tag=line.subject.tag, alias=line.alias)
    taken = select(pages.c.id).where(pages.c.slug == page.slug, pages.c.id != page.id)
    if connection.execute(taken).first() is not None:
        raise Conflict(say("there is a status page {slug} already", slug=page.slug))


def _page_of(connection: Connection, page: int) -> StatusPage:
    return _page(connection.execute(select(pages).where(pages.c.id == page)).one())


def _page(row: Any) -> StatusPage:
    lines = _lines.decode(row.lines)
    return StatusPage(
        row.slug, row.title, lines, row.text, row.is_public, row.is_listed, row.owner_id, row.created_at, row.id
    )


def _page_values(page: StatusPage) -> dict[str, Any]:
    return {
        "slug": page.slug,
        "title": page.title,
        "text": page.text,
        "lines": _json.encode(page.lines).decode(),
        "is_public": page.is_public,
        "is_listed": page.is_listed,
    }


# --- badges -----------------------------------------------------------------------------------------------------------


def listed_badges(connection: Connection) -> list[Badge]:
    return [_badge(row) for row in connection.execute(select(badges).order_by(badges.c.id))]


def add_badge(connection: Connection, badge: Badge, now: datetime) -> Badge:
    refuse_unfit(label=badge.label, group=badge.subject.group, tag=badge.subject.tag)
    values = {
        "key": badge.key,
        "label": badge.label,
        "shows": badge.shows,
        "subject": _json.encode(badge.subject).decode(),
        "owner_id": badge.owner,
        "created_at": now,
    }
    made = connection.execute(insert(badges).values(values)).inserted_primary_key
    return _badge(connection.execute(select(badges).where(badges.c.id == made[0])).one())  # type: ignore[index]


def remove_badge(connection: Connection, badge: int) -> None:
    if not is_id(badge) or connection.execute(delete(badges).where(badges.c.id == badge)).rowcount != 1:
        raise NotFound(say("there is no badge {badge}", badge=badge))


def _badge(row: Any) -> Badge:
    subject = _subject.decode(row.subject)
    return Badge(row.key, subject, row.shows, row.label, row.owner_id, row.created_at, row.id)
