"""Whose a machine or a channel is: somebody's, or everybody's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lastseen.errors import Forbidden, InvalidInput
from lastseen.manage.office import Office
from lastseen.protocols import People
from lastseen.words import say


async def names(office: Office) -> Mapping[int, str]:
    """Of all users, by their ids."""
    if not isinstance(office.store, People):
        return {}
    return {user.id: user.name for user in await office.store.users()}


def described(owner: int | None, known: Mapping[int, str]) -> dict[str, Any]:
    """`owner`: a name; None: it is shared."""
    return {"owner": None if owner is None else known.get(owner, str(owner))}


async def named(office: Office, said: Mapping[str, Any]) -> dict[str, Any]:
    """With the id of the user that `owner` names; null: everybody's. Only admins say whose something is. Raises
    InvalidInput, Forbidden."""
    done = dict(said)
    if "owner" not in done:
        return done
    office.who.must_be_admin()
    if "shared" in done:
        raise InvalidInput(say("says whose it is, and so does `shared`: one of them will do"), "owner")
    if done["owner"] is not None:
        found = await office.store.user(done["owner"]) if isinstance(office.store, People) else None
        if found is None:
            raise InvalidInput(say("there is no user {done!r}", done=done["owner"]), "owner")
        done["owner"] = found[0].id
    return done


def of_new(office: Office, said: Mapping[str, Any]) -> dict[str, Any]:
    """With `owner`, an id, in the place of `shared`: what members make is theirs, unless they say that it is shared.
    Raises InvalidInput, Forbidden."""
    done = dict(said)
    shared = done.pop("shared", None)
    mine = office.who.role == "member" if shared is None else not shared
    if mine and "owner" not in done:
        done["owner"] = _self(office)
    return done


def of_changed(office: Office, said: Mapping[str, Any], owner: int | None) -> dict[str, Any]:
    """The same for what is there already. Only an admin takes what is everybody's for somebody."""
    done = dict(said)
    shared = done.pop("shared", None)
    if shared is None:
        return done
    if not shared and owner is None and not office.who.is_admin:
        raise Forbidden(say("only an admin takes for somebody what is shared"))
    if shared != (owner is None):
        done["owner"] = None if shared else _self(office)
    return done


def _self(office: Office) -> int:
    """Raises InvalidInput where nobody could be meant."""
    if office.who.user_id is None:
        raise InvalidInput(say("must be true: who asks is no user, whose it could be"), "shared")
    return office.who.user_id
