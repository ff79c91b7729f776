"""Healthchecks: its checks with their ping addresses and projects' ping keys. https://github.com/healthchecks/healthchecks

Read are `accounts_project`, `api_check`, `api_channel` and `api_channel_checks`, of versions from 1.20 (slugs) to 3.x;
columns that a version does not have yet are taken for empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from lastseen.errors import ConfigurationError, InvalidInput
from lastseen.imports import healthchecks_channels
from lastseen.imports.plan import Coming, Names, Plan, tags_of
from lastseen.imports.services import Given
from lastseen.imports.tables import Row, Tables
from lastseen.imports.values import mark_of, moment, number, span, text, truth, uuid_text
from lastseen.ingest.auth import digest_of, usable
from lastseen.model.arrival import ArrivingKey, ArrivingMachine, Stood
from lastseen.monitor.changes import checked

PROGRAM = "healthchecks"
TABLES = frozenset({"accounts_project", "api_check", "api_channel", "api_channel_checks"})

_SCHEDULED = ("cron", "oncalendar")
_STOOD = {"new": Stood.NEW, "up": Stood.UP, "down": Stood.DOWN}
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
LONGEST = timedelta(days=365)
"""The longest threshold there is."""


@dataclass(frozen=True, slots=True)
class Project:
    """`group`: what its machines stand in here."""

    id: Any
    name: str
    group: str
    ping_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Check:
    """What its channels and its project's key need to know of it."""

    id: Any
    project: Any
    slug: str  # as it is pinged by, "" for none
    mark: str


def read(tables: Tables, given: Given) -> Plan:
    """Raises ConfigurationError where these are no tables of Healthchecks."""
    if not tables.has("api_check"):
        raise ConfigurationError("there is no table api_check: this is no database of Healthchecks")
    plan, names, groups = Plan(PROGRAM), Names(), Names(100)
    projects = {row["id"]: _project(row, groups) for row in _by_id(tables, "accounts_project")}
    checks: list[Check] = []
    rows = _by_id(tables, "api_check")
    for row in sorted(rows, key=lambda row: not row.get("slug")):  # who is pinged by a slug keeps it
        found = _check(row, projects.get(row.get("project_id")), names, plan)
        if found is not None:
            checks.append(found)
    for project in projects.values():
        if usable(project.ping_key):
            plan.keys.append(_key(project, checks))
    healthchecks_channels.read(tables, given, plan, projects, checks)
    plan.remarks += [
        "Keys of Healthchecks' management API, its users and its badges do not move.",
        "E-mails are no pings here: a check that was pinged by e-mail needs a ping by HTTP.",
    ]
    return plan


def _by_id(tables: Tables, table: str) -> list[Row]:
    return sorted(tables.rows(table), key=lambda row: number(row.get("id")))


def _project(row: Row, groups: Names) -> Project:
    name = text(row.get("name"), 90)
    return Project(row["id"], name, groups.unique(name or PROGRAM), text(row.get("ping_key")))


def _check(row: Row, project: Project | None, names: Names, plan: Plan) -> Check | None:
    """The machine that it becomes goes into the plan; None: it cannot move."""
    code = uuid_text(row.get("code"))
    name = text(row.get("name"), 200)
    shown = name or f"check {row['id']}"
    if code is None:
        plan.leave("check", shown, "it has no ping address")
        return None
    try:
        changes, notes = _changes(row, name, project)
    except InvalidInput as error:
        plan.leave("check", shown, f"its {error}")
        return None
    pinged = text(row.get("slug"), 100)
    slug = names.unique(pinged) if pinged else names.slug(name, f"check-{row['id']}")
    if pinged and slug != pinged:
        notes.append(f"its slug {pinged} is another check's too: here it is {slug}; its ping addresses stay")
    mark = mark_of(PROGRAM, "check", code)
    key = ArrivingKey("ping", digest_of(code), code[:8], code, "from Healthchecks")
    what = ArrivingMachine(
        mark, slug, {"name": name or slug, **changes}, (key,), None, moment(row.get("last_ping")), _stood(row)
    )  # fmt: skip
    plan.machines.append(Coming(shown, what, tuple(notes)))
    return Check(row["id"], row.get("project_id"), pinged, mark)


def _changes(row: Row, name: str, project: Project | None) -> tuple[dict[str, Any], list[str]]:
    """The fields of a machine. Raises InvalidInput where one cannot be as it is there."""
    grace = span(row.get("grace")) or _HOUR
    said: dict[str, Any] = {
        "description": text(row.get("desc")),
        "tags": tags_of(text(row.get("tags")).split()),
        "max_runtime": grace,
    }
    if project is not None:
        said["group"] = project.group
    if row.get("kind") in _SCHEDULED:
        said |= {"schedule": str(row.get("schedule") or "").strip(), "timezone": row.get("tz") or "UTC", "grace": grace}
    else:
        every = span(row.get("timeout")) or _DAY
        said |= {"every": every, "offline_after": min(every + grace, LONGEST)}
    return checked(said), _notes(row)


def _notes(row: Row) -> list[str]:
    notes = []
    words = [name for name in ("start_kw", "success_kw", "failure_kw", "subject", "subject_fail") if row.get(name)]
    if words or truth(row.get("filter_subject")) or truth(row.get("filter_body")):
        notes.append("keywords in what it sends are not looked for: every ping counts as what its address says")
    if row.get("methods"):
        notes.append(f"pings by any method count, not only by {row['methods']}")
    return notes


def _stood(row: Row) -> Stood:
    if row.get("status") == "paused":
        return Stood.PAUSED if truth(row.get("manual_resume")) else Stood.PAUSED_UNTIL_PING
    return _STOOD.get(str(row.get("status")), Stood.NEW) if row.get("last_ping") else Stood.NEW


def _key(project: Project, checks: Sequence[Check]) -> Coming[ArrivingKey]:
    reaches: dict[str, str] = {}
    for check in checks:
        if check.project == project.id and check.slug:
            reaches.setdefault(check.slug, check.mark)
    what = ArrivingKey(
        "ping",
        digest_of(project.ping_key),
        project.ping_key[:4],
        project.ping_key,
        f"Healthchecks: {project.name or project.group}",
        {"may_create": True, "group": project.group},
        mark=mark_of(PROGRAM, "project", project.ping_key),
    )
    return Coming(f"ping key of {project.name or project.group}", what, reaches=reaches)
