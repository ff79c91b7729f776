"""The composition root of the server: what is made from the settings. How the process starts and ends: `serving`."""

from __future__ import annotations

import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import cached_property
from typing import TYPE_CHECKING

import anyio

from lastseen.bot import Bots
from lastseen.clock import Clock, SystemClock
from lastseen.compose import Notifiers, RedisParts, store_for
from lastseen.errors import ConfigurationError, LastseenError
from lastseen.ingest.asgi import Receive, Scope, Send
from lastseen.ingest.auth import KeyCache
from lastseen.ingest.gate import Gate
from lastseen.ingest.http import HEARTBEAT_PATH, HeartbeatRoute
from lastseen.ingest.routes import WaysIn
from lastseen.ingest.shared_limits import Together
from lastseen.listening import reached_at
from lastseen.log import get_logger
from lastseen.manage.office import Office
from lastseen.monitor.health import PATIENCE, Part, Trouble
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.monitor.live import Live
from lastseen.proof_of_life import Proof, Vigil
from lastseen.protocols import Insight, Keys, Store
from lastseen.release import version
from lastseen.settings import Settings
from lastseen.sources import FollowedSources, way_of_settings
from lastseen.systemd import Manager
from lastseen.web.frames import frame
from lastseen.web.front import Front
from lastseen.web.prefix import UnderPrefix, prefix_of

if TYPE_CHECKING:
    from fastapi import FastAPI
    from pydantic import SecretStr
    from starlette.types import ASGIApp

    from lastseen.web.who import Entrance

AWAY = "the Redis server is away, and everything is read from the database"
"""What `/readyz` notes then."""

_log = get_logger()


class App:
    """A server's parts on one set of settings, as an ASGI application. Making it opens nothing.

    `alone`: no other process serves this database, so the node's name may stay the same from one run to the next, and
    what a killed predecessor was sending is taken over at once. `manager`: who started us, and wants to hear of us.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        store: Store | None = None,
        clock: Clock | None = None,
        alone: bool = False,
        manager: Manager | None = None,
    ) -> None:
        settings.check_together()
        self.settings = settings
        clock = clock or SystemClock()
        self.redis = RedisParts(settings, clock)
        self.store = self.redis.beside(store if store is not None else store_for(settings))
        if not isinstance(self.store, Keys):
            raise ConfigurationError("a server needs a database: set LASTSEEN_DATABASE_URL to sqlite:///path/to/file")
        self.notifiers = Notifiers(settings, clock)
        fixed = way_of_settings(settings)
        self.sources = FollowedSources(self.store, () if fixed is None else (fixed,))
        self.monitor = self._watching(clock, alone)
        self.bots = Bots(self.monitor, _text(settings.telegram_bot_token), settings.telegram_api_url, settings.timezone)
        self.live = Live(self.monitor, frame)
        self.keys = KeyCache(self.store, clock)
        self._together = None if self.redis.rates is None else Together(self.redis.rates.spend)
        limiter = None if self._together is None else self._together.limiter
        self.gate = Gate(self.keys, clock, settings.rate_limit, settings.trusted_proxies, limiter)
        self.accepting = False
        self.url: str | None = None
        """Where it listens, once it does."""
        given = fixed is not None
        self.office = Office(
            self.monitor, settings.timezone, self._reached_at, _warn, senders=self.notifiers, broker_given=given
        )
        url, every = _text(settings.proof_of_life_url), settings.proof_of_life_every.total_seconds()
        proof = None if url is None else Proof(url, every, clock)
        self.vigil = Vigil(self.health, self._machines, clock, proof, manager)
        self._heartbeat = HeartbeatRoute(self.monitor, self.gate)
        self._other_ways_in = WaysIn(self.monitor, self.gate)
        self._api: FastAPI | None = None
        prefix = prefix_of(settings.public_url)
        self._front_door = UnderPrefix(self._inside, prefix) if prefix else self._inside

    def _watching(self, clock: Clock, alone: bool) -> HeartbeatMonitor:
        settings, host = self.settings, socket.gethostname()
        return HeartbeatMonitor(
            self.store,
            offline_after=settings.offline_threshold or "never",
            check_interval=settings.check_interval,
            goodbye_grace=settings.goodbye_grace,
            flapping=settings.flapping,
            keep=settings.keep,
            register_unknown=False,
            sources=self.sources.known,
            clock=clock,
            node=f"serve:{host}" if alone else f"serve:{host}:{uuid.uuid4()}",
            notifier_for=self.notifiers,
            timezone=settings.timezone,
            public_url=settings.public_url,
            uplink=self.notifiers.probe(settings.uplink_check_url),
        )

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Heartbeats go the short way, everything else to FastAPI."""
        return self._front_door(scope, receive, send)

    def _inside(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http":
            return self.api(scope, receive, send)
        path = scope["path"]
        if path == HEARTBEAT_PATH:
            return self._heartbeat(scope, receive, send)
        if path.endswith("/status"):
            return self._with_status(scope, receive, send)
        return (self._other_ways_in.route(path) or self.api)(scope, receive, send)

    @property
    def api(self) -> FastAPI:
        """Made when it is first asked for: importing FastAPI takes a while, and not every use of an App needs it."""
        if self._api is None:
            from lastseen.web.api.app import create_api
            from lastseen.web.languages import Languages

            self._api = create_api(
                self.monitor,
                self.keys.find,
                self.not_ready,
                version(),
                self.settings.metrics,
                self.gate.at_wrong_key,
                self.notes,
                self._entrance(),
                self.live,
            )
            self._api.state.languages = Languages(self.settings.locale_dir)
        return self._api

    @cached_property
    def _with_status(self) -> ASGIApp:
        """The API, with a shorter way to the status of a machine."""
        from lastseen.web.api.quick_status import QuickStatus
        from lastseen.web.headers import Guarded
        from lastseen.web.in_time import InTime

        front = self.api.state.entrance.front
        return Guarded(InTime(QuickStatus(self.office, self.keys.known, front, self.api)), front)

    def _reached_at(self) -> str | None:
        return self.settings.public_url or (None if self.url is None else reached_at(self.url))

    def _entrance(self) -> Entrance:
        from lastseen.web.who import Entrance, Vouching

        settings = self.settings
        front = Front(settings.trusted_proxies, settings.public_url)
        header, role = settings.login_header, settings.login_header_role
        vouching = None if header is None else Vouching(header, role)
        limiter = None if self._together is None else self._together.limiter
        return Entrance(self.office, self.keys.find, front, vouching, limiter)

    async def health(self) -> tuple[Trouble, ...]:
        """What is wrong now, if anything: what `/readyz`, the proof of life and systemd's watchdog go by."""
        starting = Trouble(Part.HEARTBEATS, "not accepted now: starting or stopping", self.monitor.clock.now())
        return (*(() if self.accepting else (starting,)), *await self.monitor.health())

    def notes(self) -> list[str]:
        """What is wrong although it is ready."""
        nobody = ["no channel is switched on: nobody can be told"] if self.monitor.nobody_to_tell else []
        return [*nobody, f"{AWAY}: {self.redis.trouble}"] if self.redis.trouble else nobody

    async def not_ready(self) -> Mapping[str, str]:
        """Each part that is not ready, with why; empty: heartbeats are accepted and the monitor watches."""
        return {trouble.part.value: trouble.reason for trouble in await self.health()}

    async def _machines(self) -> Mapping[str, int]:
        """By status; empty where the store does not know, or does not answer."""
        with suppress(TimeoutError, LastseenError), anyio.fail_after(PATIENCE):
            if isinstance(self.store, Insight):
                return (await self.store.gauges(self.monitor.clock.now())).machines
        return {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """With the monitor running and heartbeats accepted. The store is opened for as long."""
        bots = self.bots.running() if self.settings.telegram_commands else nullcontext()
        refused = self.keys.refused.written(self.store, self.monitor.clock)
        used = self.keys.used.written(self.store)
        counting = self.redis.counting(self.store, self._together)
        ways = self.sources.followed(self.monitor)
        async with self.notifiers, self.monitor, ways, bots, refused, used, counting, self.live.running():
            self.accepting = True
            try:
                yield
            finally:
                self.accepting = False


def _warn(text: str) -> None:
    _log.warning("office_warned", problem=text)


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
