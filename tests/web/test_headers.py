"""What every answer says to a browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.web.site import Site, a_site, log_in

PATHS = ("/", "/login", "/setup?token=x", "/nothing", "/healthz", "/api/v1/openapi.json", "/test/who", "/test/fails")


async def test_every_answer_keeps_scripts_frames_and_guesses_out(site: Site) -> None:
    @site.app.api.get("/test/fails")
    async def fails() -> None:
        raise RuntimeError("on purpose")

    browser = site.browser()
    for path in PATHS:
        said = (await browser.get(path)).headers
        policy = dict(part.strip().partition(" ")[::2] for part in said["content-security-policy"].split(";"))
        assert policy["default-src"] == "'self'", path
        assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'"
        assert "unsafe" not in said["content-security-policy"]
        assert said["x-content-type-options"] == "nosniff"
        assert said["referrer-policy"] in ("same-origin", "no-referrer")
        assert said["cache-control"] == "no-store", path
        assert "strict-transport-security" not in said
        assert "server" not in said


@pytest.mark.parametrize(("peer", "stays"), [("10.1.1.1", True), ("198.51.100.9", False)])
async def test_a_browser_that_comes_by_tls_is_told_to_go_on_so(tmp_path: Path, peer: str, stays: bool) -> None:
    async with a_site(tmp_path, trusted_proxies="10.0.0.0/8") as site:
        answer = await site.browser(peer).get("/login", headers={"X-Forwarded-Proto": "https"})
        assert ("strict-transport-security" in answer.headers) is stays


@pytest.mark.parametrize(
    ("host", "tls", "alone"),
    [
        ("127.0.0.1:8383", False, True),
        ("[::1]:8383", False, True),
        ("localhost", False, True),
        ("status.example", True, True),
        ("status.example", False, False),
        ("192.168.1.5:8383", False, False),
        ("[::1", False, False),
        ("127.0.0.1:" + "0" * 300, False, False),
    ],
)
async def test_a_page_is_alone_in_its_window_where_browsers_heed_that(
    site: Site, host: str, tls: bool, alone: bool
) -> None:
    said = (await site.browser(tls=tls).get("/login", headers={"Host": host})).headers
    assert said.get("cross-origin-opener-policy") == ("same-origin" if alone else None)


async def test_no_page_has_a_script_or_a_style_of_its_own(site: Site) -> None:
    user = await site.person()
    token = await site.link("password", user.id)
    browser = site.browser()
    await log_in(browser)
    for path in ("/login", f"/reset?token={token}", "/setup?token=x", "/account"):
        page = (await browser.get(path, follow_redirects=True)).text
        assert "<main" in page
        assert not re.search(r"<style|<script>|<script(?! src=)|\sstyle=|\son\w+=|javascript:", page), path


async def test_a_body_without_end_is_not_read_to_its_end(site: Site) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 64 * 1024 * 1024:
            sent += 65536
            yield b"x" * 65536

    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for path, headers in (("/login", form), ("/api/v1/session", {"Content-Type": "application/json"})):
        sent = 0
        answer = await site.browser().post(path, content=endless(), headers=headers)
        assert answer.status_code == 413, path
        assert sent < 8 * 1024 * 1024
