"""Status pages that everybody may look at: add, change, list, remove. What they show: `lastseen.manage.status_view`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lastseen.clock import rfc3339
from lastseen.errors import InvalidInput, NotFound
from lastseen.manage import owners, subjects
from lastseen.manage.cursors import part_of
from lastseen.manage.office import Office
from lastseen.model import replace
from lastseen.model.public import Line, StatusPage
from lastseen.words import say

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?")
LINES, PAGES = 200, 500
"""How many lines a page has, and how many pages there are, at most."""

TEXT = 2_000


async def add(office: Office, slug: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """`said`: `title`, `text`, `lines` (each one of `machine`, `group`, `tag`, `all`, and perhaps `alias`), `public`,
    `listed`, `shared`. Raises Conflict where the slug is taken, InvalidInput, Forbidden."""
    office.who.must_edit()
    wanted = owners.of_new(office, {name: said[name] for name in ("shared",) if said.get(name) is not None})
    page = await _changed(office, StatusPage(slug, slug, owner=wanted.get("owner")), {**said, "slug": slug})
    if len(await office.store.status_pages()) >= PAGES:
        raise InvalidInput(say("there are {pages} status pages already", pages=PAGES), "slug")
    adding = office.store.add_status_page(page, office.monitor.clock.now())
    about = {"title": page.title, "public": page.is_public}
    with office.published.changing():
        made = await office.do(adding, "status-pages.add", f"status page {slug}", about)
    return (await _described(office, [made]))[0]


async def change(office: Office, slug: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """What is not named stays. As it is then. Raises NotFound, Conflict, InvalidInput, Forbidden."""
    known = await _find_to_edit(office, slug)
    changing = office.store.change_status_page(await _changed(office, known, said))
    about = {name: said[name] for name in said if name != "lines"}
    with office.published.changing():
        page = await office.do(changing, "status-pages.set", f"status page {slug}", about)
    return (await _described(office, [page]))[0]


async def listed(office: Office) -> list[dict[str, Any]]:
    """By slug, those that who asks may see."""
    return await _described(office, await _visible(office))


async def page(office: Office, *, limit: int = 100, cursor: str | None = None) -> dict[str, Any]:
    """`{"items": […], "next": …}` of the same. Raises InvalidInput."""
    shown, following = part_of(await _visible(office), lambda one: (one.slug, one.id), limit, cursor, "name")
    return {"items": await _described(office, shown), "next": following}


async def show(office: Office, slug: str) -> dict[str, Any]:
    """Raises NotFound."""
    return (await _described(office, [await _find(office, slug)]))[0]


async def remove(office: Office, slug: str) -> dict[str, Any]:
    """Raises NotFound, Forbidden."""
    page = await _find_to_edit(office, slug)
    with office.published.changing():
        await office.do(office.store.remove_status_page(page.id), "status-pages.remove", f"status page {slug}")
    return {"id": page.id, "slug": slug, "removed": True}


async def _visible(office: Office) -> list[StatusPage]:
    return [page for page in await office.store.status_pages() if office.who.sees(page.owner)]


async def _find(office: Office, slug: str) -> StatusPage:
    for page in await _visible(office):
        if page.slug == slug:
            return page
    raise NotFound(say("there is no status page {slug}", slug=slug))


async def _find_to_edit(office: Office, slug: str) -> StatusPage:
    page = await _find(office, slug)
    office.who.must_edit(page.owner)
    return page


async def _changed(office: Office, page: StatusPage, said: Mapping[str, Any]) -> StatusPage:
    slug = said.get("slug", page.slug)
    if not SLUG.fullmatch(slug):
        raise InvalidInput(
            say("must be 1 to 100 of a-z 0-9 -, and - neither first nor last, not {slug!r}", slug=slug), "slug"
        )
    lines = await _lines(office, said["lines"], page.owner) if said.get("lines") is not None else page.lines
    return replace(
        page,
        slug=slug,
        title=_text(said, "title", page.title, subjects.LONGEST, least=1),
        text=_text(said, "text", page.text, TEXT),
        lines=lines,
        is_public=page.is_public if said.get("public") is None else bool(said["public"]),
        is_listed=page.is_listed if said.get("listed") is None else bool(said["listed"]),
    )


async def _lines(office: Office, said: Sequence[Mapping[str, Any]], owner: int | None) -> tuple[Line, ...]:
    if len(said) > LINES:
        raise InvalidInput(say("must be {lines} at most", lines=LINES), "lines")
    found = []
    for number, one in enumerate(said):
        try:
            alias = _text(one, "alias", "", subjects.LONGEST)
            found.append(Line(await subjects.subject_of(office, one, owner), alias or None))
        except InvalidInput as error:
            raise InvalidInput(error.message, f"lines.{number}.{error.field}") from error.__cause__
    return tuple(found)


def _text(said: Mapping[str, Any], name: str, before: str, most: int, least: int = 0) -> str:
    if said.get(name) is None:
        return before
    text = str(said[name]).strip()
    if not least <= len(text) <= most:
        raise InvalidInput(say("must have {least} to {most} characters", least=least, most=most), name)
    return text


async def _described(office: Office, pages: Sequence[StatusPage]) -> list[dict[str, Any]]:
    slugs = await subjects.slugs_of(office, (line.subject for page in pages for line in page.lines))
    known, base = await owners.names(office), office.base_url()
    return [
        {
            "id": page.id,
            "slug": page.slug,
            "title": page.title,
            "text": page.text,
            "lines": [{**subjects.described(line.subject, slugs), "alias": line.alias} for line in page.lines],
            "public": page.is_public,
            "listed": page.is_listed,
            **owners.described(page.owner, known),
            "created_at": rfc3339(page.created_at),
            "url": None if base is None else f"{base}/status/{page.slug}",
        }
        for page in pages
    ]
