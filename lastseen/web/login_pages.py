"""The pages on which people log in, set up, set a password, and see where they are logged in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from lastseen.errors import Conflict, InvalidInput, NotFound
from lastseen.ingest.asgi import Refused
from lastseen.manage import people
from lastseen.manage.who import Who
from lastseen.notifiers.wording import When
from lastseen.problems import Problem
from lastseen.web import login
from lastseen.web.dashboard.asking import Page
from lastseen.web.dashboard.rendering import templates
from lastseen.web.forms import form_of
from lastseen.web.who import NotLoggedIn, entrance_of, who_of
from lastseen.web.zones import zone_of
from lastseen.words import say

HOME: Final = "/"
LOG_IN: Final = "/login"

SESSIONS: Final = 100
"""Of one's own that are listed, the latest used; all may be ended at once."""

_NO_REFERRER: Final = {"Referrer-Policy": "no-referrer"}
"""Of pages whose own address is a secret."""

Errors = Mapping[str, str]

pages = APIRouter(include_in_schema=False, route_class=Page)


async def _person(request: Request, who: Annotated[Who, Depends(who_of)]) -> Who:
    """Who looks, and is no program."""
    if who.user_id is None or who.through == "key":
        raise Refused(Problem(403, say("this page is for people who are logged in")))
    return who


Person = Annotated[Who, Depends(_person)]


# --- in and out -------------------------------------------------------------------------------------------------------


@pages.get(LOG_IN)
async def show_log_in(request: Request, next: str = HOME, undone: str = "") -> Response:  # noqa: A002  (the word there)
    if await entrance_of(request).person(request) is not None:
        return _there(within(next))
    errors = {"": say("You were not logged in any more, and what you sent was not done.")} if undone else {}
    return await _log_in_page(request, next, errors)


@pages.post(LOG_IN)
async def do_log_in(request: Request) -> Response:
    form = await form_of(request)
    name, there = form.get("name", ""), form.get("next", HOME)
    answer = _there(within(there))
    try:
        await login.log_in(request, answer, name, form.get("password", ""))
    except Refused as refused:
        if refused.problem.status not in (401, 429):
            raise
        page = await _log_in_page(request, there, {"": refused.problem.detail}, name, refused.problem.status)
        page.headers.update(dict(refused.problem.headers))
        return page
    return answer


@pages.post("/logout")
async def do_log_out(request: Request) -> Response:
    answer = _there(LOG_IN)
    await login.log_out(request, answer)
    return answer


async def _log_in_page(request: Request, there: str, errors: Errors, name: str = "", status: int = 200) -> Response:
    nobody = await people.needs_setup(entrance_of(request).office)
    return templates(
        request,
        "login.html",
        status=status,
        errors=errors,
        said={"name": name},
        next=within(there),
        place=f"{LOG_IN}?{urlencode({'next': within(there)})}",
        nobody=nobody,
    )


def within(there: str) -> str:
    """A path of ours to go to, or the first page: nothing that a browser takes for an address of another host, as
    `//host`, with a backslash, or with white space that it leaves out."""
    ours = there.startswith("/") and not there.startswith(("//", "/\\")) and there.isascii() and there.isprintable()
    return there if ours and not any(letter in there for letter in ' \\"<>') else HOME


def _there(path: str) -> Response:
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})


# --- one-time links ---------------------------------------------------------------------------------------------------


@pages.get("/setup")
async def show_setup(request: Request, token: str = "") -> Response:
    return await _link_page(request, "setup", token)


@pages.get("/reset")
async def show_reset(request: Request, token: str = "") -> Response:
    return await _link_page(request, "reset", token)


@pages.post("/setup")
async def do_setup(request: Request) -> Response:
    return await _use_link(request, "setup")


@pages.post("/reset")
async def do_reset(request: Request) -> Response:
    return await _use_link(request, "reset")


_PURPOSES: Final = {"setup": "setup", "reset": "password"}


async def _link_page(
    request: Request, page: str, token: str, errors: Errors | None = None, name: str = "", status: int = 200
) -> Response:
    try:
        user = await login.whose_link(request, _PURPOSES[page], token)
    except NotFound as error:
        answer = templates(request, "link_over.html", status=404, detail=str(error), page=page)
    else:
        given: dict[str, Any] = {"token": token, "user": user, "errors": errors or {}, "said": {"name": name}}
        place = f"/{page}?{urlencode({'token': token})}"
        answer = templates(request, f"{page}.html", status=status, place=place, **given)
    answer.headers.update(_NO_REFERRER)
    return answer


async def _use_link(request: Request, page: str) -> Response:
    form = await form_of(request)
    token, name = form.get("token", ""), form.get("name", "")
    answer = _there(HOME)
    answer.headers.update(_NO_REFERRER)
    try:
        await login.use_link(request, answer, _PURPOSES[page], token, name, form.get("password", ""))
    except InvalidInput as error:
        errors = {one.field: one.message for one in (error, *error.others)}
        return await _link_page(request, page, token, errors, name, 422)
    except Conflict as error:
        return await _link_page(request, page, token, {"": str(error)}, name, 409)
    except NotFound:
        return await _link_page(request, page, token)
    return answer


# --- one's own account ------------------------------------------------------------------------------------------------


@pages.get("/account")
async def show_account(request: Request, who: Person) -> Response:
    return await _account_page(request, who, {})


@pages.post("/account/password")
async def do_change_password(request: Request, who: Person) -> Response:
    form = await form_of(request)
    answer = _account("password")
    try:
        await login.change_password(request, answer, who, form.get("current", ""), form.get("password", ""))
    except InvalidInput as error:
        return await _account_page(request, who, {error.field: error.message}, 422)
    except Conflict as error:
        return await _account_page(request, who, {"": str(error)}, 409)
    except Refused as refused:
        if refused.problem.status != 429:
            raise
        page = await _account_page(request, who, {"current": refused.problem.detail}, 429)
        page.headers.update(dict(refused.problem.headers))
        return page
    return answer


@pages.post("/account/sessions/{session}/end")
async def end_session(request: Request, who: Person, session: int) -> Response:
    """One of one's own; another's is not there."""
    answer = _account("session")
    await login.end_sessions(request, answer, who, session)
    return answer


@pages.post("/account/logout")
async def do_log_out_everywhere(request: Request, who: Person) -> Response:
    answer = _there(LOG_IN)
    await login.end_sessions(request, answer, who)
    return answer


def _account(done: str) -> Response:
    return _there(f"/account?{urlencode({'done': done})}")


async def _account_page(request: Request, who: Who, errors: Errors, status: int = 200) -> Response:
    entrance = entrance_of(request)
    mine = await entrance.sessions.find(request)
    found = await entrance.office.store.user(who.user_id)
    if found is None:
        raise NotLoggedIn
    latest = await entrance.office.store.sessions(who.user_id, entrance.clock.now(), limit=SESSIONS)
    given: dict[str, Any] = {
        "user": found[0],
        "sessions": [one for one, _ in latest],
        "mine": None if mine is None else mine[0].id,
        "done": request.query_params.get("done", ""),
        "when": When(entrance.clock.now(), entrance.office.read_in(zone_of(request)).zone),
    }
    return templates(request, "account.html", status=status, errors=errors, said={}, **given)
