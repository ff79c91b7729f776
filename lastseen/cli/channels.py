"""`lastseen channels`: who is told, and whether that works. Adding one is in `channel_add`."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lastseen.cli.channel_add import AddGroup
from lastseen.cli.invites import invite
from lastseen.cli.output import Json, answer, print_json, table
from lastseen.cli.session import ask, settings
from lastseen.cli.wishes import described, set_
from lastseen.errors import ConfigurationError, LastseenError, UnknownChannel

if TYPE_CHECKING:
    from lastseen.model import Channel, Message, Outcome

app = typer.Typer(help="Who is told: add, test, list, switch off and on.", no_args_is_help=True)
add = typer.Typer(cls=AddGroup, help="Add a channel, by its type.", no_args_is_help=True)
app.add_typer(add, name="add")
app.command("invite")(invite)
app.command("set")(set_)

Ref = Annotated[str, typer.Argument(metavar="ID-OR-NAME", help="The channel.")]


@add.callback()
def _types() -> None:
    """Add a channel, by its type."""


def find_channel(channels: Any, text: str) -> Channel:
    """By name, or by id where no name is written like that. Raises UnknownChannel."""
    for channel in channels:
        if channel.name == text:
            return channel  # type: ignore[no-any-return]
    for channel in channels:
        if str(channel.id) == text:
            return channel  # type: ignore[no-any-return]
    raise UnknownChannel(text)


def _describe(channel: Channel) -> dict[str, Any]:
    return {
        "id": channel.id,
        "type": channel.type,
        "name": channel.name,
        "enabled": channel.enabled,
        "disabled_by": channel.disabled_by,
        "disabled_reason": channel.disabled_reason,
        "config": dict(channel.config),
        **described(channel.prefs),
    }


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List channels; secrets are not shown."""

    async def work(monitor: Any) -> list[Channel]:
        return list(await monitor.store.channels())

    channels = ask(work)
    if as_json:
        print_json([_describe(channel) for channel in channels])
        return
    table(
        ("id", "channel", "type", "enabled", "why not", "to"),
        [(c.id, c.name, c.type, c.enabled, c.disabled_reason, _aim(c)) for c in channels],
        "No channels yet: nobody is told. The first: lastseen channels add webhook --name NAME --url URL",
    )


def _aim(channel: Channel) -> str:
    return " ".join(f"{name}={value}" for name, value in channel.config.items() if value not in (None, ""))


def _switch(text: str, as_json: bool, enabled: bool, reason: str | None = None) -> None:
    async def work(monitor: Any) -> Channel:
        store, now = monitor.store, monitor.clock.now()
        channel = find_channel(await store.channels(), text)
        switched: Channel = await store.switch_channel(channel.uid, enabled, reason, now)
        return switched

    channel = ask(work)
    answer(
        as_json,
        _describe(channel),
        f"{channel.name} is {'enabled' if enabled else 'disabled; what waited for it is cancelled'}",
    )


@app.command()
def enable(channel: Ref, as_json: Json = False) -> None:
    """Tell this channel again, and forget its failures."""
    _switch(channel, as_json, enabled=True)


@app.command()
def disable(
    channel: Ref,
    reason: Annotated[str | None, typer.Option(help="For those who wonder later.")] = None,
    as_json: Json = False,
) -> None:
    """Tell this channel nothing; what waits for it is cancelled."""
    _switch(channel, as_json, enabled=False, reason=reason)


@app.command("rotate-secret")
def rotate_secret(
    channel: Ref,
    keep: Annotated[str, typer.Option(help="How long the old secret signs too.", metavar="DURATION")] = "7d",
    as_json: Json = False,
) -> None:
    """Give a webhook a new secret; until the old one ends, requests carry a signature by each."""

    async def work(monitor: Any) -> tuple[Channel, str]:
        from lastseen.durations import parse_duration
        from lastseen.notifiers.webhook import new_secret

        span = parse_duration(keep, "--keep")
        store, clock = monitor.store, monitor.clock
        found = find_channel(await store.channels(), channel)
        if found.type != "webhook":
            raise ConfigurationError(f"{found.name} is of type {found.type}: only webhooks have a secret to rotate")
        old = (await store.channel_secrets(found.uid)).get("secret")
        fresh = new_secret()
        secrets = {"secret": fresh, **({"previous_secret": old} if old else {})}
        until = {"previous_until": (clock.wall() + span).isoformat()}  # receivers live in wall time
        return await store.change_channel(found.uid, until, clock.now(), secrets), fresh

    changed, fresh = ask(work)
    answer(
        as_json,
        {"id": changed.id, "type": changed.type, "name": changed.name, "secret": fresh},
        f"{changed.name} has a new secret, shown this once; the old one signs too for {keep}:\n{fresh}",
    )


@app.command()
def remove(channel: Ref, as_json: Json = False) -> None:
    """Remove a channel and its secrets; what was told through it stays in the history."""

    async def work(monitor: Any) -> Channel:
        found = find_channel(await monitor.store.channels(), channel)
        await monitor.store.remove_channel(found.uid, monitor.clock.now())
        return found

    gone = ask(work)
    answer(as_json, {"id": gone.id, "name": gone.name, "removed": True}, f"{gone.name} is removed")


@app.command("test")
def try_(channel: Ref, as_json: Json = False) -> None:
    """Send a test message, now; exit code 1 when it does not get there."""

    async def work(monitor: Any) -> dict[str, Any]:
        found = find_channel(await monitor.store.channels(), channel)
        return await _try(monitor, found)

    # A console channel prints where the program runs: that is here, and programs want one JSON value and nothing else.
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        result = ask(work)
    answer(as_json, result, f"{'It works' if result['ok'] else 'It does not work'}: {result['detail']}")
    if not result["ok"]:
        raise typer.Exit(1)


async def _try(monitor: Any, channel: Channel) -> dict[str, Any]:
    from lastseen.compose import Notifiers
    from lastseen.notifiers.roster import Speaker, lane_of

    if channel.type == "code":
        raise ConfigurationError(f"{channel.name} is given in a program's code: only that program can send to it")
    async with Notifiers(settings(), monitor.clock) as notifiers:
        notifier = notifiers(channel, await monitor.store.channel_secrets(channel.uid))
        speaker = Speaker(channel, notifier, lane_of(channel.uid, notifier))
        return await _send(speaker, await _message(monitor, speaker))


async def _send(speaker: Any, message: Message) -> dict[str, Any]:
    import anyio

    from lastseen.log_output import redact

    try:
        with anyio.fail_after(speaker.timeout):
            await _optional(speaker.notifier, "start")
            outcome = await speaker.notifier.send(message)
    except TimeoutError:
        return {"ok": False, "detail": f"no answer within {speaker.timeout:g} s"}
    except LastseenError as error:
        return {"ok": False, "detail": redact(str(error))}
    except Exception as error:  # noqa: BLE001 - a plugin's own trouble is the answer to this command
        return {"ok": False, "detail": redact(f"{type(error).__name__}: {error}")}
    finally:
        await _optional(speaker.notifier, "close")
    return _result(outcome)


async def _optional(notifier: Any, verb: str) -> None:
    method = getattr(notifier, verb, None)
    if method is not None:
        await method()


def _result(outcome: Outcome | None) -> dict[str, Any]:
    from lastseen.model import Delivered

    if outcome is None or isinstance(outcome, Delivered):
        receipt = outcome.receipt if outcome is not None else None
        return {"ok": True, "detail": f"delivered ({receipt})" if receipt else "delivered"}
    return {"ok": False, "detail": outcome.reason}


async def _message(monitor: Any, speaker: Any) -> Message:
    """What a test says, rendered as everything else is."""
    from lastseen.model import Delivery, Event, EventType, Notification, Severity
    from lastseen.notifiers.message import render

    channel, now, chosen = speaker.channel, monitor.clock.now(), settings()
    known = len(await monitor.store.machines(0, 10_000))
    snapshot = {
        "machine": None,
        "channel": {"id": channel.id, "name": channel.name, "type": channel.type},
        "machines": known if known < 10_000 else None,
    }
    event = Event(str(uuid.uuid4()), EventType.CHANNEL_TEST, Severity.INFO, now, "test", snapshot, channel=channel.uid)
    row = Notification(str(uuid.uuid4()), event.uid, channel.uid, due_at=now, created_at=now, expires_at=now)
    message = render([Delivery(row, event)], now, tz=chosen.timezone, label=speaker.label, public_url=chosen.public_url)
    return dataclasses.replace(message, wall=monitor.clock.wall())
