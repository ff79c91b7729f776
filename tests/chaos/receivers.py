"""Webhook receivers that verify what they take, and at chosen times do not tell that they took it."""

from __future__ import annotations

from collections.abc import Collection

from lastseen.testing.http_server import Answer, Received
from tests.chaos.evidence import Delivery
from tests.standins.webhook import WebhookReceiver


class Receiver(WebhookReceiver):
    """`unsure`: which requests are taken and then reset, counted from 0."""

    def __init__(self, name: str, unsure: Collection[int]) -> None:
        super().__init__()
        self.name, self._unsure = name, frozenset(unsure)

    async def handle(self, request: Received) -> Answer:
        number = len(self.deliveries)
        answer = await super().handle(request)
        return Answer(reset=True) if number in self._unsure else answer

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
                number not in self._unsure,
            )
            for number, one in enumerate(self.deliveries)
            if one.verdict == "ok"
        ]
