"""Healthchecks' integrations as channels of ours. The kinds and what their `value` holds: hc/api/models.py and
hc/integrations of Healthchecks."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lastseen.imports import services
from lastseen.imports.plan import Coming, Hears, Names, Plan
from lastseen.imports.services import CannotMove, Given, Target
from lastseen.imports.tables import Row, Tables
from lastseen.imports.values import document, mark_of, number, text, truth, uuid_text
from lastseen.model.arrival import ArrivingChannel

if TYPE_CHECKING:
    from lastseen.imports.healthchecks import Check, Project

PROGRAM = "healthchecks"

_PLACEHOLDER = re.compile(r"\$(CODE|STATUS|NOW|NAME|SLUG|TAGS|TAG\d+|BODY|BODY_JSON|JSON|EXITSTATUS|NAME_JSON)\b")
_IN_SETTINGS = "who sends it is in Healthchecks' settings, not in its database"
_REASONS = {
    "sms": _IN_SETTINGS,
    "call": _IN_SETTINGS,
    "whatsapp": _IN_SETTINGS,
    "signal": _IN_SETTINGS,
    "matrix": _IN_SETTINGS,
    "po": _IN_SETTINGS,
    "trello": _IN_SETTINGS,
    "github": _IN_SETTINGS,
    "msteams": "Microsoft has closed these: make a workflow, and add its address with channels add apprise",
    "shell": "lastseen runs no commands for alerts",
}


def read(tables: Tables, given: Given, plan: Plan, projects: Mapping[Any, Project], checks: Sequence[Check]) -> None:
    """Put the channels into the plan, and what cannot move."""
    rows = sorted(tables.rows("api_channel"), key=lambda row: number(row.get("id")))
    assigned = _assigned(tables, rows)
    names = Names()
    for row in rows:
        kind, name = str(row.get("kind")), text(row.get("name"), 150) or _called(row)
        if kind == "group":
            plan.leave("group integration", name, "its members hear of its checks themselves")
            continue
        hears = _hears(assigned[row["id"]], row.get("project_id"), projects, checks)
        try:
            target = _target(row, kind, given)
        except CannotMove as error:
            plan.leave(f"{kind} integration", name, str(error))
            continue
        notes = target.notes + _one_sided(row)
        off = "switched off in Healthchecks" if truth(row.get("disabled")) else None
        if hears.nothing:
            off = off or "no check was assigned to it in Healthchecks"
        what = ArrivingChannel(
            mark_of(PROGRAM, "channel", uuid_text(row.get("code")) or row["id"]),
            target.type,
            names.unique(name),
            target.values,
            off=off,
        )
        plan.channels.append(Coming(name, what, notes, hears))


def _assigned(tables: Tables, rows: Sequence[Row]) -> Mapping[Any, set[Any]]:
    """The ids of checks by that of the channel, those of a group integration with each of its members."""
    assigned: dict[Any, set[Any]] = defaultdict(set)
    for row in tables.rows("api_channel_checks"):
        assigned[_same(row["channel_id"])].add(_same(row["check_id"]))
    by_id: dict[Any, set[Any]] = defaultdict(set)
    codes = {uuid_text(row.get("code")): row["id"] for row in rows}
    for row in rows:
        by_id[row["id"]] |= assigned[_same(row["id"])]
        if row.get("kind") == "group":
            for code in str(row.get("value") or "").split(","):
                member = codes.get(uuid_text(code))
                if member is not None:
                    by_id[member] |= assigned[_same(row["id"])]
    return by_id


def _same(value: Any) -> str:
    """Ids are numbers in some sources, and texts in others."""
    return str(value)


def _hears(check_ids: set[Any], project_id: Any, projects: Mapping[Any, Project], checks: Sequence[Check]) -> Hears:
    """All of a project is its group: so is a check that is made there later, as in Healthchecks."""
    mine = {check.mark for check in checks if check.project == project_id}
    heard = {check.mark for check in checks if _same(check.id) in check_ids}
    if heard and heard == mine and project_id in projects:
        return Hears(everything=len(projects) == 1, groups=(projects[project_id].group,))
    return Hears(marks=frozenset(heard))


def _called(row: Row) -> str:
    """What Healthchecks shows for one without a name, less addresses."""
    return f"{row.get('kind')} {row['id']}"


def _target(row: Row, kind: str, given: Given) -> Target:
    value = str(row.get("value") or "")
    make = _KINDS.get(kind)
    if make is None:
        raise CannotMove(_REASONS.get(kind, "lastseen has no channel of this kind"))
    if not value:
        raise CannotMove("it has no address")
    return make(value, document(value), given)


def _one_sided(row: Row) -> tuple[str, ...]:
    told = document(row.get("value"))
    return ("it hears of the end of what it was told, too",) if told.get("up") is False else ()


# -- by kind


def _email(value: str, told: Mapping[str, Any], given: Given) -> Target:
    if told.get("down") is False:
        raise CannotMove("it hears of ends alone: here nobody hears of the end of what they were not told")
    return services.email(given, (str(told.get("value") or value),))


def _webhook(value: str, told: Mapping[str, Any], given: Given) -> Target:
    url = str(told.get("url_down") or told.get("value_down") or (value if not told else "")).split("\n")[0]
    headers = told.get("headers_down") or told.get("headers") or {}
    if not url:
        raise CannotMove("it is told of ends alone: here nobody hears of the end of what they were not told")
    if _PLACEHOLDER.search(url):
        raise CannotMove("its address is made of the check ($NAME, $CODE, …): ours is the same for all machines")
    if str(told.get("method_down") or "POST").upper() != "POST" or not told:
        raise CannotMove("it is called by another method than POST: ours are posted")
    if any(str(name).lower() != "content-type" for name in headers):
        raise CannotMove("it needs headers of its own: ours carry a signature instead")
    notes = ["what is posted is lastseen's own body, signed: see webhooks.md"]
    if str(told.get("url_up") or "") not in ("", url):
        notes.append("ends are posted to the same address as alerts")
    return services.webhook(url, tuple(notes))


def _ntfy(value: str, told: Mapping[str, Any], given: Given) -> Target:
    priority = number(told.get("priority"), 3)
    if priority < 1:
        raise CannotMove("it is told of ends alone: here nobody hears of the end of what they were not told")
    values = {"topic": str(told.get("topic") or ""), "url": str(told.get("url") or ""), "priority": min(priority, 5)}
    return Target("ntfy", values | ({"token": str(told["token"])} if told.get("token") else {}))


def _telegram(value: str, told: Mapping[str, Any], given: Given) -> Target:
    return services.telegram(given, told.get("id"), told.get("thread_id"))


def _slack(value: str, told: Mapping[str, Any], given: Given) -> Target:
    return services.apprise(str(_inner(told, "incoming_webhook").get("url") or value))


def _discord(value: str, told: Mapping[str, Any], given: Given) -> Target:
    return services.apprise(str(_inner(told, "webhook").get("url") or ""))


def _inner(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = told.get(name)
    return found if isinstance(found, Mapping) else {}


def _by_address(value: str, told: Mapping[str, Any], given: Given) -> Target:
    return services.apprise(str(told.get("value") or told.get("url") or value))


def _mattermost(value: str, told: Mapping[str, Any], given: Given) -> Target:
    return services.mattermost(str(_inner(told, "incoming_webhook").get("url") or value))


def _gotify(value: str, told: Mapping[str, Any], given: Given) -> Target:
    return services.gotify(str(told.get("url") or ""), str(told.get("token") or ""))


def _pushbullet(value: str, told: Mapping[str, Any], given: Given) -> Target:
    return services.pushbullet(value)


def _opsgenie(value: str, told: Mapping[str, Any], given: Given) -> Target:
    return services.opsgenie(str(told.get("key") or value), str(told.get("region") or "us"))


_KINDS: Mapping[str, Callable[[str, Mapping[str, Any], Given], Target]] = {
    "apprise": _by_address,
    "discord": _discord,
    "email": _email,
    "googlechat": _by_address,
    "gotify": _gotify,
    "mattermost": _mattermost,
    "msteamsw": _by_address,
    "ntfy": _ntfy,
    "opsgenie": _opsgenie,
    "pushbullet": _pushbullet,
    "slack": _slack,
    "telegram": _telegram,
    "webhook": _webhook,
}
