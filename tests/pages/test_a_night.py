"""What somebody does who has just come in, and what they and a viewer see when the first machine falls silent: all of
it on pages, with a real server, a webhook's receiver and Telegram's stand-in."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Page, expect

from tests.pages.looking import looking_at
from tests.secrecy import secret
from tests.standins.telegram import TOKEN, BotApi
from tests.standins.webhook import WebhookReceiver
from tests.support import eventually


async def make_webhook(page: Page, receiver: WebhookReceiver) -> None:
    await page.goto("/channels")
    await page.get_by_role("link", name="Add a channel").click()
    await page.get_by_role("link", name="webhook").click()
    await page.get_by_label("Name").fill("pager")
    await page.get_by_label("Url").fill(receiver.url)
    await page.get_by_label("Shared", exact=False).check()
    await page.get_by_role("button", name="Add it").click()
    receiver.secret(secret(await page.locator("#secret").inner_text()))
    await page.get_by_role("button", name="Send a test").click()
    await expect(page.locator("#tested")).to_contain_text("The test arrived")


async def connect_telegram(page: Page, api: BotApi) -> None:
    await page.goto("/channels/new")
    await page.get_by_role("link", name="Telegram, by a code to scan").click()
    await page.get_by_label("Name").fill("family")
    await page.get_by_role("button", name="Make the link").click()
    link = await page.locator("#link").get_attribute("href")
    assert link is not None
    api.open_link(7, secret(link.rpartition("=")[2]))
    await expect(page.locator("#yet")).to_contain_text("Connected: family")


async def add_machine(page: Page) -> str:
    """Its key."""
    await page.goto("/machines/new")
    await page.get_by_label("Name").first.fill("cellar pump")
    await page.get_by_text("More about it").click()
    await page.get_by_label("Offline after").fill("3s")
    await page.get_by_label("Shared", exact=False).check()
    await page.get_by_role("button", name="Add it").click()
    return secret(await page.locator("#key").inner_text())


async def test_from_the_first_machine_to_its_recovery_by_pages_alone(tmp_path: Path) -> None:
    async with (
        BotApi(chats=(7,)).serving() as api,
        WebhookReceiver() as receiver,
        looking_at(tmp_path, whole=True, telegram_bot_token=TOKEN, telegram_api_url=api.url) as looking,
        looking.by("admin") as admin,
        looking.by("viewer") as viewer,
    ):
        await make_webhook(admin.page, receiver)
        await connect_telegram(admin.page, api)
        key = await add_machine(admin.page)
        assert (await looking.served.beat(key)).status_code == 204
        await expect(admin.page.locator("#alive.fine")).to_be_visible()
        for seen in (admin, viewer):
            await seen.open("/")
        wrong = ".wrong-now li"
        for seen in (admin, viewer):
            mine = seen.page.locator(wrong, has_text="cellar pump")
            await expect(mine).to_contain_text("offline")
        assert await viewer.page.get_by_role("button", name="Acknowledge").count() == 0
        await admin.page.get_by_role("button", name="Acknowledge cellar pump").click()
        await expect(viewer.page.locator(wrong)).to_contain_text("seen by admin")
        await eventually(lambda: [one.machine for one in receiver.messages if one.type == "machine.offline"])
        await eventually(lambda: any("🔴 cellar pump offline" in one.text for one in api.messages))
        await looking.served.app.monitor.watch("cellar-pump", offline_after="1h")  # it is not to fall silent again
        assert (await looking.served.beat(key)).status_code == 204
        for seen in (admin, viewer):
            await expect(seen.page.locator(wrong)).to_have_count(0)
        await eventually(lambda: [one.machine for one in receiver.messages if one.type == "machine.online"])
        await eventually(lambda: any("🟢 cellar pump back" in one.text for one in api.messages))
        await admin.open("/machines/cellar-pump")
        await admin.page.get_by_role("link", name="Who was told of the outage").click()
        story = admin.page.locator("section", has=admin.page.locator("#what-happened"))
        await expect(story).to_contain_text("pager webhook: told")
        await expect(story).to_contain_text("family telegram: told")
        assert receiver.refused == []
        assert receiver.repeats == 0
