"""What a store may keep of keys, and of those that it refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from lastseen.model.keys import Key, KeyMatch, OutOfService, ShownKey
from lastseen.model.story import RefusedCount, RefusedKey, UnknownKeys


@runtime_checkable
class Keys(Protocol):
    """Keys by the SHA-256 of their text."""

    async def add_key(
        self,
        scope: str,
        digest: str,
        hint: str,
        now: datetime,
        *,
        machine_id: int | None = None,
        label: str = "",
        expires_at: datetime | None = None,
        replaces: bool = False,
        defaults: Mapping[str, Any] | None = None,
        shown: str | None = None,
        user_id: int | None = None,
        may: str | None = None,
    ) -> Key:
        """`replaces`: the machine's other keys stay valid until this one is first used, at most 7 days. `shown`: the
        text of a `ping` or `push` key, encrypted at rest, for `shown_keys`. `may`, of an `api` key: `read` (as without)
        or `write`. `user_id`: whose it is; it goes with them. Raises NotFound where there is no such user."""

    async def find_key(self, digest: str, now: datetime) -> KeyMatch | None:
        """The valid key with this digest: not revoked, not expired, its machine not removed."""

    async def key_used(self, key_id: int, now: datetime) -> None:
        """First use: revokes the keys that it replaces."""

    async def keys_used(self, used: Mapping[int, datetime]) -> None:
        """When keys were last used, by id, as far as that is later than what is known. One that is gone is passed by.
        Called for all that were used, up to 1,000 at once, and again for those that could not be written."""

    async def keys(
        self, *, machines: bool = True, user: int | None = None, after: int = 0, limit: int | None = None
    ) -> Sequence[Key]:
        """By id. `machines`: also those of machines, which are most. `user`: only this user's. `after`: with greater
        ids; `limit`: so many at most."""

    async def revoke_key(self, key_id: int, now: datetime) -> Key: ...

    async def shown_keys(self, machines: Sequence[int] | None = None) -> Sequence[ShownKey]:
        """The valid keys that were added with their text, oldest first: those of these machines, or (None) those of no
        machine. Raises SecretsLocked."""

    async def revoke_addresses(self, machine_id: int, now: datetime, keep: Collection[int] = ()) -> None:
        """Revoke the machine's `ping` and `push` keys, but for those with these ids."""

    async def out_of_service(self) -> OutOfService:
        """The machines that are disabled, and those that are paused until their next ping."""

    async def keys_version(self) -> int:
        """Grows whenever what find_key or out_of_service answers may have changed, by any process."""


@runtime_checkable
class Refusals(Protocol):
    """How often keys were refused. Bounded: old counts go."""

    async def keep_refusals(self, refused: Sequence[RefusedCount], now: datetime) -> None:
        """Add these counts: those of known keys by key, hour and reason, the others together. A key that is known and
        valid again counts with the others. Written twice, it is counted twice."""

    async def refused_keys(self, since: datetime, limit: int = 20) -> Sequence[RefusedKey]:
        """The known keys that were refused since then, once for each reason, the newest first."""

    async def unknown_keys(self, since: datetime) -> UnknownKeys:
        """Requests with keys that nobody knows, since the beginning of that hour."""
