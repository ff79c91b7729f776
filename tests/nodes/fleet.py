"""Several `lastseen serve` on one PostgreSQL, with a command beside them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.cli.conftest import Cli, Done
from tests.server.process import PROGRAM, Process, serving
from tests.support import eventually

KEY = "bm9kZXMgdGhhdCBzaGFyZSBhIGtleSBhcmUgbm9kZXM="

PATIENCE = 90.0
"""Seconds that may pass on a busy computer until a node is there, or has what another had."""

SPAN = 3
"""Seconds of every lease, so that a test need not wait for half a minute."""

QUICK = """
from datetime import timedelta
import lastseen.bot.poller, lastseen.ingest.mqtt.session, lastseen.notifiers.dispatcher, lastseen.monitor.nodes
lastseen.bot.poller.LEASE = lastseen.ingest.mqtt.session.SPAN = timedelta(seconds={span})
lastseen.notifiers.dispatcher.LEASE = timedelta(seconds={span})
lastseen.bot.poller.LOOK_AGAIN = lastseen.ingest.mqtt.session.LOOK_AGAIN = 0.5
lastseen.monitor.nodes.SHOWN_EVERY = 1
"""


class Fleet:
    """Nodes by name. Each has a data folder of its own, as on a computer of its own."""

    def __init__(self, stack: ExitStack, folder: Path, url: str, **settings: str) -> None:
        self._stack, self._folder = stack, folder
        self.settings = {
            "LASTSEEN_DATABASE_URL": url,
            "LASTSEEN_SECRET_KEY": KEY,
            "LASTSEEN_GOODBYE_GRACE": "0",
            **settings,
        }
        self.nodes: dict[str, Process] = {}
        self.span = SPAN
        self.program = ""  # what each node does before it serves
        self.base = ""  # of the topics of a test
        self.cli = Cli(folder / "cli", dict(self.settings))

    async def start(self, *names: str) -> None:
        program = QUICK.format(span=self.span) + self.program + PROGRAM
        for name in names:
            folder = self._folder / name
            self.nodes[name] = self._stack.enter_context(serving(folder, program=program, **self.settings))
        for name in names:
            await self.url(name)

    async def url(self, name: str) -> str:
        node = self.nodes[name]
        await eventually(lambda: node.said("serving") or node.popen.poll() is not None, timeout=PATIENCE)
        assert node.said("serving"), "".join(node.lines)
        return await node.url()

    def kill(self, name: str) -> None:
        self.nodes[name].popen.kill()
        self.nodes.pop(name).popen.wait()

    def signal(self, name: str, number: int) -> None:
        self.nodes[name].popen.send_signal(number)

    async def end(self, name: str) -> None:
        """In good order."""
        self.signal(name, signal.SIGTERM)
        assert await self.nodes[name].ended() == 0
        del self.nodes[name]

    async def one_says(self, event: str, **fields: Any) -> str:
        """The name of the one node whose newest line of this kind there is."""

        def found() -> list[str]:
            return [name for name, node in self.nodes.items() if _fits(node.said(event), fields)]

        names = await eventually(found, timeout=PATIENCE)
        assert len(names) == 1
        return names[0]

    async def all_say(self, event: str) -> None:
        await eventually(lambda: all(node.said(event) for node in self.nodes.values()), timeout=PATIENCE)

    def called(self, node: str) -> str:
        """The name here of a node that the database knows by its id."""
        return next(name for name, one in self.nodes.items() if (one.said("serving") or {}).get("node") == node)

    async def command(self, *words: str) -> Done:
        """In a thread, which knows nothing of this loop: a command has its own."""
        return await asyncio.get_running_loop().run_in_executor(None, lambda: self.cli(*words))

    async def json(self, *words: str) -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, lambda: self.cli.json(*words))

    async def there(self) -> list[bool]:
        """Of each node that is listed, whether it is."""
        return sorted(node["there"] for node in await self.json("nodes"))

    async def are_there(self, *wanted: bool) -> bool:
        return await self.there() == list(wanted)

    def other(self, name: str) -> str:
        return next(one for one in self.nodes if one != name)


def _fits(line: dict[str, Any] | None, fields: dict[str, Any]) -> bool:
    return line is not None and fields.items() <= line.items()


@contextmanager
def fleet(folder: Path, url: str, **settings: str) -> Iterator[Fleet]:
    (folder / "cli").mkdir(mode=0o700)
    with ExitStack() as stack:
        yield Fleet(stack, folder, url, **settings)
