"""Kinds, silences, sources, keys and users as the API is told of them and tells of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lastseen.web.api.asked import Group, Moment, Paged, Said, Span, Text

Word = Annotated[Text, Field(min_length=1, max_length=200)]
Words = Annotated[list[Word], Field(max_length=100)]


class KindChanges(Said):
    """What is not named stays; null takes it back."""

    model_config = ConfigDict(json_schema_extra={"example": {"offline_after": "5m", "every": "1m"}})

    offline_after: Span | None = Field(default=None, description="or `never`; null: the default threshold")
    every: Span | None = Field(default=None, description="how often its machines report")


class Kind(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "server", "offline_after_seconds": 300, "every_seconds": 60}}
    )

    name: str
    offline_after_seconds: float | None = Field(description="0: never; null: the default threshold")
    every_seconds: float | None


class RemovedKind(BaseModel):
    name: str
    removed: bool


class Which(Said):
    """Machines that each given field names, or all of them."""

    groups: Words = Field(default=[])
    tags: Words = Field(default=[])
    kinds: Words = Field(default=[])
    names: Words = Field(default=[], description="patterns of a slug or a name, as `cam-*`")
    all: bool = Field(default=False, description="each machine that there is: then nothing else is named")


class NewSilence(Said):
    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "new switch", "lasting": "2h", "machines": {"groups": ["berlin"]}}}
    )

    name: Word
    lasting: Span = Field(default="1h", description="how long")
    starts_at: Annotated[Moment, Field(strict=False)] | None = Field(default=None, description="null: now")
    machines: Which = Which()


class Silence(BaseModel):
    id: int
    name: str
    starts_at: datetime
    ends_at: datetime
    machines: str = Field(description="in words")
    machines_now: int = Field(description="how many of those that you may see it names now")
    matcher: dict[str, Any]
    one_chat: bool
    created_by: str
    may_end: bool = Field(description="you may end it")


class SourceChanges(Said):
    """What is not named stays; an empty text or list takes an option back, an empty user the password too."""

    model_config = ConfigDict(json_schema_extra={"example": {"presets": ["zigbee2mqtt"], "auto_add": True}})

    url: Annotated[Text, Field(max_length=1000)] | None = Field(default=None, description="mqtt:// or mqtts://")
    presets: Words | None = None
    bind: list[Annotated[Text, Field(max_length=1000)]] | None = Field(default=None, max_length=100)
    base: Annotated[Text, Field(max_length=200)] | None = None
    offline_after: Annotated[Text, Field(max_length=50)] | None = None
    machine_kind: Annotated[Text, Field(max_length=100)] | None = Field(
        default=None, description="of machines that are added"
    )
    goodbye_grace: Annotated[Text, Field(max_length=50)] | None = None
    auto_add: bool | None = Field(default=None, description="add machines that are heard")
    ca: Annotated[Text, Field(max_length=1000)] | None = Field(default=None, description="a file on the server")
    cert: Annotated[Text, Field(max_length=1000)] | None = None
    key: Annotated[Text, Field(max_length=1000)] | None = None
    username: Annotated[Text, Field(max_length=200)] | None = None
    password: Annotated[Text, Field(max_length=1000)] | None = Field(default=None, description="stored encrypted")
    share: Annotated[Text, Field(max_length=200)] | None = None
    publish: Annotated[Text, Field(max_length=200)] | None = None
    discovery: Annotated[Text, Field(max_length=200)] | None = None

    def options(self) -> dict[str, Any]:
        """By the fields of a row."""
        said = {name: value for name, value in self.said().items() if name != "name"}
        if "machine_kind" in said:
            said["kind"] = said.pop("machine_kind")
        return said


class NewSource(SourceChanges):
    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "house", "url": "mqtt://broker:1883", "presets": ["zigbee2mqtt"]}}
    )

    name: Word
    url: Annotated[Text, Field(min_length=1, max_length=1000)] = Field(description="mqtt:// or mqtts://")


class Source(BaseModel):
    """With its options, for who may change something: those that were said."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 2,
                "name": "house",
                "kind": "mqtt",
                "url": "mqtt://broker:1883",
                "presets": ["zigbee2mqtt"],
                "auto_add": True,
            }
        }
    )

    id: int
    name: str
    kind: str
    url: str | None = Field(default=None, description="without its user and password")
    presets: list[str] | None = None
    bind: list[str] | None = None
    base: str | None = None
    offline_after: str | None = None
    machine_kind: str | None = Field(default=None, description="of machines that are added")
    goodbye_grace: str | None = None
    auto_add: bool | None = None
    ca: str | None = Field(default=None, description="a file on the server")
    cert: str | None = None
    key: str | None = Field(default=None, description="a file on the server, too")
    username: str | None = None
    share: str | None = None
    publish: str | None = None
    discovery: str | None = None
    paused: bool | None = Field(default=None, description="it is not listened to for now")


class ListedSource(Source):
    hears: bool = Field(description="a server listens to it now, and its link is there")
    blind_since: datetime | None
    blind_reason: str | None


class OneSource(ListedSource):
    strangers: list[dict[str, Any]] = Field(description="what it hears that no machine has")


class Blind(BaseModel):
    """A span in which a source could not have heard anybody."""

    id: int
    started_at: datetime
    ended_at: datetime | None
    seconds: float | None
    reason: str


class Heard(BaseModel):
    topic: str
    messages: int


class TriedSource(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {"ok": True, "detail": "", "topics": 1, "heard": [{"topic": "z2m/lamp", "messages": 3}]}
        }
    )

    ok: bool
    detail: str = Field(description="why it could not be heard")
    topics: int = Field(description="on how many something was heard")
    heard: list[Heard] = Field(description="50 of them at most, the most messages first")


class RemovedSource(BaseModel):
    id: int
    name: str
    removed: bool


class NewKey(Said):
    model_config = ConfigDict(json_schema_extra={"example": {"scope": "api", "label": "grafana", "may": "read"}})

    scope: Literal["api", "fleet", "ping"]
    label: Annotated[Text, Field(max_length=200)] = ""
    expires: Span | None = Field(default=None, description="after how long; null: never, or with the key that makes it")
    may: Literal["read", "write"] | None = Field(default=None, description="of an API key; null: read")
    user: Word | None = Field(default=None, description="whose an API key is, where an admin asks")
    may_create: bool = Field(default=False, description="machines, by a fleet or ping key")
    kind: Word | None = None
    group: Group | None = None
    tags: Words = Field(default=[])


class MadeKey(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 3,
                "scope": "api",
                "label": "grafana",
                "key": "lsa_…",
                "expires_at": "2025-11-09T16:30:00Z",
            }
        }
    )

    id: int
    scope: str
    label: str
    key: str = Field(description="shown this once")
    expires_at: datetime | None = Field(description="at the latest when the key ends that made it; null: never")


class Key(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 3,
                "scope": "api",
                "label": "grafana",
                "hint": "lsa_4Tq9",
                "machine_id": None,
                "may": "read",
                "created_at": "2025-10-01T08:00:00Z",
                "first_used_at": "2025-10-01T08:05:00Z",
                "last_used_at": "2025-10-10T16:30:00Z",
                "expires_at": None,
                "revoked_at": None,
                "defaults": {},
                "machine": None,
                "user": "ada",
            }
        }
    )

    id: int
    scope: str
    label: str
    hint: str = Field(description="its first characters")
    machine_id: int | None = Field(description="of a machine's key")
    machine: str | None = Field(description="the slug of that machine; null: no machine's, or it was removed")
    may: str | None = Field(description="of an API key: `read` or `write`")
    user: str | None = Field(description="whose an API key is; null: an operator's")
    created_at: datetime
    first_used_at: datetime | None = Field(description="null: never yet")
    last_used_at: datetime | None = Field(
        description="to within a minute; of a machine's own key or address, to within an hour"
    )
    expires_at: datetime | None
    revoked_at: datetime | None
    defaults: dict[str, Any] = Field(description="of a fleet or ping key: what the machines are that it makes")


class KeyQuery(Paged):
    machines: bool = Field(default=True, description="also those of machines, which are most")


class NewUser(Said):
    model_config = ConfigDict(json_schema_extra={"example": {"name": "ada", "role": "member"}})

    name: Word
    role: Literal["admin", "member", "viewer"] = "viewer"
    password: Annotated[Text, Field(max_length=10_000)] | None = Field(
        default=None, description="without one, `reset-password` makes a link by which they set it"
    )


class UserChanges(Said):
    model_config = ConfigDict(json_schema_extra={"example": {"role": "member"}})

    role: Literal["admin", "member", "viewer"]


class User(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 2,
                "name": "ada",
                "role": "member",
                "has_password": True,
                "created_at": "2025-10-01T08:00:00Z",
                "last_in_at": "2025-10-10T16:30:00Z",
            }
        }
    )

    id: int
    name: str
    role: str
    has_password: bool = Field(description="false: they need a link, or come through a proxy that says who they are")
    created_at: datetime
    last_in_at: datetime | None = Field(description="when they last logged in; null: never yet")


class RemovedUser(BaseModel):
    id: int
    name: str
    removed: bool


class ResetLink(BaseModel):
    name: str
    url: str
    expires_at: datetime


class Session(BaseModel):
    """A session of somebody."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 7,
                "created_at": "2025-10-01T08:00:00Z",
                "used_at": "2025-10-10T16:30:00Z",
                "expires_at": "2025-11-09T16:30:00Z",
                "address": "192.0.2.10",
                "agent": "Mozilla/5.0",
                "user": "ada",
            }
        }
    )

    id: int
    created_at: datetime
    used_at: datetime
    expires_at: datetime = Field(description="unless it is used before")
    address: str = Field(description="from where they logged in")
    agent: str = Field(description="what their browser says it is")
    user: str


class LoggedOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": {"name": "ada", "ended": 2}})

    name: str
    ended: int = Field(description="how many sessions")


class Deed(BaseModel):
    """Who did what."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 12,
                "at": "2025-10-10T16:30:00Z",
                "by": "ada",
                "user_id": 2,
                "through": "session",
                "address": "192.0.2.10",
                "verb": "users.set",
                "subject": "user bob",
                "changed": {"role": {"from": "viewer", "to": "member"}},
            }
        }
    )

    id: int
    at: datetime
    by: str = Field(description="what they were called")
    user_id: int | None = Field(description="null: no user did it")
    through: str = Field(description="how they came: `session`, `key`, `header`, `telegram`, `command line`")
    address: str = Field(description="from where; empty: from here")
    verb: str
    subject: str
    changed: dict[str, Any] = Field(description="what they said, by field, without secrets")


class AuditQuery(Paged):
    before: int | None = Field(
        default=None, ge=1, le=2**63 - 1, description="only what came before the line with this id"
    )
    by: Word | None = Field(default=None, description="by who was called so")
    subject: Word | None = Field(default=None, description="about this alone: `machine db-01`")
