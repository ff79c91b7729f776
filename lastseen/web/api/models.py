"""What the API answers, for its OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class MachineStatus(BaseModel):
    """The status of one machine at this moment."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 1,
                "slug": "production-server",
                "name": "production-server",
                "status": "online",
                "late": False,
                "awaited": False,
                "last_seen": "2025-10-10T16:30:00Z",
                "status_since": "2025-10-01T08:00:00Z",
                "since": "2025-10-01T08:00:00Z",
                "offline_after_seconds": 120,
                "seconds_until_offline": 97.4,
                "notified_at": None,
                "sources": ["http"],
                "group": "http",
                "flapping_since": None,
            }
        }
    )

    id: int
    slug: str
    name: str
    status: Literal["provisioning", "online", "offline", "error", "paused"]
    late: bool = Field(description="past its interval, not past its threshold")
    awaited: bool = Field(description="resumed, and not heard since: online until its threshold is over")
    last_seen: datetime | None
    status_since: datetime = Field(description="when its status was decided")
    since: datetime = Field(
        description="from when on it is so: of an outage, from where it is counted, before it was noticed"
    )
    offline_after_seconds: float | None = Field(description="its threshold; null: never offline by silence")
    seconds_until_offline: float | None
    notified_at: datetime | None = Field(description="when its open outage was detected")
    sources: list[str]
    group: str
    flapping_since: datetime | None = Field(default=None, description="since when it changes too often to be told of")


class Page(BaseModel, Generic[T]):
    """Some of a list."""

    items: list[T]
    next: str | None = Field(default=None, description="`cursor` of the page that follows; null: this was the last one")


class Statuses(BaseModel):
    """Of those that were asked for."""

    items: list[MachineStatus]
    unknown: list[str] = Field(description="those of the ids and slugs that no machine has")


class FieldError(BaseModel):
    field: str = Field(description='dotted; "" means the whole input')
    detail: str


class ProblemDetails(BaseModel):
    """Every error under `/api/v1` (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = Field(default=None)


class Health(BaseModel):
    """`ok`, or which parts are not ready."""

    status: Literal["ok", "not ready"]
    parts: dict[str, str] | None = Field(default=None, description="each part that is not ready, and why")
    notes: list[str] | None = Field(default=None, description="what is wrong although it is ready: nobody can be told")
