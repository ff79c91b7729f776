"""From a template to an answer. Everything is escaped; texts stand in `_()` and `{% trans %}`, and come from `say`, so
that a translation can collect them. What language they are in: `lastseen.words`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.types import Receive, Scope, Send

from lastseen.clock import rfc3339
from lastseen.durations import spelled
from lastseen.manage.beside import drawn
from lastseen.notifiers.wording import When
from lastseen.web.dashboard.assets import asset
from lastseen.web.dashboard.labels import group, label, plain
from lastseen.web.dashboard.schema_form import asked
from lastseen.web.languages import language_of
from lastseen.web.prefix import placed
from lastseen.words import Words, say, speaking, spoken


@cache
def environment() -> Environment:
    """With the filters that pages use."""
    made = Environment(
        loader=PackageLoader("lastseen.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_callables(_gettext, _ngettext, newstyle=True)  # type: ignore[attr-defined]  # by the extension
    made.globals.update(asset=asset, spoken=spoken)
    made.filters.update(
        ago=ago,
        moment=moment,
        lasting=lasting,
        codes=codes,
        label=label,
        plain=plain,
        group_name=group,
        said=Words,
        asked=asked,
    )
    return made


def templates(request: Request, name: str, *, status: int = 200, **context: Any) -> Rendered:
    """A page for who asks. `request.state.who` is named in it, if somebody is logged in. `place`: the address of
    an answer to a form, where that is not the form's. The page is never kept by anybody on the way, nor shown by a
    browser after the log-out."""
    given = {"request": request, "who": getattr(request.state, "who", None), "here": request.url.path, **context}
    headers = {"Cache-Control": "no-store", "Vary": "HX-Request, Cookie, Accept-Language"}
    return Rendered(lambda: _rendered(request, name, given), status, headers)


class Rendered(HTMLResponse):
    """A page that is written when it is sent, beside what else goes on."""

    def __init__(self, render: Callable[[], str], status: int, headers: Mapping[str, str]) -> None:
        super().__init__(None, status, headers)
        self._render, self._waits = render, True

    def at_once(self) -> Rendered:
        """Written now: a short one, that is not to wait for others."""
        text = self._render()
        self._render = lambda: text
        self._waits = False
        return self

    async def written(self) -> bytes:
        return (await drawn(self._render) if self._waits else self._render()).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.body = await self.written()
        self.headers["content-length"] = str(len(self.body))
        await super().__call__(scope, receive, send)


def _rendered(request: Request, name: str, given: Mapping[str, Any]) -> str:
    with speaking(language_of(request)):
        prefix: str = request.app.state.entrance.front.prefix
        return placed(environment().get_template(name).render(given), prefix)


def _gettext(text: str) -> str:
    return spoken().catalogue.gettext(text)


def _ngettext(one: str, many: str, n: int) -> str:
    return spoken().catalogue.ngettext(one, many, n)


def is_fragment(request: Request) -> bool:
    """Whether a script asks for the part of the page that it will replace."""
    return request.headers.get("HX-Request-Type") == "partial"


def _aware(at: datetime | str) -> datetime:
    return datetime.fromisoformat(at) if isinstance(at, str) else at


def ago(at: datetime | str | None, when: When) -> Markup:
    """`12 s ago`, which a script counts on from then."""
    if at is None:
        return Markup("–")
    seconds = max(timedelta(0), when.now - _aware(at))
    words = say("{time} ago", time=spelled(seconds, units=1))
    return Markup('<time datetime="{}" data-ago>{}</time>').format(rfc3339(_aware(at)), words)


def moment(at: datetime | str | None, when: When) -> Markup:
    """A time in the zone that people here read times in, as messages have it; a script adds the reader's own."""
    if at is None:
        return Markup("–")
    return Markup('<time datetime="{}">{}</time>').format(rfc3339(_aware(at)), when.said(_aware(at), seconds=True))


def codes(text: str) -> Markup:
    """What stands between backticks is to be typed."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  (escaped before)


def lasting(seconds: float | timedelta | None, units: int = 2) -> str:
    """`1 h 30 min`."""
    if seconds is None:
        return "–"
    return spelled(seconds if isinstance(seconds, timedelta) else timedelta(seconds=seconds), units=units)
