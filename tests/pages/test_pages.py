"""Pages in a real browser: that they work there, for everybody, and let nobody's words become a program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import quote

import pytest
from playwright.async_api import expect

from lastseen.manage import channel_setup, keys, kinds, silences
from lastseen.model import Matcher
from tests.pages.looking import PHONE, WIDE, Looking
from tests.secrecy import secret
from tests.support import eventually

NASTY = "\"><img src=x onerror=window.pwned=1><script>window.pwned=1</script>'{{7*7}}"


async def machine(looking: Looking, slug: str, body: bytes | None = None, **said: object) -> str:
    """One that was heard; its key."""
    key = await looking.served.machine(slug)
    if said:
        await looking.served.app.monitor.watch(slug, expect="known", **said)  # type: ignore[arg-type]
    assert (await looking.served.beat(key, body)).status_code == 204
    return key


async def test_a_machine_is_added_by_the_keyboard_alone_and_seen_to_come_alive(looking: Looking) -> None:
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/")
        await page.keyboard.press("Tab")
        await expect(page.locator(".skip")).to_be_focused()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Add a machine", exact=True)).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Name", exact=False).first).to_be_focused()
        await page.keyboard.type("Pump in the cellar")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("How it reports: Pump in the cellar")
        await expect(page.locator("#alive")).to_contain_text("Waiting for its first heartbeat")
        line = await page.locator("#way-curl code").inner_text()
        key = await page.locator("#key").inner_text()
        assert key in line
        assert f"{looking.url}/api/v1/heartbeat" in line
        assert (await looking.served.beat(key)).status_code == 204
        await expect(page.locator("#alive.fine")).to_contain_text("It reports")


async def test_what_becomes_wrong_appears_on_the_overview_by_itself_and_is_acknowledged(looking: Looking) -> None:
    key = await machine(looking, "boiler")
    async with looking.by() as seen:
        page = seen.page
        await page.add_init_script("addEventListener('lastseen:news', () => { window.asked = true; }, true)")
        await page.add_init_script("addEventListener('htmx:after:swap', () => { window.answered = window.asked; })")
        await seen.open("/")
        await eventually(lambda: page.evaluate("window.answered"))  # when the stream began; from then on it is told
        await looking.served.beat(key, b'{"status": "error", "message": "no water"}')
        mine = page.locator(".wrong-now li", has_text="boiler")
        await expect(mine).to_contain_text("error")
        await mine.get_by_role("button", name="Acknowledge boiler").click()
        await expect(page.locator(".wrong-now li", has_text="boiler")).to_contain_text("seen by admin")
        await looking.served.beat(key, b'{"status": "ok"}')
        await expect(page.locator(".wrong-now li", has_text="boiler")).to_have_count(0)


async def test_the_list_is_searched_filtered_and_sorted_without_leaving_the_page(looking: Looking) -> None:
    for slug in ("apple", "banana", "cherry"):
        await machine(looking, slug, group="fruit", hostname=f"{slug}.orchard")
    async with looking.by() as seen:
        page = seen.page
        await seen.open("/?group=fruit&sort=name")
        names = page.locator(".machines:not(.wrong-now) .name a")
        await expect(names).to_have_text(["apple", "banana", "cherry"])
        await page.evaluate("window.same = true")
        await page.get_by_label("Search").press_sequentially("banana.orch")
        await expect(names).to_have_text(["banana"])
        assert "q=banana" in page.url
        await page.get_by_label("Search").fill("")
        await page.get_by_label("Status").select_option("offline")
        await expect(page.locator("#board")).to_contain_text("No machine is like that")
        await looking.served.app.monitor.disable("cherry")
        await page.get_by_label("Status").select_option("paused")
        await expect(page.locator("#board")).to_contain_text("No machine is like that")
        await page.get_by_label("Status").select_option("disabled")
        await expect(names).to_have_text(["cherry"])
        await expect(page.locator(".counts").last).to_contain_text("1 disabled")
        await page.get_by_label("Picture of").select_option("90d")
        await page.get_by_label("Status").select_option("")
        await expect(names).to_have_text(["apple", "banana", "cherry"])
        assert await page.evaluate("window.same")


async def test_when_a_machine_was_last_heard_goes_on_counting(looking: Looking) -> None:
    await machine(looking, "ticking")
    async with looking.by() as seen:
        await seen.open("/?q=ticking")
        time = seen.page.locator(".machines:not(.wrong-now) time[data-ago]")
        first = await time.inner_text()
        await eventually(lambda: _changed(time, first))


async def _changed(time: object, first: str) -> bool:
    return await time.inner_text() != first  # type: ignore[attr-defined,no-any-return]


async def test_nothing_that_somebody_wrote_becomes_part_of_a_page(looking: Looking) -> None:
    body = json.dumps({"status": "error", "message": NASTY, "metrics": {NASTY: 1}, "x": [NASTY], NASTY: NASTY})
    said = {"name": NASTY[:200], "hostname": NASTY, "description": NASTY, "tags": [NASTY], "group": NASTY}
    office, store = looking.served.app.office, looking.store
    await kinds.put(office, NASTY, every="1d")
    await machine(looking, "nasty", body.encode(), kind=NASTY, **said)
    channel = await channel_setup.add(office, "webhook", NASTY, {"url": f"http://127.0.0.1:9/{NASTY}"})
    secret(channel["secret"])
    await store.add_user(NASTY, "viewer", None, looking.served.app.monitor.clock.now())
    await silences.add(office, NASTY, timedelta(hours=1), Matcher(groups=(NASTY,)), NASTY)
    await keys.add(office, "api", NASTY)
    others = (
        "/kinds",
        f"/kinds/edit?name={quote(NASTY)}",
        f"/kinds/remove?name={quote(NASTY)}",
        f"/channels/{channel['id']}",
        "/channels",
        "/silences",
        "/people",
        "/keys",
        "/events",
        "/system",
        "/system/log",
    )
    async with looking.by() as seen:
        for path in (
            *others,
            "/?q=nasty",
            "/machines/nasty",
            "/machines/nasty/edit",
            "/machines/nasty/connect",
            f"/?q={NASTY}",
        ):
            assert await seen.open(path) == 200
            assert await seen.page.evaluate("window.pwned") is None
            assert await seen.page.locator("img[src=x]").count() == 0
        await seen.open("/machines/nasty")
        await expect(seen.page.get_by_role("heading", level=1)).to_have_text(NASTY)
        await expect(seen.page.locator("#report ~ dl")).to_contain_text(f"metrics.{NASTY}")


PAGES = ("/", "/?span=90d&sort=name", "/machines/new", "/machines/seen", "/machines/seen/edit")
MORE = ("/machines/seen/connect", "/machines/seen/keys", "/machines/seen/remove", "/machines/nobody", "/events")
CHANNELS = (
    "/channels",
    "/channels/new",
    "/channels/new/email",
    "/channels/invite",
    "/channels/1",
    "/channels/1/wishes",
    "/channels/1/secret",
    "/channels/given-up",
    "/channels/given-up?channel=1&told=2",
)
SETTINGS = (
    "/silences",
    "/kinds",
    "/kinds/edit?name=default",
    "/kinds/remove?name=default",
    "/kinds/remove?name=server",
    "/keys",
    "/people",
    "/people/1/remove",
    "/sources",
    "/sources/0",
    "/sources/new",
    "/channels/1/whose",
    "/status-pages",
    "/system",
    "/system/log",
)


OF_COLOURS = "color-contrast", "link-in-text-block"
"""What axe finds is otherwise the same in light and dark: the page is."""


@pytest.mark.parametrize("pages", [PAGES, (*MORE, *CHANNELS), SETTINGS], ids=["first", "more", "settings"])
async def test_pages_are_for_everybody_in_light_and_dark_and_fit_a_phone(
    looking: Looking, pages: Sequence[str]
) -> None:
    await some_machines(looking)
    async with looking.by() as seen:
        for path in pages:
            await seen.open(path)
            assert await seen.faults() == [], path
            await seen.page.emulate_media(color_scheme="dark")
            assert await seen.faults(*OF_COLOURS) == [], path
            await seen.page.set_viewport_size(PHONE)
            assert await seen.too_wide() == [], path
            await seen.page.set_viewport_size(WIDE)
            await seen.page.emulate_media(color_scheme="light")


async def test_pages_on_a_phone_are_for_everybody(looking: Looking) -> None:
    await some_machines(looking)
    async with looking.by(phone=True, dark=True) as seen:
        for path in ("/", "/system", "/api/docs"):
            await seen.open(path)
            assert await seen.too_wide() == [], path
            assert path == "/api/docs" or await seen.faults() == [], path


async def test_a_group_with_a_long_name_makes_no_page_wider(looking: Looking) -> None:
    await machine(looking, "far-away", group="a long name of a group " * 8)
    for phone in (False, True):
        async with looking.by(phone=phone) as seen:
            await seen.open("/?sort=name")  # where the filters are open on a phone too
            assert await seen.too_wide() == [], phone


async def some_machines(looking: Looking) -> None:
    """One of each status, once."""
    if await looking.store.liveness(["seen"]):
        return
    long = "a-name-without-any-place-to-break-" * 4
    await machine(looking, "seen", b'{"status":"error","message":"tank sensor stuck"}', name=long, tags=["home"])
    await machine(looking, "fine", group="garage")
    await looking.served.machine("silent")
    await machine(looking, "held")
    await looking.served.app.monitor.pause("held")
    office = looking.served.app.office
    await channel_setup.add(office, "webhook", long, {"url": "http://127.0.0.1:9/" + "way/" * 40})


async def test_the_colours_that_were_chosen_stay(looking: Looking) -> None:
    async with looking.by() as seen:
        await seen.open("/")
        await seen.page.get_by_role("button", name="Dark").click()
        await seen.open("/machines/new")
        await expect(seen.page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
        assert await seen.page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


async def test_a_page_that_is_left_open_goes_to_the_log_in_when_the_session_ends(looking: Looking) -> None:
    async with looking.by("member") as seen:
        await seen.open("/?sort=name")
        await expect(seen.page.locator("#live")).to_have_attribute("data-live", "yes")
        await looking.store.end_sessions(user=looking.people["member"])
        await machine(looking, "something-happens")
        await seen.page.wait_for_url(f"{looking.url}/login*")


async def test_what_is_typed_into_a_page_outlives_its_news(looking: Looking) -> None:
    key = await machine(looking, "typed-on")
    async with looking.by() as seen:
        await seen.open("/machines/typed-on")
        at = seen.page.get_by_label("Around another time")
        await at.press_sequentially("Tue 03")
        await looking.served.beat(key, b'{"status": "error", "message": "news"}')
        await expect(seen.page.locator("#now")).to_contain_text("news")
        await expect(at).to_have_value("Tue 03")
        await expect(at).to_be_focused()


async def test_pages_work_without_a_script(looking: Looking) -> None:
    await machine(looking, "unscripted", group="plain")
    async with looking.by(scripts=False) as seen:
        page = seen.page
        await seen.open("/")
        await page.get_by_label("Group", exact=True).select_option("plain")
        await page.get_by_role("button", name="Show").click()
        await expect(page.locator(".machines:not(.wrong-now) .name a")).to_have_text(["unscripted"])
        await page.get_by_role("link", name="unscripted").click()
        await page.get_by_role("button", name="Pause").click()
        await expect(page.locator("#how-it-is")).to_contain_text("paused")
        await page.get_by_role("link", name="Machines").click()
        await page.get_by_role("link", name="Add a machine", exact=True).click()
        await page.get_by_label("Name").first.fill("by hand alone")
        await page.get_by_role("button", name="Add it").click()
        await expect(page.locator("#key")).to_contain_text("lsm_")


async def test_a_line_is_copied_by_its_button(looking: Looking) -> None:
    await machine(looking, "copied")
    async with looking.by() as seen:
        await seen.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await seen.open("/machines/copied/connect")
        await seen.page.locator("#way-curl").get_by_role("button", name="Copy").click()
        await expect(seen.page.locator("#way-curl button")).to_have_text("Copied")
        text = await seen.page.evaluate("navigator.clipboard.readText()")
        assert text.startswith("curl -fsS -X POST")
