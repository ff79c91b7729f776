"""How long the agent waits."""

from __future__ import annotations

import pytest

from lastseen.agent.pace import LONGEST_RETRY, LONGEST_RETRY_AFTER, Answer, Kind, wait

SENT, FAILED, REFUSED = Answer(Kind.SENT), Answer(Kind.FAILED), Answer(Kind.REFUSED)


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 27.0), (0.5, 30.0), (1.0, 33.0)])
def test_an_interval_is_taken_ten_percent_either_way(chance: float, seconds: float) -> None:
    assert wait(SENT, 0, 30, lambda: chance) == pytest.approx(seconds)


def test_retries_start_after_about_a_second_and_double_to_about_a_minute() -> None:
    waits = [wait(FAILED, n, 30, lambda: 1.0) for n in range(1, 10)]
    assert waits[:6] == [1, 2, 4, 8, 16, 32]
    assert waits[6:] == [LONGEST_RETRY] * 3


def test_half_of_a_retry_is_chance_so_that_a_server_is_not_met_by_a_wave() -> None:
    assert wait(FAILED, 7, 30, lambda: 0.0) == LONGEST_RETRY / 2


def test_a_short_interval_is_retried_at_its_own_pace() -> None:
    assert wait(FAILED, 1, 0.5, lambda: 1.0) == 0.5
    assert wait(FAILED, 99, 0.5, lambda: 1.0) == 4.0


def test_an_interval_longer_than_the_longest_retry_is_never_overtaken_by_it() -> None:
    assert wait(FAILED, 99, 3600, lambda: 1.0) == 3600


def test_a_refused_key_is_tried_slowly() -> None:
    assert wait(REFUSED, 1, 30, lambda: 1.0) == 300
    assert wait(REFUSED, 1, 3600, lambda: 1.0) == 3600


def test_the_servers_word_is_honoured_but_not_believed_beyond_an_hour() -> None:
    assert wait(Answer(Kind.FAILED, retry_after=120), 1, 30, lambda: 0.0) == 120
    assert wait(Answer(Kind.FAILED, retry_after=1e9), 1, 30, lambda: 0.0) == LONGEST_RETRY_AFTER
    assert wait(Answer(Kind.FAILED, retry_after=0), 3, 30, lambda: 1.0) == 4


def test_a_thousand_failures_do_not_overflow() -> None:
    assert wait(FAILED, 100_000, 30, lambda: 1.0) == LONGEST_RETRY
