"""The page on which a channel is called otherwise and given to somebody."""

from __future__ import annotations

from lastseen.manage import channel_setup, channels
from lastseen.manage.who import OPERATOR
from tests.pages.test_channel_pages import webhook
from tests.pages.test_forms import browser, fault, site, value
from tests.web.site import Site

__all__ = ["site"]


async def test_a_channel_is_called_otherwise_and_given_to_somebody_and_back(site: Site) -> None:
    path = await webhook(site, url="http://hooks.lan:9/")
    office = site.app.office.of(OPERATOR)
    await site.person("ada <b>l</b>", "member", None)
    async with await browser(site) as admin:
        assert f'href="{path}/whose"' in (await admin.get(path)).text
        begun = await admin.get(f"{path}/whose")
        assert value(begun, "name") == "hook"
        assert "ada &lt;b&gt;l&lt;/b&gt;" in begun.text
        done = await admin.post(f"{path}/whose", data={"name": "<i>ops</i>", "owner": "ada <b>l</b>"})
        assert done.headers["location"] == path
        found = await channels.show(office, path.rpartition("/")[2])
        assert (found["name"], found["owner"]) == ("<i>ops</i>", "ada <b>l</b>")
        assert "<i>ops" not in (await admin.get(path)).text
        await admin.post(f"{path}/whose", data={"name": "ops", "owner": ""})
        found = await channels.show(office, "ops")
        assert (f"/channels/{found['id']}", found["owner"]) == (path, None)
        page = (await admin.get("/system/log")).text
        assert "channels.rename" in page
        assert "channels.give" in page


async def test_a_name_or_an_owner_that_cannot_be_changes_nothing(site: Site) -> None:
    path = await webhook(site, url="http://hooks.lan:9/")
    await webhook(site, "taken")
    office = site.app.office.of(OPERATOR)
    await site.person("ada", "member", None)
    mail = {"host": "mail.example", "sender": "a@example.org", "to": ["b@example.org"]}
    letters = (await channel_setup.add(office, "email", "letters", mail))["id"]
    before = await channels.listed(office)
    async with await browser(site) as admin:
        for form, field in (
            ({"name": "", "owner": "ada"}, "name"),
            ({"name": "taken", "owner": "ada"}, "name"),
            ({"name": "12", "owner": "ada"}, "name"),
            ({"name": "n" * 201, "owner": "ada"}, "name"),
            ({"name": "new", "owner": "nobody"}, "owner"),
        ):
            answer = await admin.post(f"{path}/whose", data=form)
            assert (answer.status_code, bool(fault(answer, field))) == (422, True), form
        unguarded = await admin.post(f"/channels/{letters}/whose", data={"name": "letters", "owner": "ada"})
        assert "email" in fault(unguarded, "owner")
        assert await channels.listed(office) == before


async def test_members_name_what_they_may_change_and_give_nothing_away(site: Site) -> None:
    path = await webhook(site, url="http://hooks.lan:9/")
    async with await browser(site, "member") as member, await browser(site, "viewer") as viewer:
        assert 'name="owner"' not in (await member.get(f"{path}/whose")).text
        assert (await member.post(f"{path}/whose", data={"name": "ours"})).status_code == 303
        assert (await member.post(f"{path}/whose", data={"name": "mine", "owner": "member"})).status_code == 403
        assert (await viewer.get(f"{path}/whose")).status_code == 403
        assert (await viewer.post(f"{path}/whose", data={"name": "x"})).status_code == 403
        assert f"{path}/whose" not in (await viewer.get(path)).text
        (one,) = await channels.listed(site.app.office.of(OPERATOR))
        assert (one["name"], one["owner"]) == ("ours", None)
        assert (await member.get("/channels/999/whose")).status_code == 404
