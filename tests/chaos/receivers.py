"""Webhook receivers that verify what they take, and at chosen times do not tell that they took it."""

from __future__ import annotations

from collections.abc import Collection

from lastseen.testing.http_server import Answer, Received
from tests.chaos.evidence import Delivery
from tests.standins.webhook import WebhookReceiver


class Receiver(WebhookReceiver):
    """`unsure`: which requests are taken and then reset, counted from 0; the same message only once, because its third
    try is five minutes later."""

    def __init__(self, name: str, unsure: Collection[int]) -> None:
        super().__init__()
        self.name, self._unsure = name, frozenset(unsure)
        self._reset: dict[str, int] = {}

    async def handle(self, request: Received) -> Answer:
        number = len(self.deliveries)
        answer = await super().handle(request)
        if number not in self._unsure or number == len(self.deliveries):
            return answer
        return Answer(reset=True) if self._reset.setdefault(self.deliveries[number].id, number) == number else answer

    def taken(self) -> list[Delivery]:
        return [
            Delivery(
                self.name,
                one.id,
                one.type or "",
                one.machine_id,
                one.sequence,
                one.event_id or "",
                one.at,
                self._reset.get(one.id) != number,
            )
            for number, one in enumerate(self.deliveries)
            if one.verdict == "ok"
        ]
