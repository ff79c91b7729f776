"""Who may ask what: every route there is, by nobody, by each kind of key, and by people of each role. A route without a
row fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from lastseen.app import App
from lastseen.ingest.auth import digest_of
from lastseen.manage.who import Who
from lastseen.settings import Settings
from tests.api.conftest import Api, an_api
from tests.api.test_channels import HOOK

NO_KEYS = {"nobody": 401, "machine": 403, "fleet": 403, "ping": 403}
"""Whom the management API lets do nothing. A machine's key shows its own status, and that is all."""

PEOPLE = ("reads", "writes", "viewer", "owner", "other", "admin")
"""A key that may read, one that may write, and people who are logged in: `owner` has a machine and a channel, `other`
is another member."""

YES = 0
"""Done, or refused for another reason than who asks."""

ANYBODY = dict.fromkeys((*NO_KEYS, *PEOPLE), YES)
WHOEVER_IS_LET_IN = NO_KEYS | dict.fromkeys(PEOPLE, YES)
EDITORS = WHOEVER_IS_LET_IN | {"reads": 403, "viewer": 403}
OWN_SEEN = WHOEVER_IS_LET_IN | {"viewer": 404, "other": 404}
OWN_CHANGED = OWN_SEEN | {"reads": 403}
ADMINS = NO_KEYS | dict.fromkeys(PEOPLE, 403) | {"writes": YES, "admin": YES}
ADMINS_SEE = ADMINS | {"reads": YES}
LOGGED_IN = WHOEVER_IS_LET_IN | {"reads": 403, "writes": 403}
WRITERS = WHOEVER_IS_LET_IN | {"reads": 403}


@dataclass(frozen=True)
class Row:
    """What is asked, and what each is answered. `anew`: what it is asked about does not outlast it."""

    answers: dict[str, int]
    path: str = ""
    body: Any = None
    anew: str = ""
    query: dict[str, str] = field(default_factory=dict)


MINE, HOOKED = "/machines/adas", "/channels/hook"
ROWS: dict[str, Row] = {
    "machines_list": Row(WHOEVER_IS_LET_IN),
    "machines_add": Row(EDITORS, body={"slug": "{new}"}),
    "machines_statuses": Row(WHOEVER_IS_LET_IN, query={"ids": "adas"}),
    "machines_show": Row(OWN_SEEN, MINE),
    "machines_change": Row(OWN_CHANGED, MINE, {"name": "Pump"}),
    "machines_remove": Row(OWN_CHANGED, "/machines/{new}", anew="machine"),
    **{
        f"machines_{verb.replace('-', '_')}": Row(OWN_CHANGED, f"{MINE}/{verb}", {})
        for verb in ("rotate-key", "new-addresses", "pause", "resume", "disable", "enable", "ack")
    },
    **{f"machines_{what}": Row(OWN_SEEN, f"{MINE}/{what}") for what in ("events", "outages", "uptime", "why")},
    "machines_advice": Row(OWN_SEEN, f"{MINE}/advice"),
    "machines_listen": Row(OWN_CHANGED, f"{MINE}/listen", {"lasting": "1h"}),
    "machines_status": Row(OWN_SEEN | {"machine": YES}, f"{MINE}/status"),
    "devices_status": Row(OWN_SEEN | {"machine": YES}, "/devices/adas/status"),
    "board": Row(WHOEVER_IS_LET_IN),
    "uptime_list": Row(WHOEVER_IS_LET_IN),
    "events_list": Row(WHOEVER_IS_LET_IN),
    "notifications_list": Row(WHOEVER_IS_LET_IN),
    "notifications_replay": Row(OWN_CHANGED, "/notifications/{told}/replay"),
    "notifications_replay_dead": Row(EDITORS, "/notifications/replay", {"state": "dead"}),
    "channels_list": Row(WHOEVER_IS_LET_IN),
    "channels_types": Row(WHOEVER_IS_LET_IN),
    "channels_add": Row(EDITORS, body={**HOOK, "name": "{new}"}),
    "channels_invite": Row(EDITORS, "/channels/invites", {"name": "{new}"}),
    "channels_invited": Row(EDITORS, "/channels/invites/99"),
    "channels_show": Row(OWN_SEEN, HOOKED),
    "channels_change": Row(OWN_CHANGED, HOOKED, {"wishes": {"notify_after": 1}}),
    "channels_remove": Row(OWN_CHANGED, "/channels/{new}", anew="channel"),
    "channels_test": Row(OWN_CHANGED, f"{HOOKED}/test"),
    "channels_enable": Row(OWN_CHANGED, f"{HOOKED}/enable"),
    "channels_disable": Row(OWN_CHANGED, f"{HOOKED}/disable"),
    "channels_rotate_secret": Row(OWN_CHANGED, f"{HOOKED}/rotate-secret"),
    "kinds_list": Row(WHOEVER_IS_LET_IN),
    "kinds_remove": Row(ADMINS, "/kinds/default"),
    "kinds_set": Row(ADMINS, "/kinds/cam", {"every": "1m"}),
    "silences_list": Row(WHOEVER_IS_LET_IN),
    "silences_add": Row(EDITORS, body={"name": "s", "lasting": "1m"}),
    "silences_end": Row(EDITORS, "/silences/1"),
    "sources_list": Row(WHOEVER_IS_LET_IN),
    "sources_add": Row(ADMINS, body={"name": "{new}", "url": "mqtt://127.0.0.1:9", "presets": ["devices"]}),
    "sources_show": Row(WHOEVER_IS_LET_IN, "/sources/http"),
    "sources_change": Row(ADMINS, "/sources/house", {"base": "x"}),
    "sources_remove": Row(ADMINS, "/sources/http"),
    "sources_blind": Row(WHOEVER_IS_LET_IN, "/sources/http/blind"),
    "sources_try": Row(ADMINS, "/sources/test", {"name": "b", "url": "mqtt://127.0.0.1:9", "presets": ["devices"]}),
    **{f"sources_{verb}": Row(ADMINS, f"/sources/http/{verb}") for verb in ("test", "pause", "resume")},
    "system": Row(ADMINS_SEE),
    "nodes_list": Row(ADMINS_SEE),
    "keys_list": Row(WHOEVER_IS_LET_IN),
    "keys_add": Row(WRITERS, body={"scope": "api"}),
    "keys_revoke": Row(OWN_SEEN | {"reads": 403}, "/keys/{made}", anew="key"),
    "status_pages_list": Row(WHOEVER_IS_LET_IN),
    "status_pages_add": Row(EDITORS, body={"slug": "{new}", "lines": [{"all": True}]}),
    "status_pages_show": Row(OWN_SEEN, "/status-pages/adas"),
    "status_pages_change": Row(OWN_CHANGED, "/status-pages/adas", {"text": "hello"}),
    "status_pages_remove": Row(OWN_CHANGED, "/status-pages/{new}", anew="status page"),
    "badges_list": Row(WHOEVER_IS_LET_IN),
    "badges_add": Row(EDITORS, body={"all": True}),
    "badges_remove": Row(OWN_CHANGED, "/badges/{made}", anew="badge"),
    "users_list": Row(ADMINS_SEE),
    "users_add": Row(ADMINS, body={"name": "{new}"}),
    "users_show": Row(OWN_SEEN, "/users/owner"),
    "users_change": Row(ADMINS, "/users/owner", {"role": "member"}),
    "users_remove": Row(ADMINS, "/users/nobody-at-all"),
    "users_reset_password": Row(ADMINS, "/users/owner/reset-password"),
    "sessions_list": Row(ADMINS_SEE),
    "users_sessions": Row(OWN_SEEN, "/users/owner/sessions"),
    "users_log_out": Row(OWN_CHANGED, "/users/owner/sessions"),
    "users_end_session": Row(OWN_CHANGED, "/users/owner/sessions/{made}", anew="session"),
    "set_password": Row(LOGGED_IN, "/session/password", {"current": "wrong", "password": "correct horse battery"}),
    "audit_list": Row(ADMINS_SEE),
    "stream": Row(WHOEVER_IS_LET_IN, query={"after": "\0"}),
    "who_asks": Row(WHOEVER_IS_LET_IN, "/session"),
    "log_in": Row(ANYBODY, "/session", {"name": "nobody", "password": "wrong"}),
}
"""By operation. A path that is not said is the route's own."""

ELSEWHERE = {"log_out"}
"""What ends the sessions that are asked with: `tests/web/test_login.py`."""

OPEN = {
    *(
        "/api/v1/openapi.json",
        "/api/docs",
        "/healthz",
        "/readyz",
        "/metrics",
        "/favicon.ico",
        "/static/{which}/{path:path}",
    ),
    *("/login", "/logout", "/setup", "/reset", "/status/{slug}", "/badge/{name}"),
}
"""What is there for whoever comes. Everything else that is not the API's is a page, for who is logged in."""


def routes() -> Iterator[Any]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        yield from iter_route_contexts(App(Settings.load(data_dir=folder)).api.routes)


ALL = list(routes())
OPERATIONS = {one.operation_id: one for one in ALL if getattr(one, "operation_id", None)}
PAGES = sorted(
    {(method, one.path) for one in ALL for method in one.methods or () if not one.path.startswith("/api/")}
    - {(method, path) for method in ("GET", "POST") for path in OPEN}
)


ANEW: dict[str, tuple[str, dict[str, Any]]] = {
    "machine": ("machines", {"slug": "{new}"}),
    "channel": ("channels", {**HOOK, "name": "{new}"}),
    "key": ("keys", {"scope": "api"}),
    "status page": ("status-pages", {"slug": "{new}", "lines": [{"all": True}]}),
    "badge": ("badges", {"all": True}),
}
"""What can be made of each kind, so that it can be taken away."""


@dataclass
class House:
    """What is there, and how each of those who ask says who they are."""

    api: Api
    headers: dict[str, dict[str, str]]
    ids: dict[str, int]
    told: int = 0
    made: int = 0

    async def ask(self, operation: str, row: Row, who: str) -> httpx.Response:
        route, self.made = OPERATIONS[operation], self.made + 1
        new = f"new-{self.made}"
        made = await self.anew(row.anew, new) if row.anew else 0
        places = {"{new}": new, "{told}": str(self.told), "{made}": str(made)}
        path = filled(f"/api/v1{row.path}" if row.path else route.path, places)
        body = None if row.body is None else {name: filled(value, places) for name, value in row.body.items()}
        (method,) = route.methods
        said = await self.api.http.request(method, path, json=body, params=row.query, headers=self.headers[who])
        if operation == "users_log_out" and said.is_success:
            await self.log_in("owner")
        return said

    async def log_in(self, name: str, browser: str = "") -> int:
        """The id of a new session."""
        now, digest = self.api.clock.now(), digest_of(token_of(name + browser))
        until = now + timedelta(days=30)
        made = await self.api.app.store.begin_session(self.ids[name], digest, now, until, "", "")
        return int(made.id)

    async def anew(self, what: str, name: str) -> int:
        """The id of such a thing of the owner's."""
        if what == "session":
            return await self.log_in("owner", name)
        path, body = ANEW[what]
        said = {field: filled(value, {"{new}": name}) for field, value in body.items()}
        made = await self.api.http.post(f"/api/v1/{path}", json=said, headers=self.headers["owner"])
        return int(made.json()["id"])


def token_of(name: str) -> str:
    return name.ljust(43, "-")


def filled(value: Any, places: dict[str, str]) -> Any:
    if isinstance(value, str):
        for place, name in places.items():
            value = value.replace(place, name)
    return value


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder: Path = tmp_path_factory.mktemp("access")
    async with an_api(folder, rate_limit="off", public_url="https://status.example.org") as api:
        store, now = api.app.store, api.clock.now()
        ids: dict[str, int] = {}
        headers: dict[str, dict[str, str]] = {"nobody": {}}
        for name, role in (("admin", "admin"), ("owner", "member"), ("other", "member"), ("viewer", "viewer")):
            ids[name] = (await store.add_user(name, role, None, now)).id
            headers[name] = {"Cookie": f"lastseen={token_of(name)}", "Sec-Fetch-Site": "same-origin"}
        house = House(api, headers, ids)
        for name in ids:
            await house.log_in(name)
        owner = api.app.office.of(Who("owner", "member", ids["owner"], through="session"))
        made = await api.http.post("/api/v1/machines", json={"slug": "adas"}, headers=headers["owner"])
        keys = {
            "machine": made.json()["key"],
            "fleet": await api.new_key("fleet"),
            "ping": await api.new_key("ping"),
            "reads": await api.new_key(may="read"),
            "writes": api.key,
        }
        headers |= {name: {"Authorization": f"Bearer {key}"} for name, key in keys.items()}
        await api.http.post("/api/v1/channels", json={**HOOK, "name": "hook"}, headers=headers["owner"])
        await api.http.post(
            "/api/v1/status-pages", json={"slug": "adas", "lines": [{"machine": "adas"}]}, headers=headers["owner"]
        )
        silence = {"name": "s", "machines": {"names": ["adas"]}}
        await api.http.post("/api/v1/silences", json=silence, headers=headers["owner"])
        await api.post("/sources", json={"name": "house", "url": "mqtt://127.0.0.1:9", "presets": ["devices"]})
        await api.app.monitor.heartbeat("adas", {"status": "error", "message": "disk"})
        house.told = await told_of(owner)
        yield house


async def told_of(office: Any) -> int:
    from lastseen.manage import notifications
    from tests.support import eventually

    async def first() -> int:
        items = (await notifications.page(office))["items"]
        return int(items[0]["id"]) if items else 0

    return await eventually(first)


def test_every_operation_has_a_row() -> None:
    assert set(OPERATIONS) - ELSEWHERE == set(ROWS)
    undescribed = {one.path for one in ALL if one.path.startswith("/api/") and not getattr(one, "operation_id", None)}
    assert undescribed <= OPEN


@pytest.mark.parametrize("operation", sorted(ROWS))
async def test_each_is_answered_as_they_may(house: House, operation: str) -> None:
    row = ROWS[operation]
    for who, wanted in row.answers.items():
        answer = await house.ask(operation, row, who)
        status = answer.status_code
        seen = f"{operation} by {who}: {status} {answer.text[:200]}"
        if wanted != YES:
            assert status == wanted, seen
        elif operation == "log_in":
            assert status == 401, seen
        else:
            assert status not in (401, 403, 405, 500), seen
            assert status != 404 or operation in ("users_remove", "silences_end", "channels_invited"), seen


@pytest.mark.parametrize(("method", "path"), PAGES, ids=[f"{method} {path}" for method, path in PAGES])
async def test_pages_are_for_who_is_logged_in(house: House, method: str, path: str) -> None:
    asked = path.replace("{slug}", "adas").replace("{ref}", "hook").replace("{file}", "csv").replace("{verb}", "pause")
    asked = asked.replace("{type_}", "webhook").replace("{notification}", "1").replace("{number}", "1")
    asked = asked.replace("{session}", "1")
    for who in ("nobody", "machine", "fleet", "ping"):
        answer = await house.api.http.request(method, asked, headers=house.headers[who])
        led = answer.status_code == 303 and answer.headers["location"].startswith("/login")
        assert led or answer.status_code in (401, 403), (who, answer.status_code, answer.text[:200])
