"""The page a plugin author reads: what a store and a notifier promise.

A store that has only `Store` runs the monitor and the dispatcher. Everything else is an optional small protocol; the
monitor asks `isinstance(store, Leases)` and so on, and does without what is missing:

=============  =====================================================================================================
`Leases`       several processes may send on one store. Without: this process makes the one lease itself.
`Upkeep`       what nobody looks at any more comes to an end. Without: it waits for ever.
`Retention`    what is old goes. Without: everything stays.
`Sources`      blind time survives a restart. Without: a restart counts from the heartbeats that are stored.
`Nodes`        several processes on one store know of each other. Without: nobody lists them.
`Hints`        they wake each other. Without: they find what the others wrote when they look.
`Timed`        they share a clock. Without: each goes by that of its computer.
`OnDisk`       the disk that it writes to is watched. Without: nobody does.
`Announces`    events without a machine (a source is blind) are told. Without: they are only logged.
`Declared`     machines that never reported are told of. Without: nobody is told.
`Foresight`    many silences at once can be doubted before they are told. Without: they are believed.
`Ways`         what a source calls a machine is remembered. Without: that is the machine's slug.
`SourceRows`   ways in are rows. Without: those given in `sources=`.
`Channels`     channels are rows. Without: the channels are the names in `notify=`.
`Wishes`       silences and preferences are rows. Without: everybody is told what is told by default.
`Troubles`     somebody stands in for a channel that fails. Without: nobody does, and nobody is told that it fails.
`Spoken`       what was said can be changed after a restart. Without: only what this process remembers.
`Invites`      chats are connected by links. Without: by their ids.
`Notes`        a bot is read on from where it was. Without: what people write to it is not read.
`Catalog`      machines and kinds can be listed and changed by people.
`Keys`         keys that machines and programs authenticate with.
`Refusals`     which keys are refused is counted. Without: nobody is told whose key it was.
`Glances`      how machines stand is read from a copy. Without: from the store, each time.
`Accounts`     `why` says what happened to a machine and who was told. Without: it cannot be asked.
`Pasts`        uptime is counted. Without: nobody is told of it.
`History`      events and notifications can be read back and replayed.
`Follows`      what happens is followed live. Without: it is read back.
`Directory`    lists of machines are found, sorted and read by pages. Without: the API and the pages list nothing.
`Annals`       events, outages and notifications are read by pages. Without: the same.
`Replays`      what was given up is listed and replayed by filter. Without: one by one.
`Arrivals`     machines and channels are brought from other programs. Without: they cannot be.
`People`       users of the pages and the API. Without: there are none.
`Sessions`     people log in. Without: they cannot.
`Deeds`        who did what is kept. Without: it is only logged.
`Witness`      it is kept with the change itself. Without: after it.
`Intervals`    limits are advised by how machines were heard. Without: nothing is.
`Public`       status pages and badges. Without: there are none.
`Insight`      `/metrics` and `doctor` say how the store stands. Without: what this process counted, alone.
=============  =====================================================================================================

`Store` is in `store.py`, the optional ones stand beside it by subject, what a notifier promises is in `notifier.py`;
all are imported from here.

Every verb is one transaction: all of it is durable when it returns, and nothing of it when it raises. Every verb may be
repeated after an unknown outcome. A store raises `StoreUnavailable` when it cannot be read or written now, and never
an exception of the library underneath. `now` is always an argument: a store reads no clock. A number that
can be no id is nobody's; a text that not every database holds (`lastseen.model.texts`) is InvalidInput by its field
where a person gives it, and kept as far as it can be where a far end said it.
"""

from lastseen.protocols.directory import Annals, Directory
from lastseen.protocols.following import Follows
from lastseen.protocols.hearing import Announces, Declared, Foresight, SourceRows, Sources, Ways
from lastseen.protocols.intervals import Intervals
from lastseen.protocols.keys import Keys, Refusals
from lastseen.protocols.moving import Arrivals
from lastseen.protocols.notifier import Notifier, Tools
from lastseen.protocols.people import Deeds, People, Sessions, Witness
from lastseen.protocols.processes import Hints, Leases, Nodes, Notes, OnDisk, Timed, Upkeep
from lastseen.protocols.public import Public
from lastseen.protocols.reading import Accounts, Catalog, Glances, History, Insight, Pasts, Replays
from lastseen.protocols.retention import Retention
from lastseen.protocols.store import Admit, Decide, RetryPlan, Service, Store, Tell
from lastseen.protocols.telling import Channels, Invites, Spoken, Troubles, Wishes

__all__ = [
    "Accounts",
    "Admit",
    "Annals",
    "Announces",
    "Arrivals",
    "Catalog",
    "Channels",
    "Decide",
    "Declared",
    "Deeds",
    "Directory",
    "Follows",
    "Foresight",
    "Glances",
    "Hints",
    "History",
    "Insight",
    "Intervals",
    "Invites",
    "Keys",
    "Leases",
    "Nodes",
    "Notes",
    "Notifier",
    "OnDisk",
    "Pasts",
    "People",
    "Public",
    "Refusals",
    "Replays",
    "Retention",
    "RetryPlan",
    "Service",
    "Sessions",
    "SourceRows",
    "Sources",
    "Spoken",
    "Store",
    "Tell",
    "Timed",
    "Tools",
    "Troubles",
    "Upkeep",
    "Ways",
    "Wishes",
    "Witness",
]
