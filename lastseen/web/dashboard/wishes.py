"""What a channel is told, and when, as a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from lastseen.durations import parse_duration
from lastseen.errors import Conflict, InvalidInput, UnknownChannel
from lastseen.manage import channels
from lastseen.manage.office import Office
from lastseen.model import Channel, Preferences
from lastseen.model.wishes import NAMED_BY
from lastseen.web.dashboard.asking import Asked, Page, typed_in
from lastseen.web.dashboard.labels import which_written
from lastseen.web.dashboard.machine_form import written
from lastseen.web.dashboard.rendering import templates
from lastseen.words import Words, say

SPANS: Final = ("notify_after", "repeat_every", "fallback_after")
SHOWN: Final = (
    "severity", "events", "fallback", "quiet.start", "quiet.end", "quiet.days", "quiet.timezone", *SPANS,
    *(f"machines.{name}" for name in NAMED_BY),
)  # fmt: skip


def wish_routes() -> APIRouter:
    router = APIRouter(prefix="/channels", route_class=Page, include_in_schema=False)

    @router.get("/{ref}/wishes")
    async def wishes(request: Request, office: Asked, ref: str) -> Response:
        channel = await channels.find_to_edit(office, ref)
        return await _form(request, office, channel, await _typed(office, channel), {})

    @router.post("/{ref}/wishes")
    async def wish(request: Request, office: Asked, ref: str) -> Response:
        channel = await channels.find_to_edit(office, ref)
        typed = await typed_in(request)
        try:
            said = _changed(_said(await _typed(office, channel)), _said(typed))
            fallback = typed.get("fallback") or None
            await channels.prefer(office, ref, lambda before: channels.merged(before, said), fallback)
        except InvalidInput as error:
            return await _form(request, office, channel, typed, {_field(error.field): error.message}, 422)
        except (Conflict, UnknownChannel) as error:
            return await _form(request, office, channel, typed, {"fallback": str(error)}, 422)
        return RedirectResponse(f"/channels/{ref}", 303)

    return router


def in_words(wishes: Preferences) -> list[tuple[str, str]]:
    """What is not as usual: a word and what is wished."""
    quiet = wishes.quiet
    said = [
        (say("hears of"), say("everything") if wishes.severity == "info" else ""),
        (say("events"), ", ".join(wishes.events)),
        (say("machines"), str(wishes.machines) if wishes.machines.of_machines else ""),
        (say("waits"), written(wishes.notify_after)),
        (say("repeats every"), written(wishes.repeat_every)),
        (
            say("quiet hours"),
            f"{quiet.start}–{quiet.end} {', '.join(quiet.days)} {quiet.timezone or ''}" if quiet else "",
        ),
    ]
    return [(word, text if isinstance(text, Words) else text.strip()) for word, text in said if text]


async def _typed(office: Office, channel: Channel) -> dict[str, str]:
    """What the form begins with."""
    wishes: Preferences = channel.prefs
    quiet, known = wishes.quiet, await office.store.channels()
    return {
        "severity": wishes.severity,
        "events": ", ".join(wishes.events),
        "fallback": next((other.name for other in known if other.uid == channel.fallback), ""),
        **{name: written(getattr(wishes, name)) for name in SPANS},
        **{f"machines.{name}": which_written(name, getattr(wishes.machines, name)) for name in NAMED_BY},
        "quiet.start": quiet.start if quiet else "",
        "quiet.end": quiet.end if quiet else "",
        "quiet.timezone": (quiet.timezone if quiet else None) or "",
        "quiet.days": ", ".join(quiet.days) if quiet else "",
    }


def _said(typed: Mapping[str, str]) -> dict[str, Any]:
    """All wishes, as JSON has them; null takes one back. Raises InvalidInput."""
    quiet: dict[str, Any] = {
        name: typed[f"quiet.{name}"] for name in ("start", "end", "timezone") if typed.get(f"quiet.{name}")
    }
    if days := _words(typed.get("quiet.days", "")):
        quiet["days"] = days
    for name in ("start", "end"):
        if quiet and name not in quiet:
            raise InvalidInput(say("must be a time such as 22:00, as long as there are quiet hours"), f"quiet.{name}")
    which = {name: words for name in NAMED_BY if (words := _words(typed.get(f"machines.{name}", "")))}
    return {
        "severity": typed.get("severity") or None,
        "events": _words(typed.get("events", "")) or None,
        "quiet": quiet or None,
        "machines": which or None,
        **{name: _seconds(typed.get(name, ""), name) for name in SPANS},
    }


def _changed(before: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """The form says all wishes again: what somebody leaves as it was is none of theirs, and is not looked at anew."""
    return {name: value for name, value in said.items() if value != before[name]}


def _seconds(text: str, name: str) -> float | None:
    return None if not text else parse_duration(text, name, zero=True).total_seconds()


def _words(text: str) -> list[str]:
    return [word for word in (part.strip() for part in text.split(",")) if word]


def _field(name: str) -> str:
    """The one of the form: what is wrong inside of a list is wrong with the whole of it."""
    known = name.removeprefix("wishes.").partition("[")[0]
    return known if known in SHOWN else f"quiet.{known}" if f"quiet.{known}" in SHOWN else name


async def _form(
    request: Request,
    office: Office,
    channel: Channel,
    said: Mapping[str, str],
    errors: Mapping[str, str],
    status: int = 200,
) -> Response:
    others: Sequence[tuple[str, str]] = [
        (one.name, one.name) for one in await channels.visible(office) if one.id != channel.id
    ]
    given: dict[str, Any] = {"channel": channel, "others": [("", "–"), *others], "shown": SHOWN}
    return templates(request, "wishes.html", status=status, said=said, errors=errors, **given)
