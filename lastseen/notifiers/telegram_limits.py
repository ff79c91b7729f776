"""Telegram's limits for a bot, kept by waiting: python-telegram-bot's own limiter belongs to its `Application`.

30 messages a second in all, one a second in a chat, and 20 a minute in a group.
https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
"""

from __future__ import annotations

from collections import deque
from weakref import WeakValueDictionary

from lastseen.clock import Clock

PER_SECOND = 30
CHAT_GAP = 1.0  # seconds between two messages in one chat
GROUP_MINUTE = 20
MINUTE = 60.0


class Limits:
    """When a bot may send next. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._all: deque[float] = deque(maxlen=PER_SECOND)
        self._chats: dict[int, deque[float]] = {}

    def in_chat(self, chat: int, now: float, patience: float) -> float | None:
        """Take the chat's next turn: the seconds until it. None, and nothing is taken, if that is too long to wait."""
        turn = self._turn(chat, now)
        if turn - now > patience:
            return None
        self._chats.setdefault(chat, deque(maxlen=GROUP_MINUTE)).append(turn)
        return turn - now

    def until(self, chat: int, now: float) -> float:
        """The seconds until something may be sent in the chat; nothing is taken."""
        return max(self._turn(chat, now), self._turn_of_all(now)) - now

    def _turn(self, chat: int, now: float) -> float:
        turns = self._chats.get(chat)
        if not turns:
            return now
        turn = max(now, turns[-1] + CHAT_GAP)
        return max(turn, turns[0] + MINUTE) if chat < 0 and len(turns) == GROUP_MINUTE else turn

    def _turn_of_all(self, now: float) -> float:
        turn = max(now, self._all[-1]) if self._all else now
        return max(turn, self._all[0] + 1.0) if len(self._all) == PER_SECOND else turn

    def of_all(self, now: float) -> float:
        """Take the bot's next turn, whatever the chat: the seconds until it."""
        turn = self._turn_of_all(now)
        self._all.append(turn)
        return turn - now

    def busy(self, now: float) -> bool:
        """The bot sent nearly all that it may in the last second: a refusal is likely to mean all its chats."""
        return sum(1 for turn in self._all if turn > now - 1.0) > PER_SECOND * 5 // 6


_limits: WeakValueDictionary[str, Limits] = WeakValueDictionary()


def limits_of(bot: str, clock: Clock) -> Limits:
    """The limits that all who speak for one bot in this process share, as long as they go by the same time: a virtual
    clock counts from anywhere."""
    key = f"{bot} {id(clock)}" if clock.virtual else bot
    limits = _limits.get(key)
    if limits is None:
        limits = _limits[key] = Limits()
    return limits
