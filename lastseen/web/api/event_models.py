"""Events and notifications as the API tells of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from lastseen.web.api.asked import Moment, Paged, Said, Text

Word = Annotated[Text, Field(max_length=200)]


class Event(BaseModel):
    """Something that happened."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 41,
                "uid": "2b0c8bd4-4b37-5f0e-8ad2-9f4e5f1c7d10",
                "type": "machine.offline",
                "severity": "alert",
                "seq": 17,
                "machine_id": 1,
                "machine": "db-01",
                "at": "2025-10-10T16:32:00Z",
                "previous_status": "online",
                "status": "offline",
                "reason": "silent",
                "last_seen": "2025-10-10T16:30:00Z",
                "incident_id": 41,
            }
        }
    )

    id: int
    uid: str
    type: str
    severity: str
    seq: int | None = Field(default=None, description="which event of its machine it is")
    machine_id: int | None = Field(description="null: it is about no machine")
    machine: str | None
    at: datetime
    previous_status: str | None
    status: str | None
    reason: str
    last_seen: datetime | None
    incident_id: int | None


class Notification(BaseModel):
    """One event for one channel. `uid` is the `webhook-id` that receivers see."""

    id: int
    uid: str
    event_id: int
    channel_id: int
    cause: str
    state: str
    reason: str | None
    attempts: int
    due_at: datetime
    finished_at: datetime | None
    channel: str | None = None
    machine: str | None = None
    type: str | None = Field(default=None, description="of its event")


class GivenUp(Said):
    """Which of what was given up."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"state": "dead", "channel": "ops", "since": "2025-10-10T00:00:00Z"}}
    )

    state: Literal["dead"] = Field(description="what was given up, and not told since")
    channel: Word | None = Field(default=None, description="the name of one")
    machine: Word | None = Field(default=None, description="its id or its slug")
    since: Annotated[Moment, Field(strict=False)] | None = Field(default=None, description="given up from then on")
    limit: int = Field(default=500, ge=1, le=500, description="how many at most; the oldest first")
    dry_run: bool = Field(default=False, description="only say which, and tell nothing")


class ToldAgain(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "dry_run": False,
                "found": 2,
                "replayed": 2,
                "left": 0,
                "again": 1,
                "off": 0,
                "notifications": [],
            }
        }
    )

    dry_run: bool
    found: int = Field(description="how many could be told again; 10,000 are counted at most")
    replayed: int = Field(description="how many are told again")
    left: int = Field(description="how many of them are not yet: ask once more")
    again: int = Field(description="left out: told since, or about to be")
    off: int = Field(description="left out: their channels are off, or gone")
    notifications: list[Notification] = Field(description="the new ones; with `dry_run` those that would be told again")


class EventQuery(Paged):
    machine: Word | None = Field(default=None, description="id or slug, of one that was removed too")
    type: list[Word] = Field(default=[], max_length=50, examples=[["machine.offline"]])
    since: Moment | None = Field(default=None, description="only from then on")
    until: Moment | None = Field(default=None, description="only before then")


class NotificationQuery(Paged):
    state: Literal["pending", "sending", "delivered", "dead", "cancelled", "skipped"] | None = None
    channel: Word | None = Field(default=None, description="its id or its name")
    machine: Word | None = Field(default=None, description="its id or its slug")
    since: Moment | None = Field(default=None, description="only what ended from then on, or was made")
