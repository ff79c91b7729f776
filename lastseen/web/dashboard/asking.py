"""Who looks at a page, and what becomes of what goes wrong there: it is shown as a page, or leads to the log-in."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from lastseen.errors import LastseenError
from lastseen.ingest.asgi import Refused
from lastseen.manage.office import Office
from lastseen.model.texts import refuse_unfit
from lastseen.problems import UNEXPECTED, Problem, problem_of
from lastseen.web.dashboard.rendering import is_fragment, templates
from lastseen.web.forms import form_of
from lastseen.web.who import NotLoggedIn, office_of
from lastseen.web.zones import zone_of


class Page(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                for text in (*request.path_params.values(), *request.query_params.values()):
                    refuse_unfit(address=text)
                return await answer(request)
            except NotLoggedIn:
                return to_log_in(request)
            except Refused as error:
                return error_page(request, error.problem)
            except LastseenError as error:
                return error_page(request, problem_of(error) or UNEXPECTED)

        return answered


async def _office(request: Request) -> Office:
    """Of who looks, where they read times. Raises Refused."""
    office = (await office_of(request)).read_in(zone_of(request))
    request.state.who = office.who
    return office


Asked = Annotated[Office, Depends(_office)]
"""What a page is made from, for who looks at it."""


def to_log_in(request: Request) -> Response:
    """And back to the page afterwards. A script that asked for a part of it leaves it. Of what was sent the log-in says
    that it was not done."""
    if request.headers.get("HX-Request"):
        return Response(status_code=401, headers={"HX-Redirect": "/login"})
    there = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = "?undone=1" if request.method != "GET" else f"?next={quote(there, safe='')}" if there != "/" else ""
    return RedirectResponse(f"/login{back}", 303, {"Cache-Control": "no-store"})


def error_page(request: Request, problem: Problem) -> Response:
    if is_fragment(request):  # what is there already stays, and is asked for again later
        return Response(status_code=204)
    page = templates(request, "error.html", status=problem.status, problem=problem).at_once()
    page.headers.update(dict(problem.headers))
    return page


def asks_for_page(request: Request) -> bool:
    """A browser that somebody sits at, and no program: not below `/api`."""
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("Accept", "")


async def as_page(request: Request, problem: Problem) -> Response:
    """For whoever it may be."""
    with suppress(NotLoggedIn, Refused, LastseenError):  # it is said to strangers as well
        await _office(request)
    return error_page(request, problem)


async def typed_in(request: Request) -> dict[str, str]:
    """The fields of a form, without space around them. Raises Refused."""
    return {name: value.strip() for name, value in (await form_of(request)).items()}


def back_to(said: dict[str, str], otherwise: str) -> RedirectResponse:
    """Where the form says that it stood: a path of ours, or else."""
    there = said.get("back", "")
    ours = there.startswith("/") and not there.startswith(("//", "/\\")) and there.isprintable()
    return RedirectResponse(quote(there, safe="/?=&%+:,;.~-_") if ours else otherwise, 303)
