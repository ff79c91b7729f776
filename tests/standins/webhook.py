"""A webhook receiver that verifies every signature with the `standardwebhooks` package.

In a test: `async with WebhookReceiver() as receiver:`, then `receiver.url`, `receiver.secret("whsec_…")` when it is
known, and `receiver.messages`. As a process, for scenarios:
`python -m tests.standins.webhook --secret whsec_… [--port 0] [--fail-for 3s | --fail-first 10] [--how 500|hang|reset]`
prints one JSON line with its address, then one for each delivery (also those that it refuses).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import ssl
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Self

from standardwebhooks import Webhook, WebhookVerificationError

from lastseen.durations import parse_duration
from lastseen.testing.http_server import Answer, Received, http_server


@dataclass(frozen=True)
class Delivery:
    """One POST. `verdict`: ok, failed (as it was told to), or unsigned (the signature is wrong)."""

    verdict: str
    id: str
    type: str | None
    machine: str | None
    machine_id: int | None
    sequence: int | None
    event_id: str | None
    at: float  # wall time, seconds


class WebhookReceiver:
    """Keeps every delivery. `fail_for` seconds from its first request, or its `fail_first` requests, go wrong."""

    def __init__(
        self,
        secret: str | None = None,
        fail_for: float = 0.0,
        fail_first: int = 0,
        how: str = "500",
        port: int = 0,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._referee = None if secret is None else Webhook(secret)
        self.fail_for, self.fail_first, self.how = fail_for, fail_first, how
        self.deliveries: list[Delivery] = []
        self.url = ""
        self.told: Callable[[Delivery], None] = lambda delivery: None
        self.serves: dict[str, Any] = {"host": host, "port": port, "tls": tls}
        self._first: float | None = None
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        address = await self._stack.enter_async_context(http_server(self.handle, **self.serves))
        self.url = f"{address}/hook"
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    def secret(self, secret: str) -> None:
        """What signatures are verified with; until it is known every delivery is refused."""
        self._referee = Webhook(secret)

    @property
    def messages(self) -> list[Delivery]:
        """What it said yes to."""
        return [delivery for delivery in self.deliveries if delivery.verdict == "ok"]

    @property
    def refused(self) -> list[Delivery]:
        """What had no valid signature."""
        return [delivery for delivery in self.deliveries if delivery.verdict == "unsigned"]

    @property
    def repeats(self) -> int:
        """How often something came that it had taken already."""
        return sum(count - 1 for count in Counter(delivery.id for delivery in self.messages).values())

    async def handle(self, request: Received) -> Answer:
        now = time.monotonic()
        self._first = now if self._first is None else self._first
        failing = now - self._first < self.fail_for or len(self.deliveries) < self.fail_first
        delivery = self._judge(request, failing)
        self.deliveries.append(delivery)
        self.told(delivery)
        if delivery.verdict == "unsigned":
            return Answer(401, b"wrong signature")
        if delivery.verdict == "failed":
            return {"hang": Answer(hang=True), "reset": Answer(reset=True)}.get(self.how) or Answer(
                int(self.how), b"no"
            )
        return Answer(204, b"")

    def _judge(self, request: Received, failing: bool) -> Delivery:
        try:
            if self._referee is None:
                raise WebhookVerificationError("no secret yet")
            body = self._referee.verify(request.body, dict(request.headers))
            verdict = "failed" if failing else "ok"
        except (WebhookVerificationError, ValueError):
            body, verdict = {}, "unsigned"
        machine, data = body.get("machine") or {}, body.get("data") or {}
        return Delivery(
            verdict=verdict,
            id=request.headers.get("webhook-id", ""),
            type=body.get("type"),
            machine=machine.get("name"),
            machine_id=machine.get("id"),
            sequence=data.get("sequence"),
            event_id=data.get("event_id"),
            at=time.time(),
        )


async def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--fail-for", default="0")
    parser.add_argument("--fail-first", type=int, default=0)
    parser.add_argument("--how", default="500", help="a status, hang or reset")
    given = parser.parse_args()
    seconds = 0.0 if given.fail_for == "0" else parse_duration(given.fail_for).total_seconds()
    receiver = WebhookReceiver(given.secret, seconds, given.fail_first, given.how, given.port)
    receiver.told = lambda delivery: print(json.dumps(asdict(delivery)), flush=True)
    async with receiver:
        print(json.dumps({"url": receiver.url}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main())
