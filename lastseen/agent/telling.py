"""Telling the server of one run of a job: that it began, how it ended. Whatever it does, the job is not held up.

The start is told beside the running job and tried again while it runs. The end is tried again for a while, because
nobody else will say it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import anyio
import httpx
import msgspec

from lastseen.agent.loop import KeyFile
from lastseen.agent.pace import Answer, Kind, wait
from lastseen.agent.sender import Sender
from lastseen.clock import Clock
from lastseen.errors import InvalidInput
from lastseen.log import get_logger

log = get_logger()

TAIL = 10_000
"""Bytes of its output that are told."""

TRY = 10.0
"""Seconds for one try."""

LAST_WORDS = 5.0
"""Seconds that an ended job waits for a start that is just being told: it must not arrive after the end."""

SECRET = 8
"""Characters from which on a part of a ping address is taken for the secret one."""

LONGEST_PAUSE = 15.0
"""Seconds between tries, at most, unless the server asks for more."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended. `output`: the end of what it wrote."""

    code: int
    seconds: float
    output: str = ""


class Line(Protocol):
    """A way to tell of a run; neither call raises. `bare`: without the output."""

    async def began(self, run: str, clock: Clock) -> Answer: ...

    async def ended(self, run: str, ending: Ending, clock: Clock, bare: bool = False) -> Answer: ...


class Heartbeats:
    """By the heartbeats of the machine whose key this is; or, with a fleet key, of the machine named."""

    def __init__(self, sender: Sender, keys: KeyFile, machine: str | None = None) -> None:
        self._sender, self._keys, self._machine = sender, keys, machine
        if keys.key.startswith("lsf_") and machine is None:
            raise InvalidInput("is wanted with a fleet key: it may report for many", "--machine")

    async def began(self, run: str, clock: Clock) -> Answer:
        return await self._tell({"status": "start", "run": run}, clock)

    async def ended(self, run: str, ending: Ending, clock: Clock, bare: bool = False) -> Answer:
        body = {
            "status": "error" if ending.code else "ok",
            "run": run,
            "exit_code": ending.code,
            "duration_seconds": round(ending.seconds, 3),
        }
        if ending.output and not bare:
            body["output"] = ending.output
        return await self._tell(body, clock)

    async def _tell(self, body: dict[str, Any], clock: Clock) -> Answer:
        self._keys.changed()  # it may be another one when a long job ends
        key, now = self._keys.key, clock.wall()
        if not key.startswith("lsf_"):
            return await self._sender.send(key, body, now, TRY)
        rows = msgspec.json.encode([{"machine": self._machine, **body}])
        answer = await self._sender.post(self._sender.url + "s", rows, key, now, taken=(200,), timeout=TRY)
        return _of_one_row(answer) if answer.kind is Kind.SENT else answer


def _of_one_row(answer: Answer) -> Answer:
    """A list is answered with 200 even when its one row was refused."""
    try:
        told = msgspec.json.decode(answer.detail)
        if told["accepted"] == 1:
            return Answer(Kind.SENT)
        return Answer(Kind.MALFORMED, str(told["rejected"][0]["error"])[:300])
    except (msgspec.DecodeError, LookupError, TypeError):
        return Answer(Kind.FAILED, "200, but not as a lastseen server answers")


class Pings:
    """By an address as Healthchecks gives one."""

    def __init__(self, sender: Sender) -> None:
        self._sender, self._url = sender, httpx.URL(sender.url)

    async def began(self, run: str, clock: Clock) -> Answer:
        return await self._ping("/start", run, "", clock)

    async def ended(self, run: str, ending: Ending, clock: Clock, bare: bool = False) -> Answer:
        path = f"/{ending.code}" if ending.code else ""
        return await self._ping(path, run, "" if bare else ending.output, clock)

    async def _ping(self, path: str, run: str, body: str, clock: Clock) -> Answer:
        base = self._url.raw_path.decode("ascii").partition("?")[0].rstrip("/")
        query = str(self._url.copy_add_param("rid", run).query, "ascii")
        url = str(self._url.copy_with(raw_path=f"{base}{path}?{query}".encode("ascii")))
        answer = await self._sender.post(url, body.encode(), "", clock.wall(), taken=(200, 201), timeout=TRY)
        return Answer(answer.kind, "" if answer.kind is Kind.SENT else self._masked(answer.detail), answer.retry_after)

    def _masked(self, detail: str) -> str:
        """A far end may say the address back, whole or in part."""
        parts = re.split(r"[/?&=]", self._url.raw_path.decode("ascii"))
        for part in sorted((part for part in parts if len(part) >= SECRET), key=len, reverse=True):
            detail = detail.replace(part, "[secret]")
        return detail


def ping_address(url: str) -> str:
    """InvalidInput, without the address, when it is no http or https address: it is a secret."""
    try:
        urlsplit(url)
        parsed = httpx.URL(url.strip())
    except (httpx.InvalidURL, ValueError):
        raise InvalidInput("is no address", "--ping-url") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InvalidInput("must begin with http:// or https://", "--ping-url")
    return str(parsed.copy_with(fragment=None))


class Story:
    """What is told of one run, in order."""

    def __init__(self, line: Line, run: str, clock: Clock, retry_for: float) -> None:
        self._line, self._run, self._clock, self._retry_for = line, run, clock, retry_for
        self._telling = anyio.Lock()

    async def tell_start(self) -> None:
        """Until it was told; cancelled when the job has ended."""
        failures = 0
        while True:
            async with self._telling:
                answer = await _safely(self._line.began(self._run, self._clock))
            if answer.kind is not Kind.FAILED:
                return  # what the server does not know as a start it will take as an end
            failures += 1
            await self._clock.sleep(_pause(answer, failures))

    async def start_told(self) -> None:
        """Return when no start is on its way, or after a few seconds."""
        with anyio.move_on_after(LAST_WORDS):
            async with self._telling:
                pass

    async def tell_end(self, ending: Ending) -> Kind:
        """Until it was told, refused, or `retry_for` is over."""
        until = self._clock.monotonic() + self._retry_for
        failures, bare = 0, False
        while True:
            answer = await _safely(self._line.ended(self._run, ending, self._clock, bare))
            if answer.kind is Kind.MALFORMED and not bare:
                bare = True  # the output may be what it will not have
                continue
            failures += 1
            left = until - self._clock.monotonic()
            if answer.kind is not Kind.FAILED or left <= 0:
                break
            await self._clock.sleep(min(_pause(answer, failures), left))
        if answer.kind is not Kind.SENT:
            log.error("run_not_told", reason=answer.detail, tries=failures)
        return answer.kind


async def _safely(telling: Awaitable[Answer]) -> Answer:
    try:
        return await telling
    except Exception as error:  # noqa: BLE001 - whatever is wrong with telling, the job goes on; the end logs it
        return Answer(Kind.FAILED, type(error).__name__)


def _pause(answer: Answer, failures: int) -> float:
    return max(min(wait(answer, failures, 2 * LONGEST_PAUSE, random.random), LONGEST_PAUSE), answer.retry_after or 0.0)
