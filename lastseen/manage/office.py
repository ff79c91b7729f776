"""What the verbs need of the program that they are called in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

from lastseen.manage import deeds
from lastseen.manage.who import OPERATOR, Who
from lastseen.model import Channel
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.protocols import Notifier

T = TypeVar("T")


class Senders(Protocol):
    """Makes what sends to channels."""

    def __call__(self, channel: Channel, secrets: Mapping[str, str]) -> Notifier:
        """Raises PluginError, InvalidInput."""

    async def lane(
        self, type_: str, name: str, config: Mapping[str, Any], secrets: Mapping[str, str], owner: int | None = None
    ) -> str:
        """Where such a channel would send. Raises PluginError, InvalidInput."""

    def given(self, type_: str) -> Mapping[str, str]:
        """What the settings say for channels of this type, where nobody says otherwise."""

    def server(self, type_: str) -> str | None:
        """Where channels of this type send to, unless they say otherwise; None: where everybody's do."""

    def redacted(self, text: str) -> str:
        """Without secrets."""


@dataclass(slots=True)
class Published:
    """How often somebody changed here what everybody may look at: who shows that again does not after the next one."""

    changes: int = 0

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Also where it failed: it may have been done all the same."""
        try:
            yield
        finally:
            self.changes += 1


@dataclass(frozen=True, slots=True)
class Office:
    """`own_zone`: what the settings say that people here read times in, None for the computer's; `their_zone`: of who
    asks, None where nobody knows. `base_url`: how the server is reached, None while nobody knows. `warn`: takes what is
    wrong beside what was asked for. `who` asks, and may do what they may. `senders`: None where no channel is made or
    tried. `broker_given`: the settings name a broker."""

    monitor: HeartbeatMonitor
    own_zone: ZoneInfo | None
    base_url: Callable[[], str | None]
    warn: Callable[[str], None]
    who: Who = OPERATOR
    senders: Senders | None = None
    broker_given: bool = False
    their_zone: ZoneInfo | None = None
    published: Published = field(default_factory=Published)

    async def do(
        self,
        change: Awaitable[T],
        verb: str,
        subject: str | Callable[[T], str | None],
        changed: Mapping[str, Any] | Callable[[T], Mapping[str, Any] | None] | None = None,
    ) -> T:
        """Make this change, and write down with it that they did: `machines.change`, to `machine db-01`; what was said,
        by field, without secrets."""
        doing = deeds.Doing(self.who, verb, subject, changed, self.monitor.clock.now())
        return await deeds.do(self.store, doing, change)

    async def note(self, verb: str, subject: str, changed: Mapping[str, Any] | None = None) -> None:
        """Write down what they did that changed nothing here."""
        doing = deeds.Doing[None](self.who, verb, subject, changed, self.monitor.clock.now())
        await deeds.write(self.store, doing.told(None))

    def of(self, who: Who) -> Office:
        """The same for somebody else."""
        return replace(self, who=who)

    def read_in(self, zone: ZoneInfo | None) -> Office:
        """The same for somebody who reads times there; None: nobody knows where."""
        return self if zone is None else replace(self, their_zone=zone)

    @property
    def zone(self) -> ZoneInfo | None:
        """The one that who asks reads times in, None for the computer's."""
        return self.their_zone or self.own_zone

    @property
    def store(self) -> Any:
        """With every protocol: a server and its commands have a database."""
        return self.monitor.store
