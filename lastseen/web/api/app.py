"""The FastAPI application: everything but the hot path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lastseen.errors import ConfigurationError, InvalidInput, LastseenError
from lastseen.ingest.asgi import Refused
from lastseen.ingest.tally import count_key_refusal
from lastseen.log import get_logger
from lastseen.manage.office import Office
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.monitor.live import Live
from lastseen.plugins import spoken
from lastseen.problems import MEDIA_TYPE, NO_KEY, UNEXPECTED, Problem, problem_of
from lastseen.web import login_pages
from lastseen.web.api import (
    advice,
    board,
    channels,
    docs,
    event_routes,
    machine_past,
    machines,
    people,
    public,
    sources,
    status,
    stream,
    system,
    wishes,
)
from lastseen.web.api.bodies import ShortBodies
from lastseen.web.api.models import Health
from lastseen.web.api.openapi import document_of
from lastseen.web.api.session import router as session_routes
from lastseen.web.auth import FindKey
from lastseen.web.dashboard.asking import as_page, asks_for_page
from lastseen.web.dashboard.routes import dashboard_routes
from lastseen.web.frames import frame
from lastseen.web.front import Front
from lastseen.web.headers import Guarded
from lastseen.web.in_time import InTime
from lastseen.web.languages import Languages
from lastseen.web.metrics import metrics_routes
from lastseen.web.public.routes import public_routes
from lastseen.web.who import Entrance, NotLoggedIn, entrance_of
from lastseen.words import say

Readiness = Callable[[], Awaitable[Mapping[str, str]]]
"""Each part that is not ready, with why; empty: heartbeats are accepted and the monitor runs."""

ROUTES = (
    *(
        machines.router,
        machine_past.router,
        machine_past.everybodys,
        advice.router,
        board.router,
        status.router,
        event_routes.router,
        channels.router,
    ),
    *(wishes.router, sources.router, people.router, system.router, public.router, stream.router, docs.router),
)

_log = get_logger()


AtWrongKey = Callable[[Mapping[str, Any], Problem], Problem]
"""What a request that does not authenticate is told, by its ASGI scope."""


def create_api(
    monitor: HeartbeatMonitor,
    find_key: FindKey,
    readiness: Readiness,
    version: str,
    metrics: str = "off",
    at_wrong_key: AtWrongKey = lambda scope, problem: problem,
    notes: Callable[[], Sequence[str]] = tuple,
    entrance: Entrance | None = None,
    live: Live[bytes] | None = None,
) -> FastAPI:
    """The application on a monitor; `metrics`: who may read them; `notes`: what `/readyz` says beside it; `entrance`:
    by which ways people come in; `live`: what happens, told at once. FastAPI's own docs page is off: it would load from
    somebody else's servers."""
    app = FastAPI(
        title="lastseen",
        version=version,
        summary="Knows that a machine has gone silent, and tells people once.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.entrance = entrance or Entrance(Office(monitor, None, lambda: None, lambda text: None), find_key)
    app.state.live = live or Live(monitor, frame)
    app.state.languages = Languages()
    app.state.readiness, app.state.notes = readiness, notes
    app.router.routes.extend(_made_once())
    app.router.routes.extend(metrics_routes(monitor, find_key, version, metrics).routes)
    _add_errors(app, at_wrong_key)
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
    app.add_middleware(ShortBodies)
    app.add_middleware(HeadIsGet)
    _guard(app, app.state.entrance.front)
    app.openapi = lambda: document_of(app)  # type: ignore[method-assign]  # FastAPI's documented way
    return app


@cache
def _made_once() -> Sequence[BaseRoute]:
    """All that find what they are about in the application that was asked: to look at some 200 functions and what they
    take is most of the work of making one. Taken as they are: FastAPI looks at what is included a second time, and no
    router here changes what is in another."""
    routers = (*ROUTES, *dashboard_routes(), public_routes(), login_pages.pages, session_routes, _health)
    return [route for router in routers for route in router.routes]


def _guard(app: FastAPI, front: Front) -> None:
    """Around everything: what is added as a middleware does not see answers to unexpected errors."""
    build = app.build_middleware_stack
    app.build_middleware_stack = lambda: Guarded(InTime(build()), front)  # type: ignore[method-assign]


class HeadIsGet:
    """Answers HEAD wherever GET is answered (RFC 9110, section 9.3.2): what looks whether a server is up asks so."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return await self._app(scope, receive, send)

        async def send_no_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        return await self._app({**scope, "method": "GET", stream.HEAD: True}, receive, send_no_body)


_health = APIRouter(tags=["health"])


@_health.get("/healthz", summary="The process answers", response_model_exclude_none=True)
async def healthz() -> Health:
    return Health(status="ok")


@_health.get(
    "/readyz",
    summary="Heartbeats are accepted and the monitor watches",
    response_model_exclude_none=True,
    responses={503: {"model": Health, "description": "`parts` says which part is not ready, and why"}},
)
async def readyz(request: Request, response: Response) -> Health:
    state = request.app.state
    parts = dict(await state.readiness())
    if not parts:
        return Health(status="ok", notes=list(state.notes()) or None)
    response.status_code = 503
    return Health(status="not ready", parts=parts)


def _add_errors(app: FastAPI, at_wrong_key: AtWrongKey) -> None:
    """Every error as a problem, FastAPI's own too."""

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        count_key_refusal(error.problem)
        return _respond(at_wrong_key(request.scope, error.problem) if error.problem.status == 401 else error.problem)

    @app.exception_handler(NotLoggedIn)
    async def not_logged_in(request: Request, error: NotLoggedIn) -> Response:
        if entrance_of(request).sessions.cookie(request) in request.cookies:
            return _respond(error.problem)  # a session that is over is nobody's guess at a key
        count_key_refusal(NO_KEY)
        return _respond(at_wrong_key(request.scope, error.problem))

    @app.exception_handler(LastseenError)
    async def ours(request: Request, error: LastseenError) -> Response:
        if isinstance(error, ConfigurationError):
            return _respond(Problem(409, str(error)))
        return _respond(problem_of(error) or _unexpected(request, error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        if any(one["type"] == "json_invalid" for one in error.errors()):
            return _respond(Problem(400, "the body is no JSON"))
        if _is_of_another_type(request):
            return _respond(Problem(415, "the body must be sent as application/json"))
        return _respond(problem_of(_invalid(error)) or UNEXPECTED)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        details = {404: f"there is nothing at {request.url.path}", 405: f"{request.method} is not served here"}
        detail = details.get(error.status_code, str(error.detail))
        problem = Problem(error.status_code, detail, headers=dict(error.headers or {}))
        return await as_page(request, problem) if asks_for_page(request) else _respond(problem)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        return _respond(_unexpected(request, error))


def _invalid(error: RequestValidationError) -> InvalidInput:
    """As our own errors have it."""
    found: list[InvalidInput] = []
    for wrong in error.errors():
        field = ".".join(map(str, wrong["loc"][1:]))
        said = spoken(wrong)
        found.append(InvalidInput(said if field else say("the body {is_wrong}", is_wrong=said), field))
    first, *others = found
    return InvalidInput(first.message, first.field, others)


def _is_of_another_type(request: Request) -> bool:
    """The body is, than what is read here."""
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return bool(said) and said != "application/json" and not said.endswith("+json")


def _unexpected(request: Request, error: Exception) -> Problem:
    _log.error("request_failed", path=request.url.path, error=type(error).__name__, exc_info=error)
    return UNEXPECTED


def _respond(problem: Problem) -> Response:
    return Response(problem.body(), problem.status, dict(problem.headers), MEDIA_TYPE)
