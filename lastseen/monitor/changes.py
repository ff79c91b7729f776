"""What people may say of a machine, checked: a wrong value is refused with its field, before anything is changed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from lastseen.durations import parse_duration, parse_threshold
from lastseen.errors import InvalidInput
from lastseen.model import WATCHABLE
from lastseen.model.names import group_meant
from lastseen.monitor.calendar import check_schedule, read_zone
from lastseen.words import say

_LONGEST = {"name": 200, "hostname": 253, "description": 2000, "kind": 100, "group": 200, "tags": 100}


def checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `watch`, each checked; InvalidInput names all that are wrong."""
    done: dict[str, Any] = {}
    wrong: list[InvalidInput] = []
    for name, value in changes.items():
        try:
            done[name] = _check(name, value)
        except InvalidInput as error:
            wrong.append(error)
    if done.get("schedule") is not None:
        try:
            check_schedule(done["schedule"], done.get("timezone"))
        except InvalidInput as error:
            wrong.append(error)
    if wrong:
        raise InvalidInput(wrong[0].message, wrong[0].field, wrong[1:])
    return done


def _check(name: str, value: Any) -> Any:
    if name not in WATCHABLE:
        raise InvalidInput(
            say("is not a field of a machine; those are {watchable}", watchable=", ".join(sorted(WATCHABLE))), name
        )
    return _CHECKS.get(name, functools.partial(_text, name))(value)


def _text(field: str, value: Any, least: int = 0) -> str:
    if not isinstance(value, str) or not least <= len(value) <= _LONGEST[field]:
        raise InvalidInput(
            say("must be a text of {least} to {longest} characters", least=least, longest=_LONGEST[field]), field
        )
    if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise InvalidInput(say("must not contain NUL or half of a character"), field)
    return value


def _tags(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not all(isinstance(tag, str) for tag in value):
        raise InvalidInput(say("must be a list of texts"), "tags")
    return tuple(sorted({_text("tags", tag, 1) for tag in value}))


def _schedule(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidInput(say("must be a text: cron or OnCalendar"), "schedule")
    return value.strip()


def _owner(value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise InvalidInput(say("must be the id of a user, or null: shared"), "owner")
    return value


def _duration(field: str, value: Any) -> Any:
    return None if value is None else parse_duration(value, field)


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "name": functools.partial(_text, "name", least=1),
    "kind": functools.partial(_text, "kind", least=1),
    "group": lambda value: group_meant(_text("group", value, 1)),
    "tags": _tags,
    "every": functools.partial(_duration, "every"),
    "offline_after": parse_threshold,
    "schedule": _schedule,
    "timezone": lambda value: None if value is None else read_zone(value).key,
    "grace": functools.partial(_duration, "grace"),
    "max_runtime": functools.partial(_duration, "max_runtime"),
    "owner": _owner,
}
