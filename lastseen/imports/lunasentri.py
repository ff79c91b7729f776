"""LunaSentri: its machines with their ids and the digests of their keys. https://github.com/Constantin-E-T/lunasentri

Read are `users`, `machines`, `machine_api_keys` (before migration 015 the digest is in `machines.api_key`), `webhooks`,
`telegram_recipients`, `email_recipients` and `alert_rules`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from lastseen.errors import ConfigurationError, InvalidInput
from lastseen.imports import services
from lastseen.imports.plan import Coming, Hears, Names, Plan
from lastseen.imports.services import CannotMove, Given, Target
from lastseen.imports.tables import Row, Sqlite
from lastseen.imports.values import mark_of, moment, text, truth
from lastseen.model.arrival import ArrivingChannel, ArrivingKey, ArrivingMachine, Stood
from lastseen.monitor.changes import checked

PROGRAM = "lunasentri"

_DIGEST = re.compile(r"[0-9a-f]{64}")
_HINT = "LunaSentri's"


def read(tables: Sqlite, given: Given) -> Plan:
    """Raises ConfigurationError where these are no tables of LunaSentri."""
    if not (tables.has("machines") and tables.has("users")):
        raise ConfigurationError("there are no tables machines and users: this is no database of LunaSentri")
    plan, names = Plan(PROGRAM), Names()
    people = {row["id"]: text(row["email"], 100) for row in tables.rows("users")}
    rows = list(tables.ask("SELECT * FROM machines ORDER BY id"))
    apart = len({row["user_id"] for row in rows}) > 1
    keys = _keys(tables)
    owned: dict[Any, set[str]] = defaultdict(set)
    for row in rows:
        group = people.get(row["user_id"]) if apart else None
        mark = _machine(row, keys.get(row["id"], []), group, names, plan)
        if mark is not None:
            owned[row["user_id"]].add(mark)
    _channels(tables, given, plan, {user: _hears(user, people, owned, apart) for user in people})
    for row in tables.rows("alert_rules"):
        plan.leave("alert rule", text(row["name"], 200), "numbers are kept with a heartbeat, and raise no alert here")
    plan.remarks.append("Users and their passwords do not move.")
    return plan


def _keys(tables: Sqlite) -> Mapping[Any, list[str]]:
    """The digests of valid keys, by machine."""
    found: dict[Any, list[str]] = defaultdict(list)
    if tables.has("machine_api_keys"):
        for row in tables.ask("SELECT machine_id, api_key_hash FROM machine_api_keys WHERE revoked_at IS NULL"):
            found[row["machine_id"]].append(str(row["api_key_hash"]))
        return found
    for row in tables.ask("SELECT id, api_key FROM machines"):
        found[row["id"]].append(str(row["api_key"]))
    return found


def _machine(row: Row, digests: list[str], group: str | None, names: Names, plan: Plan) -> str | None:
    name = text(row["name"], 200) or f"machine {row['id']}"
    said = {"name": name, "hostname": text(row.get("hostname"), 253), "description": text(row.get("description"))}
    try:
        changes = checked(said | ({"group": group} if group else {}))
    except InvalidInput as error:
        plan.leave("machine", name, f"its {error}")
        return None
    usable = [digest for digest in digests if _DIGEST.fullmatch(digest)]
    mark = mark_of(PROGRAM, "machine", row["id"], str(row.get("created_at")))
    what = ArrivingMachine(
        mark,
        names.slug(name, f"machine-{row['id']}"),
        changes,
        tuple(ArrivingKey("machine", digest, _HINT, None, "from LunaSentri") for digest in usable),
        row["id"],
        moment(row.get("last_seen")),
        _stood(row),
    )
    notes = () if usable else ("it has no valid key: make one with `lastseen machines rotate-key`",)
    plan.machines.append(Coming(name, what, notes))
    return mark


def _stood(row: Row) -> Stood:
    if not truth(row.get("is_enabled", 1)):
        return Stood.DISABLED
    if moment(row.get("last_seen")) is None:
        return Stood.NEW
    return Stood.UP if row.get("status") == "online" else Stood.DOWN


def _hears(user: Any, people: Mapping[Any, str], owned: Mapping[Any, set[str]], apart: bool) -> Hears:
    """Everybody hears of their own machines; where all are one person's, of all."""
    marks = frozenset(owned.get(user, ()))
    if not marks:
        return Hears()
    return Hears(groups=(people[user],)) if apart else Hears(everything=True, marks=marks)


def _channels(tables: Sqlite, given: Given, plan: Plan, hears: Mapping[Any, Hears]) -> None:
    names = Names()
    for table, kind, make in (
        ("telegram_recipients", "Telegram recipient", _telegram),
        ("webhooks", "webhook", _webhook),
        ("email_recipients", "e-mail recipient", _email),
    ):
        for row in tables.rows(table):
            name = f"{kind} {row['id']}"
            try:
                target = make(row, given)
            except CannotMove as error:
                plan.leave(kind, name, str(error))
                continue
            heard = hears.get(row["user_id"], Hears())
            off = None if truth(row.get("is_active", 1)) else "switched off in LunaSentri"
            what = ArrivingChannel(
                mark_of(PROGRAM, table, row["id"], str(row.get("created_at"))),
                target.type,
                names.unique(f"LunaSentri {name}"),
                target.values,
                off=off or ("its user has no machines" if heard.nothing else None),
            )
            plan.channels.append(Coming(name, what, target.notes, heard))


def _telegram(row: Row, given: Given) -> Target:
    return services.telegram(given, row["chat_id"])


def _webhook(row: Row, given: Given) -> Target:
    """LunaSentri keeps the digest of the secret's text, which is what it signs with: so do we."""
    if not _DIGEST.fullmatch(str(row["secret_hash"])):
        raise CannotMove("its secret cannot be read")
    return services.webhook(str(row["url"]), (), signature="lunasentri", secret=f"sha256:{row['secret_hash']}")


def _email(row: Row, given: Given) -> Target:
    return services.email(given, (str(row["email"]),))
