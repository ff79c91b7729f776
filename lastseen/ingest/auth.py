"""Keys: how they are made, and who one belongs to, without asking the database for every request.

What the cache answers is never older than `FRESH` seconds: rotating, disabling and revoking by other processes grow
`Keys.keys_version`, which the first request after that time reads, and then everything is forgotten. So an idle server
reads nothing, and a busy one twice a second.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import uuid
from collections.abc import Mapping
from contextvars import Context
from datetime import datetime
from typing import Any, Final

import msgspec

from lastseen.clock import Clock
from lastseen.ingest.refused import RefusedKeys
from lastseen.ingest.used import ANY_TIME, UsedKeys, next_note
from lastseen.model.keys import READ, KeyMatch, OutOfService
from lastseen.model.people import User
from lastseen.protocols import Keys

PREFIXES: Final = {"machine": "lsm_", "fleet": "lsf_", "api": "lsa_", "ping": "lsp_", "push": "lsu_"}
HINT = 12
"""How many characters of a key are stored in clear, to tell keys apart."""

FRESH = 0.5
"""Seconds that the cache is trusted for without looking whether keys have changed."""

CAPACITY = 150_000
"""Keys that are remembered, about 300 bytes each; nothing is held for keys that nobody uses."""

MISSES = 4096
"""Wrong keys that are remembered, until the next look: somebody who tries keys costs one read for each."""

_LONGEST, SHORTEST = 200, 10
_STARTS = tuple(prefix.encode() for prefix in PREFIXES.values())
_FOREIGN = re.compile(rb"[!-~]{%d,}" % SHORTEST)
"""Keys that came with machines from other programs (`lastseen import`) are formed as theirs are."""


class NewKey(msgspec.Struct, frozen=True):
    """A key at the one moment its text is known. `digest` and `hint` are what is stored."""

    text: str
    digest: str
    hint: str

    def __repr__(self) -> str:
        return f"NewKey(hint={self.hint!r})"


def new_key(scope: str) -> NewKey:
    """A key for `machine`, `fleet`, `api`, `ping` (of a project) or `push`."""
    text = PREFIXES[scope] + secrets.token_urlsafe(32)
    return NewKey(text, digest_of(text), text[:HINT])


def new_ping_uuid() -> NewKey:
    """The last part of a machine's own ping address."""
    text = str(uuid.uuid4())
    return NewKey(text, digest_of(text), text[:8])


def digest_of(key: str | bytes) -> str:
    """What a key is found by. A fast hash will do: 256 random bits cannot be guessed."""
    return hashlib.sha256(key.encode() if isinstance(key, str) else key).hexdigest()


def usable(key: str) -> bool:
    """Whether a key of another program can be one here."""
    return _may_be_one(key.encode())


def _may_be_one(key: bytes) -> bool:
    return len(key) <= _LONGEST and (key.startswith(_STARTS) or _FOREIGN.fullmatch(key) is not None)


class ApiRights(msgspec.Struct, frozen=True):
    """Of an API key: whether it may `read` or also `write`, and whose it is; None: an operator's."""

    may: str
    user: User | None = None


class Grant(msgspec.Struct, gc=False):
    """What a key stands for, as small as can be: there may be one for each of 100,000 machines."""

    key_id: int
    scope: str
    machine_id: int | None
    enabled: bool
    fresh: bool
    expires_at: datetime | None
    defaults: Mapping[str, Any] | None = None
    """Of a key that may make machines: what they are made with, and whether it may."""
    api: ApiRights | None = None
    """Of an API key, and no other."""
    note_at: datetime = ANY_TIME
    """From then on it is noted that the key is used."""

    def over(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


def _grant(match: KeyMatch) -> Grant:
    key = match.key
    ask = match.fresh or not match.enabled  # a disabled one is never answered from memory alone: `find` counts it
    rights = ApiRights(key.may or READ, match.user) if key.scope == "api" else None
    used_at = key.last_used_at if key.machine_id is not None else None
    return Grant(
        key.id,
        key.scope,
        key.machine_id,
        match.enabled,
        ask,
        key.expires_at,
        key.defaults or None,
        rights,
        ANY_TIME if used_at is None else next_note(key.id, used_at),
    )


class KeyCache:
    """Who a key belongs to. `get` answers at once, or not at all; `find` asks the store if it must."""

    def __init__(self, keys: Keys, clock: Clock, capacity: int = CAPACITY) -> None:
        self._keys, self._clock = keys, clock
        self.refused, self.used = RefusedKeys(), UsedKeys()
        self._half = max(1, capacity // 2)
        self._recent: dict[bytes, Grant] = {}
        self._older: dict[bytes, Grant] = {}  # two generations are a least-recently-used order for half its price
        self._misses: set[bytes] = set()
        self._version: int | None = None
        self._trusted_until = float("-inf")
        self._generation = 0
        self._looking: asyncio.Task[None] | None = None
        self._finding: dict[bytes, asyncio.Task[Grant | None]] = {}
        self._out: OutOfService | None = None
        self._leaving: asyncio.Task[OutOfService] | None = None

    def __len__(self) -> int:
        return len(self._recent) + len(self._older)

    def get(self, key: bytes, now: datetime) -> Grant | None:
        """The grant if it is remembered, still to be trusted, and used before; else None: then call `find`."""
        if self._clock.monotonic() >= self._trusted_until:
            return None
        grant = self._recent.get(hashlib.sha256(key).digest())
        if grant is None or grant.fresh or (grant.expires_at is not None and grant.expires_at <= now):
            return None
        if now >= grant.note_at:
            self._note(grant, now)
        return grant

    async def find(self, key: bytes, now: datetime) -> Grant | None:
        """The grant of a valid key; None: there is no such key. Its first use is written down before this returns,
        which ends the keys it replaces; that it is used again, a little later (`used`). What is refused, a disabled
        machine's key too, is counted in `refused`. Raises StoreUnavailable."""
        if not _may_be_one(key):
            self.refused.count(None, now)
            return None
        await self._look()
        digest = hashlib.sha256(key).digest()
        grant = self._remembered(digest)
        if grant is None and digest not in self._misses:
            grant = await self._ask_once(digest, now)
        if grant is None or grant.over(now):
            self.refused.count(digest.hex(), now)
            return None
        if not grant.enabled:
            self.refused.count(digest.hex(), now, disabled=True)
        elif grant.fresh:
            await self._first_use(grant, now)
        elif now >= grant.note_at:
            self._note(grant, now)
        return grant

    async def known(self, key: bytes, now: datetime) -> Grant | None:
        """As `find`, of a key that is remembered and needs nothing written; None: `find` knows. Counts no refusal."""
        await self._look()
        grant = self._remembered(hashlib.sha256(key).digest())
        if grant is None or grant.over(now) or not grant.enabled or grant.fresh:
            return None
        if now >= grant.note_at:
            self._note(grant, now)
        return grant

    def came_from(self, key: bytes, now: datetime, address: str) -> None:
        """The address of a request that was refused for its key."""
        self.refused.came_from(digest_of(key), now, address)

    def _note(self, grant: Grant, now: datetime) -> None:
        """In memory alone: no request waits, or fails, for what it costs to write it."""
        self.used.note(grant.key_id, now)
        if grant.machine_id is not None:
            grant.note_at = next_note(grant.key_id, now)

    async def out_of_service(self) -> OutOfService:
        """The machines that are disabled, or wait for a ping; as fresh as everything here. Raises StoreUnavailable."""
        await self._look()
        if self._out is None:
            if self._leaving is None:
                self._leaving = asyncio.create_task(self._read_out_of_service(), context=Context())
            return await asyncio.shield(self._leaving)
        return self._out

    async def _read_out_of_service(self) -> OutOfService:
        try:
            generation = self._generation
            out = await self._keys.out_of_service()
            if generation == self._generation:
                self._out = out
            return out
        finally:
            self._leaving = None

    def forget(self) -> None:
        """Trust nothing that is remembered: keys were changed here."""
        self._recent, self._older, self._misses, self._out = {}, {}, set(), None
        self._generation += 1

    def _remembered(self, digest: bytes) -> Grant | None:
        grant = self._recent.get(digest)
        if grant is None:
            grant = self._older.pop(digest, None)
            if grant is not None:
                self._keep(digest, grant)
        return grant

    def _keep(self, digest: bytes, grant: Grant) -> None:
        if len(self._recent) >= self._half:
            self._recent, self._older = {}, self._recent
        self._recent[digest] = grant

    # -- whether keys have changed

    async def _look(self) -> None:
        """Return with a cache that may be trusted; whoever comes meanwhile waits for the same reading."""
        if self._clock.monotonic() >= self._trusted_until:
            if self._looking is None:
                self._looking = asyncio.create_task(self._read_version(), context=Context())
            await asyncio.shield(self._looking)

    async def _read_version(self) -> None:
        try:
            began = self._clock.monotonic()
            version = await self._keys.keys_version()
            if version != self._version:
                self.forget()
                self._version = version
            self._misses.clear()
            self._trusted_until = began + FRESH
        finally:
            self._looking = None

    # -- asking the store

    async def _ask_once(self, digest: bytes, now: datetime) -> Grant | None:
        """However many requests come with one unknown key, the store is asked once."""
        task = self._finding.get(digest)
        if task is None:
            task = self._finding[digest] = asyncio.create_task(self._ask(digest, now), context=Context())
            task.add_done_callback(lambda _: self._finding.pop(digest, None))
        return await asyncio.shield(task)

    async def _ask(self, digest: bytes, now: datetime) -> Grant | None:
        generation = self._generation
        match = await self._keys.find_key(digest.hex(), now)
        grant = None if match is None else _grant(match)
        if generation != self._generation:
            return grant  # keys changed while it was read: good for this request, which began before, and no other
        if grant is not None:
            self._keep(digest, grant)
        elif len(self._misses) < MISSES:
            self._misses.add(digest)
        return grant

    async def _first_use(self, grant: Grant, now: datetime) -> None:
        await self._keys.key_used(grant.key_id, now)
        grant.fresh = False
        self._trusted_until = float("-inf")  # the keys it replaces are over at once
