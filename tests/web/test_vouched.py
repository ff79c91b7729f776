"""Logging in by the header of a trusted proxy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from lastseen.app import App
from lastseen.errors import ConfigurationError, StoreUnavailable
from lastseen.settings import Settings
from lastseen.web import sessions
from tests.support import eventually
from tests.web.site import HERE, Site, a_site, log_in

PROXY = "10.1.1.1"
STRANGER = "198.51.100.9"


@pytest.fixture(scope="module")
async def shared(
    database: Callable[[], dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    given = {**database(), "trusted_proxies": "10.0.0.0/8", "login_header": "Remote-User"}
    async with a_site(tmp_path_factory.mktemp("site"), **given) as made:
        yield made


async def test_the_proxy_says_who_is_logged_in(site: Site) -> None:
    user = await site.person("Ada", password=None)
    said = (await site.browser(PROXY, **{"Remote-User": "ada"}).get("/test/who")).json()
    assert said == {"name": "Ada", "role": "admin", "id": user.id, "writes": True, "through": "header"}
    account = await site.browser(PROXY, **{"remote-user": "ada"}).get("/account")
    assert "a proxy logs you in" in account.text


async def test_that_somebody_came_is_written_down_once_an_hour_and_may_fail(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await site.person("Ada", password=None)
    browser = site.browser(PROXY, **{"Remote-User": "ada"})

    async def last_in() -> datetime | None:
        (known,) = [one for one in await site.store.users() if one.id == user.id]
        found: datetime | None = known.last_in_at
        return found

    assert await last_in() is None
    assert (await browser.post("/test/who", headers={"Sec-Fetch-Site": "cross-site"})).status_code == 403
    assert await last_in() is None, "another site's page is not somebody who came"
    first = site.clock.now()
    await asyncio.gather(*(browser.get("/test/who") for _ in range(5)))
    assert await last_in() == first
    site.clock.seconds += 3599
    await browser.get("/test/who")
    assert await last_in() == first
    site.clock.seconds += 1
    await browser.get("/test/who")
    assert await last_in() == site.clock.now()

    async def full(*args: object) -> None:
        raise StoreUnavailable("the disk is full")

    site.clock.put -= 7200
    await browser.get("/test/who")
    assert await last_in() == site.clock.now(), "the clock was put back"
    monkeypatch.setattr(type(site.store), "user_came", full)
    site.clock.seconds += 7200
    assert (await browser.get("/test/who")).status_code == 200


@pytest.mark.parametrize(
    ("error", "events"),
    [(StoreUnavailable("the disk is full"), []), (RuntimeError("a plugin's own"), ["visit_not_written"] * 3)],
)
async def test_that_somebody_came_is_tried_again_a_minute_after_it_could_not_be_written(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: Exception, events: list[str]
) -> None:
    user = await site.person("Ada", password=None)
    browser = site.browser(PROXY, **{"Remote-User": "ada"})
    write, tried, failing = type(site.store).user_came, 0, True

    async def counted(*given: Any) -> None:
        nonlocal tried
        tried += 1
        if failing:
            raise error
        await write(*given)

    monkeypatch.setattr(type(site.store), "user_came", counted)
    with capture_logs() as logged:
        for tries, seconds in ((1, 0), (1, 59), (2, 1), (2, 59), (3, 1)):
            site.clock.seconds += seconds
            assert (await browser.get("/test/who")).status_code == 200
            assert tried == tries
    assert [line["event"] for line in logged if line["log_level"] == "error"] == events
    failing = False
    site.clock.seconds += 60
    for _ in range(2):
        assert (await browser.get("/test/who")).status_code == 200
        site.clock.seconds += 60
    assert tried == 4
    (known,) = [one for one in await site.store.users() if one.id == user.id]
    assert known.last_in_at == site.clock.now() - timedelta(seconds=120)


async def test_a_write_that_was_held_up_and_fails_brings_no_later_one_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.person("Ada", password=None)
    browser = site.browser(PROXY, **{"Remote-User": "ada"})
    held, tried, failed = [asyncio.Event(), asyncio.Event()], 0, 0

    async def late(*given: Any) -> None:
        nonlocal tried, failed
        tried += 1
        await held[tried - 1].wait()
        failed += 1
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(sessions, "WRITING", 0)
    monkeypatch.setattr(type(site.store), "user_came", late)
    for hours in (0, 1):
        site.clock.seconds += hours * 3600
        await browser.get("/test/who")
    held[0].set()
    await eventually(lambda: failed == 1)
    site.clock.seconds += 60
    await browser.get("/test/who")
    assert tried == 2, "the later one has its hour"
    held[1].set()
    await eventually(lambda: failed == 2)


async def test_when_so_many_came_is_not_remembered_of_all(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    browsers = [site.browser(PROXY, **{"Remote-User": (await site.person(name)).name}) for name in ("a", "b", "c")]
    tried: list[int] = []

    async def full(store: object, user: int, now: datetime) -> None:
        tried.append(user)
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(sessions, "REMEMBERED", 2)
    monkeypatch.setattr(type(site.store), "user_came", full)
    for browser in (*browsers, browsers[2], browsers[0]):
        await browser.get("/test/who")
    assert len(tried) == 4, "only the newest is known"


@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        (STRANGER, {}),
        (STRANGER, {"X-Forwarded-For": PROXY}),
        (STRANGER, {"X-Forwarded-For": f"{PROXY}, {PROXY}", "Forwarded": f"for={PROXY}", "X-Real-IP": PROXY}),
        ("11.0.0.1", {}),
        ("::ffff:11.0.0.1", {}),
        ("fe80::1", {}),
        ("testclient", {}),
        ("", {}),
    ],
)
async def test_nobody_else_can_say_it(site: Site, peer: str, headers: dict[str, str]) -> None:
    await site.person()
    answer = await site.browser(peer, **{"Remote-User": "ada", **headers}).get("/test/who")
    assert answer.status_code == 401


async def test_without_the_setting_nobody_is_believed(tmp_path: Path) -> None:
    async with a_site(tmp_path, trusted_proxies="10.0.0.0/8") as site:
        await site.person()
        assert (await site.browser(PROXY, **{"Remote-User": "ada"}).get("/test/who")).status_code == 401


@pytest.mark.parametrize(
    "said",
    [
        [(b"remote-user", b"ada"), (b"remote-user", b"eve")],
        [(b"remote-user", b"ada"), (b"Remote-User", b"ada")],
        [(b"remote-user", b"\xff\xfe")],
        [(b"remote-user", b"nobody-known")],
        [(b"remote-user", b"x" * 5000)],
        [(b"remote-user", b"a\0")],
    ],
)
async def test_what_names_nobody_or_two_is_refused(site: Site, said: list[tuple[bytes, bytes]]) -> None:
    await site.person()
    browser = site.browser(PROXY)
    await log_in(browser)
    assert (await browser.get("/test/who", headers=said)).status_code == 403  # type: ignore[arg-type]
    assert [user.name for user in await site.store.users()] == ["ada"]


@pytest.mark.parametrize("named", ["\uff41\uff44\uff41", "\u1d43da", "\U0001d41ada"])
async def test_somebody_who_looks_alike_is_somebody_else(
    tmp_path: Path, named: str, database: Callable[[], dict[str, Any]]
) -> None:
    """To a proxy they are two, and it may let anybody choose a name."""
    given = {"trusted_proxies": "10.0.0.0/8", "login_header": "Remote-User", "login_header_role": "viewer"}
    async with a_site(tmp_path, **database(), **given) as site:
        await site.person("ada")
        answer = await site.browser(PROXY, **{"Remote-User": named.encode()}).get("/test/who")
        assert answer.status_code == 403
        assert (await site.browser(PROXY, **{"Remote-User": "ADA"}).get("/test/who")).status_code == 200


async def test_letters_that_are_no_ascii_may_be_of_another_case(site: Site) -> None:
    await site.person("\xc5sa")
    for named in ("\xe5sa", "a\u030asa"):
        assert (await site.browser(PROXY, **{"Remote-User": named.encode()}).get("/test/who")).status_code == 200


async def test_where_the_proxy_names_nobody_a_session_counts(site: Site) -> None:
    await site.person()
    browser = site.browser(PROXY)
    await log_in(browser)
    assert (await browser.get("/test/who", headers={"Remote-User": ""})).json()["through"] == "session"
    await site.person("eve", "viewer", password=None)
    assert (await browser.get("/test/who", headers={"Remote-User": "eve"})).json()["name"] == "eve"


async def test_another_site_cannot_use_that_a_proxy_knows_the_browser(site: Site) -> None:
    await site.person()
    browser = site.browser(PROXY, **{"Remote-User": "ada"})
    assert (await browser.post("/test/who")).status_code == 200
    assert (await browser.post("/test/who", headers={"Origin": "http://evil.example"})).status_code == 403
    assert (await browser.post("/test/who", headers={"Sec-Fetch-Site": "same-site"})).status_code == 403
    del browser.headers["Origin"]
    assert (await browser.post("/test/who")).status_code == 403


async def test_people_who_are_new_come_in_with_the_role_that_was_set(
    tmp_path: Path, database: Callable[[], dict[str, Any]]
) -> None:
    given: dict[str, Any] = {"login_header": "X-Auth-User", "login_header_role": "viewer"}
    async with a_site(tmp_path, trusted_proxies="10.0.0.0/8", **database(), **given) as site:
        raw = [(b"x-auth-user", "zoë".encode()), (b"origin", HERE.encode())]
        answers = await asyncio.gather(
            *(site.browser(PROXY).get("/test/who", headers=raw) for _ in range(4))  # type: ignore[arg-type]
        )
        assert [(one.json()["name"], one.json()["role"]) for one in answers] == [("zoë", "viewer")] * 4
        assert [user.name for user in await site.store.users()] == ["zoë"]
        for name in ("x" * 5000, "a\tb"):
            assert (await site.browser(PROXY, **{"X-Auth-User": name}).get("/test/who")).status_code == 403
        assert (await site.browser(STRANGER, **{"X-Auth-User": "new"}).get("/test/who")).status_code == 401
        assert len(await site.store.users()) == 1


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"login_header": "Remote-User"}, "LASTSEEN_TRUSTED_PROXIES"),
        ({"login_header": "Remote-User", "trusted_proxies": "10.0.0.0/8, 0.0.0.0/0"}, "everybody"),
        ({"login_header": "Remote-User", "trusted_proxies": "::/0"}, "everybody"),
        ({"login_header_role": "admin"}, "LASTSEEN_LOGIN_HEADER"),
        ({"login_header": "Cookie", "trusted_proxies": "10.0.0.0/8"}, "LASTSEEN_LOGIN_HEADER"),
        ({"login_header": "x-forwarded-for", "trusted_proxies": "10.0.0.0/8"}, "LASTSEEN_LOGIN_HEADER"),
        ({"login_header": "Remote User", "trusted_proxies": "10.0.0.0/8"}, "LASTSEEN_LOGIN_HEADER"),
        ({"login_header": "R", "login_header_role": "root", "trusted_proxies": "::1"}, "LASTSEEN_LOGIN_HEADER_ROLE"),
    ],
)
def test_settings_that_would_let_the_wrong_people_in_are_refused(
    tmp_path: Path, given: dict[str, str], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        App(Settings.load(data_dir=tmp_path, **given))
