"""A real server with people in it, and a real browser that looks at its pages and notes what goes wrong there."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Request,
    Response,
    Route,
    async_playwright,
    expect,
)

from lastseen.ingest.auth import digest_of
from lastseen.web.sessions import COOKIE
from tests.secrecy import secret
from tests.server.conftest import Served, a_server
from tests.support import find, need

AXE = (Path(__file__).parents[1] / "vendor" / "axe-4.14.1.min.js").read_text(encoding="utf-8")

PATIENT = 90_000
"""Milliseconds that a busy machine may take for anything."""

expect.set_options(timeout=PATIENT)

WIDE = {"width": 1200, "height": 900}
PHONE = {"width": 360, "height": 740}

_PASSED = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")
"""Chromium says so of each page that is an answer to something wrong; which they are, tests look at themselves."""


_BEGUN = "/healthz?held"


@dataclass
class Seen:
    """A page of somebody, and all that went wrong on it."""

    page: Page
    url: str
    wrong: list[str] = field(default_factory=list)

    async def open(self, path: str) -> int:
        """Its status, when it is there."""
        answer = await self.page.goto(self.url + path)
        assert answer is not None
        return answer.status

    async def faults(self, *rules: str) -> list[str]:
        """What axe finds on it, in a line each; `rules`: by these alone."""
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(AXE)
            await self.page.add_init_script(AXE)  # the next page has it from its beginning
        only = {"runOnly": {"type": "rule", "values": rules}} if rules else {}
        script = "async (only) => (await axe.run({...only, resultTypes: ['violations']})).violations"
        found = await self.page.evaluate(script, only)
        return [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in found]

    async def too_wide(self) -> list[str]:
        """What makes it scroll sideways, as far as it does."""
        script = """() => document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] :
            [...document.querySelectorAll("body *")]
            .filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
            .map((one) => one.outerHTML.slice(0, 80))"""
        found: list[str] = await self.page.evaluate(script)
        return found

    def said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not _PASSED.match(message.text):
            self.wrong.append(f"{message.type}: {message.text}")

    def asked(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:")):
            self.wrong.append(f"it asked another server: {request.url}")

    def answered(self, response: Response) -> None:
        if response.status >= 500 or (response.status == 404 and "/static/" in response.url):
            self.wrong.append(f"{response.status}: {response.url}")


@dataclass
class Looking:
    """`served` by a server of this process, on a database in `folder`."""

    served: Served
    browser: Browser
    people: dict[str, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.served.url

    @property
    def store(self) -> Any:
        return self.served.app.store

    async def token(self, role: str) -> str:
        """Of a new session of the one person here who has this role."""
        now = self.served.app.monitor.clock.now()
        if role not in self.people:
            self.people[role] = (await self.store.add_user(role, role, None, now)).id
        token = secret(secrets.token_urlsafe(32))
        await self.store.begin_session(self.people[role], digest_of(token), now, now + timedelta(days=1), "", "")
        return token

    @asynccontextmanager
    async def by(
        self,
        role: str = "admin",
        *,
        dark: bool = False,
        phone: bool = False,
        scripts: bool = True,
        zone: str | None = None,
        url: str = "",
    ) -> AsyncIterator[Seen]:
        """A browser of somebody with this role; "" for nobody's. Fails where anything went wrong in it. `zone`: where
        it is."""
        context = await self.browser.new_context(
            base_url=url or self.url,
            viewport=PHONE if phone else WIDE,  # type: ignore[arg-type]  # a TypedDict
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            locale="en-GB",
            timezone_id=zone,
            java_script_enabled=scripts,
        )
        context.set_default_timeout(PATIENT)
        try:
            if role:
                await _log_in(context, self.url, await self.token(role))
            seen = Seen(await context.new_page(), url or self.url)
            seen.page.on("console", seen.said)
            seen.page.on("pageerror", lambda error: seen.wrong.append(f"a script failed: {error}"))
            seen.page.on("request", seen.asked)
            seen.page.on("response", seen.answered)
            yield seen
            assert seen.wrong == [], seen.wrong
        finally:
            await context.close()


async def _log_in(context: BrowserContext, url: str, token: str) -> None:
    await context.add_cookies([{"name": COOKIE, "value": token, "url": url, "httpOnly": True, "sameSite": "Lax"}])


@asynccontextmanager
async def looking_at(folder: Path, *flags: str, whole: bool = False, **given: Any) -> AsyncIterator[Looking]:
    """`flags`: more of Chromium's. `whole`: not its shell, which is the same engine without windows and profiles and
    takes half the time. `given`: settings of the server."""
    chromium = (None if whole else find("chromium-headless-shell")) or find("chromium")
    need(chromium, "not installed: chromium")
    async with a_server(folder, rate_limit="off", **given) as served, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", *flags])
        try:
            yield Looking(served, browser)
        finally:
            await browser.close()


class Held:
    """Requests of a page whose address has a certain text in it, kept from the server until they are let go."""

    def __init__(self, page: Page, text: str) -> None:
        self._page, self._text = page, text
        self._free = asyncio.Event()
        self._begun = False
        self.waiting = asyncio.Event()

    async def __aenter__(self) -> Held:
        """What a page asks at once may still pass: Chromium begins a moment later than it says."""
        await self._page.route(self._is_meant, self._hold)
        while self._page.url.startswith("http") and not self._begun:
            await self._page.evaluate(f"fetch({_BEGUN!r})")
        return self

    def let_go(self) -> None:
        self._free.set()

    async def __aexit__(self, *_: object) -> None:
        """Does not wait for them: one that the page gave up meanwhile is never over."""
        self.let_go()
        await self._page.unroute(self._is_meant, self._hold)

    def _is_meant(self, url: str) -> bool:
        return self._text in url or url.endswith(_BEGUN)

    async def _hold(self, route: Route) -> None:
        if route.request.url.endswith(_BEGUN):
            self._begun = True
            await route.fulfill(status=204)
            return
        self.waiting.set()
        await self._free.wait()
        with contextlib.suppress(Error):  # the page gave it up meanwhile
            await route.continue_()
