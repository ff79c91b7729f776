"""Pages of channels: who is told, by which way, and whether it works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse

from lastseen.errors import Conflict, InvalidInput, NotFound
from lastseen.manage import channel_setup, channel_test, channels, notifications
from lastseen.manage.office import Office
from lastseen.notifiers.wording import When
from lastseen.web.dashboard.asking import Asked, Page, typed_in
from lastseen.web.dashboard.rendering import templates
from lastseen.web.dashboard.schema_form import Field, begun_with, changes_in, fields_of, values_in
from lastseen.web.dashboard.wishes import in_words
from lastseen.words import say

LOG: Final = 50
"""Deliveries on a page."""

Order = Annotated[str, Path(pattern="^(enable|disable)$")]

LEFT_OUT: Final[Mapping[str, frozenset[str]]] = {"webhook": frozenset({"secret"})}
"""Fields that the form need not have: one is made."""


def channel_routes() -> APIRouter:
    router = APIRouter(prefix="/channels", route_class=Page, include_in_schema=False)

    @router.get("")
    async def listed(request: Request, office: Asked) -> Response:
        when = When(office.monitor.clock.now(), office.zone)
        given: dict[str, Any] = {"channels": await channels.listed(office), "may_edit": office.who.edits_something}
        return templates(request, "channels.html", when=when, **given)

    _add_making(router)
    _add_page(router)
    _add_changing(router)
    return router


def _add_making(router: APIRouter) -> None:
    @router.get("/new")
    async def choose(request: Request, office: Asked) -> Response:
        office.who.must_edit()
        known = [one for one in channel_setup.types() if office.who.is_admin or not one["admins_only"]]
        return templates(request, "channel_types.html", types=known, is_admin=office.who.is_admin)

    @router.get("/new/{type_}")
    async def begin(request: Request, office: Asked, type_: str) -> Response:
        office.who.must_edit()
        about, fields = _about(type_)
        begun = {"name": type_, **({"shared": "yes"} if office.who.is_admin else {})}
        return _form(request, office, about, fields, {**begun_with(fields, {}), **begun}, {})

    @router.post("/new/{type_}")
    async def make(request: Request, office: Asked, type_: str) -> Response:
        said = await typed_in(request)
        about, fields = _about(type_)
        shared = bool(said.get("shared")) if office.who.user_id is not None else None
        try:
            values = values_in(fields, _without_own(said))
            made = await channel_setup.add(office, type_, said.get("name", ""), values, shared=shared)
        except (InvalidInput, Conflict) as error:
            return _form(request, office, about, fields, said, _faults(error, fields), 422)
        if "secret" in made:
            return await _channel(request, office, str(made["id"]), secret=made["secret"])
        return RedirectResponse(f"/channels/{made['id']}", 303)


def _add_page(router: APIRouter) -> None:
    @router.get("/{ref}")
    async def channel(request: Request, office: Asked, ref: str, cursor: str = "") -> Response:
        return await _channel(request, office, ref, cursor=cursor)

    @router.post("/{ref}/test")
    async def test(request: Request, office: Asked, ref: str) -> Response:
        return await _channel(request, office, ref, tested=await channel_test.test(office, ref))

    @router.post("/{ref}/replay/{notification}")
    async def replay(request: Request, office: Asked, ref: str, notification: int) -> Response:
        await notifications.replay(office, str(notification))
        return RedirectResponse(f"/channels/{ref}", 303)


def _add_changing(router: APIRouter) -> None:
    @router.get("/{ref}/edit")
    async def edit(request: Request, office: Asked, ref: str) -> Response:
        channel, about, fields = await _to_change(office, ref)
        said = begun_with(fields, channel["config"])
        return _form(request, office, about, fields, said, {}, channel=channel, was=said)

    @router.post("/{ref}/edit")
    async def save(request: Request, office: Asked, ref: str) -> Response:
        channel, about, fields = await _to_change(office, ref)
        said = await typed_in(request)
        was = {name.removeprefix("was."): value for name, value in said.items() if name.startswith("was.")}
        try:
            await channel_setup.configure(office, ref, changes_in(fields, _without_own(said), was))
        except (InvalidInput, Conflict) as error:
            errors = _faults(error, fields)
            return _form(request, office, about, fields, said, errors, 422, channel=channel, was=was)
        return RedirectResponse(f"/channels/{ref}", 303)

    @router.post("/{ref}/orders/{verb}")
    async def switch(request: Request, office: Asked, ref: str, verb: Order) -> Response:
        await channels.switch(office, ref, verb == "enable", None if verb == "enable" else "by hand")
        return RedirectResponse(f"/channels/{ref}", 303)

    @router.get("/{ref}/remove")
    async def about_removal(request: Request, office: Asked, ref: str) -> Response:
        await channels.find_to_edit(office, ref)
        return templates(request, "channel_remove.html", channel=await channels.show(office, ref))

    @router.post("/{ref}/remove")
    async def remove(request: Request, office: Asked, ref: str) -> Response:
        await channels.remove(office, ref)
        return RedirectResponse("/channels", 303)


def _about(type_: str) -> tuple[Mapping[str, Any], Sequence[Field]]:
    """Raises NotFound where there is none of this type that can be used."""
    for one in channel_setup.types():
        if one["type"] == type_ and one["schema"] is not None:
            return one, fields_of(one["schema"])
    raise NotFound(say("no channels of type {type!r} can be made here", type=type_))


async def _to_change(office: Office, ref: str) -> tuple[Mapping[str, Any], Mapping[str, Any], Sequence[Field]]:
    found = await channels.find(office, ref)
    channels.may_configure(office, found.owner_id)
    return await channels.shown(office, found), *_about(found.type)


def _without_own(said: Mapping[str, str]) -> Mapping[str, str]:
    """The fields of the Config stand in the form under `of.…`: one of them may be called `name`."""
    return {name.removeprefix("of."): value for name, value in said.items() if name.startswith("of.")}


def _faults(error: InvalidInput | Conflict, fields: Sequence[Field]) -> dict[str, str]:
    if isinstance(error, Conflict):
        return {"name": str(error)}
    own = error.field.removeprefix("config.").partition(".")[0]
    return {f"of.{own}" if own in {one.name for one in fields} else error.field: error.message}


def _form(
    request: Request,
    office: Office,
    about: Mapping[str, Any],
    fields: Sequence[Field],
    said: Mapping[str, str],
    errors: Mapping[str, str],
    status: int = 200,
    *,
    channel: Mapping[str, Any] | None = None,
    was: Mapping[str, str] | None = None,
) -> Response:
    """`channel`: the one that is changed. `was`: what its form began with."""
    given: dict[str, Any] = {"about": about, "fields": fields, "errors": errors, "channel": channel, "was": was or {}}
    typed = {f"of.{one.name}": said[one.name] for one in fields if one.name in said}
    left_out = LEFT_OUT.get(about["type"], frozenset())
    more: dict[str, Any] = {"left_out": left_out, "person": office.who.user_id is not None}
    more["shown"] = ["name", "shared", *(f"of.{one.name}" for one in fields)]
    return templates(request, "channel_form.html", status=status, said={**typed, **said}, **given, **more)


async def _channel(
    request: Request,
    office: Office,
    ref: str,
    *,
    cursor: str = "",
    tested: Mapping[str, Any] | None = None,
    secret: str | None = None,
) -> Response:
    """`tested`: what a test said. `secret`: the one that was made now."""
    found = await channels.find(office, ref)
    log = await notifications.page(office, channel=str(found.id), limit=LOG, cursor=cursor or None)
    given: dict[str, Any] = {"channel": await channels.shown(office, found), "log": log, "cursor": cursor}
    given |= {"wishes": in_words(found.prefs), "place": f"/channels/{found.id}"}
    may_edit = office.who.edits(found.owner_id)
    may = {"may_edit": may_edit, "may_configure": may_edit and (office.who.is_admin or found.owner_id is not None)}
    when = When(office.monitor.clock.now(), office.zone)
    return templates(request, "channel.html", tested=tested, secret=secret, when=when, **given, **may)
