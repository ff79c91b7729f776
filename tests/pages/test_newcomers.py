"""What somebody meets who has read nothing: each page says what comes next, on a phone as well."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from lastseen.clock import SystemClock
from lastseen.manage import channel_setup, lately
from lastseen.model import Beat, Watch
from lastseen.monitor.deadline import Rules
from lastseen.monitor.decide import decide
from lastseen.settings import Settings
from lastseen.storage import open_store
from lastseen.web.dashboard import rendering as templates
from tests.fresh import new_database
from tests.pages.looking import Looking, looking_at


async def test_the_first_page_says_what_comes_first_and_then_what_is_missing(looking: Looking) -> None:
    async with looking.by() as seen, looking.by("viewer") as viewer:
        page = seen.page
        await viewer.open("/")
        await expect(viewer.page.locator("main")).to_contain_text("There is no machine yet.")
        await expect(viewer.page.get_by_role("link", name="Add")).to_have_count(0)
        await seen.open("/")
        assert await seen.faults() == []
        await expect(page.get_by_role("link", name="Add a channel")).to_be_visible()
        await page.get_by_role("link", name="Add the first machine").click()
        await page.get_by_label("Name", exact=False).first.fill("first")
        await page.keyboard.press("Enter")
        await expect(page.locator("#alive")).to_contain_text("Waiting")
        await seen.open("/")
        await expect(page.get_by_role("region", name="Nobody is told")).to_be_visible()
        await expect(page.get_by_role("link", name="connect it: first")).to_be_visible()
        await looking.served.beat(await looking.served.machine("second"))
        await seen.open("/machines/second/connect")
        await expect(page.locator("#alive")).to_contain_text("Nobody is told yet")
        await channel_setup.add(looking.served.app.office, "webhook", "hook", {"url": "http://127.0.0.1:9/"})
        await seen.open("/machines/second/connect")
        await expect(page.locator("#alive")).not_to_contain_text("Nobody is told yet")
        await seen.open("/")
        await expect(page.get_by_role("region", name="Nobody is told")).to_have_count(0)


async def test_what_is_copied_for_another_machine_says_when_only_this_computer_can_use_it(looking: Looking) -> None:
    await looking.served.machine("far")
    async with looking.by() as seen:
        await seen.open("/machines/far/connect")
        await expect(seen.page.locator(".warn")).to_contain_text("this computer alone")


async def test_the_line_for_cron_adds_itself_to_what_is_in_the_crontab(looking: Looking, tmp_path: Path) -> None:
    await looking.served.machine("by-cron")
    async with looking.by() as seen:
        await seen.open("/machines/by-cron/connect")
        add, every = await seen.page.locator("#way-cron code").all_inner_texts()
    table, command = tmp_path / "table", tmp_path / "crontab"
    table.write_text("0 0 * * * old\n", encoding="utf-8")
    script = f'#!/bin/sh\nif [ "$1" = -l ]; then cat {table}; else cat > {table}.new && mv {table}.new {table}; fi\n'
    command.write_text(script, encoding="utf-8")
    command.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["/bin/sh", "-c", add], env={"PATH": path}, check=True)
    assert table.read_text(encoding="utf-8") == f"0 0 * * * old\n{every}\n"
    schedule, line = every[:10], every[10:].replace("\\%", "%")
    assert schedule == "* * * * * "
    done = await asyncio.to_thread(subprocess.run, ["/bin/sh", "-c", line], check=False)
    assert done.returncode == 0, line
    async with looking.by() as seen:
        await seen.open("/machines/by-cron/connect")
        await expect(seen.page.locator("#alive.fine")).to_contain_text("It reports")


async def test_on_a_phone_one_row_leads_everywhere(looking: Looking) -> None:
    async with looking.by(phone=True) as seen:
        page = seen.page
        await seen.open("/")
        await expect(page.get_by_role("link", name="Events")).to_be_hidden()
        box = await page.locator("header.top").bounding_box()
        assert box is not None
        assert box["height"] < 80, "the rest is for the machines"
        await page.get_by_role("button", name="Menu").click()
        assert await seen.faults() == []
        await page.get_by_role("link", name="Events").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Events")
        await page.get_by_role("button", name="Menu").click()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("button", name="Log out")).to_be_hidden()
        await expect(page.get_by_role("button", name="Menu")).to_be_focused()


async def test_whether_a_page_is_live_is_said_in_words(looking: Looking) -> None:
    async with looking.by() as seen:
        await seen.open("/")
        await expect(seen.page.get_by_role("img", name="Live: this page changes by itself")).to_be_visible()


async def test_an_address_of_nothing_is_a_page_that_leads_back(looking: Looking) -> None:
    async with looking.by() as seen, looking.by("") as nobody:
        assert await seen.open("/machine") == 404
        await expect(seen.page.get_by_role("link", name="Events")).to_be_visible()
        await seen.page.get_by_role("link", name="To all machines").click()
        await expect(seen.page.get_by_role("heading", level=1)).to_have_text("Machines")
        assert await nobody.open("/machine") == 404
        await expect(nobody.page.get_by_role("heading", level=1)).to_have_text("Not Found")
        plain = await looking.served.http.get("/machine")
        assert plain.headers["content-type"] == "application/problem+json", "programs are told as ever"


async def test_whoever_sent_something_wrong_is_led_to_it(looking: Looking) -> None:
    async with looking.by() as seen:
        await seen.open("/status-pages")
        await seen.page.locator("[name=of]").fill("machine nobody-has-this")
        await seen.page.get_by_role("button", name="Make it").click()
        await expect(seen.page.locator("[name=of]")).to_have_attribute("aria-invalid", "true")
        await expect(seen.page.locator("[name=of]")).to_be_focused()
        await expect(seen.page.locator("[name=of]")).to_be_in_viewport()


async def test_what_an_admin_adds_is_for_everybody_unless_they_say_otherwise(looking: Looking) -> None:
    async with looking.by() as seen, looking.by("viewer") as viewer:
        for name, ours in (("for all", True), ("for me", False)):
            await seen.open("/machines/new")
            await seen.page.get_by_label("Name", exact=False).first.fill(name)
            if not ours:
                await seen.page.get_by_text("More about it").click()
                await seen.page.get_by_label("Shared", exact=False).uncheck()
            await seen.page.get_by_role("button", name="Add it").click()
            await expect(seen.page.locator("#alive")).to_contain_text("Waiting")
        assert await viewer.open("/machines/for-all") == 200
        assert await viewer.open("/machines/for-me") == 404
        await seen.open("/machines/new")
        await expect(seen.page.get_by_label("Shared", exact=False)).to_be_hidden()


async def test_a_machine_that_never_reported_says_how_it_can_and_nothing_that_it_cannot_know(looking: Looking) -> None:
    await looking.served.machine("unheard")
    async with looking.by(phone=True) as seen:
        await seen.open("/machines/unheard")
        await expect(seen.page.get_by_role("heading", name="Uptime")).to_have_count(0)
        await expect(seen.page.get_by_role("heading", name="Outages")).to_have_count(0)
        await seen.page.get_by_role("link", name="How to connect it").click()
        await expect(seen.page.locator("#alive")).to_contain_text("Waiting for its first heartbeat")


async def test_what_was_wrong_in_the_night_is_seen_in_the_morning(tmp_path: Path) -> None:
    await a_night(tmp_path, SystemClock().now())
    async with looking_at(tmp_path) as looking, looking.by() as seen:
        await seen.open("/")
        line = seen.page.locator(".lately li", has_text="owl")
        await expect(line).to_contain_text("2 times offline, in all for 5 h 30 min")
        assert await seen.faults() == []
        await line.get_by_role("link", name="What happened").click()
        await expect(seen.page.locator("#now")).to_contain_text("noticed: silent for")


async def test_outages_that_are_not_all_counted_are_said_to_be_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_night(tmp_path, SystemClock().now())
    async with looking_at(tmp_path) as looking, looking.by() as seen:
        line = seen.page.locator(".lately li", has_text="owl")
        for most, more, words in ((2, 0, "2 times offline"), (1, 1, "offline for 3 h")):
            monkeypatch.setattr(lately, "MOST", most)
            await seen.open("/")
            assert await seen.page.get_by_text("only the newest are").count() == more
            await expect(line).to_contain_text(words)


async def a_night(folder: Path, now: datetime) -> None:
    """Two outages of one machine, before there was a server."""
    new_database(folder / "lastseen.db")
    store: Any = open_store(f"sqlite:///{folder / 'lastseen.db'}")
    await store.open()
    rules = Rules()

    def ago(hours: float) -> datetime:
        return now - timedelta(hours=hours)

    async def judge(at: datetime) -> None:
        await store.settle(lambda case: decide(case, rules), at)

    watch = Watch({"offline_after": timedelta(hours=1)}, "new")
    await store.order("owl", watch, lambda case: decide(case, rules), ago(12))
    for heard, judged in ((11, 11), (11, 9), (8.5, 8.5), (8.5, 6), (5.5, 5.5), (0, 0)):
        if heard == judged:
            await store.record([Beat("owl", ago(heard))], ago(heard))
        if judged:
            await judge(ago(judged))
    await store.close()


def test_settings_that_pages_name_are_there() -> None:
    there = {str(field.alias) for field in Settings.model_fields.values()}
    folder = Path(templates.__file__).parents[1] / "templates"
    named = {
        name for page in folder.glob("*.html") for name in re.findall(r"LASTSEEN_[A-Z_]+", page.read_text("utf-8"))
    }
    assert "LASTSEEN_HOST" in named
    assert named <= there


async def test_who_mistyped_the_password_types_it_again(looking: Looking) -> None:
    await looking.token("admin")
    async with looking.by("") as seen:
        page = seen.page
        await seen.open("/login")
        await expect(page.locator("[name=name]")).to_be_focused()
        await page.keyboard.type("somebody")
        await page.keyboard.press("Tab")
        await page.keyboard.type("wrong")
        await page.keyboard.press("Enter")
        await expect(page.locator("[name=name]")).to_have_value("somebody")
        await expect(page.locator("[name=password]")).to_be_focused()
