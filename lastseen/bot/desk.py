"""What one bot works with: the chats that may ask it, the machines that they hear of, and saying something."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, TypeVar

from lastseen.bot.updates import Place
from lastseen.bot.words import Lines, Seen, html_of, text_of
from lastseen.clock import Clock
from lastseen.errors import ConfigurationError, NotFound
from lastseen.log import get_logger
from lastseen.manage.deeds import Doing, do
from lastseen.manage.who import Who
from lastseen.model import Channel, Standing
from lastseen.model.wishes import matchable
from lastseen.notifiers.telegram import telegram_library
from lastseen.notifiers.telegram_limits import Limits, limits_of
from lastseen.notifiers.wording import When

if TYPE_CHECKING:
    from lastseen.monitor.heartbeat import HeartbeatMonitor
    from lastseen.notifiers.telegram_bot import BotLine

PATIENCE = 3.0
"""Seconds that an answer waits for its turn in a chat; then it is left out. Alerts wait longer, and come again."""

ANSWERS, SPAN = 10, 60.0
"""So many answers in so many seconds for one chat: what is left of Telegram's limit is for alerts."""

REMEMBERED = 5_000
"""Chats."""

PAGE = 1000
TYPE = "telegram"

_log = get_logger()
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot by its token; `api_url` is another Bot API server."""

    token: str = field(repr=False)
    api_url: str | None = None

    @property
    def id(self) -> str:
        return self.token.partition(":")[0]

    @property
    def lane(self) -> str:
        return f"telegram:{self.id}"


def number_in(channel: Channel, field: str) -> int | None:
    """From a row, where it stands as a text if it was typed: `channels add telegram --chat-id`."""
    written = channel.config.get(field)
    return None if written is None else int(written)


class Tokens:
    """The bots of channels, each read once."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._known: dict[tuple[str, int], str] = {}

    async def of(self, channel: Channel) -> str:
        """The token of a Telegram channel's bot, "" where it cannot be read. Raises StoreUnavailable."""
        key = (channel.uid, channel.version)
        if key not in self._known:
            try:
                self._known[key] = (await self._store.channel_secrets(channel.uid)).get("token", "")
            except (ConfigurationError, NotFound):
                return ""
        return self._known[key]


class Desk:
    """Of one bot, for as long as it is read. `name` is the bot's user name, once it is known."""

    def __init__(
        self, monitor: HeartbeatMonitor, bot: Bot, zone: tzinfo | None = None, tokens: Tokens | None = None
    ) -> None:
        self.monitor, self.bot, self._zone = monitor, bot, zone
        self.tokens = tokens or Tokens(monitor.store)
        self.clock: Clock = monitor.clock
        self.store: Any = monitor.store
        self.library: Any = telegram_library()
        self.line: BotLine = self.library.BotLine(bot.token, bot.api_url)
        self.limits: Limits = limits_of(f"{bot.api_url}/{bot.id}", self.clock)
        self.name = ""
        self._answered: dict[int, deque[float]] = {}

    @property
    def when(self) -> When:
        return When(self.clock.now(), self._zone)

    # -- chats

    async def channels(self, place: Place, enabled: bool = True) -> list[Channel]:
        """Those of this chat: of the topic that it was said in, or else of any."""
        here = [one for one in await self.mine(place.chat) if one.enabled or not enabled]
        return [one for one in here if number_in(one, "thread_id") == place.thread] or here

    async def mine(self, chat: int) -> list[Channel]:
        """This bot's channels to a chat, disabled ones too."""
        there = [one for one in await self.known() if one.type == TYPE and number_in(one, "chat_id") == chat]
        return [one for one in there if (token := await self.tokens.of(one)) and token.partition(":")[0] == self.bot.id]

    async def known(self) -> Sequence[Channel]:
        """All there are, of others and other kinds too."""
        found: Sequence[Channel] = await self.store.channels()
        return found

    # -- changing

    async def do(
        self,
        change: Awaitable[T],
        place: Place,
        who: str,
        verb: str,
        subject: str | Callable[[T], str],
        changed: Mapping[str, Any] | None = None,
    ) -> T:
        """With a line of the audit log: somebody in this chat did it, who is called that there."""
        somebody = Who(who, "member", through="telegram", address=f"chat {place.chat}")
        doing = Doing(somebody, verb, subject, changed, self.clock.now())
        return await do(self.store, doing, change)

    # -- machines

    async def machines(self, channels: Sequence[Channel]) -> list[Seen]:
        """All that one of these channels hears of, by name."""
        found: list[Standing] = []
        while True:
            page = await self.store.machines(found[-1].machine.id if found else 0, PAGE)
            found += page
            if len(page) < PAGE:
                break
        await self.monitor.name_sources(found)
        now = self.clock.now()
        seen = [self._seen(one, now) for one in found if any(_hears(channel, one) for channel in channels)]
        return sorted(seen, key=lambda one: one.name.casefold())

    def _seen(self, standing: Standing, now: Any) -> Seen:
        return Seen(
            self.monitor.described(standing, now),
            standing.machine.tags,
            standing.machine.kind,
            standing.machine.schedule is not None,
            standing.machine.enabled,
        )

    # -- saying

    async def answer(self, place: Place, lines: Lines) -> None:
        """Where it was said, when it is that chat's turn; what would have to wait for long is left out."""
        if not self._may_answer(place.chat):
            return
        wait = self.limits.in_chat(place.chat, self.clock.monotonic(), PATIENCE)
        if wait is None:
            return
        await self.clock.sleep(wait + self.limits.of_all(self.clock.monotonic() + wait))
        try:
            try:
                await self.line.say(place.chat, html_of(lines), html=True, silent=True, thread=place.thread)
            except self.library.TelegramError as error:
                if not self.library.is_parse_error(error):
                    raise
                await self.line.say(place.chat, text_of(lines), silent=True, thread=place.thread)
        except self.library.TelegramError as error:
            self.cannot(error)

    def cannot(self, error: Exception) -> None:
        """Telegram will not have an answer: nobody waits for it any more."""
        _log.info("bot_answer_lost", bot=self.bot.id, reason=self.library.meaning(error).reason)

    def _may_answer(self, chat: int) -> bool:
        now = self.clock.monotonic()
        if len(self._answered) > REMEMBERED:
            self._answered = {c: t for c, t in self._answered.items() if t[-1] > now - SPAN}
        times = self._answered.setdefault(chat, deque(maxlen=ANSWERS))
        if len(times) == ANSWERS and times[0] > now - SPAN:
            return False
        times.append(now)
        return True

    async def close(self) -> None:
        await self.line.close()


def _hears(channel: Channel, standing: Standing) -> bool:
    machine = standing.machine
    return channel.hears_of(machine.owner) and channel.prefs.machines.misses(matchable(machine)) is None
