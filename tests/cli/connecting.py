"""Commands that connect a Telegram chat, as processes beside the test's own event loop."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from dataclasses import dataclass
from typing import Any

import anyio

from tests.cli.conftest import Cli
from tests.support import read_until


async def run(cli: Cli, *arguments: str) -> tuple[int, str, str]:
    done = await anyio.to_thread.run_sync(lambda: cli.beside(*arguments))
    return done.code, done.out, done.err


@dataclass
class Asked:
    """One that has printed its code, and waits for it to be said in a chat."""

    code: str
    said: str
    process: asyncio.subprocess.Process

    async def answered(self) -> Any:
        """The channel that it made, as it printed that."""
        with anyio.fail_after(60):
            out, rest = await self.process.communicate()
        self.said += rest.decode()
        assert self.process.returncode == 0, self.said
        return json.loads(out)


async def asking(cli: Cli, *more: str) -> Asked:
    """`channels add telegram`, which asks."""
    command = [sys.executable, "-m", "lastseen", "channels", "add", "telegram", "--name", "ops", "--json", *more]
    process = await asyncio.create_subprocess_exec(
        *command, env=dict(cli.environment()), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    said = await read_until(process.stderr, b"at most")
    code = re.search(rb"/start ([0-9a-f]{16})\n", said)
    assert code is not None, said
    return Asked(code[1].decode(), said.decode(), process)
