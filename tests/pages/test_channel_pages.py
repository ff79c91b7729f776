"""Pages of channels: forms that each notifier's own Config describes, tests that say what the far end said."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import pytest

from lastseen.manage import channel_setup, channels
from lastseen.manage.who import OPERATOR
from lastseen.model import Preferences
from lastseen.web.dashboard.schema_form import changes_in, fields_of, values_in
from tests.pages.test_forms import browser, fault, site, value
from tests.secrecy import secret
from tests.support import free_port
from tests.web.site import Site

__all__ = ["site"]

TOPIC = secret("a-secret-topic-7f3a")


async def webhook(site: Site, name: str = "hook", **values: str) -> str:
    """Its path."""
    given = {"url": f"http://127.0.0.1:{free_port()}/", **values}
    made = await channel_setup.add(site.app.office.of(OPERATOR), "webhook", name, given)
    secret(made.get("secret", ""))
    return f"/channels/{made['id']}"


async def test_every_installed_notifier_has_a_form_of_its_own_fields(site: Site) -> None:
    async with await browser(site) as admin:
        listed = (await admin.get("/channels/new")).text
        for one in channel_setup.types():
            assert f'href="/channels/new/{one["type"]}"' in listed
            form = (await admin.get(f"/channels/new/{one['type']}")).text
            for name in one["schema"]["properties"]:
                assert f'name="of.{name}"' in form
        assert (await admin.get("/channels/new/carrier-pigeon")).status_code == 404


async def test_a_webhook_gets_a_secret_that_is_shown_once(site: Site) -> None:
    async with await browser(site) as admin:
        made = await admin.post(
            "/channels/new/webhook", data={"name": "ops", "shared": "yes", "of.url": "http://127.0.0.1:9/x"}
        )
        assert made.status_code == 200
        shown = re.search(r'<code id="secret">(whsec_[^<]+)</code>', made.text)
        assert shown
        path = re.search(r'action="(/channels/\d+)/test"', made.text)
        assert path
        assert secret(shown[1]) not in (await admin.get(path[1])).text
        again = await admin.post(
            "/channels/new/webhook", data={"name": "ops", "shared": "yes", "of.url": "http://127.0.0.1:9/x"}
        )
        assert again.status_code == 422
        assert "ops" in fault(again, "name")


WRONG = [
    ("webhook", {"of.url": "gopher://x"}, "of.url"),
    ("webhook", {"of.url": "http://127.0.0.1/", "of.secret": "short"}, "of.secret"),
    ("ntfy", {"of.topic": "no spaces", "of.url": "https://ntfy.example"}, "of.topic"),
    ("ntfy", {"of.topic": TOPIC, "of.priority": "high"}, "of.priority"),
    ("email", {"of.host": "mail.example", "of.sender": "a@example.org", "of.to": ""}, "of.to"),
    ("telegram", {"of.token": "1:x", "of.chat_id": "me"}, "of.chat_id"),
    ("console", {"of.stream": "radio"}, "of.stream"),
]


async def test_a_wrong_field_says_so_and_nothing_is_made(site: Site) -> None:
    async with await browser(site) as admin:
        for type_, form, field in WRONG:
            page = await admin.post(f"/channels/new/{type_}", data={"name": "wrong <i>one</i>", **form})
            assert page.status_code == 422, (type_, form)
            assert fault(page, field), (type_, form)
            assert value(page, "name") == "wrong <i>one</i>"
            assert TOPIC not in page.text
        nameless = await admin.post("/channels/new/console", data={"name": "", "shared": "yes"})
        assert nameless.status_code == 422
        assert fault(nameless, "name")
        assert await channels.listed(site.app.office) == []


MAIL = {"of.sender": "a@example.org", "of.to": "b@example.org"}
PLAINLY = [
    ("telegram", {"of.token": "1:x", "of.chat_id": "me"}, "of.chat_id", "must be a whole number"),
    ("ntfy", {"of.topic": TOPIC, "of.priority": "9"}, "of.priority", "must be at most 5"),
    ("console", {"of.stream": "radio"}, "of.stream", "must be stdout or stderr"),
    ("email", {"of.host": "a.example", **MAIL, "of.timeout": "soon"}, "of.timeout", "must be a number"),
]


async def test_forms_speak_as_people_do_and_show_as_it_stands_what_is_to_be_typed(site: Site) -> None:
    async with await browser(site) as admin:
        for type_, form, field, said in PLAINLY:
            page = await admin.post(f"/channels/new/{type_}", data={"name": "x", "shared": "yes", **form})
            assert fault(page, field) == said, type_
        hook = (await admin.get("/channels/new/webhook")).text
        assert '"h-of.secret">whsec_… (24 to 64 bytes' in hook
        assert '"h-of.signature">lunasentri adds' in hook
        assert '"h-of.url">Where to post' in hook
        assert "previous_until" not in hook
        assert '"h-of.stream">stdout or stderr' in (await admin.get("/channels/new/console")).text


async def test_a_test_shows_what_the_far_end_said(site: Site) -> None:
    async with await browser(site) as admin:
        path = await webhook(site)
        failed = (await admin.post(f"{path}/test")).text
        assert "The test failed:" in failed
        assert "127.0.0.1" in failed
        made = await admin.post(
            "/channels/new/console", data={"name": "screen", "of.stream": "stderr", "shared": "yes"}
        )
        good = (await admin.post(f"{made.headers['location']}/test")).text
        assert "The test arrived:" in good


async def test_a_secret_that_is_left_empty_stays_and_what_is_emptied_is_taken_back(site: Site) -> None:
    office = site.app.office
    await channel_setup.add(office, "ntfy", "phone", {"topic": TOPIC, "click": "https://a.example", "tags": ["x"]})
    async with await browser(site) as admin:
        (one,) = await channels.listed(office)
        path = f"/channels/{one['id']}"
        form = (await admin.get(f"{path}/edit")).text
        assert TOPIC not in form
        was = dict(re.findall(r'name="was\.([^"]+)" value="([^"]*)"', form))
        said = {f"of.{name}": text for name, text in was.items()} | {f"was.{name}": text for name, text in was.items()}
        said |= {"of.topic": "", "of.click": "", "of.tags": "y\nz", "of.priority": "2"}
        assert (await admin.post(f"{path}/edit", data=said)).headers["location"] == path
        channel = await channels.find(office, "phone")
        config = {name: text for name, text in channel.config.items() if text not in (None, "")}
        assert (config["tags"], config["priority"], config.get("click")) == (["y", "z"], 2, None)
        assert await site.store.channel_secrets(channel.uid) == {"topic": TOPIC}
        wrong = await admin.post(f"{path}/edit", data={**said, "of.priority": "9"})
        assert fault(wrong, "of.priority")


async def test_channels_are_switched_and_removed(site: Site) -> None:
    path = await webhook(site)
    async with await browser(site) as admin:
        for verb, enabled in (("disable", False), ("enable", True)):
            assert (await admin.post(f"{path}/orders/{verb}")).headers["location"] == path
            assert (await channels.listed(site.app.office))[0]["enabled"] is enabled
        assert "Remove hook?" in (await admin.get(f"{path}/remove")).text
        assert (await admin.post(f"{path}/remove")).headers["location"] == "/channels"
        assert await channels.listed(site.app.office) == []


def switched_off(site: Site, path: str, by: str, why: str) -> None:
    number = path.rpartition("/")[2]
    with closing(sqlite3.connect(site.app.settings.data_dir / "lastseen.db", timeout=60)) as db, db:
        off = "UPDATE channels SET enabled = 0, disabled_by = ?, disabled_reason = ? WHERE id = ?"
        db.execute(off, (by, why, number))


async def test_a_channel_that_its_far_end_switched_off_counts_among_those_that_fail(site: Site) -> None:
    path, other = await webhook(site), await webhook(site, "other")
    async with await browser(site) as admin, await browser(site, "member") as member:
        switched_off(site, other, "person", "by hand")
        assert "that fail:" not in (await admin.get("/")).text
        switched_off(site, path, "far_end", "410 <b>Gone</b>")
        assert "Channels that fail: <b>1</b>" in (await admin.get("/")).text
        assert "that fail:" not in (await member.get("/")).text
        page = (await admin.get("/system")).text
        assert "<td>hook</td>" in page
        assert "Its far end switched it off: 410 &lt;b&gt;Gone&lt;/b&gt;" in page
        assert "<td>other</td>" not in page
        await admin.post(f"{path}/orders/enable")
        assert "that fail:" not in (await admin.get("/")).text
        assert "<td>hook</td>" not in (await admin.get("/system")).text


def fail(site: Site, path: str, said: str) -> None:
    """As a dispatcher writes down that the far end of this channel cannot be reached."""
    number = path.rpartition("/")[2]
    at = site.clock.now().replace(tzinfo=None).isoformat(" ", "microseconds")
    attempt = "channel_id, node, lease_token, started_at, finished_at, outcome, detail"
    with closing(sqlite3.connect(site.app.settings.data_dir / "lastseen.db", timeout=60)) as db, db:
        db.execute("UPDATE channel_state SET failing_since = ?, failures = 3 WHERE channel_id = ?", (at, number))
        values = (number, "n", 1, at, at, "retry", said)
        db.execute(f"INSERT INTO delivery_attempts ({attempt}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)


async def test_a_channel_that_fails_is_not_called_on_and_whose_it_is_learns_of_it(site: Site) -> None:
    path = await webhook(site)
    async with await browser(site) as admin, await browser(site, "member") as member:
        own = await member.post("/channels/new/ntfy", data={"name": "their-own", "of.topic": TOPIC})
        theirs = own.headers["location"]
        for page in ("/channels", path):
            assert '<span class="status online">on</span>' in (await member.get(page)).text
        fail(site, path, "127.0.0.1: <b>refused</b>")
        for page in ("/channels", path):
            text = (await member.get(page)).text
            shown = r'"status error">fails</span> <span class="soft">since <time [^>]+>[^<]+</time>: 127.0.0.1: &lt;b'
            assert re.search(shown, text), page
        assert "that fail:" not in (await member.get("/")).text
        fail(site, theirs, "no route")
        begun = (await member.get("/")).text
        assert "Channels of yours that fail: <b>1</b>" in begun
        assert f'href="{theirs}">Which, and why' in begun
        begun = (await admin.get("/")).text
        assert "Channels that fail: <b>2</b>" in begun
        assert 'href="/system">Which, and why' in begun
        await admin.post(f"{path}/orders/disable")
        text = (await member.get(path)).text
        assert '"status paused">off<' in text
        assert "127.0.0.1: " not in text.partition('id="log"')[0]


async def test_viewers_see_no_addresses_and_change_nothing_and_members_make_their_own(site: Site) -> None:
    path = await webhook(site, url="http://127.0.0.1:9/hidden-in-the-path")
    async with await browser(site, "viewer") as viewer, await browser(site, "member") as member:
        page = (await viewer.get(path)).text
        assert "hook" in page
        assert "hidden-in-the-path" not in page
        assert '<form method="post" action="/channels' not in page
        for verb in ("test", "edit", "remove", "orders/disable"):
            assert (await viewer.post(f"{path}/{verb}", data={"a": "b"})).status_code == 403, verb
        assert (await viewer.get("/channels/new")).status_code == 403
        assert (await member.get(f"{path}/edit")).status_code == 403
        shared = await member.post("/channels/new/ntfy", data={"name": "a", "of.topic": TOPIC, "shared": "yes"})
        assert shared.status_code == 403
        own = await member.post("/channels/new/ntfy", data={"name": "their-own", "of.topic": TOPIC})
        assert own.status_code == 303
        assert (await viewer.get(own.headers["location"])).status_code == 404
        assert "their-own" not in (await viewer.get("/channels")).text
        assert "email" not in (await member.get("/channels/new")).text
        assert (await member.post("/channels/new/email", data={"name": "b"})).status_code == 403
        assert (await member.post("/channels/new/console", data={"name": "b"})).status_code == 403
    async with await browser(site) as admin:
        own = await admin.post("/channels/new/console", data={"name": "their-own-screen"})
        assert own.status_code == 422
        assert fault(own, "shared")


async def test_what_an_admin_adds_is_everybodys_unless_they_say_otherwise(site: Site) -> None:
    ticked = r'id="f-shared"[^>]* checked'
    async with await browser(site) as admin, await browser(site, "member") as member:
        begun = (await admin.get("/channels/new/console")).text
        assert re.search(ticked, begun)
        assert "it hears of every machine<" in begun
        of_member = (await member.get("/channels/new/webhook")).text
        assert 'name="shared"' not in of_member
        assert "it hears of your machines and of those that are shared" in of_member
        for shared in ("yes", ""):
            page = await admin.post("/channels/new/webhook", data={"name": "a", "of.url": "?", "shared": shared})
            assert bool(re.search(ticked, page.text)) is bool(shared), "what was chosen stays"


async def test_what_a_channel_wishes_is_a_form_too(site: Site) -> None:
    office, path = site.app.office, await webhook(site)
    await webhook(site, "pager")
    async with await browser(site) as admin:
        begun = await admin.get(f"{path}/wishes")
        assert (value(begun, "fallback_after"), value(begun, "notify_after")) == ("15m", "")
        good = {
            "severity": "info",
            "events": "machine.*, source.blind",
            "notify_after": "5m",
            "machines.names": "cam-*",
            "quiet.start": "22:00",
            "quiet.end": "07:00",
            "quiet.days": "mon, tue",
            "fallback": "pager",
            "fallback_after": "1h30m",
        }
        for wrong, field in (
            ({"notify_after": "soon"}, "notify_after"),
            ({"repeat_every": "5s"}, "repeat_every"),
            ({"fallback_after": "31d"}, "fallback_after"),
            ({"quiet.start": "late"}, "quiet.start"),
            ({"quiet.end": ""}, "quiet.end"),
            ({"quiet.timezone": "Mars/Olympus"}, "quiet.timezone"),
            ({"quiet.days": "someday"}, "quiet.days"),
            ({"severity": "loud"}, "severity"),
            ({"events": "machine.*, machine.ofline"}, "events"),
            ({"events": "machine.online"}, "events"),
            ({"events": "machine.paused", "severity": "alert"}, "severity"),
            ({"fallback": "hook"}, "fallback"),
            ({"fallback": "nobody"}, "fallback"),
        ):
            page = await admin.post(f"{path}/wishes", data={**good, **wrong})
            assert page.status_code == 422, wrong
            assert fault(page, field), wrong
            assert value(page, "machines.names") == "cam-*"
        assert (await channels.show(office, "hook"))["wishes"] == {}
        assert (await admin.post(f"{path}/wishes", data=good)).headers["location"] == path
        hook = await channels.show(office, "hook")
        assert hook["fallback"] == "pager"
        assert hook["wishes"] == {
            "severity": "info",
            "events": ("machine.*", "source.blind"),
            "notify_after": 300.0,
            "machines": {"names": ("cam-*",)},
            "quiet": {"start": "22:00", "end": "07:00", "days": ("mon", "tue")},
            "fallback_after": 5400.0,
        }
        shown = (await admin.get(path)).text
        assert "<dd>22:00–07:00 mon, tue</dd>" in shown
        assert "no machine now" in shown
        await site.app.monitor.watch("cam-1", expect="new")
        shown = (await admin.get(path)).text
        assert "<dt>machines now</dt><dd>1</dd>" in shown
        assert "no machine now" not in shown
        again = await admin.get(f"{path}/wishes")
        assert (value(again, "fallback_after"), value(again, "quiet.days")) == ("1h30m", "mon, tue")
        await admin.post(f"{path}/wishes", data={"severity": "alert", "fallback": "", "fallback_after": "15m"})
        hook = await channels.show(office, "hook")
        assert (hook["wishes"], hook["fallback"]) == ({"fallback_after": 900.0}, None)  # as it is without, too


async def test_what_was_wished_before_and_is_never_told_stands_in_the_way_of_no_other_wish(site: Site) -> None:
    path, older = await webhook(site), "machine.paused, machine.ofline"
    store = site.app.store
    (hook,) = await store.channels()
    await store.prefer(hook.uid, Preferences(events=tuple(older.split(", "))), None, site.clock.now())
    async with await browser(site) as admin:
        form = {"severity": "alert", "events": older, "notify_after": "5m", "fallback_after": "15m"}
        assert (await admin.post(f"{path}/wishes", data=form)).status_code == 303
        (hook,) = await store.channels()
        assert (hook.prefs.events, hook.prefs.notify_after) == (("machine.paused", "machine.ofline"), 300)
        refused = await admin.post(f"{path}/wishes", data={**form, "events": "machine.paused"})
        assert (refused.status_code, bool(fault(refused, "severity"))) == (422, True)


@pytest.mark.parametrize(
    ("about", "text", "value"),
    [
        ({"type": "integer"}, "7", 7),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "-100", -100),
        ({"type": "number"}, "0.5", 0.5),
        ({"type": "integer"}, "many", "many"),
        ({"type": "boolean"}, "yes", True),
        ({"type": "boolean"}, "", False),
        ({"type": "array", "items": {"type": "string"}}, "a\r\n\r\n b ", ["a", "b"]),
        ({"type": "string"}, "7", "7"),
        ({"$ref": "#/$defs/Strange"}, "as it is", "as it is"),
    ],
)
def test_what_is_typed_is_what_the_schema_says(about: dict[str, object], text: str, value: object) -> None:
    (field,) = fields = fields_of({"properties": {"x": about}})
    assert values_in(fields, {"x": text}) == {"x": value}
    assert changes_in(fields, {"x": text}, {"x": text}) == {}
    assert field.required is False
