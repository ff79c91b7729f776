"""Reasons that were written down in English when something happened, known again so that pages can translate them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from lastseen.words import Words, say

LONGEST: Final = 500
"""Characters; what is longer is what somebody else said."""

REASONS: Final = (
    # why something happened
    *(say("silent"), say("goodbye"), say("run"), say("due"), say("declared"), say("heard"), say("heartbeat")),
    *(say("report"), say("ordered"), say("removed"), say("paused"), say("resumed"), say("disabled"), say("enabled")),
    *(say("flapping"), say("steady"), say("never reported"), say("by a person")),
    # where a limit comes from
    *(say("its own"), say("3 × its interval"), say('kind "{name}"'), say("the default")),
    say('3 × the interval of kind "{name}"'),
    # why somebody was not told
    say("channel disabled: {reason}"),
    say("wants alerts and their end, not {type}"),
    say("the first heartbeat is told to nobody"),
    say("was not told of what this ends"),
    # which machines are meant
    *(say("all machines"), say("removed machines")),
    # what is wrong with the watching
    *(say("it does not run"), say("the sweep is late"), say("what is due is not sent"), say("it cannot be written")),
    *(say("a write does not end"), say("not accepted now: starting or stopping")),
)

_PLAIN: Final = {one[:]: one for one in REASONS}
_PATTERNS: Final = tuple(
    (re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.*)", re.escape(one))), one[:]) for one in REASONS if "{" in one
)


def recorded(text: str) -> str:
    """The same text, with what it was made from where that is known."""
    return _PLAIN.get(text) or (_made(text) if len(text) <= LONGEST else text)


@lru_cache(maxsize=1024)
def _made(text: str) -> str:
    for pattern, template in _PATTERNS:
        found = pattern.fullmatch(text)
        if found:
            return Words(template, None, **found.groupdict())
    return text
