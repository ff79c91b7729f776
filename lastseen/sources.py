"""Ways in that are set up beside the program: rows of the store, and the broker of the settings.

This module is the server's: it says which sources there are, and makes them of what people wrote. How any source is
run, of a program's own too, is in `lastseen.monitor.sources`, which knows of no row and no setting.

Rows are read when the monitor starts, before it decides anything, and looked at again while it runs: a row that is
added, changed or removed by a command is followed by the running server. One that cannot be used is told once, with
why, and the others go on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

from lastseen.errors import ConfigurationError, InvalidInput, LastseenError, NotFound, StoreUnavailable
from lastseen.log import get_logger
from lastseen.log_output import remember_secrets
from lastseen.manage.sources import split_url
from lastseen.protocols import SourceRows, Store

if TYPE_CHECKING:
    from lastseen.ingest.mqtt import MqttSource
    from lastseen.model import Source
    from lastseen.monitor.heartbeat import HeartbeatMonitor
    from lastseen.monitor.sources import WayIn
    from lastseen.settings import Settings

LOOK_EVERY = 2.0
"""Seconds between two looks at the rows."""

KIND = "mqtt"

OPTIONS = (
    "presets",
    "bind",
    "base",
    "offline_after",
    "kind",
    "goodbye_grace",
    "auto_add",
    "ca",
    "cert",
    "key",
    "share",
    "publish",
    "discovery",
)
"""What a broker of the settings may be given beside its address: each is LASTSEEN_MQTT_ and its name."""

_log = get_logger()


def make_way(name: str, config: Mapping[str, Any], secrets: Mapping[str, str]) -> MqttSource:
    """Raises InvalidInput that names the field."""
    from lastseen.ingest.mqtt import MqttSource

    remember_secrets(*secrets.values())
    return MqttSource.from_config(name, config, secrets)


def way_of_settings(settings: Settings) -> WayIn | None:
    """The broker that the settings name, as the source `mqtt`. Raises ConfigurationError."""
    config = {name: _plain(value) for name in OPTIONS if (value := getattr(settings, f"mqtt_{name}"))}
    if settings.mqtt_url is None:
        if config:
            raise ConfigurationError(f"{_variable(next(iter(config)))} is set, and LASTSEEN_MQTT_URL is not")
        return None
    config["url"], user, password = split_url(settings.mqtt_url.get_secret_value())
    if user is not None:
        config["username"] = user
    try:
        return make_way(KIND, config, {} if password is None else {"password": password})
    except InvalidInput as error:
        variable = _variable(error.field if error.field in OPTIONS else "url")
        raise ConfigurationError(f"{variable}: {error.message}") from None


def _variable(option: str) -> str:
    return f"LASTSEEN_MQTT_{option.upper()}"


def _plain(value: Any) -> Any:
    """As it stands in a row. A relative path counts from where the server was started."""
    if isinstance(value, Path):
        return str(value.expanduser().absolute())
    return list(value) if isinstance(value, tuple) else value


class _Row(NamedTuple):
    """What a source was made of. `secrets` None: they could not be read."""

    id: int
    config: Mapping[str, Any]
    secrets: Mapping[str, str] | None
    trouble: str = ""


def _is_heard(row: Source) -> bool:
    """One that is paused is as one that is not there: what was heard on it is held, as at the end of a server."""
    return row.kind == KIND and not row.config.get("paused")


class FollowedSources:
    """Ways in as rows, kept as they are in the store. `fixed` are there beside them, and go first."""

    def __init__(self, store: Store, fixed: Sequence[WayIn] = ()) -> None:
        self._rows = store if isinstance(store, SourceRows) else None
        self._fixed = tuple(fixed)
        self._seen: dict[str, _Row] = {}
        self._listening: set[str] = set()
        self._told: dict[str, str] = {}

    async def known(self) -> Sequence[WayIn]:
        """All there are now, for a monitor that starts. Raises StoreUnavailable."""
        self._seen = await self._read()
        ways = [way for name, row in self._seen.items() if (way := self._made(name, row)) is not None]
        self._listening = {way.name for way in ways}
        return [*self._fixed, *ways]

    @asynccontextmanager
    async def followed(self, monitor: HeartbeatMonitor) -> AsyncIterator[None]:
        """What changes in the store is followed for as long."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._follow, monitor)
            try:
                yield
            finally:
                group.cancel_scope.cancel()

    async def _follow(self, monitor: HeartbeatMonitor) -> None:
        while True:
            await anyio.sleep(LOOK_EVERY)
            try:
                await self.look(monitor)
            except StoreUnavailable:
                continue  # whoever writes tells of it
            except Exception as error:  # noqa: BLE001  (the server goes on with what it listens to, and it is told)
                self._refuse("*", repr(error))

    async def look(self, monitor: HeartbeatMonitor) -> None:
        """Compare the rows with what is listened to, and follow them. Raises StoreUnavailable."""
        rows, before = await self._read(), self._seen
        for name in [name for name, row in before.items() if rows.get(name) != row]:
            if name in self._listening:
                await monitor.drop_source(name)
                self._listening.discard(name)
            del self._seen[name]
            if name not in rows:
                self._told.pop(name, None)
        for name in [name for name in rows if name not in self._seen]:
            self._seen[name] = rows[name]
            way = self._made(name, rows[name])
            if way is not None:
                await self._listen(monitor, way)

    async def _listen(self, monitor: HeartbeatMonitor, way: WayIn) -> None:
        try:
            await monitor.add_source(way)
        except StoreUnavailable:
            del self._seen[way.name]  # the next look tries again
            raise
        except NotFound:
            pass  # it was removed in this moment, which the next look sees
        except LastseenError as error:
            self._refuse(way.name, str(error))
        else:
            self._listening.add(way.name)

    async def _read(self) -> dict[str, _Row]:
        if self._rows is None:
            return {}
        return {row.name: await self._whole(self._rows, row) for row in await self._rows.sources() if _is_heard(row)}

    async def _whole(self, rows: SourceRows, row: Source) -> _Row:
        try:
            return _Row(row.id, row.config, await rows.source_secrets(row.name))
        except StoreUnavailable:
            raise
        except LastseenError as error:  # locked secrets; or removed in this moment, which the next look sees
            return _Row(row.id, row.config, None, str(error))

    def _made(self, name: str, row: _Row) -> WayIn | None:
        trouble = row.trouble
        if any(way.name == name for way in self._fixed):
            trouble = "the settings name a source by this name (LASTSEEN_MQTT_URL), which goes first"
        elif row.secrets is not None:
            try:
                way = make_way(name, row.config, row.secrets)
            except LastseenError as error:
                trouble = str(error)
            except Exception as error:  # noqa: BLE001  (a row that this version cannot read harms no other, and is told)
                trouble = f"it cannot be read: {error!r}"
            else:
                self._told.pop(name, None)
                way.from_row = True
                return way
        self._refuse(name, trouble)
        return None

    def _refuse(self, name: str, why: str) -> None:
        if self._told.get(name) != why:
            self._told[name] = why
            _log.error("source_refused", source=name, error=why)
