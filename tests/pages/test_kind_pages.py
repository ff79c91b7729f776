"""Pages of kinds: what machines have in common, and what uses it."""

from __future__ import annotations

from datetime import timedelta

from lastseen.durations import NEVER
from lastseen.manage import keys, kinds, machines
from lastseen.manage.who import OPERATOR
from lastseen.model import Kind
from tests.pages.test_forms import add, browser, fault, site, value
from tests.secrecy import secret
from tests.web.site import Site

__all__ = ["site"]

WRONG = [
    ({"offline_after": "soon"}, "offline_after"),
    ({"offline_after": "-1m"}, "offline_after"),
    ({"offline_after": "500d"}, "offline_after"),
    ({"every": "0"}, "every"),
    ({"every": "<b>often</b>"}, "every"),
]


async def kind(site: Site, name: str) -> Kind | None:
    found: dict[str, Kind] = {one.name: one for one in await site.store.kinds()}
    return found.get(name)


async def test_a_kind_is_added_changed_and_removed(site: Site) -> None:
    async with await browser(site) as admin:
        form = {"name": "a/b <i>c</i>", "offline_after": "never", "every": "90s"}
        assert (await admin.post("/kinds", data=form)).headers["location"] == "/kinds"
        assert await kind(site, "a/b <i>c</i>") == Kind("a/b <i>c</i>", NEVER, timedelta(seconds=90))
        listed = (await admin.get("/kinds")).text
        assert "a/b &lt;i&gt;c&lt;/i&gt;" in listed
        assert "/kinds/edit?name=a/b%20%3Ci%3Ec%3C/i%3E" in listed
        begun = await admin.get("/kinds/edit", params={"name": form["name"]})
        assert (value(begun, "offline_after"), value(begun, "every")) == ("never", "90s")
        changed = await admin.post("/kinds/edit", data={**form, "offline_after": "5m", "every": ""})
        assert changed.status_code == 303
        assert await kind(site, form["name"]) == Kind(form["name"], timedelta(minutes=5), None)
        assert "Nothing uses it." in (await admin.get("/kinds/remove", params={"name": form["name"]})).text
        assert (await admin.post("/kinds/remove", data={"name": form["name"]})).headers["location"] == "/kinds"
        assert await kind(site, form["name"]) is None
        for answer in (
            await admin.get("/kinds/edit", params={"name": form["name"]}),
            await admin.post("/kinds/edit", data=form),
            await admin.get("/kinds/remove", params={"name": form["name"]}),
            await admin.post("/kinds/remove", data=form),
        ):
            assert answer.status_code == 404


async def test_what_is_wrong_with_a_kind_is_said_at_its_field_and_nothing_is_changed(site: Site) -> None:
    await kinds.put(site.app.office.of(OPERATOR), "cam", every="1m")
    before = await site.store.kinds()
    async with await browser(site) as admin:
        for wrong, field in (*WRONG, ({"name": ""}, "name"), ({"name": "cam"}, "name"), ({"name": "n" * 101}, "name")):
            page = await admin.post("/kinds", data={"name": "new", **wrong})
            assert (page.status_code, bool(fault(page, field))) == (422, True), wrong
        for wrong, field in WRONG:
            page = await admin.post("/kinds/edit", data={"name": "cam", **wrong})
            assert (page.status_code, bool(fault(page, field))) == (422, True), wrong
        assert await site.store.kinds() == before


async def test_a_kind_in_use_says_what_uses_it_and_stays(site: Site) -> None:
    office = site.app.office.of(OPERATOR)
    await kinds.put(office, "cam", every="1m")
    await add(site, "porch", kind="cam")
    made = await keys.add(office, "fleet", "cameras", defaults={"kind": "cam"})
    secret(made["key"])
    async with await browser(site) as admin:
        page = (await admin.get("/kinds/remove", params={"name": "cam"})).text
        assert "1 machine is of this kind." in page
        assert 'href="/machines/porch/edit"' in page
        assert "cameras" in page
        assert "Remove it" not in page
        refused = await admin.post("/kinds/remove", data={"name": "cam"})
        assert (refused.status_code, "adds machines of the kind" in refused.text) == (409, True)
        await keys.revoke(office, made["id"])
        refused = await admin.post("/kinds/remove", data={"name": "cam"})
        assert (refused.status_code, "1 machine is of the kind" in refused.text) == (409, True)
        await machines.remove(office, "porch")
        assert (await admin.post("/kinds/remove", data={"name": "cam"})).status_code == 303
        always = await admin.post("/kinds/remove", data={"name": "default"})
        assert (always.status_code, "always there" in always.text) == (409, True)


async def test_members_and_viewers_see_kinds_and_change_none(site: Site) -> None:
    await add(site, "mine")
    other = await site.person("other", "member", None)
    await add(site, "theirs")
    await site.app.monitor.watch("theirs", owner=other.id)
    before = await site.store.kinds()
    for role in ("member", "viewer"):
        async with await browser(site, role) as one:
            page = (await one.get("/kinds")).text
            assert "<td>default</td><td>–</td><td>–</td><td>1</td>" in page
            assert "<form method" not in page.partition("<main")[2]
            for path in ("/kinds/edit", "/kinds/remove"):
                assert (await one.get(path, params={"name": "server"})).status_code == 403, path
                assert (await one.post(path, data={"name": "server"})).status_code == 403, path
            assert (await one.post("/kinds", data={"name": "new"})).status_code == 403
    assert await site.store.kinds() == before
