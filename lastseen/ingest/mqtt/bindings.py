"""What topics mean: bindings, and the presets for systems that many people have. Pure.

A binding reads one message into what was said of one machine. In *heartbeat* mode messages come regularly, and the last
known state that a broker keeps is no heartbeat. In *presence* mode the broker says who is there: what it keeps is the
truth, and a change is a fact. In both, whichever comes first counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

import msgspec

from lastseen.durations import NEVER, parse_duration, parse_threshold
from lastseen.errors import InvalidInput, MalformedReport
from lastseen.faults import Faults
from lastseen.ingest.mqtt.topics import Template, check_topic, parse_template
from lastseen.model import Said
from lastseen.report import Report, parse_report
from lastseen.words import Apart, say


class Mode(StrEnum):
    HEARTBEAT = "heartbeat"
    PRESENCE = "presence"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Words:
    """The payloads by which a broker says who is there. They are compared without case."""

    present: frozenset[str]
    absent: frozenset[str]


ON_OFF = Words(frozenset({"online"}), frozenset({"offline"}))
TRUE_FALSE = Words(frozenset({"true"}), frozenset({"false"}))
HOMIE = Words(frozenset({"init", "ready", "sleeping", "alert"}), frozenset({"disconnected", "lost"}))


@dataclass(frozen=True, slots=True)
class Heard:
    """What one message says of a machine. `gone`: the broker forgot it, and so may we. `reports`: in order."""

    machine: str
    reports: tuple[Report, ...] = ()
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Binding:
    """Topics of one kind, and what their payloads mean.

    `reads`: "report" (a JSON object as in an HTTP heartbeat, or nothing), "anything" (any live message is a heartbeat),
    or "presence" (one of `words`, as text or as `{"state": …}`). `offline_after`, `kind` and `goodbye_grace` become
    those of machines that are added. `bridge`: a topic that says whether what stands between us and these machines is
    there itself; `members`: one with the list of its machines, where other names share their topics.
    """

    topic: str
    mode: Mode = Mode.HEARTBEAT
    reads: str = "report"
    words: Words = ON_OFF
    offline_after: timedelta | None = None
    kind: str | None = None
    goodbye_grace: timedelta | None = None
    base: str = ""
    bridge: str | None = None
    members: str | None = None
    template: Template = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "template", parse_template(self.topic, self.base))

    @property
    def wants_retained(self) -> bool:
        """What the broker keeps means something here."""
        return self.reads == "presence"

    def read(self, topic: str, payload: bytes, retained: bool) -> Heard | None:
        """None: the topic is another's. Raises InvalidInput and MalformedReport."""
        machine = self.template.machine(topic)
        if machine is None:
            return None
        if self.reads == "presence":
            return self._presence(machine, payload, retained)
        if retained:
            return Heard(machine)  # the last known state, of whenever that was
        return Heard(machine, (parse_report(payload) if self.reads == "report" else Report(),))

    def _presence(self, machine: str, payload: bytes, retained: bool) -> Heard:
        if not payload:
            return Heard(machine, gone=True)
        word = _word(payload)
        if word in self.words.absent:
            return Heard(machine, (Report(Said.ABSENT),))
        if word not in self.words.present:
            known = ", ".join(sorted(self.words.present | self.words.absent))
            raise InvalidInput(say("is none of {known}", known=known), "payload")
        alive = () if retained or self.mode is Mode.PRESENCE else (Report(),)
        return Heard(machine, (Report(Said.PRESENT), *alive))

    def machine_fields(self) -> dict[str, Any]:
        """Fields of a machine that is added for it."""
        found: dict[str, Any] = {}
        if self.mode is Mode.PRESENCE and self.offline_after is None:
            found["offline_after"] = NEVER
        elif self.offline_after is not None:
            found["offline_after"] = self.offline_after
        if self.kind is not None:
            found["kind"] = self.kind
        if self.goodbye_grace is not None:
            found["grace"] = self.goodbye_grace
        return found


def _word(payload: bytes) -> str:
    """`online`, `"online"` or `{"state": "online"}`."""
    if len(payload) > 1024:
        raise MalformedReport("the payload is too long to be a word of presence")
    try:
        text = payload.decode().strip()
    except UnicodeDecodeError:
        raise MalformedReport("the payload is no UTF-8") from None
    if text[:1] not in ("{", '"'):
        return text.lower()
    try:
        said = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        raise MalformedReport("the payload is no JSON") from None
    if isinstance(said, dict):
        said = said.get("state")
    if not isinstance(said, str):
        raise MalformedReport("the payload has no `state`")
    return said.lower()


def members_of(payload: bytes) -> frozenset[str]:
    """The names in zigbee2mqtt's list of devices (`bridge/devices`)."""
    try:
        listed = msgspec.json.decode(payload, type=list[dict[str, Any]])
        return frozenset(str(one["friendly_name"]) for one in listed)
    except (msgspec.DecodeError, KeyError):
        raise MalformedReport("the payload is no list of devices") from None


def bridge_word(payload: bytes) -> bool:
    """Whether a bridge says that it is there."""
    word = _word(payload)
    if word not in ("online", "offline"):
        raise InvalidInput(say("is none of offline, online"), "payload")
    return word == "online"


# --- presets ----------------------------------------------------------------------------------------------------------

_Make = Callable[[str], tuple[Binding, ...]]


def _minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def _presence(topic: str, words: Words = ON_OFF, base: str = "", **more: Any) -> Binding:
    return Binding(topic, Mode.PRESENCE, "presence", words, base=base, **more)


def _both(topic: str, reads: str, limit: timedelta, base: str = "") -> Binding:
    return Binding(topic, Mode.BOTH, reads, ON_OFF, limit, base=base)


PRESETS: Mapping[str, _Make] = {
    "devices": lambda base: (
        Binding("{base}/{machine}/heartbeat", offline_after=timedelta(seconds=180), base=base or "devices"),
    ),
    "aquabook": lambda base: (
        _both("{base}/{machine}/availability", "presence", _minutes(5), base or "aquabook"),
        _both("{base}/{machine}/state", "anything", _minutes(5), base or "aquabook"),
    ),
    "zigbee2mqtt": lambda base: (
        _presence(
            "{base}/{machine+}/availability",
            base=base or "zigbee2mqtt",
            bridge=f"{base or 'zigbee2mqtt'}/bridge/state",
            members=f"{base or 'zigbee2mqtt'}/bridge/devices",
        ),
    ),
    "tasmota": lambda base: (
        _both("{base}/{machine}/LWT", "presence", _minutes(11), base or "tele"),
        _both("{base}/{machine}/STATE", "anything", _minutes(11), base or "tele"),
    ),
    "esphome": lambda base: (_presence("{base}/{machine}/status" if base else "{machine}/status", base=base),),
    "shelly": lambda base: (
        _presence("shellies/{machine}/online", TRUE_FALSE),
        _presence("{machine}/online", TRUE_FALSE),
    ),
    "homie": lambda base: (_presence("{base}/{machine}/$state", HOMIE, base=base or "homie/5"),),
    "openmqttgateway": lambda base: (_presence("{base}/{machine}/LWT", base=base or "home"),),
    "homeassistant": lambda base: (),
}
"""Bindings by preset, given the base topic ("": its own default). `homeassistant` has no topics of its own: it says
that those of `bind` are availability topics."""


_NO_TOPICS = Apart(
    say("names no topics: name a preset, or topics of your own"),
    page=say(
        "names no topics: fill in “{presets}” or “{bind}”", presets=say("What is listened to"), bind=say("Other topics")
    ),
)
"""A page calls its fields otherwise than a command its options."""


def make_bindings(
    presets: tuple[str, ...],
    bind: tuple[str | Binding, ...],
    base: str = "",
    offline_after: Any = None,
    kind: str | None = None,
    goodbye_grace: Any = None,
) -> tuple[Binding, ...]:
    """All bindings of a source. `offline_after`, `kind` and `goodbye_grace` go before those of presets. Raises
    InvalidInput."""
    faults = Faults()
    given: dict[str, Any] = {"kind": kind}
    with faults.noted():
        given["offline_after"] = parse_threshold(offline_after)
    with faults.noted():
        given["goodbye_grace"] = None if goodbye_grace is None else parse_duration(goodbye_grace, "goodbye_grace")
    if base:
        with faults.noted():
            check_topic(base, "base")
    if faults.has("base"):
        base = ""
    made: list[Binding] = []
    for preset in presets:
        with faults.noted():
            made += _of_preset(preset, base)
    default = Mode.PRESENCE if "homeassistant" in presets else Mode.HEARTBEAT
    for one in bind:
        with faults.noted():
            made.append(one if isinstance(one, Binding) else parse_binding(one, base, default))
    if not made and not faults.has("presets", "bind"):
        faults.note(InvalidInput(_NO_TOPICS, "bind"))
    faults.tell()
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return tuple(replace(binding, **changes) for binding in made) if changes else tuple(made)


def _of_preset(preset: str, base: str) -> tuple[Binding, ...]:
    if preset not in PRESETS:
        known = ", ".join(sorted(PRESETS))
        raise InvalidInput(
            say("there is no preset {preset!r}; there are {presets}", preset=preset, presets=known), "presets"
        )
    return PRESETS[preset](base)


def parse_binding(text: str, base: str = "", default: Mode = Mode.HEARTBEAT) -> Binding:
    """`TOPIC=heartbeat`, `TOPIC=presence`, `TOPIC=both`, or a topic alone."""
    topic, equals, mode = text.rpartition("=")
    if not equals:
        topic, mode = text, default.value
    if mode not in list(Mode):
        raise InvalidInput(say("{mode!r} must be one of {modes}", mode=mode, modes=", ".join(Mode)), "bind")
    chosen = Mode(mode)
    return Binding(topic.strip(), chosen, "report" if chosen is Mode.HEARTBEAT else "presence", base=base)
