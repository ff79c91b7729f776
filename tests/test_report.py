"""Reading what a machine says."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lastseen.errors import InvalidInput, MalformedReport
from lastseen.model import Said
from lastseen.report import DEEPEST, MAX_BYTES, Report, parse_report


@pytest.mark.parametrize("nothing", [None, b"", "", {}, b" \r\n", "\n"])
def test_nothing_says_alive(nothing: Any) -> None:
    assert parse_report(nothing) == Report(Said.ALIVE, None, None, "")


@pytest.mark.parametrize(
    ("status", "said"),
    [("ok", Said.OK), ("error", Said.ERROR), ("offline", Said.GOODBYE), (None, Said.ALIVE)],
)
def test_the_status_is_what_it_says(status: str | None, said: Said) -> None:
    assert parse_report({"status": status}).said is said


def test_a_full_report_is_read_and_its_text_kept_as_it_came() -> None:
    body = (
        b'{ "timestamp":"2025-10-10T18:30:00+02:00","uptime_seconds":12,"free_memory":1.5e9,"status":"error",'
        b'"message":"disk \\ud83d\\udd25 full","next_in":60,"metrics":{"cpu":0.5,"n":3},"rack":{"row":[1,null,true]}}'
    )
    report = parse_report(body)
    assert report.said is Said.ERROR
    assert report.body == body.decode()
    assert report.said_at == datetime(2025, 10, 10, 16, 30, tzinfo=UTC)
    assert report.message == "disk 🔥 full"


def test_a_mapping_is_read_like_the_json_it_stands_for() -> None:
    at = datetime(2025, 10, 10, 16, 30, tzinfo=UTC)
    report = parse_report(
        MappingProxyType({"timestamp": at, "message": "naïve", "metrics": MappingProxyType({"t": 1})})
    )
    assert (report.said_at, report.message) == (at, "naïve")
    assert json.loads(report.body or "") == {"timestamp": at.isoformat(), "message": "naïve", "metrics": {"t": 1}}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timestamp", "yesterday"),
        ("timestamp", "2025-10-10T16:30:00"),
        ("timestamp", 1_760_113_920),
        ("timestamp", "0001-01-01T00:00:00+14:00"),
        ("timestamp", "9999-12-31T23:59:59-14:00"),
        ("uptime_seconds", -1),
        ("uptime_seconds", True),
        ("uptime_seconds", "12"),
        ("free_memory", "much"),
        ("free_memory", False),
        ("status", "OK"),
        ("status", ""),
        ("status", 1),
        ("message", 5),
        ("next_in", 0),
        ("next_in", -5),
        ("next_in", 4e7),
        ("metrics", []),
        ("metrics", {"cpu": "high"}),
        ("metrics", {"cpu": None}),
        ("metrics", {"cpu": True}),
    ],
)
def test_a_wrong_value_is_refused_and_its_field_named(field: str, value: Any) -> None:
    for raw in ({field: value}, json.dumps({"rack": "7", field: value}), json.dumps({field: value}).encode()):
        with pytest.raises(InvalidInput) as caught:
            parse_report(raw)
        assert not isinstance(caught.value, MalformedReport)
        assert caught.value.field == field
        assert caught.value.message.startswith("must be")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["free_memory", "metrics.cpu", "unknown.deeper"])
def test_a_number_that_is_none_is_refused(field: str, number: float) -> None:
    first, _, second = field.partition(".")
    with pytest.raises(InvalidInput) as caught:
        parse_report({first: {second: number} if second else number})
    assert caught.value.field == field
    with pytest.raises(MalformedReport):
        parse_report(json.dumps({first: number}))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"message":"a\\u0000b"}', "message"),
        (b'{"x":{"y":["ok","\\u0000"]}}', "x.y.1"),
        (b'{"\\u0000":1}', ""),
        (b'{"message":"a\0b"}', "message"),
        (b'{"message":"\\ud800"}', "message"),
        (b'{"x":{"y":"\\udfff\\ud800"}}', "x.y"),
        (b'{"x\\ud800":1}', "x"),
        (b'{"message":"\xed\xa0\x80"}', "message"),
        (b'{"x":"\xed\xbf\xbf"}', "x"),
    ],
)
def test_nul_and_half_characters_are_wrong_values_anywhere(body: bytes, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_report(body)
    assert not isinstance(caught.value, MalformedReport)
    assert caught.value.field == field


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert parse_report(b'{"message":"\\\\u0000"}').message == "\\u0000"


@pytest.mark.parametrize(
    "value", [{"message": "\0"}, {"message": "\ud800"}, '{"message": "\ud800"}', '{"message": "\0"}']
)
def test_nul_and_half_characters_are_refused_from_code_too(value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_report(value)
    assert not isinstance(caught.value, MalformedReport)


@pytest.mark.parametrize(
    "body",
    [b"{", b"nonsense", b"[]", b"null", b"true", b'"text"', b"1", b"{} {}", b'{"a":1,}', b'{"a":\xff}', b'{"a":"\xff"}',
     b"\xef\xbb\xbf{}", b'{"a":Infinity}', b"{'a':1}", b'{"a":"\\u12"}'],
)  # fmt: skip
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedReport):
        parse_report(body)


@pytest.mark.parametrize("value", [5, 1.5, True, [1], object(), {1, 2}, 0, []])
def test_what_is_neither_text_nor_mapping_is_malformed(value: Any) -> None:
    with pytest.raises(MalformedReport):
        parse_report(value)


@pytest.mark.parametrize("value", [{"a": object()}, {"a": {1}}, {(1, 2): 3}])
def test_what_json_cannot_say_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput):
        parse_report(value)


def test_a_mapping_that_holds_itself_is_refused() -> None:
    endless: dict[str, Any] = {}
    endless["me"] = endless
    with pytest.raises(InvalidInput):
        parse_report(endless)


@pytest.mark.parametrize("opened", [b'{"a":', b"["])
def test_what_is_nested_too_deeply_does_not_depend_on_python(opened: bytes) -> None:
    closed = {b'{"a":': b"}", b"[": b"]"}[opened]
    fine, deep = (b'{"x":' + opened * n + b"1" + closed * n + b"}" for n in (DEEPEST - 1, DEEPEST))
    assert parse_report(fine).body == fine.decode()
    with pytest.raises(InvalidInput, match="too deeply"):
        parse_report(deep)
    wide = b'{"x":[' + b"[]," * 500 + b"{}]}"
    assert parse_report(wide).body == wide.decode()


@pytest.mark.parametrize("opened", [b'{"a":', b"["])
def test_deep_nesting_is_refused(opened: bytes) -> None:
    closed = {b'{"a":': b"}", b"[": b"]"}[opened]
    body = b'{"x":' + opened * 10_000 + b"1" + closed * 10_000 + b"}"
    with pytest.raises(InvalidInput):
        parse_report(body)
    with pytest.raises(InvalidInput):
        parse_report(body[:10_000])
    deep: Any = 1
    for _ in range(5_000):
        deep = {"a": deep}
    with pytest.raises(InvalidInput):
        parse_report(deep)


def test_a_report_may_be_as_long_as_the_limit_and_no_longer() -> None:
    frame = len(b'{"message":""}')
    assert parse_report(b'{"message":"' + b"x" * (MAX_BYTES - frame) + b'"}').message
    with pytest.raises(InvalidInput):
        parse_report(b'{"message":"' + b"x" * (MAX_BYTES - frame + 1) + b'"}')
    with pytest.raises(InvalidInput):
        parse_report({"message": "ü" * (MAX_BYTES // 2)})


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400, "1" + "0" * 5000])
@pytest.mark.parametrize("field", ["uptime_seconds", "free_memory", "other"])
def test_a_number_too_large_for_a_float_never_crashes(field: str, number: str) -> None:
    try:
        report = parse_report(f'{{"{field}": {number}}}')
    except InvalidInput:
        return
    assert field == "other"
    assert report.body


_scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None, exclude_categories=()))
)
_trees = st.recursive(
    _scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner), max_leaves=8
)
_names = st.sampled_from(
    ["timestamp", "uptime_seconds", "free_memory", "status", "message", "next_in", "metrics", "other"]
)


slow_is_fine = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


def _only_our_errors(raw: Any) -> Report | None:
    try:
        return parse_report(raw)
    except InvalidInput:
        return None


@slow_is_fine
@given(st.binary(max_size=200))
@example(b"\\ud800")
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    _only_our_errors(raw)


@slow_is_fine
@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=100))
def test_any_text_is_read_or_refused(raw: str) -> None:
    _only_our_errors(raw)


@slow_is_fine
@given(st.dictionaries(_names, _trees | st.datetimes()))
def test_any_mapping_is_read_or_refused_and_what_is_kept_is_clean_json(raw: dict[str, Any]) -> None:
    report = _only_our_errors(raw)
    if report is not None and report.body is not None:
        report.body.encode()
        json.loads(report.body, parse_constant=lambda name: pytest.fail(f"kept {name}"))


@slow_is_fine
@given(st.dictionaries(_names, _trees))
def test_any_json_is_read_or_refused(raw: dict[str, Any]) -> None:
    for escaped in (True, False):
        text = json.dumps(raw, ensure_ascii=escaped)
        report = _only_our_errors(text.encode("utf-8", "surrogatepass"))
        if report is not None and report.body is not None:
            kept = json.loads(report.body)
            assert "\\ud" not in json.dumps(kept, ensure_ascii=False)
            assert "\\u0000" not in json.dumps(kept, ensure_ascii=False).replace("\\\\", "")
