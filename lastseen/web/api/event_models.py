"""Events and notifications as the API tells of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from lastseen.web.api.asked import Moment, Paged, Text

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
