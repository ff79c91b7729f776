"""How the server itself fares, as the API tells of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class System(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "version": "0.6.0",
                "troubles": [],
                "waiting": 0,
                "oldest": None,
                "dead": [],
                "dead_count": 0,
                "failing": [],
                "unheard": [],
                "unheard_count": 0,
                "bytes": {"database": 4194304},
                "tables": [],
            }
        }
    )

    version: str
    troubles: list[dict[str, Any]] = Field(description="what is wrong with the watching: `part`, `reason`, `since`")
    waiting: int = Field(description="notifications that are to be told")
    oldest: datetime | None = Field(description="of which the oldest was due then")
    dead: list[dict[str, Any]] = Field(description="the last that were given up")
    dead_count: int
    failing: list[dict[str, Any]] = Field(
        description="channels that do not get through: `name`, `since`, `detail`, and whether their far end switched "
        "them off (`switched_off`)"
    )
    unheard: list[dict[str, Any]] = Field(description="machines that were never heard, since when they are there")
    unheard_count: int
    bytes: dict[str, int] = Field(description="on the disk")
    tables: list[dict[str, Any]] = Field(description="`name`, `rows`, `oldest`, and how many came lately (`recent`)")


class Node(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "5c0e…",
                "name": "host-1",
                "version": "0.6.0",
                "started_at": "2025-10-10T08:00:00Z",
                "alive_at": "2025-10-10T16:30:00Z",
                "lanes": ["channel:1"],
                "sources": ["http"],
                "settings": {},
                "there": True,
                "silent_seconds": 0.4,
            }
        }
    )

    id: str = Field(description="of the process")
    name: str = Field(description="of its host")
    version: str
    started_at: datetime
    alive_at: datetime
    lanes: list[str] = Field(description="what it does for all")
    sources: list[str] = Field(description="what it listens to")
    settings: dict[str, str] = Field(description="what all nodes must have alike")
    there: bool
    silent_seconds: float = Field(description="for how long nothing was heard of it")
