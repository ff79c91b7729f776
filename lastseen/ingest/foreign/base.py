"""What the routes share that answer other systems' clients."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from lastseen.errors import LastseenError
from lastseen.ingest.asgi import Answer, ClientGone, Receive, Refused, Scope, Send, unexpected, without_body
from lastseen.ingest.bulk import Declaring
from lastseen.ingest.tally import count_gone, count_malformed, count_refusal
from lastseen.model import MachineRef
from lastseen.problems import Problem, problem_of


class Reporting(Declaring, Protocol):
    """A monitor that also takes paused machines up again."""

    def resume(self, machine: MachineRef) -> Awaitable[None]: ...


class ForeignRoute:
    """A raw ASGI application that never raises. `name` is what it is called in the log: its path without the secret."""

    name: str

    async def take(self, scope: Scope, receive: Receive) -> Answer:
        """Answer when what was said is durable. Raises Refused, ClientGone and errors of ours."""
        raise TypeError(f"{type(self).__name__} must define take()")

    def refuse(self, problem: Problem) -> Answer:
        """A refusal, as these clients know it."""
        raise TypeError(f"{type(self).__name__} must define refuse()")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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
        start, body = without_body(given) if scope["method"] == "HEAD" else given
        await send(start)
        await send(body)


def passed_on(problem: Problem) -> dict[str, str]:
    """The headers of a refusal that any client understands."""
    return {name: value for name, value in problem.headers.items() if name in ("Retry-After", "Connection")}
