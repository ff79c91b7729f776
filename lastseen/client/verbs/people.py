"""Users of the pages and the API: who there is, what they may, the links by which they get in."""

from __future__ import annotations

from lastseen.client.remote import Remote
from lastseen.client.shapes import RemovedNamed
from lastseen.client.shapes_people import LoggedOut, ResetLink, Session, User


async def listed(server: Remote) -> list[User]:
    return [one async for one in server.pages(User, "users")]


async def show(server: Remote, ref: str) -> User:
    return await server.get(User, "users", ref)


async def add(server: Remote, name: str, role: str, password: str | None = None) -> User:
    said = {"name": name, "role": role, **({} if password is None else {"password": password})}
    return await server.post(User, "users", body=said)


async def change(server: Remote, ref: str, role: str) -> User:
    """It counts at once."""
    return await server.patch(User, "users", ref, body={"role": role})


async def remove(server: Remote, ref: str) -> RemovedNamed:
    return await server.delete(RemovedNamed, "users", ref)


async def reset_link(server: Remote, ref: str) -> ResetLink:
    """By which they set their password, once."""
    return await server.post(ResetLink, "users", ref, "reset-password")


async def sessions(server: Remote, ref: str | None = None) -> list[Session]:
    """Who is logged in, the latest used first: one user's, or everybody's."""
    path = ("sessions",) if ref is None else ("users", ref, "sessions")
    return [one async for one in server.pages(Session, *path)]


async def log_out(server: Remote, ref: str, session: int | None = None) -> LoggedOut:
    """End one session of a user, or all."""
    return await server.delete(LoggedOut, "users", ref, "sessions", *(() if session is None else (str(session),)))
