"""Telegram for its subscribers: what people write to a bot, and the buttons they press under alerts."""

from lastseen.bot.bots import Bots

__all__ = ["Bots"]
