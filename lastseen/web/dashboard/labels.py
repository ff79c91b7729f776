"""What pages call the states, roles and reasons that programs know by a word of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lastseen.words import Words, say

LABELS: Final[Mapping[str, Words]] = {
    one[:]: one
    for one in (
        # how a machine is, and how a run ended
        *(say("online"), say("offline"), say("error"), say("paused"), say("provisioning"), say("ok"), say("failed")),
        *(say("lost"), say("running"), say("late")),
        # why something happened
        *(say("silent"), say("goodbye"), say("run"), say("declared"), say("recovered"), say("by hand"), say("heard")),
        *(say("pause"), say("resume"), say("disable"), say("enable"), say("removed"), say("flapping"), say("steady")),
        # who may what, and how they came in
        *(say("admin"), say("member"), say("viewer"), say("read"), say("write"), say("session"), say("header")),
        *(say("key"), say("command line"), say("login"), say("link")),
        # what became of what is told
        *(say("pending"), say("sending"), say("delivered"), say("dead"), say("cancelled"), say("skipped")),
        *(say("alert"), say("info"), say("status"), say("uptime")),
        *(say("api"), say("fleet"), say("machine"), say("ping"), say("push")),
    )
}


def label(word: Any) -> Any:
    """In the language of the page; what has no label is shown as it is."""
    return LABELS.get(word, word) if isinstance(word, str) else word
