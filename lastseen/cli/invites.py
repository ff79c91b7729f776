"""`lastseen channels invite`, and `channels add telegram` without a chat: whoever opens the link gets connected."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lastseen.cli.options import UsageError, naming
from lastseen.cli.output import Json, local, print_json, rfc3339
from lastseen.cli.session import ask, call, settings
from lastseen.cli.where import there
from lastseen.errors import ConfigurationError

if TYPE_CHECKING:
    from lastseen.bot.desk import Bot, Desk
    from lastseen.bot.poller import Poller
    from lastseen.model import Channel, Invite

WAIT = timedelta(minutes=10)
"""How long `channels add telegram` waits for the chat."""

LONGEST = timedelta(days=30)
LOOK_EVERY, ASK_EVERY = 0.3, 2.0
"""Seconds between two looks, at the database here and by a server."""

NO_TOKEN = "set TELEGRAM_BOT_TOKEN, or give --bot-token-file: @BotFather makes bots"  # noqa: S105  (a sentence)


def invite(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the channel will be called.")],
    topic: Annotated[int | None, typer.Option(help="The topic of a group that is told, by its id.", min=1)] = None,
    silent: Annotated[bool, typer.Option("--silent", help="It will never make a sound.")] = False,
    expires: Annotated[str, typer.Option(help="How long the link is good.", metavar="DURATION")] = "24h",
    bot_token_file: Annotated[
        Path | None, typer.Option(help="The file with the bot's token; by default TELEGRAM_BOT_TOKEN.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a link, good once, that connects a Telegram chat or group to this lastseen."""
    from lastseen.durations import parse_duration

    span = parse_duration(expires, "--expires")
    if span > LONGEST:
        raise UsageError("--expires: must be at most 30 days")
    wishes = {**({"thread_id": topic} if topic else {}), **({"silent": True} if silent else {})}
    if there() is None:
        made = ask(lambda monitor: _invite(monitor, name, wishes, span, bot_token_file))
    else:
        made = invited_there(name, wishes, span, bot_token_file)
    if as_json:
        print_json({name: value for name, value in made.items() if name != "read"})
        return
    typer.echo(f"For a chat with @{made['bot']}: {made['link']}\nFor a group:   {made['group_link']}\n")
    typer.echo(_qr_code(made["link"]))
    typer.echo(f"Good once, until {local(made['expires_at'])}; or send there: /start {made['code']}")
    if not made["read"]:
        typer.echo(
            "Nobody reads this bot now: the link works while `lastseen serve` runs and has TELEGRAM_BOT_TOKEN, or a "
            "channel of this bot.",
            err=True,
        )


def invited_there(name: str, wishes: Mapping[str, Any], span: timedelta, token_file: Path | None) -> dict[str, Any]:
    """By a server, which reads the bot itself."""
    from lastseen.manage import invites
    from lastseen.variables import read_secret

    token = "" if token_file is None else read_secret("--bot-token-file", token_file).strip()
    with _named():
        made: Any = call(invites.invite, name, wishes, span, token)
    return {**made, "read": True}


def _named() -> AbstractContextManager[None]:
    flags = {"token": "--bot-token-file", "name": "NAME", "lasting": "--expires"}
    return naming(lambda field: flags.get(field, field))


def connected_there(name: str, wishes: Mapping[str, Any], token: str) -> dict[str, Any]:
    """A chat that somebody sends the code from to the bot of a server, as a channel. Raises ConfigurationError where
    nobody does."""
    from lastseen.manage import invites

    with _named():
        made: Any = call(invites.invite, name, wishes, WAIT, token)
    typer.echo(_invitation(made["bot"], made["code"]), err=True)
    for _ in range(int(WAIT.total_seconds() / ASK_EVERY)):
        time.sleep(ASK_EVERY)
        now = call(invites.state, made["id"])
        if now["channel"] is not None:
            return {field: now["channel"][field] for field in ("id", "type", "name")}
        if now["over"]:
            break
    raise ConfigurationError(_nobody(made["code"]))


def _nobody(code: str) -> str:
    return f"nobody sent /start {code} within 10 min; try again"


async def _invite(
    monitor: Any, name: str, wishes: Mapping[str, Any], span: timedelta, token_file: Path | None
) -> dict[str, Any]:
    token = await _token(monitor, token_file)
    async with _Line(monitor, token, settings().telegram_api_url) as line:
        code, made = await line.invited(name, wishes, span)
        return {
            "id": made.id,
            "name": name,
            "bot": line.name,
            "code": code,
            "link": f"https://t.me/{line.name}?start={code}",
            "group_link": f"https://t.me/{line.name}?startgroup={code}",
            "expires_at": rfc3339(made.expires_at),
            "read": await line.is_read(),
        }


async def _token(monitor: Any, file: Path | None) -> str:
    """That of the file, of the settings, or of the only bot that there are channels of."""
    from lastseen.bot.desk import Tokens
    from lastseen.variables import read_secret

    chosen = settings().telegram_bot_token
    if file is not None:
        return read_secret("--bot-token-file", file).strip()
    if chosen is not None:
        return str(chosen.get_secret_value())
    tokens = Tokens(monitor.store)
    found = {await tokens.of(one) for one in await monitor.store.channels() if one.type == "telegram"} - {""}
    if len(found) != 1:
        raise ConfigurationError(NO_TOKEN if not found else f"there are several bots: {NO_TOKEN}")
    return found.pop()


def _qr_code(link: str) -> str:
    import segno

    text = io.StringIO()
    segno.make_qr(link, error="l").terminal(out=text, compact=True, border=2)
    return text.getvalue()


async def connected(monitor: Any, name: str, values: Mapping[str, Any]) -> Channel:
    """A chat that somebody sends the code from, as a channel. A server that reads this bot answers it; else this does,
    for as long."""
    from lastseen.plugins import check_config

    with naming(lambda field: f"--{field.replace('_', '-')}" if field else ""):
        check_config("telegram", {**values, "chat_id": 1})
    wishes = {field: value for field, value in values.items() if field not in ("token", "chat_id")}
    async with _Line(monitor, values["token"], values.get("api_url") or settings().telegram_api_url) as line:
        code, made = await line.invited(name, wishes, WAIT)
        typer.echo(_invitation(line.name, code), err=True)
        channel, place = await line.used(made, code)
    typer.echo(f"Connected: {place}", err=True)
    return channel


def _invitation(bot: str, code: str) -> str:
    return (
        f"In the chat that is to be told, send to @{bot}:\n\n    /start {code}\n\n"
        f"or open https://t.me/{bot}?start={code} (for a group: https://t.me/{bot}?startgroup={code}).\n"
        "Waiting for it, at most 10 min …"
    )


class _Line:
    """A bot, as a command uses it."""

    def __init__(self, monitor: Any, token: str, api_url: str) -> None:
        from lastseen.bot.desk import Bot, Desk
        from lastseen.bot.poller import Poller
        from lastseen.plugins import check_config

        with naming(lambda field: "--bot-token-file" if field == "token" else field):
            check_config("telegram", {"token": token, "chat_id": 1})
        self._monitor = monitor
        self.bot: Bot = Bot(token, api_url)
        self.desk: Desk = Desk(monitor, self.bot, settings().timezone)
        self._poller: Poller = Poller(self.desk, monitor.node)
        self.name = ""

    async def __aenter__(self) -> _Line:
        try:
            self.name = await self.desk.line.name()
        except self.desk.library.TelegramError as error:
            await self.desk.close()
            raise ConfigurationError(self._explained(self.desk.library.meaning(error).reason)) from None
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.desk.close()

    async def invited(self, name: str, wishes: Mapping[str, Any], span: timedelta) -> tuple[str, Invite]:
        from lastseen.manage.invites import promised

        return await promised(self._monitor.store, self.bot, name, wishes, span, self._monitor.clock.now())

    async def is_read(self) -> bool:
        """Some process has the bot's lease."""
        store, clock = self._monitor.store, self._monitor.clock
        lease = await store.lease(self._poller.lease, self._monitor.node, timedelta(seconds=5), clock.now())
        if lease is not None:
            await store.release(lease, clock.now())
        return lease is None

    async def used(self, made: Invite, code: str) -> tuple[Channel, str]:
        """The channel that was made, and where. Reads the bot where nobody else does."""
        import anyio

        with anyio.move_on_after(WAIT.total_seconds()):
            async with anyio.create_task_group() as group:
                group.start_soon(self._poller.run)
                found = None
                while found is None or self._poller.working:
                    await anyio.sleep(LOOK_EVERY)
                    found = await self._channel(made)
                    if self._poller.trouble.startswith(("401", "409")):
                        group.cancel_scope.cancel()
                        break
                group.cancel_scope.cancel()
            if found is not None:
                return found
            raise ConfigurationError(self._explained(self._poller.trouble))
        raise ConfigurationError(_nobody(code))

    async def _channel(self, made: Invite) -> tuple[Channel, str] | None:
        now = await self._monitor.store.invite(made.id)
        found = re.fullmatch(r"telegram:\d+:(-?\d+):\d+", now.used_by or "") if now is not None else None
        if found is None:
            return None
        for channel in await self.desk.mine(int(found[1])):
            if re.fullmatch(rf"{re.escape(made.name)}(-\d+)?", channel.name):
                return channel, f"chat {found[1]}"
        return None

    @staticmethod
    def _explained(reason: str) -> str:
        if reason.startswith("401"):
            return "the bot token is wrong: copy it again from @BotFather"
        if reason.startswith("409"):
            return "another program polls this bot: stop it meanwhile, or give the chat with --chat-id"
        return f"Telegram: {reason}"
