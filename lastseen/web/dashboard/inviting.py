"""Pages on which a Telegram chat is connected: by a link, or by a picture of it that a phone reads."""

from __future__ import annotations

from collections.abc import Mapping

import segno
from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from lastseen.errors import ConfigurationError, Conflict, InvalidInput
from lastseen.manage import invites
from lastseen.manage.office import Office
from lastseen.notifiers.wording import When
from lastseen.web.dashboard.asking import Asked, Page, typed_in
from lastseen.web.dashboard.rendering import templates
from lastseen.words import say


def invite_routes() -> APIRouter:
    router = APIRouter(prefix="/channels", route_class=Page, include_in_schema=False)

    @router.get("/invite")
    async def begin(request: Request, office: Asked) -> Response:
        office.who.must_edit()
        return await _form(request, office, {"shared": "yes"}, {}, 200)

    @router.post("/invite")
    async def invite(request: Request, office: Asked) -> Response:
        said = await typed_in(request)
        wishes = {"silent": True} if said.get("silent") else {}
        if not said.get("token", "-"):
            return await _form(request, office, said, {"token": say("must not be empty")})
        try:
            made = await invites.invite(
                office, said.get("name", ""), wishes, token=said.get("token", ""), shared=_shared(office, said)
            )
        except InvalidInput as error:
            return await _form(request, office, said, {error.field: error.message})
        except (Conflict, ConfigurationError) as error:
            field = "name" if isinstance(error, Conflict) else "token" if "token" in said else ""
            return await _form(request, office, said, {field: str(error)})
        when = When(office.monitor.clock.now(), office.zone)
        return templates(
            request,
            "invited.html",
            invited=made,
            picture=_picture(made.link),
            number=made.id,
            connected=None,
            when=when,
        )

    @router.get("/invited/{number}")
    async def invited(request: Request, office: Asked, number: int) -> Response:
        return templates(request, "invited_yet.html", connected=await invites.connected(office, number), number=number)

    return router


def _shared(office: Office, said: Mapping[str, str]) -> bool | None:
    """Admins choose; what somebody else makes is theirs."""
    return bool(said.get("shared")) if office.who.is_admin and office.who.user_id is not None else None


async def _form(
    request: Request, office: Office, said: Mapping[str, str], errors: Mapping[str, object], status: int = 422
) -> Response:
    known = await invites.has_bot(office)
    return templates(request, "invite.html", status=status, said=said, errors=errors, known=known)


def _picture(link: str) -> Markup:
    """A QR code, dark on light in any colours of the page, or phones do not read it."""
    svg = segno.make_qr(link, error="m").svg_inline(border=3, light="#fff", dark="#000", omitsize=True, svgclass="qr")
    return Markup(svg)  # noqa: S704  (made of numbers)
