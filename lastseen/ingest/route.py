"""The frame of every raw ASGI route: what it takes, and how it answers when it will not."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

from lastseen.errors import LastseenError
from lastseen.ingest.asgi import (
    Answer,
    ClientGone,
    Receive,
    Recording,
    Refused,
    Scope,
    Send,
    answer,
    problem_answer,
    unexpected,
    without_body,
)
from lastseen.ingest.patience import LATE, Patience
from lastseen.ingest.tally import count_gone, count_late, count_malformed, count_refusal
from lastseen.problems import Problem, problem_of

_OPTIONS = answer(204, [(b"allow", b"OPTIONS, POST")])
_WRONG_METHOD = Problem(405, "heartbeats are sent with POST", headers={"Allow": "OPTIONS, POST"})


class RawRoute(ABC):
    """An ASGI application that never raises; what was not expected is logged and answered with 500, and what the
    database keeps waiting, with 503.

    `name` is what it is called in the log: its path, without what is secret in it.
    """

    name: str

    def __init__(self, monitor: Recording) -> None:
        self._patience = Patience(monitor.here.missed)
        monitor.here.waits(self._patience.waited)
        self.reading, self.answered = self._patience.resting, self._patience.answered

    @abstractmethod
    async def take(self, scope: Scope, receive: Receive) -> Answer:
        """Answer when what was said is durable; a body is read with `reading`, and who asks the database again and
        again says when it has `answered`. Raises Refused, ClientGone and errors of ours."""

    def refuse(self, problem: Problem) -> Answer:
        """A refusal, as the route's clients know it."""
        return problem_answer(problem)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        patience = self._patience
        task = patience.begin()
        try:
            given = await self.take(scope, receive)
        except ClientGone:
            count_gone()
            return
        except Refused as refused:
            count_refusal(refused.problem)
            given = self.refuse(refused.problem)
        except LastseenError as error:
            count_malformed(error)
            given = self.refuse(problem_of(error) or unexpected(self.name, error))
        except Exception as error:  # noqa: BLE001  (one request must not end in a broken connection: logged, answered)
            given = self.refuse(unexpected(self.name, error))
        except asyncio.CancelledError:
            if not patience.is_over(task):
                raise
            count_late()
            given = self.refuse(LATE)
        finally:
            patience.end(task)
        start, body = without_body(given) if scope["method"] == "HEAD" else given
        await send(start)
        await send(body)


def other_method(method: str) -> Answer:
    """What a route that takes POST alone says to the others. Raises Refused."""
    if method == "OPTIONS":
        return _OPTIONS
    raise Refused(_WRONG_METHOD)
