"""Templates against a matcher that goes level by level, and the presets with what such devices send."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastseen.durations import NEVER
from lastseen.errors import InvalidInput, MalformedReport
from lastseen.ingest.mqtt.bindings import PRESETS, Binding, Mode, bridge_word, make_bindings, members_of, parse_binding
from lastseen.ingest.mqtt.topics import parse_template
from lastseen.model import Said

levels = st.lists(st.sampled_from(["a", "b", "x y", "ü", "", "1.2"]), min_size=1, max_size=5)
names = st.lists(st.sampled_from(["a", "b", "x y", "ü"]), min_size=1, max_size=3)


def by_level(before: list[str], rest: bool, after: list[str], topic: list[str]) -> str | None:
    """The name, by comparing one level after the other."""
    if topic[: len(before)] != before or (after and topic[len(topic) - len(after) :] != after):
        return None
    middle = topic[len(before) : len(topic) - len(after)]
    if len(topic) < len(before) + len(after) + 1 or (not rest and len(middle) != 1):
        return None
    return "/".join(middle) or None


@given(names, st.booleans(), names, levels)
def test_a_template_finds_what_a_matcher_by_levels_finds(
    before: list[str], rest: bool, after: list[str], topic: list[str]
) -> None:
    template = parse_template("/".join([*before, "{machine+}" if rest else "{machine}", *after]))
    for candidate in (topic, [*before, *topic, *after], [*before, "a", *after], [*before, *after]):
        assert template.machine("/".join(candidate)) == by_level(before, rest, after, candidate), candidate


@pytest.mark.parametrize(
    ("text", "filter_"),
    [
        ("devices/{machine}/heartbeat", "devices/+/heartbeat"),
        ("{machine}/online", "+/online"),
        ("{machine+}/availability", "#"),
        ("z2m/{machine+}/availability", "z2m/#"),
        ("a/{machine}", "a/+"),
        ("a/{machine+}", "a/#"),
    ],
)
def test_what_is_subscribed_to_holds_what_is_matched(text: str, filter_: str) -> None:
    assert parse_template(text).filter == filter_


@pytest.mark.parametrize(
    "text", ["", "a/b", "{machine}/{machine}", "a/+/{machine}", "a/#", "a{machine}", "{machine}b/c", "a/{machine}\0"]
)
def test_what_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_template(text)
    assert refused.value.field == "bind"


SENT = [
    # preset, topic, payload, retained, machine, what it says
    ("devices", "devices/p1/heartbeat", b"", False, "p1", ["alive"]),
    ("devices", "devices/p1/heartbeat", b'{"status":"error","message":"hot"}', False, "p1", ["error"]),
    ("devices", "devices/p1/heartbeat", b'{"status":"ok"}', True, "p1", []),
    ("aquabook", "aquabook/tank/availability", b"online", True, "tank", ["present"]),
    ("aquabook", "aquabook/tank/availability", b"online", False, "tank", ["present", "alive"]),
    ("aquabook", "aquabook/tank/availability", b"offline", True, "tank", ["absent"]),
    ("aquabook", "aquabook/tank/state", b'{"ph": 7}', True, "tank", []),
    ("aquabook", "aquabook/tank/state", b"\xff\x00", False, "tank", ["alive"]),
    ("zigbee2mqtt", "zigbee2mqtt/attic/lamp/availability", b'{"state":"offline"}', True, "attic/lamp", ["absent"]),
    ("zigbee2mqtt", "zigbee2mqtt/lamp/availability", b"online", False, "lamp", ["present"]),
    ("tasmota", "tele/plug/LWT", b"Offline", True, "plug", ["absent"]),
    ("tasmota", "tele/plug/LWT", b"Online", False, "plug", ["present", "alive"]),
    ("tasmota", "tele/plug/STATE", b'{"Time":"2026-01-01T00:00:00"}', False, "plug", ["alive"]),
    ("esphome", "garage/status", b"online", True, "garage", ["present"]),
    ("shelly", "shellies/shelly1-98F4AB/online", b"true", True, "shelly1-98F4AB", ["present"]),
    ("shelly", "shellyplus1-a8032a/online", b"false", False, "shellyplus1-a8032a", ["absent"]),
    ("homie", "homie/5/heating/$state", b"ready", True, "heating", ["present"]),
    ("homie", "homie/5/heating/$state", b"sleeping", True, "heating", ["present"]),
    ("homie", "homie/5/heating/$state", b"lost", True, "heating", ["absent"]),
    ("openmqttgateway", "home/OMG_ESP32/LWT", b"offline", True, "OMG_ESP32", ["absent"]),
]


@pytest.mark.parametrize(("preset", "topic", "payload", "retained", "machine", "said"), SENT)
def test_a_preset_reads_what_its_devices_send(
    preset: str, topic: str, payload: bytes, retained: bool, machine: str, said: list[str]
) -> None:
    found = [h for b in make_bindings((preset,), ()) if (h := b.read(topic, payload, retained)) is not None]
    assert [(heard.machine, [report.said.value for report in heard.reports]) for heard in found] == [(machine, said)]


def test_every_preset_is_tried() -> None:
    assert {row[0] for row in SENT} == set(PRESETS) - {"homeassistant"}


def test_machines_of_presence_alone_have_no_deadline_and_others_that_of_their_preset() -> None:
    wanted = {"devices": timedelta(seconds=180), "aquabook": timedelta(minutes=5), "tasmota": timedelta(minutes=11)}
    for preset, make in PRESETS.items():
        for binding in make(""):
            assert binding.machine_fields()["offline_after"] == wanted.get(preset, NEVER), preset


def test_a_source_may_say_otherwise_for_all_its_bindings() -> None:
    for binding in make_bindings(("devices", "esphome"), ("x/{machine}",), "", "90s", "device"):
        assert binding.machine_fields() == {"offline_after": timedelta(seconds=90), "kind": "device"}


def test_home_assistants_topics_are_given_and_are_presence() -> None:
    (binding,) = make_bindings(("homeassistant",), ("ha/{machine}/availability",))
    assert binding.mode is Mode.PRESENCE


def test_a_topic_that_was_cleared_is_forgotten() -> None:
    heard = Binding("x/{machine}", Mode.PRESENCE, "presence").read("x/lamp", b"", True)
    assert heard is not None
    assert heard.gone


@pytest.mark.parametrize("payload", [b"maybe", b"\xff", b'{"state":7}', b"{", b"x" * 2000, b'{"other":"online"}'])
def test_a_word_that_is_none_is_refused(payload: bytes) -> None:
    with pytest.raises((InvalidInput, MalformedReport)):
        Binding("x/{machine}", Mode.PRESENCE, "presence").read("x/lamp", payload, False)


@pytest.mark.parametrize("text", ["a/{machine}=often", "=heartbeat", "a/b=presence"])
def test_a_binding_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_binding(text)
    assert refused.value.field == "bind"


def test_an_unknown_preset_and_no_topic_at_all_are_refused() -> None:
    for presets, field in ((("tasmotta",), "presets"), ((), "bind"), (("homeassistant",), "bind")):
        with pytest.raises(InvalidInput) as refused:
            make_bindings(presets, ())
        assert refused.value.field == field


def test_what_a_bridge_says_is_read() -> None:
    assert bridge_word(b'{"state":"online"}')
    assert not bridge_word(b"offline")
    assert members_of(b'[{"friendly_name":"a/b"},{"friendly_name":"c","type":"Router"}]') == {"a/b", "c"}
    for wrong in (b"{}", b'[{"name":1}]', b"x", b"[1]"):
        with pytest.raises(MalformedReport):
            members_of(wrong)
    with pytest.raises(InvalidInput):
        bridge_word(b"starting")


def test_a_live_word_of_presence_is_a_heartbeat_only_where_heartbeats_are_expected() -> None:
    for mode, said in ((Mode.PRESENCE, [Said.PRESENT]), (Mode.BOTH, [Said.PRESENT, Said.ALIVE])):
        heard = Binding("x/{machine}", mode, "presence").read("x/lamp", b"online", False)
        assert heard is not None
        assert [report.said for report in heard.reports] == said
