"""Links, each good once, by which a Telegram chat or group becomes a channel: of everybody, or of who made the link."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lastseen.bot import waiting
from lastseen.bot.desk import Bot, Desk, Tokens
from lastseen.bot.joining import OWNER, digest, new_code
from lastseen.clock import rfc3339
from lastseen.errors import ConfigurationError, Conflict, InvalidInput, NotFound
from lastseen.manage.channels import check_name, may_configure, shown
from lastseen.manage.office import Office
from lastseen.manage.owners import of_new
from lastseen.model import Channel, Invite
from lastseen.words import say

LASTS = timedelta(hours=24)
LONGEST = timedelta(days=30)

NO_TOKEN = say("set TELEGRAM_BOT_TOKEN, or make a channel with the bot's token: @BotFather makes bots")

_USED_BY = re.compile(r"telegram:\d+:(-?\d+):\d+")


@dataclass(frozen=True, slots=True)
class Invited:
    """`link` is for a chat, `group_link` for a group; or `/start CODE` is sent there."""

    id: int
    name: str
    bot: str
    code: str
    expires_at: str | None

    def described(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "bot": self.bot,
            "code": self.code,
            "link": self.link,
            "group_link": self.group_link,
            "expires_at": self.expires_at,
        }

    @property
    def link(self) -> str:
        return f"https://t.me/{self.bot}?start={self.code}"

    @property
    def group_link(self) -> str:
        return f"https://t.me/{self.bot}?startgroup={self.code}"


async def invite(
    office: Office,
    name: str,
    wishes: Mapping[str, Any],
    lasting: timedelta = LASTS,
    token: str = "",
    *,
    shared: bool | None = None,
) -> Invited:
    """By the bot of this token, or of the settings, or the only one that there are channels of; its own server is asked
    who it is. A token that was not known is kept; only an admin gives one. `shared`: the channel that comes of it is
    everybody's; what members make is theirs. Raises Forbidden, InvalidInput, Conflict, ConfigurationError."""
    owner = of_new(office, {} if shared is None else {"shared": shared}).get("owner")
    may_configure(office, owner)
    if token:
        office.who.must_be_admin()
    if not name or len(name) > 200:
        raise InvalidInput(say("must be a text of 1 to 200 characters"), "name")
    check_name(name)
    if lasting > LONGEST:
        raise InvalidInput(say("must be at most 30 days"), "lasting")
    bot = await _by_token(office, token) if token else await _bot(office)
    called = await _called(office, bot)
    whose = {} if owner is None else {OWNER: owner}
    promising = promised(office.store, bot, name, {**wishes, **whose}, lasting, office.monitor.clock.now())
    code, made = await office.do(promising, "channels.invite", f"channel {name}")
    if token:
        keeping = waiting.keep(office.store, bot, called, office.monitor.clock.now())
        await office.do(keeping, "channels.add", f"channel @{called}")
    return Invited(made.id, name, called, code, rfc3339(made.expires_at))


async def promised(
    store: Any, bot: Bot, name: str, wishes: Mapping[str, Any], lasting: timedelta, now: datetime
) -> tuple[str, Invite]:
    """A code for this bot, and what it is good for. Raises Conflict where the name is taken."""
    if any(channel.name == name for channel in await store.channels()):
        raise Conflict(say("there is a channel {name!r} already", name=name))
    code = new_code()
    return code, await store.add_invite(digest(bot.id, code), name, wishes, now + lasting, now)


async def connected(office: Office, number: int) -> Channel | None:
    """The channel of whoever used this invitation; None: nobody has. Who is no admin asks of their own. Raises
    Forbidden, NotFound."""
    return await _channel(office, await _made(office, number))


async def state(office: Office, number: int) -> dict[str, Any]:
    """`{id, name, expires_at, used, over, channel}`: whether somebody has used it, or nobody can any more; `channel`:
    theirs, None where there is none, or none any more. Raises as `connected`."""
    made = await _made(office, number)
    used, channel = made.used_by is not None, await _channel(office, made)
    return {
        "id": made.id,
        "name": made.name,
        "expires_at": rfc3339(made.expires_at),
        "used": used,
        "over": not used and made.expires_at <= office.monitor.clock.now(),
        "channel": None if channel is None else await shown(office, channel),
    }


async def _made(office: Office, number: int) -> Invite:
    office.who.must_edit()
    made: Invite | None = await office.store.invite(number)
    theirs = made is not None and made.config.get(OWNER, 0) == office.who.user_id
    if made is None or not (office.who.is_admin or theirs):
        raise NotFound(say("no invitation {number}", number=number))
    return made


async def _channel(office: Office, made: Invite) -> Channel | None:
    used = _USED_BY.fullmatch(made.used_by or "")
    if used is None:
        return None
    called = re.compile(rf"{re.escape(made.name)}(-\d+)?")
    known: Sequence[Channel] = await office.store.channels()
    for channel in known:
        if (
            channel.type == "telegram"
            and str(channel.config.get("chat_id")) == used[1]
            and called.fullmatch(channel.name)
            and office.who.sees(channel.owner_id)
        ):
            return channel
    return None


async def has_bot(office: Office) -> bool:
    """Whether a link can be made without a token."""
    try:
        await _bot(office)
    except ConfigurationError:
        return False
    return True


async def _by_token(office: Office, token: str) -> Bot:
    if not re.fullmatch(r"\d+:[A-Za-z0-9_-]+", token):
        raise InvalidInput(say("must be a bot's token as @BotFather gives it: digits, a colon, letters"), "token")
    if office.senders is None:
        raise ConfigurationError(say("no channels are made here"))
    return Bot(token, office.senders.server("telegram"))


async def _bot(office: Office) -> Bot:
    senders = office.senders
    if senders is None:
        raise ConfigurationError(say("no channels are made here"))
    server = senders.server("telegram")
    if token := senders.given("telegram").get("token"):
        return Bot(token, server)
    tokens = Tokens(office.store)
    shared = [one for one in await office.store.channels() if one.type == "telegram" and one.owner_id is None]
    found = {await tokens.of(one) for one in shared} - {""}
    if len(found) != 1:
        raise ConfigurationError(
            NO_TOKEN if not found else say("there are several bots: {no_token}", no_token=NO_TOKEN)
        )
    return Bot(found.pop(), server)


async def _called(office: Office, bot: Bot) -> str:
    """Its user name. Raises ConfigurationError."""
    desk = Desk(office.monitor, bot, office.own_zone)
    try:
        name: str = await desk.line.name()
    except desk.library.TelegramError as error:
        raise ConfigurationError(say("Telegram: {reason}", reason=desk.library.meaning(error).reason)) from None
    finally:
        await desk.close()
    return name
