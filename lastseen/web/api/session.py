"""`/api/v1/session`: logging in and out without the pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from lastseen.clock import rfc3339
from lastseen.errors import Forbidden
from lastseen.manage.who import Who
from lastseen.web import login
from lastseen.web.api.heartbeat import problem_responses
from lastseen.web.who import entrance_of, who_of

router = APIRouter(prefix="/api/v1/session", tags=["session"])


class LogIn(BaseModel):
    """Who logs in."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "ada", "password": "…"}]})

    name: str = Field(max_length=1000)
    password: SecretStr = Field(max_length=10_000)


class Asker(BaseModel):
    """Who asks: `user_id` null is an operator, whose key was made on the command line; `through`: `session`, `header`
    or `key`."""

    name: str
    role: str
    user_id: int | None
    writes: bool
    through: str


class LoggedIn(BaseModel):
    """`expires_at`: unless it is used before; the cookie goes with the answer."""

    name: str
    role: str
    user_id: int
    expires_at: str


@router.post(
    "",
    summary="Log in",
    operation_id="log_in",
    status_code=201,
    description="The answer sets the cookie of the session. After ten wrong passwords in a quarter of an hour, from "
    "one address or for one name, 429 says when to try again.",
    response_model=LoggedIn,
    responses=problem_responses("401", "403", "422", "429", "503"),  # type: ignore[arg-type]
)
async def log_in(request: Request, said: LogIn) -> Response:
    """Of no other type than JSON, which no other site's page can send without asking first."""
    answer = Response(status_code=201, media_type="application/json")
    session, user = await login.log_in(request, answer, said.name, said.password.get_secret_value())
    body = LoggedIn(
        name=user.name, role=user.role, user_id=user.id, expires_at=rfc3339(session.expires_at) or ""
    ).model_dump_json()
    answer.body = body.encode()
    answer.headers["content-length"] = str(len(answer.body))
    return answer


@router.get(
    "",
    summary="Who asks",
    operation_id="who_asks",
    response_model=Asker,
    responses=problem_responses("401", "403", "503"),  # type: ignore[arg-type]
    openapi_extra={"security": [{"bearer": []}, {"apiKey": []}, {"session": []}]},
)
async def who_asks(who: Annotated[Who, Depends(who_of)]) -> Asker:
    return Asker(name=who.name, role=who.role, user_id=who.user_id, writes=who.writes, through=who.through)


class NewPassword(BaseModel):
    """Which of one's own."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"current": "…", "password": "correct horse battery"}]}
    )

    current: SecretStr = Field(max_length=10_000, description="the one until now")
    password: SecretStr = Field(max_length=10_000, description="the one from now on")


@router.post(
    "/password",
    summary="Change one's own password",
    operation_id="set_password",
    status_code=204,
    description="For who is logged in. All sessions end, and the answer sets the cookie of a new one. Wrong ones are "
    "counted as at log-in. No key may: whoever finds one would keep its owner out.",
    responses=problem_responses("401", "403", "422", "429", "503"),  # type: ignore[arg-type]
    openapi_extra={"security": [{"session": []}]},
)
async def set_password(request: Request, said: NewPassword, who: Annotated[Who, Depends(who_of)]) -> Response:
    if not who.is_person:
        raise Forbidden("a key changes no password: log in with the one until now")
    answer = Response(status_code=204)
    await login.change_password(request, answer, who, said.current.get_secret_value(), said.password.get_secret_value())
    return answer


@router.delete(
    "",
    summary="Log out",
    operation_id="log_out",
    status_code=204,
    responses=problem_responses("403", "503"),  # type: ignore[arg-type]
    openapi_extra={"security": [{"session": []}, {}]},
)
async def log_out(
    request: Request, everywhere: Annotated[bool, Query(description="also in all other browsers")] = False
) -> Response:
    answer = Response(status_code=204)
    person = await entrance_of(request).person(request) if everywhere else None
    if person is None:
        await login.log_out(request, answer)
    else:
        await login.end_sessions(request, answer, person)
    return answer
