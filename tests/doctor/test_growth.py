"""How much there is of what grows with time, since when, and how fast it grows."""

from __future__ import annotations

import pytest

from lastseen.doctor import Severity, growth
from lastseen.storage import sql_sizes
from tests.doctor.conftest import Ward, ago

REPORT = "INSERT INTO reports (id, machine_id, source_id, at, kind) VALUES ({0}, 1, 0, '{1}', 'note')"


def reports(*days: float) -> list[str]:
    return [REPORT.format(number, ago(days=day)) for number, day in enumerate(days, 1)]


async def test_where_nothing_has_happened_nothing_is_counted(ward: Ward) -> None:
    ward.sql("DELETE FROM events")
    assert await ward.look("history") == growth.Checked("nothing has happened yet")


async def test_what_grows_is_named_with_its_rate(ward: Ward) -> None:
    ward.sql("DELETE FROM events", *reports(400, 300, *[6.5] * 7, *[1] * 14))
    checked = await ward.look("history")
    assert checked.summary == "23 rows since 2024-09-05; a day: 3 of reports (23)"
    assert checked.findings == ()


@pytest.mark.parametrize("days", [(), (8,), (8, 8, 8, 6), (6,), (8, 6, 1), (400, 8, 6, 6, 1, 0.1)])
async def test_new_rows_are_counted_from_the_first_that_is_new(ward: Ward, days: tuple[float, ...]) -> None:
    ward.sql(*reports(*days))
    (found,) = (one for one in (await ward.store.checkup(ward.now)).tables if one.name == "reports")
    assert (found.rows, found.recent) == (len(days), len([day for day in days if day <= 7]))


async def test_a_table_that_grows_out_of_hand_is_told_of(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_sizes, "MOST", 20)
    monkeypatch.setattr(growth, "COUNTED", 20)
    ward.sql(*reports(*[1] * 30))
    finding = await ward.only("history")
    assert (finding.code, finding.severity) == ("history.grows", Severity.WARNING)
    assert "reports" in finding.what
    assert "over 20" in (await ward.look("history")).summary
