"""What `why` tells, in parts: what happened when, who was told of it, and which keys were refused."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class AskedSpan(BaseModel):
    """What was asked about."""

    since: datetime
    until: datetime


class Try(BaseModel):
    """One time that a notification was sent."""

    at: datetime
    outcome: str
    detail: str = Field(description="what the far end answered")


class ToldOne(BaseModel):
    """What became of it on one channel."""

    notification_id: int | None
    uid: str = Field(description="the `webhook-id` that receivers see")
    channel: str
    channel_type: str
    cause: str
    state: str
    reason: str | None
    attempts: int
    due_at: datetime
    finished_at: datetime | None
    tries: list[Try]
    said: str = Field(description="the same in words")


class Happened(BaseModel):
    """A line of what happened."""

    at: datetime
    until: datetime | None = Field(description="null: it is a moment, or lasts")
    lasts: bool
    what: str = Field(description="in words")
    do: str = Field(description="what helps; empty: nothing is to be done")
    to_nobody: str | None = Field(description="why nobody was told, where that was so")
    event_id: int | None = Field(description="null: it is no event")
    type: str | None = Field(description="of that event")
    told: list[ToldOne]


class RefusedKey(BaseModel):
    """A key by which somebody tried to report, and may not."""

    key_id: int
    scope: str
    hint: str = Field(description="its first characters")
    label: str
    machine: str | None
    reason: str
    replaced: bool
    ended_at: datetime | None
    count: int = Field(description="how often")
    first_at: datetime
    last_at: datetime
