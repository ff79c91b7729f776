"""`lastseen why`: what happened to a machine, who was told, and who was not, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lastseen.cli.output import Json, print_json, printable
from lastseen.cli.session import ask, find_machine, settings
from lastseen.errors import ConfigurationError, NotFound, UnknownMachine

if TYPE_CHECKING:
    from datetime import datetime

    from lastseen.model.story import Facts
    from lastseen.monitor.story import Asked, Story
    from lastseen.notifiers.wording import When

MOST_NAMES = 20_000
"""Machines whose names are compared with one that nobody has."""


def why(
    machine: Annotated[str, typer.Argument(metavar="SLUG-OR-ID", help="The machine.")],
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Around this time: 03:12 (the latest past one), Tue 03:12, 2026-06-01T03:12."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what happened to a machine, who was told of it, and why somebody was not."""

    async def work(monitor: Any) -> tuple[Story, When]:
        return await _told(monitor, machine, at)

    told, when = ask(work)
    from lastseen.monitor.story_layout import as_dict, printed

    if as_json:
        print_json(as_dict(told))
    else:
        typer.echo(printable(printed(told, when)))


async def _told(monitor: Any, machine: str, at: str | None) -> tuple[Story, When]:
    from lastseen.monitor.moment import named
    from lastseen.monitor.story import Asked, story
    from lastseen.notifiers.wording import When
    from lastseen.protocols import Accounts

    if not isinstance(monitor.store, Accounts):
        raise ConfigurationError("this store keeps no account of what happened")
    now, zone = monitor.clock.now(), settings().timezone
    asked = Asked(now, now) if at is None else Asked(*named(at, now, zone, "--at"), now=False)
    facts = await _account(monitor, machine, asked, now)
    await monitor.name_sources([facts.standing])
    when = When(now, zone)
    return story(facts, monitor.described(facts.standing, now), asked, when), when


async def _account(monitor: Any, text: str, asked: Asked, now: datetime) -> Facts:
    """Of a machine by its slug or id, one that was removed too. Raises UnknownMachine, with the names that are
    nearest."""
    from lastseen.manage.machines import id_in

    try:
        try:
            ref: Any = (await find_machine(monitor, text)).machine.id
        except UnknownMachine:
            ref = text
        try:
            return await monitor.store.account(ref, asked.since, asked.until, now)  # type: ignore[no-any-return]
        except UnknownMachine:
            number = id_in(text)
            if number is None:
                raise
            return await monitor.store.account(number, asked.since, asked.until, now)  # type: ignore[no-any-return]
    except UnknownMachine:
        near = await _near(monitor.store, text)
        if not near:
            raise
        raise NotFound(f"no machine {text!r}: did you mean {' or '.join(near)}?") from None


async def _near(store: Any, text: str) -> list[str]:
    """Slugs that look like it, or whose machine is called so."""
    import difflib

    names: dict[str, str] = {}
    after = 0
    while len(names) < MOST_NAMES:
        page = await store.machines(after, 1000)
        for one in page:
            names[one.machine.name.casefold()] = names[one.machine.slug.casefold()] = one.machine.slug
        if len(page) < 1000:
            break
        after = page[-1].machine.id
    alike = difflib.get_close_matches(text.casefold(), list(names), n=3, cutoff=0.6)
    return list(dict.fromkeys(names[name] for name in alike))
