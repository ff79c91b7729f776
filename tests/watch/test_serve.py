"""A real `lastseen serve`, and somebody who misses it: what it says of itself while it works, and when it does not."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest

from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.protocols import Channels
from lastseen.storage import open_store
from lastseen.testing.http_server import Answer, Received, http_server
from tests.cli.conftest import Cli, cli, fresh  # noqa: F401  (fixtures)
from tests.disk import fill, small_disk
from tests.scenarios.harness import fleet
from tests.secrecy import secret
from tests.server.process import PROGRAM, Process, serving
from tests.support import eventually
from tests.watch.listening import Listening

URL_SECRET = secret("5ec7e7-of-a-url-that-knows-us")

IMPATIENT = """
from datetime import timedelta
import lastseen.monitor.health, lastseen.notifiers.motion, lastseen.proof_of_life
lastseen.monitor.health.LATE = timedelta(seconds=1)
lastseen.notifiers.motion.STANDS = 1.0
lastseen.proof_of_life.LOOK = 0.2
"""
"""What takes a quarter of a minute takes a second."""

PLUGIN = """
import asyncio, threading
from pydantic import BaseModel

class Bad:
    \"\"\"Does not come back.\"\"\"
    class Config(BaseModel):
        pass
    timeout = 0.2
    def __init__(self, config, tools):
        pass
    async def send(self, message):
        {send}
"""
HOW = {
    "blocks the loop": "threading.Event().wait()",
    "never comes back": """while True:
            try:
                await asyncio.Event().wait()
            except BaseException:
                pass""",
}


def installed(folder: Path, how: str) -> str:
    """The notifier `bad` as a package, and the PYTHONPATH that has it."""
    about = folder / "bad_notifier-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-notifier\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[lastseen.notifiers]\nbad = bad_notifier:Bad\n")
    (folder / "bad_notifier.py").write_text(PLUGIN.format(send=HOW[how]))
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))


class Missing:
    """Somebody who is called, and notices when that ends."""

    def __init__(self) -> None:
        self.calls = 0
        self.last = float("-inf")
        self.url = ""

    async def receive(self, request: Received) -> Answer:
        assert request.method == "GET"
        assert request.path == f"/ping/{URL_SECRET}"
        self.calls, self.last = self.calls + 1, time.monotonic()
        return Answer()

    async def hears(self, more: int = 3) -> None:
        before = self.calls
        await eventually(lambda: self.calls >= before + more)

    async def misses(self, seconds: float = 2.0) -> None:
        """Many times as long as it should be called every."""
        await eventually(lambda: time.monotonic() - self.last > seconds)


@asynccontextmanager
async def somebody() -> AsyncIterator[Missing]:
    one = Missing()
    async with http_server(one.receive) as address:
        one.url = f"{address}/ping/{URL_SECRET}"
        yield one


@contextmanager
def watched(folder: Path, url: str = "", program: str = IMPATIENT + PROGRAM, **more: str) -> Iterator[Process]:
    proof = {"LASTSEEN_PROOF_OF_LIFE_URL": url, "LASTSEEN_PROOF_OF_LIFE_EVERY": "200ms"} if url else {}
    with serving(folder, program=program, MACHINE_HEARTBEAT_CHECK_INTERVAL="1s", **proof, **more) as process:
        yield process
    assert URL_SECRET not in "".join(process.lines)


def said(process: Process, event: str, part: str) -> bool:
    lines = [json.loads(line) for line in list(process.lines) if line.startswith("{")]
    return any(line["event"] == event and line["part"] == part for line in lines)


async def parts(url: str) -> set[str]:
    async with httpx.AsyncClient(base_url=url) as http:
        assert (await http.get("/healthz")).status_code == 200
        answer = await http.get("/readyz")
    assert (answer.status_code == 200) == ("parts" not in answer.json())
    return set(answer.json().get("parts", ()))


async def test_it_is_called_while_it_works_and_not_once_it_is_told_to_stop(tmp_path: Path) -> None:
    async with somebody() as one:
        with watched(tmp_path, one.url) as process:
            url = await process.url()
            await one.hears()
            assert await parts(url) == set()
            process.popen.send_signal(signal.SIGTERM)
            assert await process.ended() == 0
            assert "proof_of_life_heard" in process.events()
            assert not any(event.startswith("watch_") for event in process.events())


async def test_a_process_that_is_stopped_is_missed(tmp_path: Path) -> None:
    async with somebody() as one:
        with watched(tmp_path, one.url) as process:
            await one.hears()
            process.popen.send_signal(signal.SIGSTOP)
            await one.misses()
            process.popen.send_signal(signal.SIGCONT)
            await one.hears()


async def test_another_lastseen_tells_that_this_one_is_gone_and_back(cli: Cli, tmp_path: Path) -> None:  # noqa: F811
    with cli.serving() as second:
        made = cli_json(cli, "machines", "add", "lastseen-home", "--offline-after", "2s")
        path = urlsplit(made["ping_url"]).path
        secret(path.rsplit("/", 1)[1])

        async def status() -> str:
            shown = await anyio.to_thread.run_sync(cli_json, cli, "machines", "show", "lastseen-home")
            return str(shown["status"])

        with watched(tmp_path / "home", second + path) as process:
            await eventually(lambda: "proof_of_life_heard" in process.events())
            assert await status() == "online"
            process.popen.send_signal(signal.SIGSTOP)
            await eventually(lambda: is_(status, "offline"))
            process.popen.send_signal(signal.SIGCONT)
            await eventually(lambda: is_(status, "online"))


async def is_(status: Callable[[], Awaitable[str]], wanted: str) -> bool:
    return await status() == wanted


def cli_json(cli: Cli, *arguments: str) -> Any:  # noqa: F811
    return cli.beside(*arguments, "--json").value


async def test_the_address_may_be_in_a_file(tmp_path: Path) -> None:
    async with somebody() as one:
        (tmp_path / "address").write_text(f"{one.url}\n")
        more = {"LASTSEEN_PROOF_OF_LIFE_URL_FILE": str(tmp_path / "address"), "LASTSEEN_PROOF_OF_LIFE_EVERY": "200ms"}
        with watched(tmp_path, **more):
            await one.hears()


@pytest.mark.parametrize(
    "url", [f"ftp://x/{URL_SECRET}", URL_SECRET, f"https:///{URL_SECRET}", f"http://a b/{URL_SECRET}"]
)
async def test_an_address_that_cannot_be_called_is_refused_without_being_shown(tmp_path: Path, url: str) -> None:
    with watched(tmp_path, url) as process:
        assert await process.ended() == 1
        assert "LASTSEEN_PROOF_OF_LIFE_URL: must be an address such as https://" in process.lines[-1]


async def test_a_database_that_another_program_keeps_locked_is_missed_and_told(tmp_path: Path) -> None:
    async with somebody() as one:
        with watched(tmp_path, one.url) as process:
            url = await process.url()
            await one.hears()
            with closing(sqlite3.connect(tmp_path / "lastseen.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                await eventually(lambda: said(process, "watch_troubled", "store"))
                await one.misses()
                assert "store" in await parts(url)
                other.execute("ROLLBACK")
            await one.hears()
            await eventually(lambda: said(process, "watch_restored", "store"))


async def test_a_disk_that_is_full_is_missed_and_told(tmp_path: Path) -> None:
    async with somebody() as one:
        with small_disk(tmp_path / "disk", "8m") as folder, watched(folder / "data", one.url) as process:
            url = await process.url()
            await one.hears()
            fill(folder / "ballast")
            await eventually(lambda: said(process, "watch_troubled", "store"))
            await one.misses()
            assert "store" in await parts(url)
            (folder / "ballast").unlink()
            await one.hears()
            await eventually(lambda: said(process, "watch_restored", "store"))


@pytest.mark.parametrize("how", HOW)
async def test_a_plugin_that_stops_the_outbox_is_missed(tmp_path: Path, how: str) -> None:
    more = {"PYTHONPATH": installed(tmp_path / "site", how), "MACHINE_OFFLINE_THRESHOLD": "2s"}
    keys = await fleet(tmp_path, 1)
    store = open_store(f"sqlite:///{tmp_path}/lastseen.db")
    async with HeartbeatMonitor(store).opened() as monitor:
        assert isinstance(store, Channels)
        await store.add_channel("bad", "ops", {}, {}, "bad", monitor.clock.now())
    async with somebody() as one:
        with watched(tmp_path, one.url, **more) as process:
            url = await process.url()
            await one.hears()
            async with httpx.AsyncClient(base_url=url, headers={"X-API-Key": keys["m0"]}) as http:
                assert (await http.post("/api/v1/heartbeat")).status_code == 204  # and then no more
            await one.misses()
            if how == "never comes back":
                assert said(process, "watch_troubled", "outbox")
                assert await parts(url) == {"outbox"}


@pytest.mark.parametrize("kind", ["file", "abstract"])
async def test_systemd_hears_of_the_whole_life(tmp_path: Path, kind: str) -> None:
    address = str(tmp_path / "notify") if kind == "file" else f"@lastseen-serve-{os.getpid()}"
    more = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"}
    await fleet(tmp_path, 2)
    with Listening(address) as listening, watched(tmp_path, **more) as process:
        await eventually(lambda: listening.count("WATCHDOG") >= 3)
        assert listening.all[0] == {"READY": "1"}
        assert process.events().index("serving") >= 0
        await eventually(lambda: listening.status == "0 of 2 machines online, 2 provisioning")
        with closing(sqlite3.connect(tmp_path / "lastseen.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await eventually(lambda: "store: a write does not end since " in listening.status)
            before = listening.count("WATCHDOG")
            await eventually(lambda: said(process, "watch_troubled", "monitor"))
            assert listening.count("WATCHDOG") == before
            other.execute("ROLLBACK")
        await eventually(lambda: listening.count("WATCHDOG") >= before + 3)
        process.popen.send_signal(signal.SIGTERM)
        assert await process.ended() == 0
        listening.messages()
        assert listening.all[-1] == {"STOPPING": "1", "STATUS": "stopping"}


async def test_without_systemd_nothing_is_said_and_nothing_missing(tmp_path: Path) -> None:
    with watched(tmp_path, NOTIFY_SOCKET=str(tmp_path / "nobody-listens")) as process:
        assert await parts(await process.url()) == set()
