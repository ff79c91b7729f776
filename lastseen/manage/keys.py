"""Keys that programs authenticate with: for the API, for fleets, and for pings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from lastseen.clock import rfc3339
from lastseen.errors import NotFound
from lastseen.ingest.auth import new_key
from lastseen.manage import kinds
from lastseen.manage.machines import LARGEST_ID
from lastseen.manage.office import Office
from lastseen.model.keys import Key
from lastseen.monitor.changes import checked


async def add(
    office: Office,
    scope: str,
    label: str = "",
    lasting: timedelta | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """`{id, scope, label, key}`, with its text this once. `defaults`: of a fleet or ping key, as `Key.defaults`.
    Raises InvalidInput."""
    said = {name: value for name, value in (defaults or {}).items() if value}
    made = {**said, **checked({name: value for name, value in said.items() if name != "may_create"})}
    await kinds.check(office, made.get("kind"))
    key, now = new_key(scope), office.monitor.clock.now()
    added = await office.store.add_key(
        scope,
        key.digest,
        key.hint,
        now,
        label=label,
        expires_at=None if lasting is None else now + lasting,
        defaults=made,
        shown=key.text if scope == "ping" else None,
    )
    return {"id": added.id, "scope": added.scope, "label": added.label, "key": key.text}


async def listed(office: Office, *, show: bool = False) -> list[dict[str, Any]]:
    """All, by their first characters. `show`: with the text of ping keys, the only ones that are stored."""
    keys = list(await office.store.keys())
    texts = {key.id: key.text for key in await office.store.shown_keys()} if show else {}
    whose = await office.store.liveness(sorted({key.machine_id for key in keys if key.machine_id is not None}))
    return [
        {
            **describe(key),
            "machine": whose[key.machine_id].machine.slug if key.machine_id in whose else None,
            **({"key": texts.get(key.id)} if show else {}),
        }
        for key in keys
    ]


async def revoke(office: Office, key: int) -> dict[str, Any]:
    """It is worthless at once. Raises NotFound."""
    if not 0 < key <= LARGEST_ID:
        raise NotFound(f"no key {key}: see `lastseen keys list`")
    return describe(await office.store.revoke_key(key, office.monitor.clock.now()))


def describe(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "scope": key.scope,
        "label": key.label,
        "hint": key.hint,
        "machine_id": key.machine_id,
        "created_at": rfc3339(key.created_at),
        "first_used_at": rfc3339(key.first_used_at),
        "expires_at": rfc3339(key.expires_at),
        "revoked_at": rfc3339(key.revoked_at),
        "defaults": dict(key.defaults),
    }
