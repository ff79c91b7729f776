"""Why a channel fails is read by everybody who sees it: whatever its far end says, no secret of it is in that."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from lastseen.clock import SystemClock
from lastseen.compose import Notifiers
from lastseen.model import Channel, Rejected, Retry
from lastseen.settings import Settings
from lastseen.testing.far_end import Answer, FarEnd
from tests.notifiers.builders import message
from tests.secrecy import secret
from tests.standins.smtp import PASSWORD as LOGIN
from tests.standins.smtp import USER, Certificate, MailServer, Trouble

PASSWORD = secret("no word-with-a-number/in it")
PATH = secret("of-mine-and-theirs")
TOKEN = secret("tk_onlyletters")
TOPIC = secret("cellarsofmine")
BOT = secret("424242:AAHfiqksKZ8WmR2zSjiQ7_v4TMAKdiHm9T0")
KEY = secret("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")

OLD = {"url": "{url}", "signature": "lunasentri"}
CHANNELS: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, str], tuple[str, ...]]] = {
    "webhook": ("webhook", {"url": "{url}/services/" + PATH}, {"secret": KEY}, (KEY, PATH)),
    "webhook of old": ("webhook", OLD, {"secret": KEY, "previous_secret": PASSWORD}, (KEY, PASSWORD)),
    "ntfy with a token": ("ntfy", {"url": "{url}"}, {"topic": TOPIC, "token": TOKEN}, (TOPIC, TOKEN)),
    "ntfy": ("ntfy", {"url": "{url}", "user": "ada"}, {"topic": TOPIC, "password": PASSWORD}, (TOPIC, PASSWORD)),
    "telegram": ("telegram", {"chat_id": 42}, {"token": BOT}, (BOT,)),
    "apprise": ("apprise", {}, {"urls": f"json://ada:{quote(PASSWORD, safe='')}@{{place}}/{PATH}"}, (PASSWORD, PATH)),
}
"""By name: the type, what is stored as it is, what is encrypted, and what nobody may read of both."""


@pytest.fixture
def server() -> Iterator[FarEnd]:
    with FarEnd() as server:
        yield server


async def reason(settings: Settings, type_: str, config: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
    """Why a message does not arrive, as it is written down."""
    async with Notifiers(settings, SystemClock()) as senders:
        notifier: Any = senders(Channel("uid", "ops", type_, config=config), secrets)
        outcome = await notifier.send(message())
        if hasattr(notifier, "close"):
            await notifier.close()
    assert isinstance(outcome, Retry | Rejected)
    return outcome.reason


def quoted(status: int, said: str) -> Answer:
    """As each of the far ends says what is wrong."""
    body = {"ok": False, "error_code": status, "description": said, "code": 50001, "error": said}
    return Answer(status, json.dumps(body).encode(), {"content-type": "application/json"})


def escaped(text: str) -> str:
    return quote(text, safe="")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 429, 500])
@pytest.mark.parametrize("name", CHANNELS)
async def test_no_far_end_puts_a_secret_into_it(server: FarEnd, name: str, status: int) -> None:
    type_, config, secrets, hidden = CHANNELS[name]
    where = {"url": server.url, "place": server.url.removeprefix("http://")}
    config = {key: one.format(**where) if isinstance(one, str) else one for key, one in config.items()}
    secrets = {key: one.format(**where) for key, one in secrets.items()}
    forms: tuple[Callable[[str], str], ...] = (str, escaped)
    for text in [form(one) for one in hidden for form in forms]:
        server.otherwise = quoted(status, f"wrong: {text}")
        said = await reason(Settings.load(telegram_api_url=server.url), type_, config, secrets)
        assert text[:8] not in said, said


async def test_nor_does_a_mail_server(tmp_path: Path) -> None:
    certificate = Certificate(tmp_path)
    own = {"user": USER, "sender": "a@example.org", "to": ["b@example.org"], "ca_file": str(certificate.file)}
    for at in ("AUTH", "MAIL", "RCPT", "DATA"):
        with MailServer(certificate) as server:
            server.otherwise = Trouble(at, f"451 4.7.1 {LOGIN} is not it")
            config = {"host": "localhost", "port": server.port, **own}
            said = await reason(Settings.load(), "email", config, {"password": LOGIN})
        assert "localhost" in said
        assert LOGIN[:8] not in said
