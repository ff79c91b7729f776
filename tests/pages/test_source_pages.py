"""Pages of sources, with a real broker that wants a password."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest

from lastseen.manage import kinds, sources
from lastseen.manage.who import OPERATOR
from tests.mqtt.broker import Mosquitto, find
from tests.pages.test_forms import browser, fault, site, value
from tests.secrecy import secret
from tests.support import free_port
from tests.web.site import Site

__all__ = ["site"]

PASSWORD, WRONG_ONE = secret("a/secret@of-the-broker"), secret("not-the-secret-of-it")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """It lets in `reader`, and keeps what one machine said."""
    folder = tmp_path_factory.mktemp("locked")
    passwords = folder / "passwords"
    subprocess.run([find("mosquitto_passwd"), "-b", "-c", passwords, "reader", PASSWORD], check=True)
    passwords.chmod(0o644)
    made = Mosquitto(folder, ["allow_anonymous false", f"password_file {passwords}"])
    made.start()
    said = ["-t", "devices/<b>pump/heartbeat", "-m", "online", "-r", "-q", "1", "-u", "reader", "-P", PASSWORD]
    subprocess.run([find("mosquitto_pub"), "-p", str(made.port), *said], check=True)
    yield made
    made.stop()


def form(broker: Mosquitto, **more: str) -> dict[str, str]:
    return {
        "name": "house",
        "url": broker.url,
        "username": "reader",
        "presets": "devices",
        "password": PASSWORD,
        **more,
    }


async def test_a_broker_is_tried_added_tried_again_paused_and_removed(site: Site, broker: Mosquitto) -> None:
    office = site.app.office.of(OPERATOR)
    async with await browser(site) as admin:
        assert 'href="/sources/new"' in (await admin.get("/sources")).text
        tried = await admin.post("/sources/new", data=form(broker, **{"try": "yes"}))
        assert tried.status_code == 200
        assert "The broker is there and lets us in." in tried.text
        assert "devices/&lt;b&gt;pump/heartbeat" in tried.text
        assert (value(tried, "name"), value(tried, "username"), value(tried, "password")) == ("house", "reader", "")
        assert PASSWORD not in tried.text
        refused = await admin.post("/sources/new", data=form(broker, password=WRONG_ONE, **{"try": "yes"}))
        assert "It did not work:" in refused.text
        assert WRONG_ONE not in refused.text
        nowhere = {"url": f"mqtt://127.0.0.1:{free_port()}", "try": "yes"}
        assert "It did not work:" in (await admin.post("/sources/new", data=form(broker, **nowhere))).text
        assert [one["name"] for one in await sources.listed(office)] == ["http"], "nothing was kept"

        path = (await admin.post("/sources/new", data=form(broker))).headers["location"]
        for page in (path, f"{path}/edit", "/sources", "/system/log"):
            assert PASSWORD not in (await admin.get(page)).text, page
        assert "The broker is there" in (await admin.post(f"{path}/test")).text
        for order, paused in (("pause", True), ("resume", None)):
            assert (await admin.post(f"{path}/orders/{order}")).headers["location"] == path
            assert (await sources.show(office, "house")).get("paused") is paused
        assert "Remove house?" in (await admin.get(f"{path}/remove")).text
        assert (await admin.post(f"{path}/remove")).headers["location"] == "/sources"
        assert (await admin.get(path)).status_code == 404


async def test_what_is_changed_keeps_the_password_that_is_not_typed_again(site: Site, broker: Mosquitto) -> None:
    office = site.app.office.of(OPERATOR)
    await kinds.put(office, "cam", every="1m")
    async with await browser(site) as admin:
        url = f"mqtt://reader:{PASSWORD.replace('@', '%40').replace('/', '%2F')}@127.0.0.1:{broker.port}"
        path = (await admin.post("/sources/new", data=form(broker, url=url, username="", password=""))).headers[
            "location"
        ]
        begun = await admin.get(f"{path}/edit")
        assert (value(begun, "url"), value(begun, "username")) == (broker.url, "reader")
        changed = form(
            broker, password="", kind="cam", auto_add="yes", offline_after="5m", bind="a/{machine}=heartbeat"
        )
        assert (await admin.post(f"{path}/edit", data={**changed, "try": "yes"})).status_code == 200
        assert (await admin.post(f"{path}/edit", data=changed)).headers["location"] == path
        assert await site.store.source_secrets("house") == {"password": PASSWORD}
        found = await sources.show(office, "house")
        assert (found["machine_kind"], found["auto_add"], found["bind"]) == ("cam", True, ["a/{machine}=heartbeat"])
        assert "5m" in (await admin.get(path)).text
        await admin.post(f"{path}/edit", data={**changed, "username": "", "kind": "", "auto_add": ""})
        assert await site.store.source_secrets("house") == {}
        assert "machine_kind" not in await sources.show(office, "house")


async def test_a_form_that_names_no_topics_is_told_in_the_words_of_the_form(site: Site, broker: Mosquitto) -> None:
    async with await browser(site) as admin:
        page = await admin.post("/sources/new", data=form(broker, presets="", bind=""))
        asked = re.findall("“(.+?)”", fault(page, "bind"))
        labels = re.findall(r"<label[^>]*>\s*([^<]+?)\s*<", page.text)
        assert (len(asked), set(asked) <= set(labels)) == (2, True), (asked, labels)
        assert "--preset" not in page.text


WRONG = [
    ({"url": "nothing"}, "url"),
    ({"url": ""}, "url"),
    ({"url": f"mqtt://reader:{WRONG_ONE}@host"}, "url"),
    ({"presets": "nonsense"}, "presets"),
    ({"bind": "no-machine-in-it=heartbeat"}, "bind"),
    ({"kind": "nonsense"}, "kind"),
    ({"offline_after": "soon"}, "offline_after"),
    ({"goodbye_grace": "-1"}, "goodbye_grace"),
    ({"ca": "/no/such/file"}, "ca"),
]


async def test_a_wrong_field_says_so_and_nothing_is_kept(site: Site, broker: Mosquitto) -> None:
    office = site.app.office.of(OPERATOR)
    async with await browser(site) as admin:
        for wrong, field in (*WRONG, ({"name": ""}, "name"), ({"name": "a/b"}, "name"), ({"name": "http"}, "name")):
            page = await admin.post("/sources/new", data=form(broker, **wrong))
            assert (page.status_code, bool(fault(page, field))) == (422, True), wrong
            assert PASSWORD not in page.text, wrong
            assert WRONG_ONE not in page.text, wrong
        assert len(await sources.listed(office)) == 1
        path = (await admin.post("/sources/new", data=form(broker))).headers["location"]
        before = await sources.show(office, "house")
        for wrong, field in WRONG:
            page = await admin.post(f"{path}/edit", data=form(broker, **wrong))
            assert (page.status_code, bool(fault(page, field))) == (422, True), wrong
        assert await sources.show(office, "house") == before
        for there in ("/sources/http/edit", "/sources/http/test", "/sources/http/orders/pause", "/sources/http/remove"):
            assert (await admin.post(there, data=form(broker))).status_code == 409, there
        assert (await admin.get("/sources/nobody/edit")).status_code == 404


async def test_members_and_viewers_see_sources_and_change_none(site: Site, broker: Mosquitto) -> None:
    office = site.app.office.of(OPERATOR)
    made = await sources.add(office, "house", {"url": broker.url, "presets": ["devices"], "username": "reader"})
    path = f"/sources/{made['id']}"
    for role in ("member", "viewer"):
        async with await browser(site, role) as one:
            assert 'href="/sources/new"' not in (await one.get("/sources")).text
            page = (await one.get(path)).text
            assert "<form method" not in page.partition("<main")[2]
            assert ("reader" in page) is (role == "member")
            for there in ("/sources/new", f"{path}/edit", f"{path}/remove"):
                assert (await one.get(there)).status_code == 403, there
                assert (await one.post(there, data=form(broker))).status_code == 403, there
            for there in (f"{path}/test", f"{path}/orders/pause"):
                assert (await one.post(there)).status_code == 403, there
    assert (await sources.show(office, "house")).get("paused") is None
