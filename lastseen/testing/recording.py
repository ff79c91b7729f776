"""A notifier that remembers."""

from __future__ import annotations

from collections.abc import Iterable

from lastseen.model import Message, Outcome


class RecordingNotifier:
    """Keeps every message in `messages`. `answers` are given in turn, then everything is delivered; an exception among
    them is raised."""

    def __init__(self, answers: Iterable[Outcome | Exception | None] = (), max_batch: int = 1) -> None:
        self.messages: list[Message] = []
        self.max_batch = max_batch
        self._answers = iter(answers)

    async def send(self, message: Message) -> Outcome | None:
        self.messages.append(message)
        answer = next(self._answers, None)
        if isinstance(answer, Exception):
            raise answer
        return answer
