"""What the API answers about what everybody may look at: status pages and badges."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class StatusPage(TypedDict):
    """Each of `lines` is one of `machine`, `group`, `tag` and `all`, and perhaps `alias`."""

    id: int
    slug: str
    title: str
    text: str
    lines: list[dict[str, Any]]
    public: bool
    listed: bool
    owner: str | None
    created_at: str | None
    url: str | None


class RemovedPage(TypedDict):
    id: int
    slug: str
    removed: bool


class Badge(TypedDict):
    """With one of `machine`, `group`, `tag` and `all`."""

    id: int
    key: str
    machine: NotRequired[str | None]
    group: NotRequired[str]
    tag: NotRequired[str]
    all: NotRequired[bool]
    shows: str
    label: str
    owner: str | None
    svg_url: str | None
    json_url: str | None


class RemovedBadge(TypedDict):
    id: int
    removed: bool
