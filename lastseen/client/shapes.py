"""What a server answers, as JSON: times are RFC 3339 texts. A newer server says more, which is kept."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class KeyedMachine(TypedDict):
    """`key`: shown this once; None: it was there already."""

    id: int
    slug: str
    name: str
    key: str | None
    ping_url: str | None
    push_url: str | None


class MachineStatus(TypedDict):
    """The status of one machine at this moment. `awaited`: resumed, and not heard since. `notified_at`: when its open
    outage was noticed, whoever was told. `since`: from when on it is how it is: an outage counts from before it was
    noticed, which was at `status_since`."""

    id: int
    slug: str
    name: str
    status: str
    late: bool
    awaited: NotRequired[bool]
    last_seen: str | None
    status_since: str
    since: NotRequired[str]
    offline_after_seconds: float | None
    seconds_until_offline: float | None
    notified_at: str | None
    sources: list[str]
    group: str
    flapping_since: str | None


class Machine(MachineStatus):
    """Its status, and what people wrote of it. `every_seconds`: how often it reports, by it or its kind."""

    every_seconds: NotRequired[float | None]
    acknowledged_by: str | None
    acknowledged_at: str | None
    hostname: str
    description: str
    kind: str
    tags: list[str]
    enabled: bool
    schedule: str | None
    timezone: str | None
    grace_seconds: float | None
    max_runtime_seconds: float
    ping_url: str | None
    push_url: str | None
    owner: str | None


class Run(TypedDict):
    run: str | None
    started_at: str | None
    ended_at: str | None
    seconds: float | None
    outcome: str | None
    exit_code: int | None
    last_line: str
    output: str


class OneMachine(Machine):
    next_due: list[str]
    runs: list[Run]


class Removed(TypedDict):
    id: int
    slug: str
    removed: bool


class Acknowledged(TypedDict):
    id: int
    slug: str
    acknowledged_by: str


class Outage(TypedDict):
    """`ended_at`: None: it lasts."""

    id: int
    machine_id: int
    machine: str
    started_at: str
    detected_at: str
    ended_at: str | None
    seconds: float | None
    reason: str
    end_reason: str | None
    incident_id: int | None
    acknowledged_by: str | None
    acknowledged_at: str | None


class Statuses(TypedDict):
    items: list[MachineStatus]
    unknown: list[str]


class Counted(TypedDict):
    """How much of a span a machine was up."""

    start: str
    end: str
    uptime: float | None
    percent: str | None
    known_seconds: float
    down_seconds: float
    unknown_seconds: float
    silenced_seconds: float
    outages: int


class Day(Counted):
    day: str


class Uptime(Counted):
    id: int
    machine: str


class MachineUptime(Uptime):
    days: list[Day]


class Why(TypedDict):
    """What happened to a machine, in facts and in words."""

    machine: str
    status: dict[str, Any] | None
    removed_at: str | None
    asked: dict[str, Any] | None
    incident_id: int | str | None
    since: str
    until: str | None
    headline: str
    timeline: list[dict[str, Any]]
    notes: list[str]
    refused: list[dict[str, Any]]
    complete: bool


class Event(TypedDict):
    id: int
    uid: str
    type: str
    severity: str
    machine_id: int | None
    machine: str | None
    at: str
    previous_status: str | None
    status: str | None
    reason: str | None
    last_seen: str | None
    incident_id: int | None


class Board(TypedDict):
    """How everything stands. `counts`: how many machines have each status; those that are listed may be fewer. Not
    `watched`: nobody looks who is silent."""

    at: str
    watched: NotRequired[bool]
    counts: dict[str, int]
    machines: list[Machine]


class Change(TypedDict):
    """`machine`: its status object when it was told; None: the event is of none, or it is gone."""

    event: Event
    machine: MachineStatus | None


class Notification(TypedDict):
    """One event for one channel. Those that are listed name what they are about."""

    id: int
    uid: str
    event_id: int
    channel_id: int
    cause: str
    state: str
    reason: str | None
    attempts: int
    due_at: str
    finished_at: str | None
    channel: NotRequired[str | None]
    machine: NotRequired[str | None]
    type: NotRequired[str | None]


class ToldAgain(TypedDict):
    """Of what was given up. `found` could be told, `replayed` are, `left` are still to be; `again` were told since,
    `off` are of channels that are off or gone."""

    dry_run: bool
    found: int
    replayed: int
    left: int
    again: int
    off: int
    notifications: list[Notification]


class Kind(TypedDict):
    """`offline_after_seconds`: 0 is never, None the default threshold."""

    name: str
    offline_after_seconds: float | None
    every_seconds: float | None


class RemovedKind(TypedDict):
    name: str
    removed: bool


class Silence(TypedDict):
    """`machines_now`: how many it names; `may_end`: who asks may end it. Older servers do not say."""

    id: int
    name: str
    starts_at: str
    ends_at: str
    machines: str
    machines_now: NotRequired[int]
    matcher: dict[str, Any]
    one_chat: bool
    created_by: str
    may_end: NotRequired[bool]


class Source(TypedDict):
    """With its options beside these, for who may change something."""

    id: int
    name: str
    kind: str


class ListedSource(Source):
    hears: bool


class OneSource(ListedSource):
    blind_since: str | None
    blind_reason: str | None
    strangers: list[dict[str, Any]]


class TriedSource(TypedDict):
    """`detail`: why it could not be heard; each of `heard` has `topic` and `messages`."""

    ok: bool
    detail: str
    topics: int
    heard: list[dict[str, Any]]


class System(TypedDict):
    version: str
    troubles: list[dict[str, Any]]
    waiting: int
    oldest: str | None
    dead: list[dict[str, Any]]
    dead_count: int
    failing: list[dict[str, Any]]
    unheard: list[dict[str, Any]]
    unheard_count: int
    bytes: dict[str, int]
    tables: list[dict[str, Any]]


class Node(TypedDict):
    """A process that watches."""

    id: str
    name: str
    version: str
    started_at: str
    alive_at: str
    lanes: list[str]
    sources: list[str]
    settings: dict[str, str]
    there: bool
    silent_seconds: float


class Key(TypedDict):
    id: int
    scope: str
    label: str
    hint: str
    machine_id: int | None
    may: str | None
    created_at: str
    first_used_at: str | None
    last_used_at: str | None
    expires_at: str | None
    revoked_at: str | None
    defaults: dict[str, Any]
    machine: NotRequired[str | None]
    user: NotRequired[str | None]


class MadeKey(TypedDict):
    """`key`: shown this once. `expires_at`: at the latest when the key ends that made it; None: never."""

    id: int
    scope: str
    label: str
    key: str
    expires_at: NotRequired[str | None]


class Channel(TypedDict):
    """`machines_now`: how many machines its wishes name now, None: all. Older servers do not say this, `failing_since`
    and `last_error`."""

    id: int
    type: str
    name: str
    enabled: bool
    disabled_by: str | None
    disabled_reason: str | None
    failing_since: NotRequired[str | None]
    last_error: NotRequired[str | None]
    config: dict[str, Any]
    wishes: dict[str, Any]
    machines_now: NotRequired[int | None]
    fallback: str | None
    owner: str | None


class MadeChannel(TypedDict):
    id: int
    type: str
    name: str
    secret: NotRequired[str | None]


class Invite(TypedDict):
    """A link, good once: `link` for a chat, `group_link` for a group; or `/start CODE` is sent there."""

    id: int
    name: str
    bot: str
    code: str
    link: str
    group_link: str
    expires_at: str | None


class Used(TypedDict):
    """Whether somebody has used an invitation; `over`: nobody can any more."""

    id: int
    name: str
    expires_at: str
    used: bool
    over: bool
    channel: Channel | None


class Tried(TypedDict):
    ok: bool
    detail: str


class RemovedNamed(TypedDict):
    id: int
    name: str
    removed: bool
