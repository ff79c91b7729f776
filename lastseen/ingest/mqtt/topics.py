"""Topic templates: which topics belong to machines, and which part of a topic is the machine's name. Pure.

A template is a topic with one placeholder: `{machine}` is one level, `{machine+}` what is left of the topic at that
place, slashes and all. `{base}` stands for a text that is given once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lastseen.errors import InvalidInput
from lastseen.words import say

LONGEST = 65_535
"""Bytes of a topic (MQTT 5.0, section 1.5.4)."""

_PLACE = re.compile(r"\{machine(\+?)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """`filter`: what to subscribe to. InvalidInput with the field `bind` where the text is no template."""

    text: str
    filter: str
    _pattern: re.Pattern[str]

    def machine(self, topic: str) -> str | None:
        """The machine's name in this topic; None: the topic is another's. A name is never empty."""
        found = self._pattern.fullmatch(topic)
        return found[1] if found else None


def parse_template(text: str, base: str = "", field: str = "bind") -> Template:
    """Read a template. The text around the placeholder may hold no wildcards of its own."""
    topic = text.replace("{base}", base)
    places = list(_PLACE.finditer(topic))
    if len(places) != 1:
        raise InvalidInput(say("{text!r} must hold {{machine}} or {{machine+}} once", text=text), field)
    if len(topic.encode()) > LONGEST or "\0" in topic or re.search(r"[+#]", _PLACE.sub("", topic)):
        raise InvalidInput(say("{text!r} must be a topic without wildcards, with {{machine}} in it", text=text), field)
    place = places[0]
    before, after, rest = topic[: place.start()], topic[place.end() :], bool(place[1])
    if (before and not before.endswith("/")) or (after and not after.startswith("/")):
        raise InvalidInput(
            say("{text!r} must have {place} for whole levels, between slashes", text=text, place=place[0]), field
        )
    name = "(.+)" if rest else "([^/]+)"
    pattern = re.compile(re.escape(before) + name + re.escape(after), re.DOTALL)
    return Template(text, f"{before}{'#' if rest else '+'}{'' if rest else after}", pattern)


def check_topic(text: str, field: str) -> str:
    """A topic to subscribe to or to publish on, without wildcards."""
    if not text or len(text.encode()) > LONGEST or re.search(r"[+#\0]", text) or text.startswith("$"):
        raise InvalidInput(say("{text!r} must be a topic without wildcards", text=text), field)
    return text
