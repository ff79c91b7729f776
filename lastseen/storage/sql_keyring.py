"""SqlStore keeps keys, and opens what is secret."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from lastseen.errors import SecretsLocked
from lastseen.model.keys import Key, KeyMatch, OutOfService, ShownKey
from lastseen.storage import sql_keys
from lastseen.storage.secrets import Rotated, SecretBox
from lastseen.storage.workers import Work

if TYPE_CHECKING:
    from lastseen.storage.sql_reading import Database

T = TypeVar("T")


class SqlKeyring:
    """A part of SqlStore, on its database."""

    database: Database
    secrets: SecretBox

    async def rotate_secrets(self) -> Rotated:
        """Encrypt all secrets anew: with a new key where the keys are in a file, which then holds that one alone, else
        with the first of those given. Raises SecretsLocked."""
        done = await self.database.write(self.secrets.add_and_rotate)
        return replace(done, dropped=await self.database.write(self.secrets.drop_old))

    async def _unsealed(self, work: Work[T]) -> T:
        """What was read just before a rotation may need the key that went with it. What is read now does not."""
        try:
            return await self.database.read(work)
        except SecretsLocked:
            return await self.database.read(work)

    # -- Keys

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
        made_with = defaults or {}
        new = sql_keys.New(
            *(scope, digest, hint, now, machine_id, label, expires_at, replaces, made_with, shown, user_id, may)
        )
        return await self.database.write(lambda c: sql_keys.add(c, self.secrets, new))

    async def find_key(self, digest: str, now: datetime) -> KeyMatch | None:
        return await self.database.read(lambda c: sql_keys.find(c, digest, now))

    async def key_used(self, key_id: int, now: datetime) -> None:
        await self.database.write_beside(lambda c: sql_keys.used(c, key_id, now))

    async def keys_used(self, used: Mapping[int, datetime]) -> None:
        await self.database.write_beside(lambda c: sql_keys.used_again(c, used))

    async def keys(
        self, *, machines: bool = True, user: int | None = None, after: int = 0, limit: int | None = None
    ) -> Sequence[Key]:
        return await self.database.read(lambda c: sql_keys.listed(c, machines, user, after, limit))

    async def revoke_key(self, key_id: int, now: datetime) -> Key:
        return await self.database.write(lambda c: sql_keys.revoke(c, key_id, now))

    async def shown_keys(self, machines: Sequence[int] | None = None) -> Sequence[ShownKey]:
        return await self._unsealed(lambda c: sql_keys.shown(c, self.secrets, machines))

    async def revoke_addresses(self, machine_id: int, now: datetime, keep: Collection[int] = ()) -> None:
        await self.database.write(lambda c: sql_keys.revoke_addresses(c, machine_id, now, keep))

    async def out_of_service(self) -> OutOfService:
        return await self.database.read(sql_keys.out_of_service)

    async def keys_version(self) -> int:
        return await self.database.read(sql_keys.version)
