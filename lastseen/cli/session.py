"""Commands beside a server: the settings, and the monitor with its store opened but not running."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import typer

from lastseen.cli.where import counterpart, must_be_here, remote, there
from lastseen.errors import ConfigurationError, LastseenError, UnknownMachine

if TYPE_CHECKING:
    from lastseen.manage.office import Office

T = TypeVar("T")
P = ParamSpec("P")
LARGEST_ID = 2**63 - 1


def run(work: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """Run a coroutine function; log lines go to standard error, and only those that warn."""
    import anyio

    from lastseen.log_output import configure_logs

    configure_logs(level="WARNING")
    return anyio.run(work, *arguments)


def settings() -> Any:
    from lastseen.settings import Settings

    return Settings.load()


@asynccontextmanager
async def session() -> AsyncIterator[Any]:
    """A HeartbeatMonitor on the configured database, for its verbs and its `store`.

    It neither makes nor upgrades a database, and leaves no file that the service could not write.
    """
    from lastseen.clock import SystemClock
    from lastseen.compose import RedisParts, store_for
    from lastseen.datadir import check_folder, database_file
    from lastseen.monitor.heartbeat import HeartbeatMonitor
    from lastseen.protocols import Catalog

    must_be_here()
    chosen = settings()
    file = database_file(chosen.database)
    if file is not None:
        check_folder(file.parent, file)
    clock = SystemClock()
    store = RedisParts(chosen, clock, lasting=False).beside(store_for(chosen, migrate="check"))
    if not isinstance(store, Catalog):
        raise ConfigurationError(
            "commands need a database: set LASTSEEN_DATABASE_URL to sqlite:///path/to/file or postgresql://host/name"
        )
    monitor = HeartbeatMonitor(
        store,
        clock=clock,
        offline_after=chosen.offline_threshold or "never",
        check_interval=chosen.check_interval,
        goodbye_grace=chosen.goodbye_grace,
        flapping=chosen.flapping,
        register_unknown=False,
        timezone=chosen.timezone,
        public_url=chosen.public_url,
    )
    async with monitor.opened():
        yield monitor


def ask(work: Callable[[Any], Awaitable[T]]) -> T:
    """Run a coroutine function with the monitor of a `session`."""

    async def asked() -> T:
        async with session() as monitor:
            return await work(monitor)

    return run(asked)


def do(work: Callable[[Office], Awaitable[T]]) -> T:
    """As `ask`, with the verbs' office on that monitor; only where the database is."""

    async def done(monitor: Any) -> T:
        from lastseen.compose import Notifiers
        from lastseen.manage.nearest import meant

        async with Notifiers(settings(), monitor.clock) as senders:
            verbs = office(monitor, senders)
            try:
                return await work(verbs)
            except UnknownMachine as error:
                raise await meant(verbs, error) from None

    return ask(done)


def note(verb: str, changed: dict[str, Any]) -> None:
    """A line of the audit log, of what a command did to the database as a whole. What is done stays done where it
    cannot be written."""
    try:
        ask(lambda monitor: office(monitor).note(verb, "database", changed))
    except LastseenError as error:
        _warn(f"this is not in the audit log: {error}")


def call(verb: Callable[Concatenate[Office, P], Awaitable[T]], *given: P.args, **named: P.kwargs) -> T:
    """What one verb of `lastseen.manage` answers: here, or from the server that was named."""
    chosen = there()
    if chosen is None:
        return do(lambda office: verb(office, *given, **named))

    async def asked() -> T:
        async with remote(chosen) as server:
            answer: T = await counterpart(verb)(server, *given, **named)
            return answer

    return run(asked)


def office(monitor: Any, senders: Any = None) -> Office:
    """What the verbs of `lastseen.manage` are called with here."""
    from lastseen.cli.addresses import base_url
    from lastseen.manage.office import Office

    return Office(
        monitor, settings().timezone, base_url, _warn, senders=senders, broker_given=settings().mqtt_url is not None
    )


def _warn(text: str) -> None:
    typer.echo(f"lastseen: {text}", err=True)
