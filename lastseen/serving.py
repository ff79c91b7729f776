"""The process of `lastseen serve`: in which order it starts, and how it ends.

Start: settings, the lock of the database, store and migrations, the port (bound and kept, so that whoever reports
meanwhile waits in its queue), the monitor (which writes down the time nobody listened), the dispatcher, answering.
End: stop taking, finish what is in flight, the monitor, the server, the database last.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from typing import Any

import anyio

from lastseen.app import App
from lastseen.compose import passwords_of
from lastseen.datadir import check_folder, database_file, prepare_folder, serve_lock, tell_address
from lastseen.garbage import collect_seldom, leave_what_is_there
from lastseen.listening import BACKLOG, allow_connections, bind, url_of
from lastseen.log import get_logger
from lastseen.log_output import configure_logs, remember_secrets
from lastseen.protocols import Service, Store
from lastseen.settings import Settings, unknown_variables
from lastseen.systemd import Manager
from lastseen.web.setup import offer
from lastseen.web.slow import SlowClients, bounded_protocol

FINISH = 8
"""Seconds that requests in flight have when the server stops."""

SWITCH = 0.0005
"""Seconds that one thread keeps the interpreter while another wants it. With Python's 5 ms the thread that writes the
database waits that long after each statement while requests come in, and every heartbeat of its batch with it."""

TENTHS = 5
"""Of a second, from one look at all connections to the next."""

_log = get_logger()


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; a second signal ends the process at once. Raises ConfigurationError."""
    configure_logs(settings.log_format)
    remember_secrets(*_secrets(settings))
    for sentence in unknown_variables(settings.data_dir):
        _log.warning("unknown_setting", problem=sentence)
    _log.info("settings_read", data_dir=str(settings.data_dir), pid=os.getpid())
    manager = Manager.of_environment(os.environ)
    collect_seldom()
    sys.setswitchinterval(SWITCH)
    allow_connections()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, manager))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's loop where there is one."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _secrets(settings: Settings) -> list[str]:
    given = (settings.secret_key, settings.telegram_bot_token, settings.proof_of_life_url)
    return [*(secret.get_secret_value() for secret in given if secret is not None), *passwords_of(settings.database)]


async def _serve(settings: Settings, manager: Manager | None) -> None:
    file = database_file(settings.database)
    prepare_folder(settings.data_dir)
    if file is not None:
        check_folder(file.parent, file)
    with serve_lock(file) as alone:
        app = App(settings, alone=alone, manager=manager)
        with _stop_on_signal() as stop:
            async with _opened(app.store):
                _log.info("store_opened", database=str(file) if file else "a database server")
                with bind(settings.host, settings.port) as listener:
                    _log.info("port_bound", url=url_of(listener))
                    tell_address(file, url_of(listener))
                    app.api  # noqa: B018  (imported now, so that the next line covers it)
                    leave_what_is_there()
                    await answer(app, listener, stop)
        _log.info("store_closed")


@contextmanager
def _stop_on_signal() -> Iterator[asyncio.Event]:
    """Set by the first SIGTERM or SIGINT; a second one ends the process without another word."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def on_signal(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        _log.info("stopping", signal=signal.Signals(number).name)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def _opened(store: Store) -> AsyncIterator[None]:
    """Open, migrations and all, from before the port is bound until after the monitor has stopped."""
    if isinstance(store, Service):
        await store.open()
    try:
        yield
    finally:
        if isinstance(store, Service):
            with anyio.CancelScope(shield=True):
                await store.close()


async def answer(app: App, listener: socket.socket, stop: asyncio.Event) -> None:
    """Run the monitor, and the server on it, until told to stop."""
    serving = asyncio.Event()
    app.url = url_of(listener)
    server = _server(app, listener, serving)
    app.api  # noqa: B018  (imported now: doing it at the first request would keep heartbeats waiting)

    async def end() -> None:
        await stop.wait()
        app.vigil.end()
        app.accepting = False
        app.live.close()  # those who follow would keep us until their time is up
        server.end()

    async def watch() -> None:
        await serving.wait()
        await offer(app.office)
        await app.vigil.run()

    async with app.running():
        _log.info("dispatcher_started")
        async with anyio.create_task_group() as group:
            group.start_soon(end)
            group.start_soon(watch)
            await server.serve([listener])
            group.cancel_scope.cancel()
        _log.info("requests_finished")


def _server(app: App, listener: socket.socket, serving: asyncio.Event) -> Any:
    """uvicorn without its signals, its logs, and what else is done here. `serving` is set when it answers."""
    import uvicorn

    slow, told = SlowClients(app.monitor.clock.monotonic), asyncio.Event()

    class Server(uvicorn.Server):
        def end(self) -> None:
            self.should_exit = True
            told.set()

        async def main_loop(self) -> None:
            """As uvicorn's, with fewer looks: its ten a second would be most of what an idle server does. `on_tick`
            counts tenths of a second."""
            tenths = 0
            while not await self.on_tick(tenths):
                tenths = (tenths + TENTHS) % 864_000
                with anyio.move_on_after(TENTHS / 10):
                    await told.wait()
            await asyncio.sleep(0.1)  # whoever is just being accepted: asyncio forgets those if it is closed meanwhile

        async def on_tick(self, counter: int) -> bool:
            slow.look(self.server_state.connections)
            return await super().on_tick(counter)

        def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
            return nullcontext()

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            _log.info("serving", url=url_of(listener), node=app.monitor.node)
            serving.set()

    return Server(
        uvicorn.Config(
            app,
            http=bounded_protocol(),
            interface="asgi3",
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=FINISH,
        )
    )
