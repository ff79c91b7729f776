"""`serve` as a process: how it starts, what it refuses, how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from pathlib import Path

import httpx
import pytest

from lastseen.ingest.auth import new_key
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.protocols import Keys
from lastseen.storage import open_store
from tests.server.process import PROGRAM, serving
from tests.support import eventually


async def test_it_starts_in_order_answers_and_ends_in_order(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as process:
        url = await process.url()
        async with httpx.AsyncClient(base_url=url) as http:
            assert (await http.get("/readyz")).status_code == 200
            assert (await http.post("/api/v1/heartbeat")).status_code == 401
        process.popen.send_signal(signal.SIGTERM)
        assert await process.ended() == 0
        order = [
            "settings_read", "store_opened", "port_bound", "heartbeat_monitor_started", "dispatcher_started",
            "serving", "stopping", "requests_finished", "heartbeat_monitor_stopped", "store_closed",
        ]  # fmt: skip
        assert [event for event in process.events() if event in order] == order
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "data" / "lastseen.db").stat().st_mode & 0o077 == 0


async def test_a_second_one_on_the_same_database_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as first:
        await first.url()
        with serving(tmp_path) as second:
            assert await second.ended() == 1
            assert f"pid {first.popen.pid}" in "".join(second.lines)
            assert "AlreadyServing" in "".join(second.lines)
        assert first.popen.poll() is None


async def test_what_a_killed_one_leaves_is_no_obstacle(tmp_path: Path) -> None:
    with serving(tmp_path) as first:
        await first.url()
        first.popen.kill()
        await first.ended()
    with serving(tmp_path) as second:
        assert await second.url()


async def test_a_port_that_is_taken_is_told_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with serving(tmp_path, LASTSEEN_PORT=port) as process:
            assert await process.ended() == 1
            assert f"port {port}" in process.lines[-1]
            assert "LASTSEEN_PORT" in process.lines[-1]
            assert "Traceback" not in "".join(process.lines)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("LASTSEEN_HOST", "256.1.1.1"), ("LASTSEEN_HOST", "192.0.2.1"), ("LASTSEEN_DATABASE_URL", "memory:"),
     ("LASTSEEN_DATABASE_URL", "oracle://x"), ("LASTSEEN_PORT", "http")],
)  # fmt: skip
async def test_a_wrong_setting_is_told_without_a_traceback(tmp_path: Path, variable: str, value: str) -> None:
    with serving(tmp_path, **{variable: value}) as process:
        assert await process.ended() == 1
        assert process.lines[-1].startswith(("ConfigurationError: ", "PluginError: "))
        assert "Traceback" not in "".join(process.lines)


async def test_a_misspelt_setting_is_warned_of(tmp_path: Path) -> None:
    with serving(tmp_path, LASTSEEN_PROT="1") as process:
        await process.url()
        warning = process.said("unknown_setting")
        assert warning is not None
        assert "LASTSEEN_PORT" in warning["problem"]


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        url = httpx.URL(await process.url())
        _, writer = await asyncio.open_connection(url.host, url.port)
        head = "POST /api/v1/heartbeat HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nX-API-Key: "
        writer.write(f"{head}{await a_key(tmp_path)}\r\n\r\n".encode())  # its body never comes
        await writer.drain()
        async with httpx.AsyncClient(base_url=url) as http:  # answered after the request before it was begun
            assert (await http.get("/healthz")).status_code == 200
        process.popen.send_signal(signal.SIGINT)
        await eventually(lambda: process.said("stopping"))
        process.popen.send_signal(signal.SIGINT)
        assert await process.ended() == 128 + signal.SIGINT
        writer.close()


async def a_key(folder: Path) -> str:
    """The key of a machine that is made beside the running server, as the command line does it."""
    monitor = HeartbeatMonitor(open_store(f"sqlite:///{folder}/lastseen.db", migrate="check"))
    key = new_key("machine")
    async with monitor.opened():
        status = await monitor.watch("web-1")
        assert isinstance(monitor.store, Keys)
        await monitor.store.add_key("machine", key.digest, key.hint, monitor.clock.now(), machine_id=status.id)
    return key.text


async def test_more_clients_than_the_soft_limit_of_files_are_served(tmp_path: Path) -> None:
    few = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (128, 1024))\n" + PROGRAM
    with serving(tmp_path, program=few) as process, contextlib.ExitStack() as all_of_them:
        url = await process.url()
        port = int(url.rsplit(":", 1)[1])
        for _ in range(300):
            all_of_them.enter_context(socket.create_connection(("127.0.0.1", port)))
        async with httpx.AsyncClient(base_url=url) as http:
            assert (await http.get("/healthz")).status_code == 200
