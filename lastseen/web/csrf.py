"""Whether a page of another site made a browser send a request.

Browsers say where a request comes from: `Sec-Fetch-Site` on every request to an https address (or to this computer),
`Origin` on every other unsafe one. No page can change either. See "Fetch Metadata Request Headers" (W3C) and RFC 6454.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Literal

from lastseen.ingest.asgi import Refused
from lastseen.problems import Problem
from lastseen.web.front import Front, host_in, said_of
from lastseen.words import say

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

Made = Literal["here", "elsewhere", "nobody knows"]

FOREIGN: Final = Problem(
    403,
    say(
        "this was not sent by a page of lastseen: open the page again and repeat it there; a program sends a key "
        "instead of a cookie. Behind a proxy that changes the Host header, set LASTSEEN_PUBLIC_URL"
    ),
)


def made(fetch_site: Sequence[str], origin: Sequence[str], hosts: Collection[str]) -> Made:
    """By a page of `hosts`, or by a person without any page (`none`); by one of another site; or no browser of today
    sent it. More than one value of a header is nobody's word."""
    if fetch_site:
        return "here" if len(fetch_site) == 1 and fetch_site[0] in ("same-origin", "none") else "elsewhere"
    if origin:
        return "here" if len(origin) == 1 and host_in(origin[0]) in hosts else "elsewhere"
    return "nobody knows"


def made_in(scope: Mapping[str, Any], front: Front) -> Made:
    return made(said_of(scope, b"sec-fetch-site"), said_of(scope, b"origin"), front.hosts(scope))


def must_be_ours(scope: Mapping[str, Any], front: Front) -> None:
    """For what a browser authenticates by itself, by a cookie or through its proxy. Raises Refused (403) for an unsafe
    method unless the request shows that a page of ours made it."""
    if scope["method"] not in SAFE and made_in(scope, front) != "here":
        raise Refused(FOREIGN)


def must_not_be_foreign(scope: Mapping[str, Any], front: Front, *, from_nowhere: bool = False) -> None:
    """For what authenticates in its body, by a password or a one-time token. Raises Refused (403) where the request
    shows that another site made it. `from_nowhere`: a page without referrer says `Origin: null`, as any page can that
    is in a frame; where the form holds a token that nobody else has, that is enough."""
    if scope["method"] in SAFE or made_in(scope, front) != "elsewhere":
        return
    nowhere = not said_of(scope, b"sec-fetch-site") and said_of(scope, b"origin") == ["null"]
    if not (from_nowhere and nowhere):
        raise Refused(FOREIGN)
