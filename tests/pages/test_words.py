"""Every text that a page shows can be translated: all pages are shown in a language that has no English word left.

Its catalogue is made from what is collected: each text in brackets, with other letters. A word in plain letters on a
page is then a text that nobody can translate, or what somebody typed (here: `zz…`), or a value.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from fastapi.routing import iter_route_contexts

from tests.pages.test_forms import browser
from tests.public.conftest import Shop
from tests.web.site import a_site

ROOT = Path(__file__).parents[2]
TONGUE = "qps"
LETTERS = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "αвсδεƒɡнιʝκιмиορqяƨтυνωχуƶΑВСδΕҒGНΙЈΚԼМΝΟΡQЯЅТUVWХΥΖ"
)
KEPT = re.compile(r"(<[^>]*>|\{[^}]*\}|%\([a-z_]+\)[sd]|%%|`[^`]*`)")
"""Of a text, what is no word: places for values, and what is to be typed."""

TYPED = re.compile(r"\bzz[\w.:/@-]*")
VALUES = re.compile(
    r"""https?://\S+ | /[\w./?=&%{}<>:+#-]+ | [\w-]+\.(?:[\w*.]+) | \d{4}-\d\d-\d\d[T ]?[\d:.]*Z?
    | \w+=\S+ | \b[A-Z_]{4,}\b | \b[0-9a-f-]{8,}… | ls[ma]_\S+""",
    re.X,
)
"""Addresses, names of events, verbs and settings, moments, keys."""

NAMES = frozenset(
    """
    lastseen Telegram Healthchecks Uptime Kuma curl cron systemd MQTT OnCalendar CSV JSON UTC API TLS URL Matrix
    ntfy webhook email telegram apprise code console script gotify pushover exec default main mon tue wed thu
    fri sat sun Mon http https kB MB bytes Tue Europe Berlin Fri BotFather server device job standard lunasentri
    starttls tls none url all group machine tag api fleet ping mqtt mqtts aquabook devices
    esphome homeassistant homie openmqttgateway shelly tasmota zigbee2mqtt zigbee
    """.split()  # noqa: SIM905
)
"""Of programs, formats, types of channels, and what a form takes as it stands."""


WRITTEN_DOWN = frozenset(
    """
    source url user role member key kind silence status page badge channel label may read title public True shows type
    name machines offline_after_seconds offline after seconds every None schedule timezone shared viewer admin
    enabled events
    """.split()  # noqa: SIM905
)
"""What the audit log says was done, by the names of programs."""


def pseudo(text: str) -> str:
    parts = KEPT.split(text)
    return "⟦" + "".join(part if KEPT.fullmatch(part) else part.translate(LETTERS) for part in parts) + "⟧"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the catalogue of a language that nobody speaks."""
    spec = importlib.util.spec_from_file_location("collect_words", ROOT / "docs" / "collect_words.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    made = Catalog(locale=None, charset="utf-8", fuzzy=False)
    for one in script.collected():
        if one.id:
            many = isinstance(one.id, tuple | list)
            said = tuple(pseudo(text) for text in one.id) if many else pseudo(one.id)
            made.add(one.id, said, context=one.context)
    root = tmp_path_factory.mktemp("locale")
    path = root / TONGUE / "LC_MESSAGES" / "lastseen.mo"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        write_mo(file, made)
    return root


class Text(HTMLParser):
    """What people see and hear of a page."""

    SILENT = frozenset({"script", "style", "code", "pre", "svg"})
    SAID = frozenset({"title", "aria-label", "alt", "placeholder", "data-copy", "data-ago", "data-units", "data-yes",
                      "data-no", "data-copy-words"})  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [f"{tag} {name}: {value}" for name, value in attrs if name in self.SAID and value]
        if tag in self.SILENT:
            self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._within and self._within[-1] == tag:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        if not self._within and data.strip():
            self.found.append(f": {data.strip()}")


def english(page: str, written: frozenset[str] = frozenset()) -> list[str]:
    """The texts in which there is an English word that is not `written`."""
    reader = Text()
    reader.feed(page)
    found = []
    for text in reader.found:
        _, _, said = text.partition(": ") if not text.startswith(": ") else ("", "", text[2:])
        rest = VALUES.sub(" ", TYPED.sub(" ", re.sub(r"`[^`]*`|\{time\}", " ", said)))
        words = [word for word in re.findall(r"[A-Za-z]{2,}", rest) if word not in NAMES | written]
        if words:
            found.append(f"{text}   ← {words}")
    return found


@dataclass
class Visited:
    """A site with something of everything, and who looks at all of it."""

    shop: Shop
    admin: httpx.AsyncClient
    viewer: httpx.AsyncClient
    nobody: httpx.AsyncClient

    async def shows(self, who: str, path: str, form: dict[str, str] | None = None) -> list[str]:
        """The texts of this page that cannot be translated."""
        browser: httpx.AsyncClient = getattr(self, who)
        answer = await (browser.get(path) if form is None else browser.post(path, data=form))
        assert answer.status_code in (200, 401, 403, 404, 409, 422, 429), (
            answer.status_code,
            answer.headers,
            answer.text,
        )
        assert "⟦" in answer.text
        return english(answer.text, WRITTEN_DOWN if path == "/system/log" else frozenset())


@pytest.fixture(scope="module")
async def visited(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Visited]:
    place = tmp_path_factory.mktemp("site")
    async with a_site(place, offline_threshold="2m", locale_dir=str(folder), public_url="https://zz.example") as site:
        shop = Shop(site)
        async with (
            await browser(site, name="zzadmin") as admin,
            await browser(site, "viewer", "zzviewer") as viewer,
            site.browser("198.51.100.77") as nobody,
        ):
            await furnish(shop, admin)
            for one in (admin, viewer, nobody):
                one.headers["Accept-Language"] = f"{TONGUE}, en;q=0.5"
            yield Visited(shop, admin, viewer, nobody)


async def furnish(shop: Shop, admin: httpx.AsyncClient) -> None:
    """With the forms of the pages."""
    for slug in ("zzup", "zzdown", "zzgone"):
        await shop.machine(slug, name=f"{slug}-name", group="zzgroup", tags=("zztag",), description="zztext")
    await shop.machine("zznew", heard=False)
    await shop.machine("zzpaused")
    for path, form in FORMS.items():
        answer = await admin.post(path, data={"shared": "yes", **form})
        assert answer.status_code in (200, 303), (path, answer.text)
    await shop.pass_(timedelta(minutes=30), ["zzup"])


FORMS: dict[str, dict[str, str]] = {
    "/machines/new": {"name": "zzjob", "schedule": "30 2 * * *", "timezone": "Europe/Berlin"},
    "/channels/new/webhook": {"name": "zzhook", "shared": "yes", "of.url": "http://127.0.0.1:9/zz"},
    "/kinds": {"name": "zzkind", "offline_after": "5m"},
    "/sources/new": {"name": "zzmqtt", "url": "mqtt://127.0.0.1:9", "presets": "devices"},
    "/silences": {"name": "zzsilence", "lasting": "1h", "groups": "zzgroup"},
    "/status-pages": {"slug": "zzpage", "title": "zztitle", "text": "zztext", "lines": "all", "public": "yes"},
    "/status-pages/badges": {"of": "machine zzup", "shows": "status"},
    "/keys": {"scope": "api", "label": "zzkey", "may": "read"},
    "/people": {"name": "zzben", "role": "member"},
    "/machines/zzpaused/orders/pause": {},
    "/machines/zzgone/remove": {},
}


PAGES = [
    *("/", "/?span=30d&q=zz&status=wrong", "/?span=90d&sort=name&tag=zztag&kind=default", "/?q=zznothing"),
    *(
        "/machines/new",
        "/machines/zzup",
        "/machines/zzdown",
        "/machines/zznew",
        "/machines/zzpaused",
        "/machines/zzjob",
    ),
    *("/machines/zzgone", "/machines/zzdown?at=2025-10-10T16:30", "/machines/zzup?at=zznonsense", "/machines/zznobody"),
    *(
        "/machines/zzup/edit",
        "/machines/zzup/keys",
        "/machines/zzup/remove",
        "/machines/zzup/connect",
        "/machines/zzjob/connect",
    ),
    *("/machines/zzup/alive", "/machines/zznew/alive", "/events", "/events?machine=zznobody", "/events?since=zznever"),
    *("/channels", "/channels/new", "/channels/new/webhook", "/channels/new/email", "/channels/new/telegram"),
    *("/channels/new/ntfy", "/channels/invite", "/channels/1", "/channels/1/edit", "/channels/1/wishes"),
    *("/channels/1/remove", "/channels/1/secret", "/channels/1/whose", "/channels/given-up", "/channels/invited/1"),
    *(
        "/silences",
        "/status-pages",
        "/status-pages/zzpage/edit",
        "/status-pages/zzpage/remove",
        "/status-pages/badges/1/remove",
        "/sources",
        "/sources/http",
        "/kinds",
    ),
    *("/sources/new", "/sources/zzmqtt", "/sources/zzmqtt/edit", "/sources/zzmqtt/remove"),
    *(
        "/kinds/edit?name=zzkind",
        "/kinds/remove?name=zzkind",
        "/keys",
        "/people",
        "/people/1/remove",
        "/system",
        "/system/log",
    ),
    *("/account", "/status/zzpage"),
]
SEEN_BY_A_VIEWER = [
    "/",
    "/machines/zzdown",
    "/machines/new",
    "/channels",
    "/channels/1",
    "/system",
    "/account",
    "/keys",
]
SEEN_BY_NOBODY = ["/login", "/setup?token=zz", "/reset?token=zz", "/status/zzpage"]
WRONG: list[tuple[str, dict[str, str]]] = [
    ("/machines/new", {"name": "", "timezone": "zz", "every": "zz"}),
    ("/machines/new", {"name": "zzup"}),
    ("/machines/new", {"name": "zz", "every": "zz"}),
    ("/machines/new", {"name": "zz", "schedule": "zz zz zz zz zz"}),
    ("/machines/new", {"name": "zz", "schedule": "1 2 3 4 5", "timezone": "zz"}),
    ("/machines/new", {"name": "zz", "offline_after": "9000d"}),
    ("/machines/new", {"name": "zz", "kind": "zzz"}),
    ("/machines/new", {"name": "zz", "tags": "zz" * 200}),
    ("/machines/zzup/ack", {"x": ""}),
    ("/channels/new/webhook", {"name": "zz", "of.url": "zz"}),
    ("/channels/new/webhook", {"name": "zzhook", "of.url": "https://zz.example/"}),
    ("/channels/new/ntfy", {"name": ""}),
    ("/channels/1/wishes", {"quiet.start": "zz", "quiet.end": "zz"}),
    ("/channels/1/wishes", {"quiet.start": "22:00"}),
    ("/channels/1/wishes", {"repeat_every": "zz"}),
    ("/sources/new", {"name": "zz", "url": "zz"}),
    ("/sources/new", {"name": "zz", "url": "mqtt://zz.example", "presets": "zz", "bind": "zz"}),
    ("/kinds", {"name": ""}),
    ("/kinds", {"name": "zz", "offline_after": "zz"}),
    ("/silences", {"name": "zz", "lasting": "zz"}),
    ("/silences", {"name": "zz", "lasting": "1h", "start": "zz"}),
    ("/status-pages", {"slug": "zz zz", "title": "zz"}),
    ("/status-pages", {"slug": "zzpage", "title": "zz"}),
    ("/status-pages", {"slug": "zz", "title": ""}),
    ("/status-pages", {"slug": "zz", "title": "zz", "lines": "zz zz"}),
    ("/status-pages/badges", {"of": "zz"}),
    ("/status-pages/badges", {"of": "machine zzz", "shows": "status"}),
    ("/keys", {"scope": "zz"}),
    ("/keys", {"scope": "api", "label": "zz", "lasting": "zz"}),
    ("/people", {"name": "", "role": "member"}),
    ("/people", {"name": "zzben", "role": "member"}),
    ("/people/1/role", {"role": "viewer"}),
    ("/account/password", {"current": "zz", "password": "zz"}),
]


@pytest.mark.parametrize("path", PAGES)
async def test_no_page_has_a_text_that_cannot_be_translated(visited: Visited, path: str) -> None:
    found = await visited.shows("admin", path)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", SEEN_BY_A_VIEWER)
async def test_nor_has_one_for_who_may_look_alone(visited: Visited, path: str) -> None:
    found = await visited.shows("viewer", path)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", SEEN_BY_NOBODY)
async def test_nor_has_one_for_who_is_not_logged_in(visited: Visited, path: str) -> None:
    found = await visited.shows("nobody", path)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("path", "form"), WRONG)
async def test_nor_has_a_form_with_something_wrong_in_it(visited: Visited, path: str, form: dict[str, str]) -> None:
    found = await visited.shows("admin", path, form)
    assert not found, "\n".join(found)


async def test_a_wrong_password_is_said_in_the_language_too(visited: Visited) -> None:
    found = await visited.shows("nobody", "/login", {"name": "zz", "password": "zz"})
    assert not found, "\n".join(found)


async def test_there_is_no_page_that_is_not_looked_at_here(visited: Visited) -> None:
    """A new one belongs into PAGES."""
    looked = [path.partition("?")[0] for path in (*PAGES, *SEEN_BY_NOBODY)]
    routes = [one for one in iter_route_contexts(visited.shop.site.app.api.routes) if "GET" in (one.methods or ())]
    pages = {one.path for one in routes if not one.path.startswith(NO_PAGES)}
    forms = {path: re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path)) for path in pages}
    missed = [path for path, form in forms.items() if not any(form.fullmatch(one) for one in looked)]
    assert missed == []
    assert len(pages) > 30


NO_PAGES = ("/api/", "/events.", "/static/", "/badge/", "/favicon", "/healthz", "/readyz", "/metrics", "/test/")
"""And the page of the API is in English."""
