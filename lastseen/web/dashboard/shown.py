"""The page of what everybody may look at: status pages, and badges for other pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from lastseen.errors import Conflict, InvalidInput
from lastseen.manage import badges, statuspages
from lastseen.manage.called import called
from lastseen.manage.office import Office
from lastseen.model.names import group_meant
from lastseen.web.dashboard.asking import Asked, Page, typed_in
from lastseen.web.dashboard.labels import group
from lastseen.web.dashboard.rendering import templates
from lastseen.words import say

ABOUT: Final = ("machine", "group", "tag")
ALL: Final = "all"
ALIAS: Final = " = "
BEGUN: Final = {"lines": ALL, "public": "yes", "of": ALL}

PAGE_FIELDS: Final = ("slug", "title", "text", "lines", "public", "listed", "shared")
BADGE_FIELDS: Final = ("of", "shows", "label")


def shown_routes() -> APIRouter:
    router = APIRouter(prefix="/status-pages", route_class=Page, include_in_schema=False)

    @router.get("")
    async def listed(request: Request, office: Asked) -> Response:
        return await _page(request, office, BEGUN, {})

    @router.post("")
    async def add(request: Request, office: Asked) -> Response:
        said = await typed_in(request)
        try:
            await statuspages.add(
                office, said.get("slug", ""), {**await _wanted(office, said), **_shared(office, said)}
            )
        except (InvalidInput, Conflict) as error:
            return await _page(request, office, {**BEGUN, **said}, _faults(error), 422)
        return RedirectResponse("/status-pages", 303)

    @router.get("/{slug}/edit")
    async def edit(request: Request, office: Asked, slug: str) -> Response:
        office.who.must_edit()
        return _form(request, slug, _typed(await statuspages.show(office, slug)), {})

    @router.post("/{slug}/edit")
    async def save(request: Request, office: Asked, slug: str) -> Response:
        said = await typed_in(request)
        try:
            await statuspages.change(office, slug, await _wanted(office, said))
        except (InvalidInput, Conflict) as error:
            return _form(request, slug, said, _faults(error), 422)
        return RedirectResponse("/status-pages", 303)

    @router.get("/{slug}/remove")
    async def removal(request: Request, office: Asked, slug: str) -> Response:
        office.who.must_edit()
        title = (await statuspages.show(office, slug))["title"]
        return templates(request, "shown_remove.html", what=title, action=f"/status-pages/{slug}/remove", badge=False)

    @router.post("/{slug}/remove")
    async def remove(request: Request, office: Asked, slug: str) -> Response:
        await statuspages.remove(office, slug)
        return RedirectResponse("/status-pages", 303)

    _add_badges(router)
    return router


def _add_badges(router: APIRouter) -> None:
    @router.post("/badges")
    async def add(request: Request, office: Asked) -> Response:
        said = await typed_in(request)
        try:
            wanted = {"shows": said.get("shows"), "label": said.get("label"), **_shared(office, said)}
            await badges.add(office, {**await _line(office, said.get("of", ""), "of"), **wanted})
        except InvalidInput as error:
            field = error.field if error.field in BADGE_FIELDS else "of"
            return await _page(request, office, {**BEGUN, **said}, {field: error.message}, 422)
        return RedirectResponse("/status-pages", 303)

    @router.get("/badges/{number}/remove")
    async def removal(request: Request, office: Asked, number: int) -> Response:
        office.who.must_edit()
        what = say("the badge of {of}", of=written_line(await badges.show(office, number)))
        action = f"/status-pages/badges/{number}/remove"
        return templates(request, "shown_remove.html", what=what, action=action, badge=True)

    @router.post("/badges/{number}/remove")
    async def remove(request: Request, office: Asked, number: int) -> Response:
        await badges.remove(office, number)
        return RedirectResponse("/status-pages", 303)


def _shared(office: Office, said: Mapping[str, str]) -> dict[str, Any]:
    """Only somebody who is a user could keep it for themselves."""
    return {} if office.who.user_id is None else {"shared": bool(said.get("shared"))}


async def _wanted(office: Office, said: Mapping[str, str]) -> dict[str, Any]:
    """As the verbs take it. Raises InvalidInput."""
    lines = [await _line(office, line, "lines") for line in said.get("lines", "").splitlines() if line.strip()]
    ticks = {name: bool(said.get(name)) for name in ("public", "listed")}
    return {"title": said.get("title", ""), "text": said.get("text", ""), "lines": lines, **ticks}


async def _line(office: Office, text: str, field: str) -> dict[str, Any]:
    """`group berlin`, `machine db-01 = Shop`, `all`. Raises InvalidInput."""
    about, _, alias = text.strip().partition(ALIAS)
    kind, _, name = about.strip().partition(" ")
    given = {"alias": alias.strip()} if alias.strip() else {}
    if kind == ALL and not name:
        return {ALL: True, **given}
    if kind not in ABOUT or not name.strip():
        raise InvalidInput(
            say("must be `machine NAME`, `group NAME`, `tag NAME` or `all`, not {text!r}", text=text), field
        )
    name = name.strip()
    if kind == "group":
        name = group_meant(name)
    elif kind == "machine":
        name = await called(office, name)
    return {kind: name, **given}


def _typed(page: Mapping[str, Any]) -> dict[str, str]:
    """What the form of a page begins with."""
    ticks = {name: "yes" if page[name] else "" for name in ("public", "listed")}
    lines = "\n".join(written_line(line) for line in page["lines"])
    return {"title": page["title"], "text": page["text"], "lines": lines, **ticks}


def written_line(line: Mapping[str, Any]) -> str:
    """As `_line` reads it."""
    about = next((f"{name} {_called(name, line[name])}" for name in ABOUT if line.get(name)), ALL)
    return f"{about}{ALIAS}{line['alias']}" if line.get("alias") else about


def _called(about: str, name: str) -> str:
    return str(group(name)) if about == "group" else name


def _faults(error: InvalidInput | Conflict) -> dict[str, str]:
    """What is wrong with a machine, a group, a tag or an alias is wrong with the lines."""
    if isinstance(error, Conflict):
        return {"slug": str(error)}
    return {error.field if error.field in PAGE_FIELDS else "lines": error.message}


def _form(
    request: Request, slug: str, said: Mapping[str, str], errors: Mapping[str, str], status: int = 200
) -> Response:
    return templates(request, "status_page_edit.html", status=status, slug=slug, said=said, errors=errors)


async def _page(
    request: Request, office: Office, said: Mapping[str, str], errors: Mapping[str, str], status: int = 200
) -> Response:
    given: dict[str, Any] = {
        "pages": await statuspages.listed(office),
        "badges": [{**one, "of": written_line(one)} for one in await badges.listed(office)],
        "may_edit": office.who.edits_something,
        "person": office.who.user_id is not None,
    }
    return templates(request, "status_pages.html", status=status, said=said, errors=errors, **given)
