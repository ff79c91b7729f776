"""How often somebody may try a password."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastseen.ingest.limits import Limiter, Rate
from tests.web.site import PASSWORD, Site, a_site, log_in

TIMES = 10


async def wrong(site: Site, times: int = TIMES, name: str = "ada", address: str = "203.0.113.1", **headers: str) -> int:
    """The last answer."""
    browser = site.browser(address, **headers)
    status = 0
    for _ in range(times):
        status = (await log_in(browser, name, "not this")).status_code
    return status


async def test_after_ten_wrong_passwords_for_a_name_nobody_is_let_in_by_it_for_a_while(site: Site) -> None:
    await site.person()
    for host in range(TIMES):
        assert await wrong(site, 1, address=f"203.0.113.{host}", name="ADA" if host % 2 else "ada") == 401
    answer = await log_in(site.browser())
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "90"
    assert "too many wrong passwords" in answer.text
    site.clock.seconds += 90
    assert (await log_in(site.browser())).status_code == 303


async def test_after_ten_wrong_passwords_from_an_address_nobody_is_let_in_from_there_for_a_while(site: Site) -> None:
    await site.person()
    for n in range(TIMES):
        assert await wrong(site, 1, name=f"nobody-{n}") == 401
    assert (await log_in(site.browser("203.0.113.1"))).status_code == 429
    assert (await log_in(site.browser("203.0.113.2"))).status_code == 303
    answer = await site.browser("203.0.113.1").post("/api/v1/session", json={"name": "ada", "password": PASSWORD})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) == 90


async def test_right_passwords_do_not_count_and_do_not_make_wrong_ones_undone(site: Site) -> None:
    await site.person()
    await site.person("eve")
    browser = site.browser("203.0.113.1")
    for _ in range(TIMES - 1):
        assert (await log_in(browser, "ada", "not this")).status_code == 401
        assert (await log_in(browser, "eve")).status_code == 303
    assert (await log_in(browser, "ada", "not this")).status_code == 401
    assert (await log_in(browser, "eve")).status_code == 429


async def test_many_at_once_are_no_way_around_it(site: Site) -> None:
    await site.person()
    browser = site.browser()
    answers = await asyncio.gather(*(log_in(browser, password=f"guess {n}") for n in range(30)))
    assert sorted(answer.status_code for answer in answers) == [401] * TIMES + [429] * 20


async def test_whoever_writes_x_forwarded_for_is_counted_at_their_own_address(site: Site) -> None:
    await site.person()
    for n in range(TIMES):
        assert await wrong(site, 1, name=f"nobody-{n}", **{"X-Forwarded-For": f"10.9.8.{n}"}) == 401
    assert await wrong(site, 1, **{"X-Forwarded-For": "10.9.8.99"}) == 429


async def test_behind_a_trusted_proxy_it_counts_by_what_that_one_saw(tmp_path: Path) -> None:
    async with a_site(tmp_path, trusted_proxies="10.0.0.0/8") as site:
        await site.person()
        for n in range(TIMES):
            said = {"X-Forwarded-For": f"192.0.2.{n}, 203.0.113.50"}  # the first is what the client made up
            assert await wrong(site, 1, name=f"nobody-{n}", address="10.1.1.1", **said) == 401
        assert await wrong(site, 1, address="10.1.1.1", **{"X-Forwarded-For": "192.0.2.77, 203.0.113.50"}) == 429
        other = site.browser("10.1.1.1", **{"X-Forwarded-For": "203.0.113.51"})
        assert (await log_in(other)).status_code == 303


async def test_a_stolen_session_is_no_way_to_try_passwords(site: Site) -> None:
    await site.person()
    browser = site.browser()
    await log_in(browser)
    answers = [
        await browser.post("/account/password", data={"current": f"guess {n}", "password": "whatever else"})
        for n in range(TIMES + 1)
    ]
    assert [answer.status_code for answer in answers] == [422] * TIMES + [429]


async def test_too_many_at_once_are_asked_to_come_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await site.person()
    gate = asyncio.Event()

    async def slow(password: str, stored: str | None) -> bool:
        await gate.wait()
        return False

    monkeypatch.setattr("lastseen.manage.passwords.matches", slow)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for n in range(40):
            group.create_task(log_in(site.browser(f"203.0.113.{n}"), f"nobody-{n}"))
        while site.app.api.state.entrance.throttle.waiting < 40:
            await asyncio.sleep(0)
        answer = await log_in(site.browser("203.0.113.99"), "one-more")
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        gate.set()
    assert site.app.api.state.entrance.throttle.waiting == 0


async def test_nodes_that_share_rates_count_together() -> None:
    """By the same limiters as keys: see tests/redis for what those do."""
    from lastseen.ingest.shared_limits import Together
    from lastseen.web.throttle import Throttle

    told: dict[str, dict[str, int]] = {}

    async def spend(name: str, each: float, span: float, counts: dict[str, int]) -> dict[str, float]:
        told[name] = dict(counts)
        return dict.fromkeys(counts, span + each)

    together = Together(spend)  # type: ignore[arg-type]
    throttle = Throttle(together.limiter, lambda: 0.0)
    async with throttle.attempt("203.0.113.1", "ada") as attempt:
        attempt.wrong()
    for limiter in together._limiters:
        await limiter.exchange(spend)  # type: ignore[arg-type]
    assert {name: list(counts.values()) for name, counts in told.items()} == {"login-address": [1], "login-name": [1]}
    assert "ada" not in str(told)
    with pytest.raises(Exception, match="too many wrong passwords"):
        async with throttle.attempt("203.0.113.1", "eve"):
            pass


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([0.0, 1.0, 29.9, 30.0, 300.0])), max_size=40))
def test_what_is_said_of_a_try_before_it_is_what_taking_it_says(tries: list[tuple[str, float]]) -> None:
    now = 0.0
    limiter = Limiter[str](Rate(3, 90.0), lambda: now, 2)
    for who, later in tries:
        now += later
        ahead = [limiter.wait(who, n) for n in range(4)]
        assert ahead == sorted(ahead)
        assert limiter.take(who) == pytest.approx(ahead[0])
        if not ahead[0]:
            assert limiter.wait(who) == pytest.approx(ahead[1])
    assert Limiter[str](None, lambda: now).wait("a", 5) == 0
