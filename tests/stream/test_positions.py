"""A position: what was seen, as a text that is read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastseen.errors import InvalidInput
from lastseen.model.seen import MOST_WRITTEN, Gap, Seen, between, common, joined, positions, without

IDS = st.sets(st.integers(1, 40), max_size=30).map(sorted)


def ids_of(gaps: list[Gap] | tuple[Gap, ...]) -> set[int]:
    return {one for gap in gaps for one in range(gap.first, gap.last + 1)}


def test_a_position_is_written_and_read_back() -> None:
    seen = Seen(120, (Gap(3, 3, 77), Gap(111, 115, None)))
    assert seen.text == "120.3.111-115"
    assert Seen.read(seen.text) == Seen(120, (Gap(3, 3), Gap(111, 115)))
    assert Seen.read("120") == Seen(120)
    assert 120 in seen
    assert 111 not in seen
    assert 121 not in seen


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "-1", "1 ", "1.", "1.2", "9.5-3", "9.5.3", "٣", "1" * 20, "9223372036854775808", "9.1-8.8-9.9x"),
        "9" * 18 + ".1" * 101,
    ],
)
def test_another_text_is_refused_with_its_field(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Seen.read(text, "after")
    assert refused.value.field == "after"


def test_a_text_is_short_however_many_gaps_there_are() -> None:
    seen = Seen(10_000, tuple(Gap(n, n) for n in range(1, 2_001, 2)))
    read = Seen.read(seen.text)
    assert read.gaps == seen.gaps[-MOST_WRITTEN:]


@given(IDS, IDS)
def test_gaps_lose_the_ids_that_came(missing: list[int], came: list[int]) -> None:
    gaps = joined(Gap(one, one, 5) for one in missing)
    assert ids_of(gaps) == set(missing)
    assert ids_of(without(gaps, came)) == set(missing) - set(came)
    others = joined(Gap(one, one, 7) for one in came)
    both = common(gaps, others)
    assert ids_of(both) == set(missing) & set(came)
    assert all(gap.horizon == 7 for gap in both)


@given(IDS, st.integers(0, 40))
def test_what_is_between_ids_is_a_gap(ids: list[int], after: int) -> None:
    last = ids[-1] if ids else 0
    assert ids_of(between(after, ids)) == set(range(after + 1, last + 1)) - set(ids)


@given(IDS, IDS, st.integers(0, 40))
def test_each_event_of_a_batch_has_the_position_after_it(before_: list[int], now: list[int], top: int) -> None:
    """Whoever is cut off after any of them and goes on from there is given the others, and no other."""
    seen_before = {one for one in before_ if one <= top}
    visible = sorted(seen_before | set(now))
    before = Seen(top, joined(Gap(one, one) for one in range(1, top + 1) if one not in seen_before))
    given_ = [one for one in visible if one not in before]
    last = max([top, *given_])
    after = Seen(last, joined(Gap(one, one) for one in range(1, last + 1) if one not in visible))
    had = set(seen_before)
    for one, position in zip(given_, positions(before, given_, after), strict=True):
        had.add(one)
        assert {each for each in visible if each in position} == had
        assert all(each not in position for each in range(1, last + 1) if each not in visible)
