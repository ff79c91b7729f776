"""`lastseen channels set`, `lastseen silences` and `lastseen ack`: who is told what, when, and until when."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lastseen.cli.options import UsageError, groups_typed, naming, own, spread
from lastseen.cli.output import Json, answer, local, print_json, table
from lastseen.cli.session import call, settings
from lastseen.durations import parse_duration, spell
from lastseen.errors import InvalidInput
from lastseen.faults import Faults

if TYPE_CHECKING:
    from lastseen.model import Matcher, Preferences

app = typer.Typer(help="Spans in which events of some machines are recorded and not told.", no_args_is_help=True)

Groups = Annotated[
    list[str] | None,
    typer.Option("--group", help="Machines of this group; may be given several times.", callback=groups_typed),
]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="Machines with this tag; several times.")]
Kinds = Annotated[list[str] | None, typer.Option("--kind", help="Machines of this kind; several times.")]
Names = Annotated[
    list[str] | None,
    typer.Option("--machine", metavar="PATTERN", help="Machines so called, as `cam-*`; several times."),
]


@dataclass(frozen=True, slots=True)
class WishOptions:
    event: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Only these types, as `machine.*`; several times; `` for all alerts."),
    ] = None
    severity: Annotated[str | None, typer.Option(help="`alert` (and what ends one), or `info`: everything.")] = None
    group: Groups = None
    tag: Tags = None
    kind: Kinds = None
    machine: Names = None
    quiet: Annotated[
        str | None,
        typer.Option(metavar="HH:MM-HH:MM", help="Quiet hours, told of at their end; `none` takes them back."),
    ] = None
    quiet_day: Annotated[
        list[str] | None, typer.Option(metavar="DAY", help="On these days only, as `mon`; several times.")
    ] = None
    quiet_tz: Annotated[str | None, typer.Option(help="Their time zone; LASTSEEN_TIMEZONE unless told otherwise.")] = (
        None
    )
    notify_after: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Tell of what lasts so long; `none` takes it back.")
    ] = None
    repeat_every: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Tell again until it is over or acknowledged; `none` takes it back."),
    ] = None
    fallback: Annotated[
        str | None, typer.Option(metavar="CHANNEL", help="Who is told instead while it fails; `none` takes it back.")
    ] = None
    fallback_after: Annotated[
        str | None, typer.Option(metavar="DURATION", help="How long it must fail for that; 15m unless told otherwise.")
    ] = None

    def changed(self, before: Preferences) -> Preferences:
        """What a channel wishes from now on. Raises InvalidInput naming the option."""
        import msgspec

        from lastseen.manage.channels import merged

        value: dict[str, Any] = msgspec.to_builtins(before)
        machines = {
            **value.get("machines", {}),
            **_given(groups=self.group, tags=self.tag, kinds=self.kind, names=self.machine),
        }
        said: dict[str, Any] = {**_given(events=self.event), "machines": machines}
        if self.severity is not None:
            said["severity"] = self.severity
        for name, text in self._spans():
            if text is not None:
                said[name] = None if own(text) is None else parse_duration(text, flag(name)).total_seconds()
        said["quiet"] = self._quiet(value.get("quiet"))
        with naming(flag):
            return merged(before, said)

    def _spans(self) -> Sequence[tuple[str, str | None]]:
        return (
            ("notify_after", self.notify_after),
            ("repeat_every", self.repeat_every),
            ("fallback_after", self.fallback_after),
        )

    def _quiet(self, before: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        if self.quiet is not None and own(self.quiet) is None:
            return None
        quiet = dict(before or {})
        if self.quiet is not None:
            start, dash, end = self.quiet.partition("-")
            if not dash:
                raise InvalidInput("must be two times such as 22:00-07:00", "--quiet")
            quiet |= {"start": start.strip(), "end": end.strip()}
        if self.quiet_day is not None:
            quiet["days"] = [day.lower() for day in self.quiet_day if day]
        if self.quiet_tz is not None:
            quiet["timezone"] = own(self.quiet_tz)
        if quiet and "start" not in quiet:
            raise UsageError("say when: --quiet 22:00-07:00")
        return quiet or None


_FLAGS = {
    "quiet.start": "--quiet",
    "quiet.end": "--quiet",
    "quiet.days": "--quiet-day",
    "quiet.timezone": "--quiet-tz",
    "events": "--event",
    "machines.names": "--machine",
}


def flag(field: str) -> str:
    """The option that a field was given by."""
    return _FLAGS.get(field, f"--{field.rpartition('.')[2].replace('_', '-')}")


def _given(**lists: list[str] | None) -> dict[str, list[str]]:
    """What was said; an empty word takes all of them back."""
    return {name: [word for word in words if word] for name, words in lists.items() if words is not None}


@spread
def set_(
    channel: Annotated[str, typer.Argument(metavar="ID-OR-NAME", help="The channel.")],
    wishes: WishOptions,
    as_json: Json = False,
) -> None:
    """Say what a channel is told, of which machines, and when."""
    if wishes == WishOptions():
        raise UsageError("nothing to change: see --help")

    from lastseen.manage import channels
    from lastseen.model import preferences_from

    fallback = channels.KEEP if wishes.fallback is None else own(wishes.fallback)
    changed = call(channels.wish, channel, wishes.changed, fallback)
    value = {name: changed[name] for name in ("name", "wishes", "machines_now") if name in changed}
    text = f"{changed['name']} {spoken(preferences_from(changed['wishes']))}.{named(changed.get('machines_now'))}"
    answer(as_json, value, text)


def named(many: int | None) -> str:
    """A line; empty for all machines, and where an older server does not say."""
    return "" if many is None else f"\nThat is {many or 'no'} machine{'s' if many > 1 else ''} now"


def spoken(wishes: Preferences) -> str:
    """For people, after the channel's name."""
    what = ", ".join(wishes.events) or ("alerts and their ends" if wishes.severity == "alert" else "everything")
    parts = [f"hears {what} of {wishes.machines}"]
    if wishes.notify_after:
        parts.append(f"if it lasts {spell(timedelta(seconds=wishes.notify_after))}")
    if wishes.repeat_every:
        parts.append(f"again every {spell(timedelta(seconds=wishes.repeat_every))}")
    if wishes.quiet is not None:
        days = f" ({' '.join(wishes.quiet.days)})" if wishes.quiet.days else ""
        parts.append(f"not in {wishes.quiet.start}–{wishes.quiet.end}{days}")
    return ", ".join(parts)


# -- silences


_FIELDS = {"name": "NAME", "starts_at": "--from", "names": "--machine", "machines.all": "--all"}


def _matcher(
    groups: list[str] | None, tags: list[str] | None, kinds: list[str] | None, names: list[str] | None, every: bool
) -> Matcher:
    """Raises InvalidInput, UsageError: nobody names all machines, or none, by a variable that is not set."""
    from lastseen.model import Matcher

    faults = Faults()
    for option, words in (("--machine", names), ("--group", groups), ("--tag", tags), ("--kind", kinds)):
        if not all(word.strip() for word in words or ()):
            faults.note(InvalidInput("must not be empty", option))
    faults.tell()
    found = Matcher(tuple(groups or ()), tuple(tags or ()), tuple(kinds or ()), tuple(names or ()))
    if every and found.of_machines:
        raise UsageError("--all is of every machine: give it alone, or name some without it")
    if not every and not found.of_machines:
        raise UsageError("say of which machines: --machine, --group, --tag or --kind, or --all for every one of them")
    return found


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    lasting: Annotated[str, typer.Option("--for", metavar="DURATION", help="How long.")] = "1h",
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="When it begins, as 2026-06-01T22:00; now by default.")
    ] = None,
    group: Groups = None,
    tag: Tags = None,
    kind: Kinds = None,
    machine: Names = None,
    every: Annotated[bool, typer.Option("--all", help="Every machine, also those to come.")] = False,
    as_json: Json = False,
) -> None:
    """Hold back what happens to some machines, or with --all to every one of them, now or planned. What is still so at
    the end is told then."""

    from lastseen.manage import silences

    begins, span = None if start is None else _moment(start), parse_duration(lasting, "--for")
    matcher = _matcher(group, tag, kind, machine, every)
    with naming(lambda field: _FIELDS.get(field, field)):
        made = call(silences.add, name, span, matcher, _who(), begins)
    text = f"{made['name']}: nothing is told of {made['machines']} until {local(made['ends_at'])}"
    answer(as_json, made, f"{text} (silence {made['id']}){named(made.get('machines_now'))}")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=settings().timezone).astimezone()
    except (ValueError, OverflowError):
        raise InvalidInput(f"must be a time such as 2026-06-01T22:00, not {text!r}", "--from") from None


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "the command line"


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List silences that are not over."""

    from lastseen.manage import silences

    found = call(silences.listed)
    if as_json:
        print_json(found)
        return
    table(
        ("id", "silence", "from", "until", "machines", "now", "by"),
        [
            (
                *(s["id"], s["name"], local(s["starts_at"]), local(s["ends_at"])),
                *(s["machines"], s.get("machines_now"), s["created_by"]),
            )
            for s in found
        ],
        "No silences.",
    )


@app.command("end")
def end(silence: Annotated[int, typer.Argument(metavar="ID", help="Which one.")], as_json: Json = False) -> None:
    """End a silence now: what is still so is told."""

    from lastseen.manage import silences

    ended = call(silences.end, silence)
    answer(as_json, ended, f"{ended['name']} is over")


# -- seen


def ack(
    machine: Annotated[str, typer.Argument(metavar="SLUG-OR-ID", help="The machine.")],
    by: Annotated[str | None, typer.Option(help="Who has seen it; your own name by default.")] = None,
    as_json: Json = False,
) -> None:
    """Say that somebody has seen that a machine is offline or in error: it is not told again."""
    who = by or _who()

    from lastseen.manage import machines

    seen = call(machines.acknowledge, machine, who)
    answer(as_json, seen, f"Reminders stopped for {seen['slug']}.")
