"""Log lines: their two forms, and that no secret is in one."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from lastseen.log import EVENTS, get_logger
from lastseen.log_output import Redactor, configure_logs, remember_secrets

BOT = "123456789:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"
SECRETS = [BOT, "whsec_AAECAwQFBgc=", "lsm_abcdefghijklmnop", "lsf_abcdefghijklmnop", "lsa_abcdefghijklmnop"]


@pytest.fixture(params=["console", "json"])
def lines(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logs(request.param, stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_known_by_its_form_wherever_it_stands(lines: io.StringIO, secret: str) -> None:
    get_logger().info("one", field=secret, deep={"in": [secret]}, url=f"https://api.telegram.org/bot{secret}/send")
    logging.getLogger("somebody").warning("a library says %s", secret)
    try:
        raise ValueError(f"went wrong with {secret}")
    except ValueError as error:
        get_logger().error("two", exc_info=error, repr=error)
    assert lines.getvalue().count("[") > 3
    assert secret not in lines.getvalue()


def test_headers_that_carry_keys_are_masked(lines: io.StringIO) -> None:
    get_logger().info("one", headers={"Authorization": "Bearer swordfish9", "X-API-Key": "swordfish9"})
    get_logger().info("two", headers=[(b"authorization", b"Basic swordfish9=="), (b"x-api-key", b"swordfish9")])
    get_logger().info("three", text="X-Api-Key: swordfish9, Authorization: swordfish9", dsn="redis://u:swordfish9@h/0")
    assert "swordfish9" not in lines.getvalue()
    assert "redis://u:" in lines.getvalue()


def test_a_secret_that_was_told_is_masked_however_it_is_quoted(lines: io.StringIO) -> None:
    secret = 'pass"word\\with/odd characters'
    remember_secrets(secret, "tiny")
    get_logger().info("one", text=secret, path="/tiny")
    logging.getLogger("somebody").error("%r %s", secret, json.dumps(secret))
    assert "odd characters" not in lines.getvalue()
    assert "/tiny" in lines.getvalue()


def test_libraries_that_log_addresses_are_quiet(lines: io.StringIO) -> None:
    for name in ("httpx", "telegram.Bot", "uvicorn.error", "apscheduler.scheduler"):
        logging.getLogger(name).info("nobody wants this")
    assert lines.getvalue() == ""


def test_what_has_nothing_to_hide_stays_as_it_is() -> None:
    redact = Redactor()
    text = "2025-10-10T16:30:00Z machine web-1 offline since 16:28:00, authorization is required at http://h:8383/x"
    assert redact(text) == text


def test_configuring_twice_says_everything_once(lines: io.StringIO) -> None:
    stream = io.StringIO()
    configure_logs("json", stream=stream)
    get_logger().info("once", n=1)
    assert lines.getvalue() == ""
    [line] = stream.getvalue().splitlines()
    assert {"event": "once", "n": 1, "level": "info"}.items() <= json.loads(line).items()


def test_the_table_of_events_is_sorted_and_complete_in_itself() -> None:
    assert list(EVENTS) == sorted(EVENTS)
    assert all(level in {"debug", "info", "warning", "error"} and meaning for level, _, meaning in EVENTS.values())


@pytest.mark.parametrize(
    "text",
    ["GET {url}/ping/{uuid}/start?rid=1 404", "path='/ping/{uuid}'", '{{"path": "/ping/lsp_{word}/backup"}}',
     "POST /api/push/{word}?status=up&msg=OK",
     'url="https://x.example/api/push/lsu_{word}/"', "key lsu_{word}", "lsp_{word}"],
)  # fmt: skip
def test_ping_and_push_addresses_are_masked(text: str) -> None:
    uuid, word = "0b3e6f6a-8d0e-4d56-a3c5-1f0b7a4c2f11", "Ab3-_xYz9876543210"
    line = Redactor()(text.format(uuid=uuid, word=word, url="http://127.0.0.1:8383"))
    assert uuid not in line
    assert word not in line
    assert "[secret]" in line
