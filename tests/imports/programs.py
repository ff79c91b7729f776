"""Databases as the other programs make them: their tables, with the columns that their versions have.

Written after what Healthchecks' migrations, Uptime Kuma's patches and LunaSentri's migrations lead to; columns that
have nothing to do with what is read are left out.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import uuid
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.secrecy import secret

HEALTHCHECKS = """
CREATE TABLE accounts_project (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, code char(32) NOT NULL UNIQUE,
    name varchar(200) NOT NULL, api_key varchar(128) NOT NULL, api_key_readonly varchar(128) NOT NULL,
    badge_key varchar(150) NOT NULL UNIQUE, owner_id integer NOT NULL, ping_key varchar(128) NULL UNIQUE,
    show_slugs bool NOT NULL);
CREATE TABLE api_check (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, name varchar(100) NOT NULL,
    tags varchar(500) NOT NULL, code char(32) NOT NULL UNIQUE, {desc} project_id integer NOT NULL,
    created datetime NOT NULL, kind varchar(10) NOT NULL, timeout bigint NOT NULL, grace bigint NOT NULL,
    schedule varchar(100) NOT NULL, tz varchar(36) NOT NULL, methods varchar(30) NOT NULL,
    manual_resume bool NOT NULL, n_pings integer NOT NULL, last_ping datetime NULL, last_start datetime NULL,
    alert_after datetime NULL, status varchar(6) NOT NULL, slug varchar(100) NOT NULL {more});
CREATE TABLE api_channel (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, name varchar(100) NOT NULL,
    code char(32) NOT NULL UNIQUE, project_id integer NOT NULL, created datetime NOT NULL, kind varchar(20) NOT NULL,
    value text NOT NULL, email_verified bool NOT NULL, disabled bool NULL, last_error varchar(200) NOT NULL);
CREATE TABLE api_channel_checks (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, channel_id integer NOT NULL,
    check_id integer NOT NULL);
"""
HEALTHCHECKS_1 = HEALTHCHECKS.format(
    desc="desc text NOT NULL,", more=", subject varchar(200) NOT NULL DEFAULT '', subject_fail varchar(200) DEFAULT ''"
)
HEALTHCHECKS_3 = HEALTHCHECKS.format(
    desc="desc text NOT NULL,",
    more=", start_kw varchar(200) NOT NULL DEFAULT '', success_kw varchar(200) NOT NULL DEFAULT '', "
    "failure_kw varchar(200) NOT NULL DEFAULT '', filter_subject bool NOT NULL DEFAULT 0, "
    "filter_body bool NOT NULL DEFAULT 0, badge_key char(32) NULL UNIQUE, last_start_rid char(32) NULL",
)

POSTGRES = (
    "CREATE TABLE accounts_project (id serial PRIMARY KEY, code uuid, name varchar(200), ping_key varchar(128))",
    "CREATE TABLE api_check (id serial PRIMARY KEY, name varchar(100), slug varchar(100), tags varchar(500), "
    'code uuid, "desc" text, project_id integer, kind varchar(10), timeout interval, grace interval, '
    "schedule varchar(100), tz varchar(36), status varchar(6), last_ping timestamptz, manual_resume boolean, "
    "filter_body boolean)",
    "CREATE TABLE api_channel (id serial PRIMARY KEY, name varchar(100), code uuid, project_id integer, "
    "kind varchar(20), value text, disabled boolean)",
    "CREATE TABLE api_channel_checks (id serial PRIMARY KEY, channel_id integer, check_id integer)",
    "INSERT INTO accounts_project VALUES (1, gen_random_uuid(), E'Tab\\there', 'qwertyuiopasdfghjklzxc')",
    "INSERT INTO api_check VALUES (4, 'Backup', 'backup', 'a b', '3c1169a0-7b50-11ea-873d-1fca1c8b6f3d', "
    "E'two\\nlines', 1, 'simple', '1 day 2 hours', '30 minutes', '* * * * *', 'UTC', 'up', "
    "'2026-03-04 07:06:07+02', false, true)",
    "INSERT INTO api_channel VALUES (9, 'pager', '4ec5a071-2d08-4baa-898a-eb4eb3cd6941', 1, 'ntfy', "
    """'{"topic": "topic-of-a-dump", "url": "https://ntfy.sh", "priority": 4}', false)""",
    "INSERT INTO api_channel_checks VALUES (1, 9, 4)",
)

KUMA = """
CREATE TABLE user (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, username VARCHAR(255) NOT NULL UNIQUE);
CREATE TABLE setting (id INTEGER PRIMARY KEY AUTOINCREMENT, key VARCHAR(200) NOT NULL UNIQUE, value TEXT,
    type VARCHAR(20));
CREATE TABLE monitor (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, name VARCHAR(150),
    active BOOLEAN DEFAULT 1 NOT NULL, user_id INTEGER, interval INTEGER DEFAULT 20 NOT NULL, url TEXT,
    type VARCHAR(20), hostname VARCHAR(255),
    created_date DATETIME DEFAULT (DATETIME('now')) NOT NULL, maxretries INTEGER NOT NULL DEFAULT 0,
    upside_down BOOLEAN DEFAULT 0 NOT NULL, retry_interval INTEGER DEFAULT 0 NOT NULL, push_token VARCHAR({token}),
    resend_interval INTEGER DEFAULT 0 NOT NULL {more});
CREATE TABLE heartbeat (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, important BOOLEAN NOT NULL DEFAULT 0,
    monitor_id INTEGER NOT NULL, status SMALLINT NOT NULL, msg TEXT, time DATETIME NOT NULL, ping INTEGER,
    duration INTEGER NOT NULL DEFAULT 0);
CREATE INDEX monitor_time_index ON heartbeat (monitor_id, time);
CREATE TABLE tag (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, name VARCHAR(255) NOT NULL, color VARCHAR(255));
CREATE TABLE monitor_tag (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, monitor_id INTEGER NOT NULL,
    tag_id INTEGER NOT NULL, value TEXT);
CREATE TABLE notification (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, name VARCHAR(255), config VARCHAR(255),
    active BOOLEAN NOT NULL DEFAULT 1, user_id INTEGER, is_default BOOLEAN DEFAULT 0 NOT NULL);
CREATE TABLE monitor_notification (id INTEGER PRIMARY KEY NOT NULL, monitor_id INTEGER NOT NULL,
    notification_id INTEGER NOT NULL);
CREATE TABLE maintenance (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, title VARCHAR(150) NOT NULL,
    description TEXT NOT NULL, active BOOLEAN NOT NULL DEFAULT 1, strategy VARCHAR(50) NOT NULL DEFAULT 'single',
    start_date DATETIME, end_date DATETIME {zone});
CREATE TABLE monitor_maintenance (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, monitor_id INTEGER NOT NULL,
    maintenance_id INTEGER NOT NULL);
"""
KUMA_118 = KUMA.format(token=20, more="", zone="")
KUMA_123 = KUMA.format(
    token=20, more=", description TEXT, parent INTEGER", zone=", cron TEXT, timezone VARCHAR(255), duration INTEGER"
)
KUMA_2 = KUMA.format(
    token=32,
    more=", description TEXT, parent INTEGER, cache_bust BOOLEAN NOT NULL DEFAULT 0, conditions TEXT DEFAULT '[]'",
    zone=", cron TEXT, timezone VARCHAR(255), duration INTEGER, last_start_date DATETIME",
)

LUNASENTRI_10 = """
CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT UNIQUE NOT NULL, password_hash TEXT NOT NULL,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP, is_admin BOOLEAN DEFAULT 0 NOT NULL);
CREATE TABLE alert_rules (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, metric TEXT NOT NULL,
    threshold_pct REAL NOT NULL, comparison TEXT NOT NULL, trigger_after INTEGER NOT NULL);
CREATE TABLE webhooks (id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INTEGER NOT NULL, url TEXT NOT NULL,
    secret_hash TEXT NOT NULL, is_active BOOLEAN DEFAULT 1 NOT NULL, created_at DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE email_recipients (id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INTEGER NOT NULL, email TEXT NOT NULL,
    is_active BOOLEAN DEFAULT 1 NOT NULL, created_at DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE telegram_recipients (id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INTEGER NOT NULL,
    chat_id TEXT NOT NULL, is_active BOOLEAN DEFAULT 1, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE machines (id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INTEGER NOT NULL, name TEXT NOT NULL,
    hostname TEXT, api_key TEXT UNIQUE NOT NULL, status TEXT DEFAULT 'offline', last_seen TIMESTAMP,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
"""
LUNASENTRI_15 = (
    LUNASENTRI_10
    + """
ALTER TABLE machines ADD COLUMN description TEXT DEFAULT '';
ALTER TABLE machines ADD COLUMN is_enabled BOOLEAN NOT NULL DEFAULT 1;
CREATE TABLE machine_api_keys (id INTEGER PRIMARY KEY AUTOINCREMENT, machine_id INTEGER NOT NULL,
    api_key_hash TEXT UNIQUE NOT NULL, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, revoked_at TIMESTAMP);
CREATE TABLE machine_offline_notifications (machine_id INTEGER PRIMARY KEY, notified_at TIMESTAMP NOT NULL);
"""
)

NOW = datetime.now(UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@dataclass
class Database:
    """A SQLite file that rows are put into."""

    file: Path
    schema: str = ""

    def __post_init__(self) -> None:
        with closing(sqlite3.connect(self.file)) as connection:
            connection.executescript(self.schema)

    def put(self, table: str, **values: Any) -> int:
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        with closing(sqlite3.connect(self.file)) as connection, connection:
            done = connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(values.values()))
            return int(done.lastrowid or 0)

    def change(self, table: str, row: int, **values: Any) -> None:
        with closing(sqlite3.connect(self.file)) as connection, connection:
            set_ = ", ".join(f"{column} = ?" for column in values)
            connection.execute(f"UPDATE {table} SET {set_} WHERE id = ?", (*values.values(), row))

    def content(self) -> list[str]:
        """All that is in it, to see that it stays so."""
        with closing(sqlite3.connect(self.file)) as connection:
            return list(connection.iterdump())


def django_time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S.%f")


@dataclass
class Healthchecks(Database):
    schema: str = HEALTHCHECKS_3
    codes: dict[str, str] = field(default_factory=dict)

    def project(self, name: str = "", ping_key: str | None = None) -> int:
        code = uuid.uuid4().hex
        key = None if ping_key is None else secret(ping_key)
        more = {"owner_id": 1, "api_key": "", "api_key_readonly": "", "badge_key": code, "show_slugs": 0}
        return self.put("accounts_project", code=code, name=name, ping_key=key, **more)

    def check(self, project: int, name: str, **given: Any) -> int:
        """`timeout` and `grace` in seconds."""
        code = uuid.uuid4()
        self.codes[name] = secret(str(code))
        row: dict[str, Any] = {"kind": "simple", "schedule": "* * * * *", "tz": "UTC", "timeout": 86_400, "grace": 3600}
        row |= {"tags": "", "desc": "", "methods": "", "manual_resume": 0, "n_pings": 0, "status": "new", "slug": ""}
        row |= given
        row |= {name: row[name] * 1_000_000 for name in ("timeout", "grace")}
        row["last_ping"] = django_time(row.get("last_ping"))
        return self.put("api_check", name=name, code=code.hex, project_id=project, created=django_time(ago(1e6)), **row)

    def channel(self, project: int, kind: str, value: Any, *checks: int, name: str = "", disabled: bool = False) -> int:
        text = value if isinstance(value, str) else json.dumps(value)
        made = self.put(
            "api_channel", name=name, code=uuid.uuid4().hex, project_id=project, created=django_time(ago(1e6)),
            kind=kind, value=text, email_verified=1, disabled=disabled, last_error="",
        )  # fmt: skip
        for check in checks:
            self.put("api_channel_checks", channel_id=made, check_id=check)
        return made


@dataclass
class Kuma(Database):
    schema: str = KUMA_123

    def push(self, name: str, token: str, **given: Any) -> int:
        row = {"type": "push", "interval": 60, "user_id": 1, "push_token": secret(token), **given}
        return self.put("monitor", name=name, **row)

    def beat(self, monitor: int, status: int, at: datetime) -> None:
        text = at.strftime("%Y-%m-%d %H:%M:%S.") + f"{at.microsecond // 1000:03}"
        self.put("heartbeat", monitor_id=monitor, status=status, time=text, msg="OK")

    def notification(self, name: str, config: dict[str, Any], *monitors: int, **given: Any) -> int:
        made = self.put("notification", name=name, config=json.dumps({"name": name, **config}), user_id=1, **given)
        for monitor in monitors:
            self.put("monitor_notification", monitor_id=monitor, notification_id=made)
        return made


def go_time(moment: datetime) -> str:
    """As Go's driver writes a time that was read from the clock."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f") + "789 +0000 UTC m=+12.000045"


@dataclass
class LunaSentri(Database):
    schema: str = LUNASENTRI_15

    def user(self, email: str) -> int:
        return self.put("users", email=email, password_hash="$2a$10$no")

    def machine(self, user: int, name: str, key: str, **given: Any) -> int:
        """`key` is what the agent sends; LunaSentri keeps its digest."""
        digest = hashlib.sha256(secret(key).encode()).hexdigest()
        row = given | ({"last_seen": go_time(given["last_seen"])} if "last_seen" in given else {})
        made = self.put("machines", user_id=user, name=name, api_key=digest, **row)
        if "machine_api_keys" in self.schema:
            self.put("machine_api_keys", machine_id=made, api_key_hash=digest)
        return made
