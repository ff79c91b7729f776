"""Times and days of pages go by where their reader is."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.async_api import expect

from lastseen.manage import silences
from lastseen.manage.who import OPERATOR
from lastseen.model.wishes import EVERYTHING
from lastseen.web.zones import COOKIE, zone_named
from tests.pages.looking import Looking
from tests.pages.test_forms import add, browser, fault, machine
from tests.public.conftest import Shop
from tests.web.site import Site, a_site


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """At 16:16:40 UTC on 10 October 2025."""
    folder = tmp_path_factory.mktemp("zones")
    async with a_site(folder, timezone="Europe/London") as made, made.app.monitor:
        await add(made, "db")
        yield made


async def seen_in(site: Site, zone: str, path: str = "/events", **more: str) -> httpx.Response:
    site.empty()
    async with await browser(site) as admin:
        if zone:
            admin.cookies.set(COOKIE, zone)
        return await admin.get(path, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("", "17:16:40"),
        ("Asia/Tokyo", "Sat 01:16:40"),
        ("Asia/Kolkata", "21:46:40"),
        ("Europe/Nowhere", "17:16:40"),
        ("../../etc/passwd", "17:16:40"),
        ("posixrules", "17:16:40"),
    ],
)
async def test_times_are_in_the_zone_that_the_browser_says_or_else_in_that_of_the_settings(
    site: Site, zone: str, shown: str
) -> None:
    """Tokyo's tomorrow is not today's page: it is read there as today."""
    wanted = shown.removeprefix("Sat ")
    page = await seen_in(site, zone)
    assert page.status_code == 200
    assert f">{wanted}</time>" in page.text


async def test_a_file_for_people_has_times_where_they_read_them_and_one_for_programs_has_not(site: Site) -> None:
    def first(answer: httpx.Response) -> str:
        return next(csv.DictReader(io.StringIO(answer.text)))["at"]

    assert first(await seen_in(site, "Asia/Kolkata", "/events.csv")) == "2025-10-10T21:46:40+05:30"
    assert first(await seen_in(site, "", "/events.csv")) == "2025-10-10T17:16:40+01:00"
    assert (await seen_in(site, "Asia/Kolkata", "/events.json")).json()[0]["at"] == "2025-10-10T16:16:40Z"


async def test_what_is_asked_for_by_a_time_is_meant_where_it_is_read(site: Site) -> None:
    empty = await seen_in(site, "Asia/Kolkata", "/events.csv?since=2025-10-10T21:47")
    assert "is still to come" in empty.text
    assert "2025" in (await seen_in(site, "Asia/Kolkata", "/events.csv?since=2025-10-10T21:46")).text


@pytest.mark.parametrize(
    ("zone", "start", "lasting", "span"),
    [
        ("Europe/Berlin", "2027-10-30T22:00", "8h", ("2027-10-30T20:00:00Z", "2027-10-31T04:00:00Z")),
        ("Europe/Berlin", "2027-10-31T02:15", "45m", ("2027-10-31T00:15:00Z", "2027-10-31T01:00:00Z")),
        ("Europe/Berlin", "2027-03-27T22:00", "8h", ("2027-03-27T21:00:00Z", "2027-03-28T05:00:00Z")),
        ("Europe/Berlin", "2027-03-28T02:30", "45m", ("2027-03-28T01:30:00Z", "2027-03-28T02:15:00Z")),
        ("Australia/Lord_Howe", "2027-10-03T02:10", "5m", ("2027-10-02T15:40:00Z", "2027-10-02T15:45:00Z")),
        ("", "2027-10-31T01:15", "45m", ("2027-10-31T00:15:00Z", "2027-10-31T01:00:00Z")),
    ],
)
async def test_a_silence_lasts_as_long_as_was_said_also_where_clocks_are_changed(
    site: Site, zone: str, start: str, lasting: str, span: tuple[str, str]
) -> None:
    """A time that is skipped is the same moment after the gap, one that comes twice the first, as for commands."""
    site.empty()
    office = site.app.office.of(OPERATOR)
    async with await browser(site) as admin:
        admin.cookies.set(COOKIE, zone)
        form = {"name": "x", "lasting": lasting, "start": start, "all": "yes"}
        assert (await admin.post("/silences", data=form)).status_code == 303
    (one,) = await silences.listed(office)
    await silences.end(office, one["id"])
    assert (one["starts_at"], one["ends_at"]) == span


@given(
    st.datetimes(datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2040-01-01")),
    st.timedeltas(timedelta(microseconds=1), timedelta(days=365)),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]),
    st.booleans(),
)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_silence_from_a_time_of_any_zone_is_as_long_as_was_said(
    site: Site, local: datetime, lasting: timedelta, zone: str, late: bool
) -> None:
    office = site.app.office.of(OPERATOR)
    start = local.replace(tzinfo=ZoneInfo(zone), fold=late)
    made = await silences.add(office, "x", lasting, EVERYTHING, "eva", start)
    await silences.end(office, made["id"])
    begins, ends = (datetime.fromisoformat(made[name]) for name in ("starts_at", "ends_at"))
    assert (begins, ends - begins) == (start.astimezone(UTC), lasting)


async def test_a_silence_at_the_end_of_all_times_is_refused_at_its_field(site: Site) -> None:
    site.empty()
    async with await browser(site) as admin:
        for start in ("0001-01-01T00:00", "9999-12-31T23:59", "9999-06-01T00:00"):
            form = {"name": "x", "lasting": "365d", "start": start, "all": "yes"}
            page = await admin.post("/silences", data=form)
            assert page.status_code == 422, start
            assert fault(page, "start"), start
        for start in ("9999-12-31T21:30", "0001-01-01T00:30"):  # in UTC there is such a time
            page = await admin.post("/silences", data={"name": "x", "lasting": "1h", "start": start, "all": "yes"})
            assert page.status_code == 422, start
        assert (await admin.get("/silences")).status_code == 200


async def test_a_job_is_due_by_the_servers_zone_wherever_it_was_written_down(tmp_path: Path) -> None:
    async with a_site(tmp_path, timezone="Europe/London") as site, site.app.monitor, await browser(site) as admin:
        admin.cookies.set(COOKIE, "Asia/Tokyo")
        made = await admin.post("/machines/new", data={"name": "backup", "schedule": "30 2 * * *", "shared": "yes"})
        assert made.status_code == 200
        assert (await machine(site, "backup")).timezone == "Europe/London"


@pytest.fixture(scope="module")
async def night(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, tuple[str, str]]]:
    """The first page and that of a machine, by zone: it was silent from Friday to Sunday, at 16:26 UTC."""
    folder = tmp_path_factory.mktemp("night")
    async with a_site(folder, timezone="UTC", offline_threshold="2m") as site:
        shop = Shop(site)
        await shop.machine("db")
        await shop.pass_(timedelta(minutes=10))
        await shop.pass_(timedelta(days=2), ["db"])
        await shop.pass_(timedelta(days=1), ["db"])
        shown = {}
        async with await browser(site) as admin:
            for zone in ("", "Asia/Tokyo"):
                admin.cookies.set(COOKIE, zone)
                pages = [await admin.get(path) for path in ("/?span=30d", "/machines/db?at=2025-10-13T10:00")]
                shown[zone] = pages[0].text, pages[1].text
        yield shown


async def test_the_days_of_a_picture_are_those_of_its_reader(night: dict[str, tuple[str, str]]) -> None:
    assert "the last on Sun 12 Oct" in night[""][0]
    assert "the last on Mon 13 Oct" in night["Asia/Tokyo"][0]


async def test_the_moment_that_a_link_names_is_the_same_in_every_zone(night: dict[str, tuple[str, str]]) -> None:
    """Also where the link is opened by who reads times in another zone."""
    assert "?at=2025-10-12T16%3A26%3A40#" in night[""][1]
    assert "?at=2025-10-13T01%3A26%3A40%2B09%3A00#" in night["Asia/Tokyo"][1]


def test_no_file_is_looked_for_by_what_a_browser_says() -> None:
    assert zone_named("Europe/Vienna") is not None
    for name in ("", "/etc/passwd", "../UTC", "Europe", "Europe/Vienna\0", "x" * 10_000):
        assert zone_named(name) is None


async def test_a_browser_says_its_zone_by_itself_and_is_shown_times_in_it(looking: Looking) -> None:
    key = await looking.served.machine("far")
    assert (await looking.served.beat(key)).status_code == 204
    async with looking.by(zone="Pacific/Chatham") as seen:
        await seen.open("/machines/far")
        told = await seen.page.evaluate("document.cookie")
        assert f"{COOKIE}=Pacific/Chatham" in told
        moment = seen.page.locator("#now time:not([data-ago])").first
        local = await moment.evaluate(
            "(one) => new Date(one.dateTime).toLocaleTimeString('en-GB', { timeZone: 'Pacific/Chatham' })"
        )
        await expect(moment).to_contain_text(local)
