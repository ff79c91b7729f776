"""What another program sends by is turned into one of our channels: a type and the values of its Config.

Which services Apprise reaches, and by which address, it says itself when the plan is checked: an address that it does
not know is never stored. https://github.com/caronc/apprise/wiki
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

Values = dict[str, Any]


class CannotMove(Exception):
    """This channel cannot be moved: says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A channel of ours to be. `values` hold secrets."""

    type: str
    values: Values = field(repr=False)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """What other programs keep in their settings, where nobody can read it: the bot's token, and the mail server as
    the values of an e-mail channel."""

    telegram_token: str | None = field(default=None, repr=False)
    mail: Mapping[str, Any] = field(default_factory=dict, repr=False)


def telegram(given: Given, chat: Any, thread: Any = None, token: str | None = None, silent: bool = False) -> Target:
    """A chat by its id."""
    bot = token or given.telegram_token
    if not bot:
        raise CannotMove("its bot's token is not in the database: set TELEGRAM_BOT_TOKEN")
    try:
        values: Values = {"token": bot, "chat_id": int(str(chat).strip())}
    except ValueError:
        raise CannotMove("its chat is named, not numbered: add it with `lastseen channels add telegram`") from None
    if str(thread or "").strip().isdigit():
        values["thread_id"] = int(thread)
    return Target("telegram", values | ({"silent": True} if silent else {}))


def email(given: Given, to: tuple[str, ...]) -> Target:
    """By the mail server that was named: the other program has it in its settings."""
    if not given.mail:
        raise CannotMove("the mail server is not in the database: name one with --mail-host and --mail-from")
    return Target("email", {**given.mail, "to": to})


def webhook(url: str, notes: tuple[str, ...], **values: Any) -> Target:
    """One whose body is ours. A signing secret is made where it has none."""
    from lastseen.notifiers.signing import new_secret

    secret = {} if "secret" in values else {"secret": new_secret()}
    return Target("webhook", {"url": url, **secret, **values}, notes)


def apprise(url: str) -> Target:
    """An address of Apprise, or of a service that Apprise knows by its own address (Discord, Slack, Teams, …)."""
    if "://" not in url:
        raise CannotMove("it has no address")
    return Target("apprise", {"urls": url})


def mattermost(url: str) -> Target:
    parts = urlsplit(url)
    before, found, token = parts.path.rpartition("/hooks/")
    if not (found and token):
        raise CannotMove("its address is no incoming webhook of Mattermost")
    return apprise(f"{_scheme('mmost', parts.scheme)}://{parts.netloc}{before}/{token}")


def gotify(url: str, token: str) -> Target:
    parts = urlsplit(url)
    if not (parts.netloc and token):
        raise CannotMove("it has no address, or no token")
    return apprise(
        f"{_scheme('gotify', parts.scheme)}://{parts.netloc}{parts.path.rstrip('/')}/{quote(token, safe='')}"
    )


def pushover(user: str, token: str) -> Target:
    return apprise(f"pover://{quote(user, safe='')}@{quote(token, safe='')}")


def pushbullet(token: str) -> Target:
    return apprise(f"pbul://{quote(token, safe='')}")


def opsgenie(key: str, region: str) -> Target:
    return apprise(f"opsgenie://{quote(key, safe='')}?region={'eu' if region == 'eu' else 'us'}")


def matrix(server: str, token: str, room: str) -> Target:
    parts = urlsplit(server)
    place = f"{parts.netloc}/{quote(room, safe='!:#')}"
    return apprise(f"{_scheme('matrix', parts.scheme)}://{quote(token, safe='')}@{place}")


def signal(server: str, number: str, recipients: list[str]) -> Target:
    parts = urlsplit(server)
    people = "/".join(quote(one.strip(), safe="+") for one in recipients if one.strip())
    return apprise(f"{_scheme('signal', parts.scheme)}://{parts.netloc}/{quote(number, safe='+')}/{people}")


def _scheme(name: str, of: str) -> str:
    """The encrypted one of a pair where the service itself is reached by https."""
    return f"{name}s" if of == "https" else name
