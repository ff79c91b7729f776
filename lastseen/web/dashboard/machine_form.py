"""The form of a machine: its fields, what was typed, and what is to be changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from lastseen.durations import NEVER
from lastseen.errors import Conflict, InvalidInput
from lastseen.model import Machine
from lastseen.model.names import NO_GROUP

TEXTS: Final = ("name", "hostname", "description", "group", "kind")
OWN: Final = ("every", "offline_after", "schedule", "timezone", "grace", "max_runtime")
"""What a machine need not have of its own: left empty, its kind or the default says so."""

SHOWN: Final = (*TEXTS, "tags", *OWN, "shared", "slug")

_TAKEN_BACK: Final = {**dict.fromkeys(OWN), "group": NO_GROUP}
"""What is said where a field is emptied."""

_UNITS = (("d", 86400), ("h", 3600), ("m", 60))


def typed_of(machine: Machine) -> dict[str, str]:
    """What the form of a machine begins with."""
    typed = {name: getattr(machine, name) for name in TEXTS}
    typed["group"] = "" if machine.group == NO_GROUP else machine.group
    typed |= {name: written(getattr(machine, name)) for name in OWN}
    return {**typed, "tags": ", ".join(machine.tags), "shared": "yes" if machine.owner is None else ""}


def said_in(typed: Mapping[str, str]) -> dict[str, Any]:
    """All that was filled in, by field of Machine, as the verbs take it: of a new machine."""
    said: dict[str, Any] = {name: typed[name] for name in (*TEXTS, *OWN) if typed.get(name)}
    if tags := _tags(typed.get("tags", "")):
        said["tags"] = tags
    return said


def changed_in(typed: Mapping[str, str]) -> dict[str, Any]:
    """What was changed since the form was shown (`was.…`): somebody else may have changed the rest meanwhile."""
    said: dict[str, Any] = {}
    for name in (*TEXTS, *OWN, "tags", "shared"):
        if f"was.{name}" not in typed or typed.get(name, "") == typed[f"was.{name}"]:
            continue
        value = typed.get(name, "")
        if name == "tags":
            said[name] = _tags(value)
        elif name == "shared":
            said[name] = bool(value)
        else:
            said[name] = value or _TAKEN_BACK.get(name, value)
    return said


def faults(error: InvalidInput | Conflict, slug: str = "slug") -> dict[str, str]:
    """By the field of the form that is meant; "" for the whole."""
    if isinstance(error, Conflict):
        return {slug: str(error)}
    return {one.field: one.message for one in (error, *error.others)}


def _tags(text: str) -> list[str]:
    return [tag for tag in (part.strip() for part in text.split(",")) if tag]


def written(value: str | timedelta | float | None) -> str:
    """As it is typed: `1h30m`; of no seconds, nothing."""
    if value is None or isinstance(value, str):
        return value or ""
    if value == NEVER:
        return "never"
    rest, text = value.total_seconds() if isinstance(value, timedelta) else value, ""
    if not rest:
        return ""
    for unit, size in _UNITS:
        many, rest = divmod(rest, size)
        text += f"{many:g}{unit}" if many else ""
    return text + (f"{rest:g}s" if rest else "")
