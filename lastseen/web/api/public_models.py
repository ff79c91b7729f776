"""Status pages and badges as the API is told of them and tells of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lastseen.web.api.asked import Group, Said, Text

Word = Annotated[Text, Field(min_length=1, max_length=200)]
Slug = Annotated[Text, Field(min_length=1, max_length=100, description="its name in the address: a-z 0-9 -")]
LINES: list[Any] = [{"machine": "db-01", "alias": "Database"}, {"group": "web"}]


class About(Said):
    """One of these."""

    machine: Word | None = Field(default=None, description="a slug or an id")
    group: Group | None = None
    tag: Word | None = None
    all: bool = Field(default=False, description="each machine that there is")


class NewLine(About):
    """One of a machine, a group, a tag, or all."""

    alias: Annotated[Text, Field(max_length=200)] | None = Field(
        default=None, description="by which name it is shown; a group or a tag that has one is one line"
    )


class PageChanges(Said):
    """What is not named stays. What a page shows is named as a whole."""

    model_config = ConfigDict(json_schema_extra={"example": {"text": "Questions: 555-0100", "listed": True}})

    slug: Slug | None = None
    title: Word | None = None
    text: Annotated[Text, Field(max_length=2000)] | None = Field(default=None, description="below the title")
    lines: Annotated[list[NewLine], Field(max_length=200)] | None = None
    public: bool | None = Field(default=None, description="whether anybody sees it")
    listed: bool | None = Field(default=None, description="whether search engines may list it")

    def wanted(self) -> dict[str, Any]:
        """As the verbs take it."""
        said = self.said()
        if self.lines is not None:
            said["lines"] = [line.said() for line in self.lines]
        return said


class NewPage(PageChanges):
    model_config = ConfigDict(json_schema_extra={"example": {"slug": "shop", "title": "Our shop", "lines": LINES}})

    slug: Slug
    lines: Annotated[list[NewLine], Field(min_length=1, max_length=200)]
    shared: bool | None = Field(
        default=None, description="everybody's; false: of who asks. What members make is theirs."
    )


class Line(BaseModel):
    """One of `machine` (null: it was removed), `group`, `tag` and `all`; the others are not said."""

    machine: str | None = Field(default=None, description="its slug; null: it was removed")
    group: str | None = None
    tag: str | None = None
    all: bool = Field(default=False, description="each machine that there is")
    alias: str | None = Field(description="by which name it is shown")


class StatusPage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 1,
                "slug": "shop",
                "title": "Our shop",
                "text": "",
                "lines": [{"machine": "db-01", "alias": "Database"}, {"group": "web", "alias": None}],
                "public": True,
                "listed": False,
                "owner": None,
                "created_at": "2025-10-10T16:30:00Z",
                "url": "https://status.example.org/status/shop",
            }
        }
    )

    id: int
    slug: str
    title: str
    text: str
    lines: list[Line]
    public: bool = Field(description="whether anybody sees it")
    listed: bool = Field(description="whether search engines may list it")
    owner: str | None = Field(description="the user whose it is; null: everybody's")
    created_at: datetime | None
    url: str | None = Field(description="where everybody sees it; null: nobody knows how the server is reached")


class RemovedPage(BaseModel):
    id: int
    slug: str
    removed: bool


class NewBadge(About):
    model_config = ConfigDict(json_schema_extra={"example": {"machine": "db-01", "shows": "uptime"}})

    shows: Literal["status", "uptime"] = Field(
        default="status", description="how they are now, or how much of 30 days they were up"
    )
    label: Annotated[Text, Field(max_length=60)] = Field(default="", description="what stands on its left")
    shared: bool | None = Field(
        default=None, description="everybody's; false: of who asks. What members make is theirs."
    )


class Badge(BaseModel):
    """Of one of `machine` (null: it was removed), `group`, `tag` and `all`; the others are not said."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 1,
                "key": "…",
                "machine": "db-01",
                "shows": "uptime",
                "label": "",
                "owner": None,
                "created_at": "2025-10-10T16:30:00Z",
                "svg_url": "https://status.example.org/badge/….svg",
                "json_url": "https://status.example.org/badge/….json",
            }
        },
    )

    id: int
    key: str = Field(description="of its address, by which everybody sees it")
    machine: str | None = Field(default=None, description="its slug; null: it was removed")
    group: str | None = None
    tag: str | None = None
    all: bool = Field(default=False, description="each machine that there is")
    shows: Literal["status", "uptime"]
    label: str
    owner: str | None = Field(description="the user whose it is; null: everybody's")
    created_at: datetime | None
    svg_url: str | None
    json_url: str | None = Field(description="for shields.io")


class RemovedBadge(BaseModel):
    id: int
    removed: bool
