"""`/api/v1/keys`, `/api/v1/users` and `/api/v1/audit`: who may do what, and who did."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi import Query as InQuery

from lastseen.durations import parse_duration
from lastseen.manage import deeds, keys, people
from lastseen.web.api import other_models as models
from lastseen.web.api.asked import PREFIX, Asked, Number, Paged, Text, answer
from lastseen.web.api.models import Page

router = APIRouter(prefix=PREFIX)

UserName = Annotated[Text, Path(alias="id", description="their name or id", max_length=200, examples=["ada"])]

SessionId = Annotated[int, Path(description="its id", ge=1, le=2**63 - 1, examples=[7])]


@router.get("/keys", tags=["keys"], response_model=Page[models.Key], operation_id="keys_list")
async def all_keys(office: Asked, query: Annotated[models.KeyQuery, InQuery()]) -> Response:
    """List keys by their first characters, the oldest first

    An admin sees all, others the API keys that are theirs."""
    found = await keys.page(office, machines=query.machines, limit=query.limit, cursor=query.cursor)
    return answer(found)


@router.post("/keys", tags=["keys"], status_code=201, response_model=models.MadeKey, operation_id="keys_add")
async def add_key(office: Asked, new: models.NewKey) -> Response:
    """Make a key

    Shown this once. Fleet and ping keys are for admins to make; an API key may no more than whose it is. With a key
    that ends, `expires_at` may be sooner than what was asked for."""
    lasting = None if new.expires is None else parse_duration(new.expires, "expires")
    said = {"may_create": new.may_create, "kind": new.kind, "group": new.group, "tags": new.tags}
    made = await keys.add(office, new.scope, new.label, lasting, said, may=new.may, user=new.user)
    return answer(made, 201)


@router.delete("/keys/{id}", tags=["keys"], response_model=models.Key, operation_id="keys_revoke")
async def revoke_key(office: Asked, key: Number) -> Response:
    """Revoke a key

    It is worthless at once."""
    return answer(await keys.revoke(office, key))


@router.get("/users", tags=["users"], response_model=Page[models.User], operation_id="users_list")
async def all_users(office: Asked, query: Annotated[Paged, InQuery()]) -> Response:
    """List users, by name"""
    return answer(await people.page(office, limit=query.limit, cursor=query.cursor))


@router.post("/users", tags=["users"], status_code=201, response_model=models.User, operation_id="users_add")
async def add_user(office: Asked, new: models.NewUser) -> Response:
    """Add somebody

    By no key that ends: they would stay."""
    made = await people.add(office, new.name, new.role, new.password)
    return answer(made, 201, Location=f"{PREFIX}/users/{made['id']}")


@router.get("/users/{id}", tags=["users"], response_model=models.User, operation_id="users_show")
async def show_user(office: Asked, name: UserName) -> Response:
    """Show somebody

    An admin sees anybody, others themselves."""
    return answer(await people.show(office, name))


@router.patch("/users/{id}", tags=["users"], response_model=models.User, operation_id="users_change")
async def change_user(office: Asked, name: UserName, changes: models.UserChanges) -> Response:
    """Change what somebody may

    It counts at once: in their sessions, and for their keys. By no key that ends."""
    return answer(await people.change(office, name, changes.role))


@router.delete("/users/{id}", tags=["users"], response_model=models.RemovedUser, operation_id="users_remove")
async def remove_user(office: Asked, name: UserName) -> Response:
    """Remove somebody

    They are out at once, and their keys are worthless. What was theirs is everybody's from then on."""
    return answer(await people.remove(office, name))


@router.post(
    "/users/{id}/reset-password", tags=["users"], response_model=models.ResetLink, operation_id="users_reset_password"
)
async def reset_password(office: Asked, name: UserName) -> Response:
    """Make a link by which they set their password, once

    Older ones are worthless; the password stays until then. By no key that ends: who comes in by it would stay."""
    return answer(await people.reset_link(office, name))


@router.get("/sessions", tags=["users"], response_model=Page[models.Session], operation_id="sessions_list")
async def all_sessions(office: Asked, query: Annotated[Paged, InQuery()]) -> Response:
    """Who is logged in, the latest used first"""
    return answer(await people.sessions_page(office, limit=query.limit, cursor=query.cursor))


@router.get("/users/{id}/sessions", tags=["users"], response_model=Page[models.Session], operation_id="users_sessions")
async def sessions(office: Asked, name: UserName, query: Annotated[Paged, InQuery()]) -> Response:
    """Where somebody is logged in, the latest used first

    An admin sees anybody's, others their own."""
    return answer(await people.sessions_page(office, name, limit=query.limit, cursor=query.cursor))


@router.delete("/users/{id}/sessions", tags=["users"], response_model=models.LoggedOut, operation_id="users_log_out")
async def log_out(office: Asked, name: UserName) -> Response:
    """End all sessions of somebody

    They may log in again. Everybody ends their own."""
    return answer(await people.log_out(office, name))


@router.delete(
    "/users/{id}/sessions/{session}",
    tags=["users"],
    response_model=models.LoggedOut,
    operation_id="users_end_session",
)
async def end_session(office: Asked, name: UserName, session: SessionId) -> Response:
    """End a session of somebody"""
    return answer(await people.log_out(office, name, session))


@router.get("/audit", tags=["users"], response_model=Page[models.Deed], operation_id="audit_list")
async def audit(office: Asked, query: Annotated[models.AuditQuery, InQuery()]) -> Response:
    """Who did what, the newest first"""
    return answer(
        await deeds.page(
            office,
            before=query.before,
            subject=query.subject,
            by=query.by,
            limit=query.limit,
            cursor=query.cursor,
        )
    )
