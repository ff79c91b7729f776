"""What pages call the states, roles and reasons that programs know by a word of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from lastseen.model.names import NO_GROUP, NO_GROUP_CALLED
from lastseen.monitor.recorded import recorded
from lastseen.words import Words, say

LABELS: Final[Mapping[str, Words]] = {
    one[:]: one
    for one in (
        # how a machine is, and how a run ended
        *(say("online"), say("offline"), say("error"), say("paused"), say("provisioning")),
        *(say("success"), say("fail"), say("overdue"), say("lost")),
        # who may what, and how they came in
        *(say("admin"), say("member"), say("viewer"), say("read"), say("write")),
        *(say("session"), say("header"), say("key"), say("command line")),
        # what became of what is told, and why it was
        *(say("pending"), say("sending"), say("delivered"), say("dead"), say("cancelled"), say("skipped")),
        *(say("first"), say("reminder"), say("replay"), say("fallback"), say("test")),
        # what keys are for, and what badges show
        *(say("api"), say("fleet"), say("machine"), say("ping"), say("push"), say("status"), say("uptime")),
        # parts of the watching
        *(say("heartbeats"), say("monitor"), say("outbox"), say("store")),
        # what takes room
        *(say("database"), say("wal"), say("shm")),
        # titles of what went wrong
        *(say("Bad Request"), say("Unauthorized"), say("Forbidden"), say("Not Found"), say("Method Not Allowed")),
        *(say("Conflict"), say("Content Too Large"), say("Unprocessable Content"), say("Too Many Requests")),
        *(say("Internal Server Error"), say("Service Unavailable")),
    )
}


def group(name: str) -> str:
    """What a group is called; that of whom nothing was said is none to people."""
    return NO_GROUP_CALLED if name == NO_GROUP else name


def which_written(by: str, names: Iterable[str]) -> str:
    """For the field of a form, as people read it."""
    return ", ".join(str(group(name)) if by == "groups" else name for name in names)


def plain(value: Any) -> Any:
    """A setting, as people say it."""
    if isinstance(value, bool) or value is None:
        return say("yes") if value else say("no")
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def label(word: Any) -> Any:
    """In the language of the page; what has no label is shown as it is."""
    return LABELS.get(word) or recorded(word) if isinstance(word, str) else word
