"""What the API answers about people: who they are, where they are logged in, what they did."""

from __future__ import annotations

from typing import Any, TypedDict


class User(TypedDict):
    id: int
    name: str
    role: str
    has_password: bool
    created_at: str
    last_in_at: str | None


class ResetLink(TypedDict):
    name: str
    url: str
    expires_at: str


class Session(TypedDict):
    """A session of somebody."""

    id: int
    created_at: str
    used_at: str
    expires_at: str
    address: str
    agent: str
    user: str


class LoggedOut(TypedDict):
    """`ended`: how many sessions."""

    name: str
    ended: int


class Deed(TypedDict):
    """Who did what."""

    id: int
    at: str
    by: str
    user_id: int | None
    through: str
    address: str
    verb: str
    subject: str
    changed: dict[str, Any]
