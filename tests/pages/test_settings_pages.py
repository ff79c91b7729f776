"""Pages of silences, keys, people, sources and the system: what they do, and for whom."""

from __future__ import annotations

import re

from lastseen.manage import badges, keys, machines, people, silences, statuspages
from lastseen.manage.who import OPERATOR
from tests.pages.test_forms import add, browser, fault, site, value
from tests.secrecy import secret
from tests.web.site import Site

__all__ = ["site"]


async def test_a_silence_is_made_and_ended_by_a_form_that_names_what_is_wrong(site: Site) -> None:
    office = site.app.office.of(OPERATOR)
    for slug in ("cam-1", "cam-2", "nas", "tv"):
        await machines.add(office, slug, {})
    async with await browser(site, "member") as member:
        for form, field in (
            ({"name": "x", "lasting": "long"}, "lasting"),
            ({"name": "x", "lasting": ""}, "lasting"),
            ({"name": "x", "lasting": "1h", "start": "noon"}, "start"),
            ({"name": "x", "lasting": "1h", "groups": "berlin"}, "names"),
            ({"name": "x", "lasting": "1h", "start": "2001-01-01T01:00"}, "start"),
            ({"name": "x", "lasting": "1h", "all": "yes"}, "all"),
        ):
            page = await member.post("/silences", data={"names": "cam-*", **form})
            assert page.status_code == 422, form
            assert fault(page, field)
            assert value(page, "names") == "cam-*"
            assert 'class="wrong"' not in page.text, "it is said at its field"
        page = await member.post("/silences", data={"name": " ", "lasting": "long", "start": "noon"})
        assert all(fault(page, field) for field in ("name", "lasting", "start", "names")), "nothing is of all by a slip"
        assert await silences.listed(office) == []
        form = {"name": "router", "lasting": "90m", "names": "cam-*, nas", "groups": "", "start": ""}
        assert (await member.post("/silences", data=form)).headers["location"] == "/silences"
        (one,) = await silences.listed(office)
        assert (one["matcher"], one["created_by"]) == ({"slugs": ["cam-1", "cam-2", "nas"]}, "member")
        assert f'action="/silences/{one["id"]}/end"' in (await member.get("/silences")).text
        assert (await member.post(f"/silences/{one['id']}/end")).status_code == 303
        assert await silences.listed(office) == []


async def test_a_silence_that_names_no_machine_is_made_and_the_page_says_so(site: Site) -> None:
    await machines.add(site.app.office.of(OPERATOR), "cam-1", {"owner": (await site.person("ben", "member", None)).id})
    async with await browser(site) as admin, await browser(site, "viewer") as viewer:
        for names, said in (("nope", 'fault">no machine now'), ("cam-*", 'soft">now 1 machine<')):
            await admin.post("/silences", data={"name": "x", "lasting": "1h", "names": names})
            assert said in (await admin.get("/silences")).text
        assert "now 1 machine" not in (await viewer.get("/silences")).text, "others' machines do not count"


async def test_viewers_silence_nothing(site: Site) -> None:
    office = site.app.office.of(OPERATOR)
    async with await browser(site, "admin") as admin, await browser(site, "viewer") as viewer:
        await admin.post("/silences", data={"name": "x", "lasting": "1h", "all": "yes"})
        (one,) = await silences.listed(office)
        assert '<form method="post" action="/silences' not in (await viewer.get("/silences")).text
        assert (await viewer.post("/silences", data={"name": "y", "lasting": "1h"})).status_code == 403
        assert (await viewer.post(f"/silences/{one['id']}/end")).status_code == 403
        assert len(await silences.listed(office)) == 1


async def test_a_key_is_shown_once_and_revoked(site: Site) -> None:
    async with await browser(site) as admin:
        made = await admin.post(
            "/keys", data={"scope": "api", "label": "<b>grafana</b>", "may": "read", "lasting": "90d"}
        )
        shown = re.search(r'<code id="key">(lsa_[^<]+)</code>', made.text)
        assert shown
        assert "<b>grafana" not in made.text
        listed = await admin.get("/keys")
        assert secret(shown[1]) not in listed.text
        async with site.browser() as program:
            headers = {"Authorization": f"Bearer {shown[1]}"}
            assert (await program.get("/api/v1/machines", headers=headers)).status_code == 200
            (one,) = await keys.listed(site.app.office)
            assert f"<tr><td>{one['id']}</td><td><code>{one['hint']}" in listed.text
            assert (await admin.post(f"/keys/{one['id']}/revoke")).headers["location"] == "/keys"
            assert (await program.get("/api/v1/machines", headers=headers)).status_code == 401
        for form, field in (
            ({"scope": "api", "lasting": "soon"}, "lasting"),
            ({"scope": "master"}, "scope"),
            ({"scope": "fleet", "kind": "nonsense"}, "kind"),
        ):
            assert fault(await admin.post("/keys", data=form), field), form


async def test_members_make_and_see_their_own_keys_alone(site: Site) -> None:
    machine = await add(site, "db")
    async with await browser(site, "member") as member:
        assert (await member.post("/keys", data={"scope": "fleet"})).status_code == 403
        made = await member.post("/keys", data={"scope": "api", "may": "write", "label": "theirs"})
        shown = re.search(r'<code id="key">(lsa_[^<]+)</code>', made.text)
        assert shown
        secret(shown[1])
        page = (await member.get("/keys")).text
        assert "theirs" in page
        assert machine["key"][:8] not in page


async def test_people_are_added_with_a_link_and_changed_and_removed(site: Site) -> None:
    office = site.app.office.of(OPERATOR)
    async with await browser(site) as admin:
        made = await admin.post("/people", data={"name": "ben", "role": "viewer"})
        link = re.search(r'<code id="link">([^<]+)</code>', made.text)
        assert link
        secret(link[1])
        assert "/reset?token=" in link[1]
        ben = next(one for one in await people.listed(office) if one["name"] == "ben")
        again = await admin.post("/people", data={"name": "Ben", "role": "viewer"})
        assert again.status_code == 422
        assert fault(again, "name")
        assert fault(await admin.post("/people", data={"name": "", "role": "viewer"}), "name")
        assert fault(await admin.post("/people", data={"name": "eve", "role": "god"}), "role")
        assert (await admin.post(f"/people/{ben['id']}/role", data={"role": "member"})).status_code == 303
        assert (await people.show(office, "ben"))["role"] == "member"
        mine = next(one for one in await people.listed(office) if one["name"] == "admin")
        last = await admin.post(f"/people/{mine['id']}/role", data={"role": "viewer"})
        assert last.status_code == 409
        assert "last admin" in last.text
        assert "Remove ben?" in (await admin.get(f"/people/{ben['id']}/remove")).text
        assert (await admin.post(f"/people/{ben['id']}/remove")).status_code == 303
        assert [one["name"] for one in await people.listed(office)] == ["admin"]


async def test_what_is_for_admins_is_for_nobody_else(site: Site) -> None:
    async with await browser(site, "admin"), await browser(site, "member") as member:
        for path in ("/people", "/system", "/system/log", "/people/1/remove"):
            assert (await member.get(path)).status_code == 403, path
        for path in ("/people", "/people/1/role", "/people/1/link", "/people/1/remove", "/people/1/logout"):
            answer = await member.post(path, data={"name": "x", "role": "viewer"})
            assert answer.status_code in (403, 404), path
        nav = (await member.get("/")).text
        assert 'href="/people"' not in nav
        assert 'href="/system"' not in nav


async def test_the_log_says_who_did_what_on_a_page(site: Site) -> None:
    async with await browser(site) as admin:
        await admin.post("/machines/new", data={"name": "db"})
        page = (await admin.get("/system/log")).text
        assert "machines.add" in page
        assert "machine db" in page
        assert "Nothing is wrong with it." in (await admin.get("/system")).text


async def test_a_source_says_when_it_could_have_heard_nobody(site: Site) -> None:
    async with await browser(site, "viewer") as viewer:
        page = (await viewer.get("/sources")).text
        path = re.search(r'href="(/sources/\d+)">http<', page)
        assert path
        assert "When it could have heard nobody" in (await viewer.get(path[1])).text
        assert (await viewer.get("/sources/9999")).status_code == 404


async def test_status_pages_and_badges_are_made_changed_and_removed(site: Site) -> None:
    office = site.app.office.of(OPERATOR)
    await add(site, "db", group="berlin")
    async with await browser(site) as admin, site.browser() as nobody:
        good = {
            "slug": "shop",
            "title": "<b>Our</b> shop",
            "lines": "machine db = Shop\ngroup berlin\nall",
            "public": "yes",
        }
        for wrong, field in (
            ({"slug": "No Slug"}, "slug"),
            ({"title": ""}, "title"),
            ({"lines": "planet mars"}, "lines"),
            ({"lines": "machine nobody"}, "lines"),
        ):
            page = await admin.post("/status-pages", data={**good, **wrong})
            assert page.status_code == 422, wrong
            assert fault(page, field), wrong
        assert await statuspages.listed(office) == []
        assert (await admin.post("/status-pages", data={**good, "shared": "yes"})).headers[
            "location"
        ] == "/status-pages"
        assert "already" in fault(await admin.post("/status-pages", data=good), "slug")
        public = await nobody.get("/status/shop")
        assert public.status_code == 200
        assert "&lt;b&gt;Our&lt;/b&gt; shop" in public.text
        form = await admin.get("/status-pages/shop/edit")
        assert "machine db = Shop\ngroup berlin\nall" in form.text
        changed = await admin.post("/status-pages/shop/edit", data={"title": "Shop", "lines": "all"})
        assert changed.status_code == 303
        assert (await statuspages.show(office, "shop"))["public"] is False
        assert fault(await admin.post("/status-pages/shop/edit", data={"title": "Shop", "lines": "x"}), "lines")
        assert fault(await admin.post("/status-pages/badges", data={"of": "x"}), "of")
        assert (
            await admin.post("/status-pages/badges", data={"of": "machine db", "shows": "uptime"})
        ).status_code == 303
        (badge,) = await badges.listed(office)
        assert f'src="/badge/{badge["key"]}.svg"' in (await admin.get("/status-pages")).text
        for path, words in (
            (f"/status-pages/badges/{badge['id']}/remove", "the badge of machine db"),
            ("/status-pages/shop/remove", "Remove Shop?"),
        ):
            assert f'href="{path}"' in (await admin.get("/status-pages")).text
            asked = await admin.get(path)
            assert words in asked.text
            assert f'action="{path}"' in asked.text
            assert (await admin.post(path)).status_code == 303
            assert (await admin.get(path)).status_code == 404
        assert (await badges.listed(office), await statuspages.listed(office)) == ([], [])


async def test_viewers_make_no_status_pages(site: Site) -> None:
    await statuspages.add(site.app.office.of(OPERATOR), "shop", {"title": "Shop", "lines": [{"all": True}]})
    async with await browser(site, "viewer") as viewer:
        page = (await viewer.get("/status-pages")).text
        assert "Shop" in page
        assert '<form method="post" action="/status-pages' not in page
        assert (await viewer.get("/status-pages/shop/edit")).status_code == 403
        for path in ("", "/badges", "/shop/edit", "/shop/remove"):
            answer = await viewer.post(
                f"/status-pages{path}", data={"slug": "x", "title": "x", "lines": "all", "of": "all"}
            )
            assert answer.status_code == 403, path
