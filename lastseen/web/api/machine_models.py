"""Machines as the API is told of them and tells of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lastseen.model import Status
from lastseen.model.directory import Sought
from lastseen.model.names import NO_GROUP, group_meant
from lastseen.web.api.asked import LONGEST_LIST, Group, Paged, Query, Said, Span, Text, Zone
from lastseen.web.api.models import MachineStatus
from lastseen.web.api.why_models import AskedSpan, Happened, RefusedKey

Word = Annotated[Text, Field(max_length=200)]
SoughtGroup = Annotated[Word, AfterValidator(group_meant)]
States = Literal["provisioning", "online", "offline", "error", "paused"]


class Changes(Said):
    """What is not named stays; null takes back what was said, of each field but `shared`."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "Main database", "offline_after": "5m"}})

    name: Annotated[Text, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="null: its slug"
    )
    hostname: Annotated[Text, Field(max_length=253)] | None = Field(default="", description="null: none")
    description: Annotated[Text, Field(max_length=2000)] | None = Field(default="", description="null: none")
    kind: Annotated[Text, Field(min_length=1, max_length=100)] | None = Field(
        default="default", description="null: `default`"
    )
    group: Group | None = Field(default=NO_GROUP, description="null: `http`, which pages call no group")
    tags: Annotated[list[Annotated[Text, Field(min_length=1, max_length=100)]], Field(max_length=100)] | None = Field(
        default=[], description="null: none"
    )
    every: Span | None = Field(default=None, description="how often it reports: `30s`, `2m`, or seconds")
    offline_after: Span | None = Field(default=None, description="its threshold, or `never`; null: its kind's")
    schedule: Annotated[Text, Field(max_length=500)] | None = Field(
        default=None, description="when its job is due: cron, or systemd's OnCalendar"
    )
    timezone: Annotated[Text, Field(max_length=100)] | None = Field(default=None, description="of the schedule")
    grace: Span | None = Field(default=None, description="how long after it is due it may be silent")
    max_runtime: Span | None = Field(default=None, description="how long a run may take")
    shared: bool = Field(default=True, description="everybody's; false: of who asks. What members make is theirs.")
    owner: Annotated[Text, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="the user whose it is, for admins to say; null: everybody's"
    )


class NewMachine(Changes):
    """A slug, and what is to be said of it."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"slug": "db-01", "name": "Main database", "every": "1m", "tags": ["berlin"]}}
    )

    slug: Annotated[Text, Field(min_length=1, max_length=200, description="1 to 200 of A-Z a-z 0-9 . _ : -")]
    if_missing: bool = Field(default=False, description="change nothing where it is there; `key` is null then")


class Pausing(Said):
    until_ping: bool = Field(default=False, description="a Healthchecks ping may resume it")


class Seen(Said):
    by: Annotated[Text, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="who has seen it, where a program asks; people are called by their own name"
    )


class KeyedMachine(BaseModel):
    """A machine and its key, shown this once."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 1,
                "slug": "db-01",
                "name": "Main database",
                "key": "lsm_…",
                "ping_url": "https://status.example.org/ping/6b1c…",
                "push_url": "https://status.example.org/api/push/lsu_…",
            }
        }
    )

    id: int
    slug: str
    name: str
    key: str | None = Field(description="null: it was there already")
    ping_url: str | None
    push_url: str | None


class Machine(MachineStatus):
    """Its status, and what people wrote of it."""

    every_seconds: float | None = Field(description="how often it reports, its own or its kind's; null: nobody said so")
    acknowledged_by: str | None = Field(description="who has seen its outage or error, which lasts")
    acknowledged_at: datetime | None
    hostname: str
    description: str
    kind: str
    tags: list[str]
    enabled: bool = Field(description="its key is accepted")
    schedule: str | None
    timezone: str | None
    grace_seconds: float | None
    max_runtime_seconds: float
    ping_url: str | None = Field(description="a secret, for who may change the machine")
    push_url: str | None = Field(description="a secret, for who may change the machine")
    owner: str | None = Field(description="the user whose it is; null: everybody's")


class Run(BaseModel):
    run: str | None
    started_at: datetime | None
    ended_at: datetime | None
    seconds: float | None
    outcome: str | None
    exit_code: int | None
    last_line: str
    output: str


class OneMachine(Machine):
    """With its next times and last runs, where it is a job."""

    next_due: list[datetime]
    runs: list[Run]


class Outage(BaseModel):
    id: int
    machine_id: int
    machine: str
    started_at: datetime
    detected_at: datetime
    ended_at: datetime | None = Field(description="null: it lasts")
    seconds: float | None
    reason: str
    end_reason: str | None
    incident_id: int | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None


class Uptime(BaseModel):
    """How much of a span a machine was up. Time in which nobody could have known does not count."""

    start: datetime
    end: datetime
    uptime: float | None = Field(description="of the time that is known, from 0 to 1; null: nothing is known")
    percent: str | None = Field(description="the same for people, never rounded up to 100")
    known_seconds: float
    down_seconds: float
    unknown_seconds: float
    silenced_seconds: float
    outages: int


class Day(Uptime):
    day: str = Field(examples=["2026-06-01"])


class WholeUptime(Uptime):
    id: int
    machine: str


class MachineUptime(WholeUptime):
    days: list[Day]


class Why(BaseModel):
    """What happened to a machine, in facts and in words."""

    machine: str
    status: MachineStatus | None = Field(description="as it is now; null: it was removed")
    removed_at: datetime | None
    asked: AskedSpan | None = Field(description="around which time; null: now")
    incident_id: int | str | None = Field(description="of the incident that it is about; null: of none")
    since: datetime = Field(description="from when on this tells")
    until: datetime | None = Field(description="null: it lasts")
    headline: str
    timeline: list[Happened]
    notes: list[str]
    refused: list[RefusedKey]
    complete: bool = Field(description="false: there was more than is told")


class Removed(BaseModel):
    id: int
    slug: str
    removed: Literal[True]


class Acknowledged(BaseModel):
    id: int
    slug: str
    acknowledged_by: str


class BoardQuery(Query):
    group: SoughtGroup | None = Field(default=None, description="only of this group")
    limit: int = Field(default=500, ge=1, le=LONGEST_LIST, description="how many machines are listed; all are counted")


class Board(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "at": "2025-10-10T16:30:00Z",
                "watched": True,
                "counts": {"offline": 0, "error": 0, "provisioning": 1, "online": 12, "paused": 0, "disabled": 0},
                "machines": [],
            }
        }
    )

    at: datetime = Field(description="now, by the clock of the server")
    watched: bool = Field(description="a process looks who is silent; else this is how it was when one did last")
    counts: dict[str, int] = Field(
        description="how many machines have each status; those that are disabled are not counted as paused"
    )
    machines: list[Machine]


class MachineQuery(Paged):
    """Of each filter that is given one value must fit."""

    status: list[States] = Field(default=[], max_length=5)
    kind: list[Word] = Field(default=[], max_length=100)
    group: list[SoughtGroup] = Field(default=[], max_length=100)
    tag: list[Word] = Field(default=[], max_length=100)
    text: Word = Field(default="", description="part of a slug, a name, a host name or a description")
    sort: Literal["name", "status", "last_seen", "status_since"] = Field(
        default="name", description="`status`: what is wrong comes first"
    )
    order: Literal["asc", "desc"] = "asc"
    enabled: bool | None = Field(default=None, description="only those that are; false: those that are disabled")
    urls: bool = Field(default=False, description="with their ping and push addresses, for who may change them")

    def sought(self) -> Sought:
        return Sought(
            statuses=tuple(Status(status) for status in self.status),
            kinds=tuple(self.kind),
            groups=tuple(self.group),
            tags=tuple(self.tag),
            text=self.text,
            enabled=self.enabled,
            sort=self.sort,
            descending=self.order == "desc",
            limit=self.limit,
        )


class SomeMachines(Query):
    ids: Annotated[str, Field(min_length=1, description="ids or slugs, up to 1,000, with commas between them")]


class UptimeQuery(Query):
    window: str = Field(default="30d", max_length=50, description="how far back, at most a year")
    without_silenced: bool = Field(default=False, description="leave out the time for which a silence was set")


class AllUptimeQuery(UptimeQuery, Paged):
    """Of all, some at a time."""


class ZonedUptimeQuery(UptimeQuery):
    timezone: Zone = None


class WhyQuery(Query):
    timezone: Zone = None
    at: Word | None = Field(
        default=None, description="around this time: 03:12 (the latest past one), Tue 03:12, 2026-06-01T03:12"
    )
