"""Everything lastseen raises, as one tree named from the caller's seat.

LastseenError
├── InvalidInput            a value somebody gave is wrong: `field` names it, nothing was changed
│   └── MalformedReport     the body of a heartbeat cannot be read at all
├── ConfigurationError      a setting, a file or a plugin is wrong: the message says what to do next
│   ├── PluginError         a plugin is missing or did not load
│   ├── MissingDatabase     there is no database yet
│   ├── DatabaseTooNew      the database was written by a newer lastseen
│   ├── DatabaseOutdated    the database wants `lastseen db upgrade` first
│   ├── AlreadyServing      another `lastseen serve` holds this database
│   └── SecretsLocked       the key that encrypted these secrets is not here
├── NotFound                no such thing
│   ├── UnknownMachine      no machine by this slug or id
│   └── UnknownChannel      no channel by this name or id
├── Forbidden               who asks may not do this
├── Conflict                it is there already, or somebody else changed it meanwhile
├── Busy                    the queue of heartbeats is full: try again in a moment
├── StoreUnavailable        the store cannot be read or written now: try again later
├── Unreachable             a server that is asked over HTTP does not answer, or is none of ours
└── ForbiddenAddress        an outgoing request to an address that is not allowed
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lastseen.words import Words, say


class LastseenError(Exception):
    """The root: catch it to catch everything lastseen raises."""


class InvalidInput(LastseenError, ValueError):
    """A value is wrong. `field` is its dotted name, or "" when the whole input is meant. `others`: what else is."""

    def __init__(self, message: str, field: str = "", others: Sequence[InvalidInput] = ()) -> None:
        super().__init__(Words("{field}: {message}", field=field, message=message) if field else message)
        self.field = field
        self.message = message
        self.others = tuple(others)

    def called(self, name_of: Callable[[str], str]) -> InvalidInput:
        """The same, of fields that are called otherwise."""
        first, *others = (InvalidInput(one.message, name_of(one.field)) for one in (self, *self.others))
        return InvalidInput(first.message, first.field, others)


class MalformedReport(InvalidInput):
    """The body of a heartbeat is not a JSON object."""


class ConfigurationError(LastseenError):
    """A setting, a file or a plugin is wrong."""


class PluginError(ConfigurationError):
    """A plugin is missing or did not load."""


class MissingDatabase(ConfigurationError):
    """There is no database yet; `lastseen db upgrade` or `lastseen serve` makes one."""


class DatabaseTooNew(ConfigurationError):
    """The database was written by a newer lastseen than this one."""


class DatabaseOutdated(ConfigurationError):
    """The database wants `lastseen db upgrade` first."""


class AlreadyServing(ConfigurationError):
    """Another `lastseen serve` holds this database."""


class SecretsLocked(ConfigurationError):
    """The key that encrypted these secrets is not here."""


class NotFound(LastseenError, LookupError):
    """No such thing."""


class UnknownMachine(NotFound):
    """No machine by this slug or id."""

    def __init__(self, machine: int | str) -> None:
        super().__init__(say("no machine {machine!r}", machine=machine))
        self.machine = machine


class UnknownChannel(NotFound):
    """No channel by this name or id."""

    def __init__(self, channel: int | str) -> None:
        super().__init__(say("no channel {channel!r}", channel=channel))
        self.channel = channel


class Forbidden(LastseenError):
    """Who asks may not do this; the message says who may."""


class Conflict(LastseenError):
    """It is there already, or somebody else changed it meanwhile."""


class Busy(LastseenError):
    """The queue of heartbeats is full. Nothing of this heartbeat was kept: send it again in a moment."""


class StoreUnavailable(LastseenError):
    """The store cannot be read or written now. What was not acknowledged was not kept, or may have been: repeat it."""


class Unreachable(LastseenError):
    """A server that is asked over HTTP does not answer, or what answers is no lastseen server."""


class ForbiddenAddress(LastseenError):
    """An outgoing request was refused because of the address its name resolves to."""
