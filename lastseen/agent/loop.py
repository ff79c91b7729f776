"""The agent itself: report, wait, report; and say goodbye when asked to."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from lastseen.agent.numbers import Numbers
from lastseen.agent.pace import Answer, Kind, wait
from lastseen.agent.sender import Sender, endpoint
from lastseen.clock import Clock, SystemClock
from lastseen.errors import ConfigurationError
from lastseen.log import get_logger

log = get_logger()

GOODBYE_TIMEOUT = 5.0
"""Seconds: a computer that shuts down does not wait longer for anybody."""

LOOK = 5.0
"""Seconds between looks at the key file while waiting: a new key is used at once, not at the end of a long wait."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `lastseen agent` was told. `interval` in seconds; `said` is merged into every report."""

    server: str
    key_file: Path
    interval: float = 30.0
    once: bool = False
    goodbye: bool = False
    ca_file: Path | None = None
    said: dict[str, Any] | None = None


class KeyFile:
    """The key as the file has it now. A file that cannot be read later leaves the last key in use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._seen, self.key = self._stamp(), _read_key(path)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ConfigurationError(
                f"--key-file {path} cannot be read: {reason}; `lastseen machines add` prints a key to put there"
            ) from error

    def _stamp(self) -> tuple[int, int, int]:
        facts = self._path.stat()
        return facts.st_mtime_ns, facts.st_ino, facts.st_size

    def changed(self) -> bool:
        """Read it again if it changed; True when there is another key now."""
        try:
            seen = self._stamp()
            if seen == self._seen:
                return False
            key = _read_key(self._path)
        except (OSError, UnicodeDecodeError, ConfigurationError) as error:
            log.debug("agent_key_unreadable", error=f"{type(error).__name__}")
            return False
        self._seen = seen
        if key == self.key:
            return False
        self.key = key
        log.info("agent_key_changed")
        return True


def _read_key(path: Path) -> str:
    key = path.read_text(encoding="utf-8").strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError(f"--key-file {path} holds no key: one line with the key and nothing else is wanted")
    return key


class Agent:
    """Reports until it is cancelled; see `run` for the process around it."""

    def __init__(self, options: Options, sender: Sender, clock: Clock, numbers: Numbers | None = None) -> None:
        self._options, self._sender, self._clock = options, sender, clock
        self._numbers = numbers or Numbers()
        self._key = KeyFile(options.key_file)
        self._failures = 0
        self._told: Kind | None = None  # what a person was last told, so that a long trouble is one line

    async def run(self) -> None:
        while True:
            started = self._clock.monotonic()
            answer = await self.report()
            self._failures = 0 if answer.kind is Kind.SENT else self._failures + 1
            await self._pause(started + wait(answer, self._failures, self._options.interval))

    async def report(self) -> Answer:
        """One heartbeat. A report that the server will not have is followed by a bare one: the machine is alive."""
        self._key.changed()
        now = self._clock.wall()
        body = {**self._numbers.report(now), **(self._options.said or {})}
        answer = await self._sender.send(self._key.key, body, now)
        if answer.kind is Kind.MALFORMED:
            log.warning("agent_report_refused", reason=answer.detail)
            answer = await self._sender.send(self._key.key, self._options.said, now)
        self._tell(answer)
        return answer

    async def goodbye(self) -> Answer:
        """The last will: the server need not wait for the threshold."""
        return await self._sender.send(self._key.key, {"status": "offline"}, self._clock.wall(), GOODBYE_TIMEOUT)

    async def _pause(self, until: float) -> None:
        while (left := until - self._clock.monotonic()) > 0:
            await self._clock.sleep(min(left, LOOK))
            if self._key.changed():
                return

    def _tell(self, answer: Answer) -> None:
        if answer.kind is Kind.SENT:
            if self._told is not Kind.SENT:
                log.info("agent_heard", server=self._sender.url, failures=self._failures)
        elif answer.kind is Kind.REFUSED:
            if self._told is not Kind.REFUSED:
                hint = "is it the newest key of this machine, and is the machine enabled?"
                log.error("agent_refused", server=self._sender.url, reason=answer.detail, hint=hint)
        elif self._told is not answer.kind or self._failures % 20 == 0:
            log.warning("agent_not_heard", server=self._sender.url, reason=answer.detail, failures=self._failures + 1)
        self._told = answer.kind


async def run(options: Options, clock: Clock | None = None) -> int:
    """The process: until SIGTERM or SIGINT, or one report with `once`. 0: done, 1: the one report was not taken."""
    clock = clock or SystemClock()
    async with Sender(endpoint(options.server), options.ca_file) as sender:
        agent = Agent(options, sender, clock)
        if options.once:
            return 0 if (await agent.report()).kind is Kind.SENT else 1
        async with anyio.create_task_group() as tasks:
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                tasks.start_soon(agent.run)
                async for _ in signals:
                    break
                tasks.cancel_scope.cancel()
        if options.goodbye:
            log.info("agent_goodbye", result=(await agent.goodbye()).kind.value)
    return 0
