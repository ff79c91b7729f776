"""From a template to an answer. Everything is escaped; texts stand in `_()` and `{% trans %}`, so that a translation
can collect them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from lastseen.clock import rfc3339
from lastseen.durations import spell
from lastseen.notifiers.wording import When
from lastseen.web.dashboard.assets import asset


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
    made.install_null_translations(newstyle=True)  # type: ignore[attr-defined]  # the extension adds it
    made.globals["asset"] = asset
    made.filters.update(ago=ago, moment=moment, lasting=lasting, codes=codes)
    return made


def templates(request: Request, name: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A page for who asks. `request.state.who` is named in it, if somebody is logged in. It is never kept by anybody on
    the way, nor shown by a browser after the log-out."""
    given = {"request": request, "who": getattr(request.state, "who", None), "here": request.url.path, **context}
    text = environment().get_template(name).render(given)
    return HTMLResponse(text, status, {"Cache-Control": "no-store", "Vary": "HX-Request, Cookie"})


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
    return Markup('<time datetime="{}" data-ago>{} ago</time>').format(rfc3339(_aware(at)), spell(seconds, units=1))


def moment(at: datetime | str | None, when: When) -> Markup:
    """A time in the zone that people here read times in, as messages have it; a script adds the reader's own."""
    if at is None:
        return Markup("–")
    return Markup('<time datetime="{}">{}</time>').format(rfc3339(_aware(at)), when.at(_aware(at), seconds=True))


def codes(text: str) -> Markup:
    """What stands between backticks is to be typed."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  (escaped before)


def lasting(seconds: float | timedelta | None, units: int = 2) -> str:
    """`1 h 30 min`."""
    if seconds is None:
        return "–"
    return spell(seconds if isinstance(seconds, timedelta) else timedelta(seconds=seconds), units=units)
