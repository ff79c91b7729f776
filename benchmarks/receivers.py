"""A hundred webhook receivers in a process of their own, each with a port: they note what came, and answer 204.

They are asked over the process's own lines: `report`, `posts`, `quick`, `forget`. What came is checked only when
that is asked for: each signature, and that the events of a machine came to each receiver in their order.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lastseen.listening import allow_connections

ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
SENT = ("content-type", "webhook-id", "webhook-timestamp", "webhook-signature")
"""Headers that are the sender's own."""

Post = tuple[str, bytes, dict[str, str]]
"""The address, the body and these headers of a request."""


@dataclass
class Report:
    """What came to all of them; `first` and `last`: moments by the monotonic clock that all processes share, of those
    receivers that answer at once."""

    requests: int
    distinct: int
    signed: int
    disordered: int
    per_receiver: list[int]
    first: float
    last: float


@dataclass
class Came:
    at: float
    receiver: int
    head: bytes
    body: bytes


@dataclass
class Log:
    secret: bytes
    came: list[Came] = field(default_factory=list)

    def report(self, receivers: int, quick: int) -> dict[str, Any]:
        heads = [_fields(one.head) for one in self.came]
        order: dict[tuple[int, Any], list[int]] = {}
        per_receiver = [0] * receivers
        for one in self.came:
            data = json.loads(one.body)["data"]
            order.setdefault((one.receiver, data["slug"]), []).append(data["sequence"])
            per_receiver[one.receiver] += 1
        times = [one.at for one in self.came if one.receiver < quick]
        return {
            "requests": len(self.came),
            "distinct": len({(one.receiver, head["webhook-id"]) for one, head in zip(self.came, heads, strict=True)}),
            "signed": sum(self._signed(one, head) for one, head in zip(self.came, heads, strict=True)),
            "disordered": sum(seen != sorted(set(seen)) for seen in order.values()),
            "per_receiver": per_receiver,
            "first": min(times, default=0.0),
            "last": max(times, default=0.0),
        }

    def posts(self) -> list[Any]:
        named = ((one, _fields(one.head)) for one in self.came)
        return [(one.receiver, one.body.decode(), {name: head[name] for name in SENT}) for one, head in named]

    def _signed(self, one: Came, head: dict[str, str]) -> bool:
        said = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + one.body
        ours = base64.b64encode(hmac.new(self.secret, said, hashlib.sha256).digest()).decode()
        return hmac.compare_digest(head["webhook-signature"], f"v1,{ours}")


def _fields(head: bytes) -> dict[str, str]:
    lines = head.decode().split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


class Receiver(asyncio.Protocol):
    """One connection. `answers_after`: seconds; None: never."""

    def __init__(self, log: Log, number: int, answers_after: float | None) -> None:
        self._log, self._number, self._after = log, number, answers_after
        self._buffer = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            at = head.lower().index(b"content-length: ") + 16
            length = int(head[at:].split(b"\r\n", 1)[0])
            whole = end + 4 + length
            if len(self._buffer) < whole:
                return
            self._log.came.append(Came(time.monotonic(), self._number, head, self._buffer[end + 4 : whole]))
            self._buffer = self._buffer[whole:]
            self._answer()

    def _answer(self) -> None:
        if self._after == 0:
            self._transport.write(ANSWER)
        elif self._after is not None:
            asyncio.get_running_loop().call_later(self._after, self._late)

    def _late(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(ANSWER)


async def _serve(behaviours: Sequence[float | None], secret: bytes) -> None:
    loop, log = asyncio.get_running_loop(), Log(secret)
    servers = [
        await loop.create_server(lambda n=n, after=after: Receiver(log, n, after), "127.0.0.1", 0, backlog=1024)  # type: ignore[misc]
        for n, after in enumerate(behaviours)
    ]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(_answered(line.strip(), log, behaviours)), flush=True)


def _answered(word: str, log: Log, behaviours: Sequence[float | None]) -> Any:
    if word == "report":
        return log.report(len(behaviours), sum(after == 0 for after in behaviours))
    if word == "posts":
        return log.posts()
    if word == "quick":
        return sum(behaviours[one.receiver] == 0 for one in log.came)
    log.came.clear()
    return None


class Receivers:
    """The process, from outside."""

    def __init__(self, process: subprocess.Popen[str], ports: Sequence[int]) -> None:
        self._process = process
        self.urls = [f"http://127.0.0.1:{port}/hook" for port in ports]

    def report(self) -> Report:
        return Report(**self._ask("report"))

    def posts(self) -> list[Post]:
        """Everything that came, in its order."""
        return [(self.urls[number], body.encode(), head) for number, body, head in self._ask("posts")]

    def quick(self) -> int:
        """How many came to receivers that answer at once."""
        return int(self._ask("quick"))

    def forget(self) -> None:
        self._ask("forget")

    def _ask(self, word: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextlib.contextmanager
def receiving(count: int, secret: bytes, last_answers_after: str = "0") -> Iterator[Receivers]:
    """So many receivers. `last_answers_after`: seconds that the last one of them takes to answer, or `never`."""
    command = [sys.executable, "-m", "benchmarks.receivers", str(count), secret.hex(), last_answers_after]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Receivers(process, json.loads(process.stdout.readline()))
        finally:
            process.kill()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("secret", type=bytes.fromhex)
    parser.add_argument("last_answers_after")
    given = parser.parse_args()
    last = None if given.last_answers_after == "never" else float(given.last_answers_after)
    allow_connections()
    from lastseen.serving import _loop_factory

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve([*[0.0] * (given.count - 1), last], given.secret))


if __name__ == "__main__":
    main()
