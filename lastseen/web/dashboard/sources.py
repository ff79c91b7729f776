"""Pages of sources: the brokers that machines report through are added, tried, paused and removed by admins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse

from lastseen.errors import Conflict, InvalidInput
from lastseen.ingest.mqtt import PRESETS
from lastseen.manage import kinds, source_test, sources
from lastseen.manage.office import Office
from lastseen.notifiers.wording import When
from lastseen.web.dashboard.asking import Asked, Page, typed_in
from lastseen.web.dashboard.machine_form import faults
from lastseen.web.dashboard.rendering import templates
from lastseen.words import Words, say

Order = Annotated[str, Path(pattern="^(pause|resume)$")]

TEXTS: Final = (
    "base",
    "offline_after",
    "goodbye_grace",
    "ca",
    "cert",
    "key",
    "username",
    "share",
    "publish",
    "discovery",
)
CALLED: Final[Mapping[str, Words]] = {
    "name": say("Name"),
    "url": say("Address"),
    "username": say("User"),
    "password": say("Password"),
    "presets": say("What is listened to"),
    "bind": say("Other topics"),
    "auto_add": say("Add machines that are heard"),
    "kind": say("Their kind"),
    "offline_after": say("They are offline after"),
    "goodbye_grace": say("Time they have after a goodbye"),
    "base": say("First part of the topics"),
    "share": say("Shared by nodes, as this group"),
    "ca": say("Certificates to trust"),
    "cert": say("Our certificate"),
    "key": say("Its key"),
    "publish": say("Publish how machines are below"),
    "discovery": say("Where Home Assistant looks for devices"),
}
"""What people call the options."""

SHOWN: Final = ("name", "url", "presets", "bind", "kind", "auto_add", "password", *TEXTS)


def source_routes() -> APIRouter:
    router = APIRouter(prefix="/sources", route_class=Page, include_in_schema=False)

    @router.get("")
    async def all_sources(request: Request, office: Asked) -> Response:
        return templates(request, "sources.html", sources=await sources.listed(office), may_edit=_may_edit(office))

    _add_making(router)

    @router.get("/{ref}")
    async def source(request: Request, office: Asked, ref: str, cursor: str = "") -> Response:
        return await _source(request, office, ref, cursor=cursor)

    _add_changing(router)
    return router


def _add_making(router: APIRouter) -> None:
    @router.get("/new")
    async def begin(request: Request, office: Asked) -> Response:
        office.who.must_be_admin()
        return await _form(request, office, {"url": "mqtt://"}, {}, 200)

    @router.post("/new")
    async def make(request: Request, office: Asked) -> Response:
        said = await typed_in(request)
        try:
            if "try" in said:
                tried = await source_test.test_of(office, None, _wanted(said))
                return await _form(request, office, said, {}, 200, tried=tried)
            made = await sources.add(office, said.get("name", ""), _wanted(said))
        except (InvalidInput, Conflict) as error:
            return await _form(request, office, said, faults(error, "name"))
        return RedirectResponse(f"/sources/{made['id']}", 303)


def _add_changing(router: APIRouter) -> None:
    @router.get("/{ref}/edit")
    async def edit(request: Request, office: Asked, ref: str) -> Response:
        office.who.must_be_admin()
        one = await _with_options(office, ref)
        return await _form(request, office, _typed(one), {}, 200, one=one)

    @router.post("/{ref}/edit")
    async def save(request: Request, office: Asked, ref: str) -> Response:
        office.who.must_be_admin()
        said, one = await typed_in(request), await _with_options(office, ref)
        try:
            if "try" in said:
                tried = await source_test.test_of(office, one["name"], _wanted(said))
                return await _form(request, office, said, {}, 200, one=one, tried=tried)
            await sources.change(office, one["name"], _wanted(said))
        except (InvalidInput, Conflict) as error:
            return await _form(request, office, said, faults(error, "name"), one=one)
        return RedirectResponse(f"/sources/{one['id']}", 303)

    @router.post("/{ref}/test")
    async def test(request: Request, office: Asked, ref: str) -> Response:
        return await _source(request, office, ref, tried=await source_test.test(office, ref))

    @router.post("/{ref}/orders/{verb}")
    async def switch(request: Request, office: Asked, ref: str, verb: Order) -> Response:
        done = await sources.switch(office, ref, verb == "resume")
        return RedirectResponse(f"/sources/{done['id']}", 303)

    @router.get("/{ref}/remove")
    async def about_removal(request: Request, office: Asked, ref: str) -> Response:
        office.who.must_be_admin()
        return templates(request, "source_remove.html", one=await sources.show(office, ref))

    @router.post("/{ref}/remove")
    async def remove(request: Request, office: Asked, ref: str) -> Response:
        await sources.remove(office, ref)
        return RedirectResponse("/sources", 303)


def _may_edit(office: Office) -> bool:
    return office.who.is_admin and office.who.writes


async def _with_options(office: Office, ref: str) -> dict[str, Any]:
    """One that can be changed. Raises NotFound, Conflict."""
    row = await sources.find(office, ref)
    sources.must_have_options(office, row)
    return sources.describe(office, row)


def _wanted(said: Mapping[str, str]) -> dict[str, Any]:
    """As the verbs take it: what is empty is taken back, but a password stays as it is."""
    lists = {
        "presets": [one for one in said.get("presets", "").replace(",", " ").split() if one],
        "bind": [line.strip() for line in said.get("bind", "").splitlines() if line.strip()],
    }
    texts = {name: said.get(name, "") for name in ("url", "kind", *TEXTS)}
    _, user, _ = sources.split_url(texts["url"])
    if user and not texts["username"]:
        del texts["username"]  # it stands in the address
    return {**texts, **lists, "auto_add": bool(said.get("auto_add")), "password": said.get("password") or None}


def _typed(one: Mapping[str, Any]) -> dict[str, str]:
    """What its form begins with."""
    texts = {name: str(one.get(name) or "") for name in ("url", *TEXTS)}
    lists = {"presets": ", ".join(one.get("presets", ())), "bind": "\n".join(map(str, one.get("bind", ())))}
    return {**texts, **lists, "kind": one.get("machine_kind") or "", "auto_add": "yes" if one.get("auto_add") else ""}


async def _form(
    request: Request,
    office: Office,
    said: Mapping[str, str],
    errors: Mapping[str, str],
    status: int = 422,
    *,
    one: Mapping[str, Any] | None = None,
    tried: Mapping[str, Any] | None = None,
) -> Response:
    """`one`: that is changed. `tried`: what its broker said. A password that was typed is in no answer."""
    url, user, secret = sources.split_url(said.get("url", ""))
    shown = {**said, "url": url} if user or secret else dict(said)
    if user:
        shown["username"] = user
    known = [("", "–"), *((each["name"], each["name"]) for each in await kinds.listed(office))]
    given: dict[str, Any] = {"said": shown, "errors": errors, "shown": SHOWN, "one": one, "tried": tried}
    given |= {"kinds": known, "presets": sorted(PRESETS), "typed_password": bool(said.get("password") or secret)}
    given["called"] = CALLED
    given["more"] = any(shown.get(name) for name in ("base", "share", "ca", "cert", "key", "publish", "discovery"))
    return templates(request, "source_form.html", status=status, **given)


async def _source(
    request: Request, office: Office, ref: str, *, cursor: str = "", tried: Mapping[str, Any] | None = None
) -> Response:
    one = await sources.show(office, ref)
    blind = await sources.blind(office, str(one["id"]), cursor=cursor or None)
    row = await sources.find(office, str(one["id"]))
    when = When(office.monitor.clock.now(), office.zone)
    may = {"may_edit": _may_edit(office), "has_options": row.kind == sources.MQTT, "is_ours": row.kind == "http"}
    options = [(CALLED[OPTIONS[name]], value) for name, value in one.items() if name in OPTIONS and value]
    given: dict[str, Any] = {"one": one, "blind": blind, "cursor": cursor, "when": when, "options": options}
    return templates(request, "source.html", tried=tried, **given, **may)


OPTIONS: Final = {name: name for name in ("url", "presets", "bind", "auto_add", *TEXTS)} | {"machine_kind": "kind"}
"""Those that a source may have, by the name in its description, as the form calls them."""
