"""What the server and the command line both make from settings: the store, and notifiers for its channels."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote, urlsplit

import anyio

from lastseen.clock import Clock
from lastseen.errors import PluginError
from lastseen.log_output import redact, remember_secrets
from lastseen.model import Channel
from lastseen.protocols import Notifier, Store
from lastseen.settings import Settings
from lastseen.storage import open_store

if TYPE_CHECKING:
    import httpx

    from lastseen.ingest.shared_limits import Together
    from lastseen.notifiers.tools import Tools
    from lastseen.storage.redis import RedisCopy
    from lastseen.storage.redis_link import Link
    from lastseen.storage.redis_rates import Rates


SERVER_KEY = "lastseen.key"
"""The key file in the data folder, where the database is a server and no key is given. One node can do with it."""


def store_for(settings: Settings, **options: Any) -> Store:
    """The store of the settings' database; nothing is opened. `options` go to `open_store`."""
    url = settings.database
    scheme = url.partition(":")[0]
    if scheme in ("sqlite", "postgres", "postgresql"):
        from lastseen.storage.secrets import SecretBox

        if settings.secret_key is not None:
            options["secrets"] = SecretBox(key_text=settings.secret_key.get_secret_value())
        elif scheme != "sqlite":
            options["secrets"] = SecretBox(key_file=settings.data_dir / SERVER_KEY)
    return open_store(url, **options)


class RedisParts:
    """What is kept in Redis of a server, or (`lasting` is False) written there by a command. Nothing where the settings
    name none. Making it connects to nothing. Raises ConfigurationError, PluginError."""

    def __init__(self, settings: Settings, clock: Clock, lasting: bool = True) -> None:
        self._link: Link | None = None
        self._copy: RedisCopy | None = None
        self.rates: Rates | None = None
        if settings.redis_url is None:
            return
        from lastseen.storage.redis import RedisCopy
        from lastseen.storage.redis_link import Link
        from lastseen.storage.redis_rates import Rates

        url, parts = settings.redis_url.get_secret_value(), settings.redis_parts
        remember_secrets(url, *passwords_of(url))
        self._link = Link(url, clock)
        if parts & {"cache", "keys"}:
            published, read = "keys" in parts, "cache" in parts
            self._copy = RedisCopy(self._link, clock, published=published, read=read, lasting=lasting)
        if lasting and "limits" in parts:
            self.rates = Rates(self._link)

    @property
    def trouble(self) -> str:
        """Why the server is away, for people; "": it is there, or there is none."""
        return "" if self._link is None else self._link.trouble

    async def ask(self) -> str:
        """Ask the server now: why it does not answer; "": it does, or there is none."""
        if self._link is None:
            return ""
        reason = await self._link.reach()
        await self._link.close()
        return reason

    def beside(self, store: Store) -> Store:
        """The store, with the copy beside it if there is to be one."""
        if self._copy is None:
            return store
        from lastseen.storage.beside import beside

        return beside(store, self._copy)

    @asynccontextmanager
    async def counting(self, store: Store, together: Together | None) -> AsyncIterator[None]:
        """While rates are counted together with other nodes."""
        if self.rates is None or together is None or self._link is None:
            yield
            return
        await self.rates.open(store)
        async with anyio.create_task_group() as group:
            group.start_soon(together.run)
            try:
                yield
            finally:
                group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._link.close()


def passwords_of(url: str) -> tuple[str, ...]:
    """The password in a URL, as it is written there and as it is meant."""
    with suppress(ValueError):
        written = urlsplit(url).password
        if written:
            return written, unquote(written)
    return ()


class Notifiers:
    """Makes the notifiers of channels: `notifier_for` of a monitor. Close it after the monitor.

    A channel without an owner was made by an admin or by the command line, whose user may reach private addresses
    anyway; one of a person may only use those of LASTSEEN_WEBHOOK_ALLOW_NETWORKS.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._networks, self._clock = settings.webhook_allow_networks, clock
        self._servers = {"telegram": settings.telegram_api_url}
        self._token = settings.telegram_bot_token
        self._clients: dict[bool, httpx.AsyncClient] = {}

    def __call__(self, channel: Channel, secrets: Mapping[str, str]) -> Notifier:
        """Raises PluginError and InvalidInput."""
        from lastseen.plugins import load_notifier, make_notifier, unguarded_in

        if channel.owner_id is not None:
            if getattr(load_notifier(channel.type), "operators_only", False):
                raise PluginError(f"channels of type {channel.type} are made by the command line only")
            for field in unguarded_in(channel.type, channel.config):
                raise PluginError(f"nothing guards where {field} leads: it is for channels that everybody shares")
        remember_secrets(*secrets.values())
        return make_notifier(channel.type, channel.config, secrets, self.tools(by_hand=channel.owner_id is None))

    async def lane(
        self, type_: str, name: str, config: Mapping[str, Any], secrets: Mapping[str, str], owner: int | None = None
    ) -> str:
        """Where such a channel would send: where its notifier says, or on its own. Raises PluginError, InvalidInput."""
        notifier = self(Channel("", name, type_, config=config, owner_id=owner), secrets)
        lane = str(getattr(notifier, "lane", "") or f"channel:{name}")
        close = getattr(notifier, "close", None)
        if close is not None:
            await close()
        return lane

    def given(self, type_: str) -> Mapping[str, str]:
        """What the settings say for channels of this type, where nobody says otherwise."""
        if type_ == "telegram" and self._token is not None:
            return {"token": self._token.get_secret_value()}
        return {}

    def server(self, type_: str) -> str | None:
        """The address that the settings give for channels of this type."""
        return self._servers.get(type_)

    def redacted(self, text: str) -> str:
        """Without the secrets of any channel."""
        return redact(text)

    def tools(self, *, by_hand: bool) -> Tools:
        """What a notifier is handed. `by_hand`: its channel may use private addresses."""
        from lastseen.notifiers.guard import Policy, guarded_client, lent
        from lastseen.notifiers.tools import Tools

        if by_hand not in self._clients:
            self._clients[by_hand] = guarded_client(Policy(allow_private=by_hand, networks=self._networks))
        return Tools(lent(self._clients[by_hand]), self._clock, self._servers)

    def probe(self, url: str | None) -> Callable[[], Awaitable[bool]] | None:
        """Asks an address whether the world is there: any answer is one."""
        if url is None:
            return None

        async def asked() -> bool:
            await self.tools(by_hand=True).http.head(url)
            return True

        return asked

    async def close(self) -> None:
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()
