"""Uptime Kuma's notifications as channels of ours. What their `config` holds: server/notification-providers of Kuma."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from lastseen.imports import services
from lastseen.imports.plan import Coming, Hears, Names, Plan
from lastseen.imports.services import CannotMove, Given, Target
from lastseen.imports.tables import Row, Sqlite
from lastseen.imports.values import document, mark_of, number, text, truth
from lastseen.model.arrival import ArrivingChannel

PROGRAM = "uptime-kuma"

Told = Mapping[str, Any]


def read(tables: Sqlite, given: Given, plan: Plan, marks: Mapping[Any, str]) -> None:
    """Put the channels into the plan, and what cannot move."""
    assigned: dict[Any, set[str]] = defaultdict(set)
    polled: set[Any] = set()
    for row in tables.rows("monitor_notification"):
        if row["monitor_id"] in marks:
            assigned[row["notification_id"]].add(marks[row["monitor_id"]])
        else:
            polled.add(row["notification_id"])
    names = Names()
    for row in tables.ask("SELECT * FROM notification ORDER BY id"):
        told = document(row["config"])
        name, kind = text(row["name"] or told.get("name"), 150) or f"notification {row['id']}", str(told.get("type"))
        try:
            target = _target(kind, told, given)
        except CannotMove as error:
            plan.leave(f"{kind} notification", name, str(error))
            continue
        heard = frozenset(assigned[row["id"]])
        hears = Hears(everything=truth(row.get("is_default")) and heard == frozenset(marks.values()), marks=heard)
        what = ArrivingChannel(
            mark_of(PROGRAM, "notification", kind, _identity(told)),
            target.type,
            names.unique(name),
            target.values,
            off=_off(row, hears, row["id"] in polled),
        )
        plan.channels.append(Coming(name, what, target.notes, hears))


def _identity(told: Told) -> Told:
    """What makes it the one it is, whatever it is called and whomever it is applied to."""
    return {name: value for name, value in told.items() if name not in ("name", "isDefault", "applyExisting")}


def _off(row: Row, hears: Hears, is_polled: bool) -> str | None:
    if not truth(row["active"]):
        return "switched off in Uptime Kuma"
    if hears.nothing:
        return "none of its monitors moved" if is_polled else "no monitor was assigned to it in Uptime Kuma"
    return None


def _target(kind: str, told: Told, given: Given) -> Target:
    make = _KINDS.get(kind.lower())
    if make is None:
        raise CannotMove("lastseen has no channel of this kind")
    return make(told, given)


def _text(told: Told, name: str) -> str:
    return str(told.get(name) or "").strip()


# -- by kind


def _telegram(told: Told, given: Given) -> Target:
    return services.telegram(
        given,
        told.get("telegramChatID"),
        told.get("telegramMessageThreadID"),
        _text(told, "telegramBotToken"),
        truth(told.get("telegramSendSilently")),
    )


def _webhook(told: Told, given: Given) -> Target:
    if document(told.get("webhookAdditionalHeaders")):
        raise CannotMove("it needs headers of its own: ours carry a signature instead")
    return services.webhook(
        _text(told, "webhookURL"), ("what is posted is lastseen's own body, signed: see webhooks.md",)
    )


def _smtp(told: Told, given: Given) -> Target:
    """Port 465 speaks TLS from the first byte; Kuma upgrades on others where the server offers that."""
    people = [_text(told, name) for name in ("smtpTo", "smtpCC", "smtpBCC")]
    user, password = _text(told, "smtpUsername"), _text(told, "smtpPassword")
    secure, port = truth(told.get("smtpSecure")), number(told.get("smtpPort"), 0)
    plain = not secure and port == 25 and not password
    values: dict[str, Any] = {
        "host": _text(told, "smtpHost"),
        "security": "tls" if secure else "none" if plain else "starttls",
        "sender": _text(told, "smtpFrom") or user,
        "to": tuple(one.strip() for people_of in people for one in people_of.split(",") if one.strip()),
    }
    if port:
        values["port"] = port
    if user and password:
        values |= {"user": user, "password": password}
    unsafe = ("certificates are checked here",) if truth(told.get("smtpIgnoreTLSError")) else ()
    starttls = () if secure or plain else ("it is sent by STARTTLS alone, never in clear",)
    return Target("email", values, unsafe + starttls)


def _ntfy(told: Told, given: Given) -> Target:
    values: dict[str, Any] = {
        "topic": _text(told, "ntfytopic"),
        "url": _text(told, "ntfyserverurl"),
        "priority": min(max(number(told.get("ntfyPriority"), 4), 1), 5),
    }
    way = told.get("ntfyAuthenticationMethod")
    if way == "accessToken":
        values["token"] = _text(told, "ntfyaccesstoken")
    elif way == "usernamePassword" or (way is None and _text(told, "ntfyusername")):
        values |= {"user": _text(told, "ntfyusername"), "password": _text(told, "ntfypassword")}
    return Target("ntfy", values)


def _signal(told: Told, given: Given) -> Target:
    server = _text(told, "signalURL").removesuffix("/v2/send")
    return services.signal(server, _text(told, "signalNumber"), _text(told, "signalRecipients").split(","))


def _address(field: str) -> Callable[[Told, Given], Target]:
    """One whose service Apprise knows by its own address."""
    return lambda told, given: services.apprise(_text(told, field))


_KINDS: Mapping[str, Callable[[Told, Given], Target]] = {
    "apprise": _address("appriseURL"),
    "discord": _address("discordWebhookUrl"),
    "googlechat": _address("googleChatWebhookURL"),
    "gotify": lambda told, given: services.gotify(
        _text(told, "gotifyserverurl"), _text(told, "gotifyapplicationToken")
    ),
    "matrix": lambda told, given: services.matrix(
        _text(told, "homeserverUrl"), _text(told, "accessToken"), _text(told, "internalRoomId")
    ),
    "mattermost": lambda told, given: services.mattermost(_text(told, "mattermostWebhookUrl")),
    "ntfy": _ntfy,
    "opsgenie": lambda told, given: services.opsgenie(_text(told, "opsgenieApiKey"), _text(told, "opsgenieRegion")),
    "pushbullet": lambda told, given: services.pushbullet(_text(told, "pushbulletAccessToken")),
    "pushover": lambda told, given: services.pushover(_text(told, "pushoveruserkey"), _text(told, "pushoverapptoken")),
    "signal": _signal,
    "slack": _address("slackwebhookURL"),
    "smtp": _smtp,
    "teams": _address("webhookUrl"),
    "telegram": _telegram,
    "webhook": _webhook,
}
