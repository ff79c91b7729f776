"""The e-mail notifier against a real mail server (aiosmtpd), with real TLS."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from lastseen import FakeClock, HeartbeatMonitor
from lastseen.errors import ConfigurationError, InvalidInput, PluginError
from lastseen.model import Delivered, Rejected, Retry, Scope
from lastseen.notifiers.email import Email, email_library
from lastseen.notifiers.email_letter import as_sent, letter, mailbox
from lastseen.notifiers.message import render
from lastseen.plugins import check_config
from tests.notifiers.builders import at, delivery, message, offline, online
from tests.notifiers.post import BOSS, OPS, email
from tests.secrecy import secret
from tests.standins.smtp import USER, Certificate, MailServer, Trouble


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("mail"))


@pytest.fixture
def server(certificate: Certificate) -> Iterator[MailServer]:
    with MailServer(certificate) as server:
        yield server


# -- the letter


async def test_a_letter_arrives_as_text_and_html_with_the_title_as_its_subject(
    server: MailServer, certificate: Certificate
) -> None:
    what = render([delivery(offline("a<b> & ü"))], at("03:02:13"))
    outcome = await email(server, certificate).send(what)
    (got,) = server.letters
    assert outcome == Delivered(receipt=got.mail["Message-ID"])
    assert got.mail["Subject"] == what.title
    assert got.body().rstrip("\n") == what.text
    assert "a&lt;b&gt; &amp; ü" in got.body("html")
    assert (got.sender, got.to, got.login) == ("lastseen@example.org", (OPS,), USER)
    assert got.mail["Auto-Submitted"] == "auto-generated"
    assert got.mail.get_content_type() == "multipart/alternative"


async def test_the_date_is_that_of_the_attempt(server: MailServer, certificate: Certificate) -> None:
    await email(server, certificate).send(message(wall=at("03:02:13")))
    assert parsedate_to_datetime(server.letters[0].mail["Date"]) == at("03:02:13")


async def test_every_try_of_a_notification_has_the_same_message_id(
    server: MailServer, certificate: Certificate
) -> None:
    server.script(Trouble("DATA", "451 4.3.0 full"))
    speaker = email(server, certificate)
    assert isinstance(await speaker.send(message()), Retry)
    await speaker.send(message(wall=at("04:00")))
    await email(server, certificate).send(message(wall=at("05:00")))
    await email(server, certificate).send(replace(message(), id="another"))
    first, again, other = (one.mail["Message-ID"] for one in server.letters)
    assert first == again != other


async def test_a_recovery_answers_the_letter_of_its_alert(server: MailServer, certificate: Certificate) -> None:
    speaker = email(server, certificate)
    alert = await speaker.send(message())
    assert isinstance(alert, Delivered)
    await speaker.send(message(online(), reply_to=alert.receipt))
    first, second = (one.mail for one in server.letters)
    assert first["In-Reply-To"] is None
    assert second["In-Reply-To"] == second["References"] == first["Message-ID"]


async def test_in_a_monitor_the_letter_of_a_recovery_answers_that_of_its_alert(
    server: MailServer, certificate: Certificate
) -> None:
    clock = FakeClock()
    async with HeartbeatMonitor(
        offline_after="3m", notify={"mail": email(server, certificate)}, clock=clock
    ) as monitor:
        await monitor.heartbeat("db-01")
        await clock.advance("10m")
        await monitor.heartbeat("db-01")
        await clock.advance("1m")
    assert [str(one.mail["Subject"])[0] for one in server.letters] == ["🔴", "🟢"]
    alert, recovery = (one.mail for one in server.letters)
    assert recovery["In-Reply-To"] == alert["Message-ID"]


async def test_several_events_are_one_letter(server: MailServer, certificate: Certificate) -> None:
    batch = [delivery(offline("db-01", 1)), delivery(offline("nas-02", 2)), delivery(offline("pi", 3))]
    await email(server, certificate).send(render(batch, at("03:02:13")))
    (got,) = server.letters
    assert got.mail["Subject"] == "🔴 3 offline: db-01, nas-02, pi"
    assert got.body().count("offline since") == 3


async def test_several_recipients_are_one_letter(server: MailServer, certificate: Certificate) -> None:
    await email(server, certificate, to=(OPS, f"The Boss <{BOSS}>", OPS)).send(message())
    (got,) = server.letters
    assert got.to == (OPS, BOSS)
    assert got.mail["To"] == f"{OPS}, The Boss <{BOSS}>"


NASTY = [
    "x\r\nBcc: all@example.org",
    "x\nSubject: y",
    "x\r\n\r\n.\r\nMAIL FROM:<a@b>",
    "x\x00\u2028Bcc: y",
    "\ud800 half",
    "=?utf-8?q?x=0ABcc:y?=",
    "",
]


@pytest.mark.parametrize("title", NASTY)
async def test_a_name_writes_no_header_and_ends_no_letter(
    server: MailServer, certificate: Certificate, title: str
) -> None:
    what = replace(message(title=title, text=f"{title}\n.\n..\nlast", html=title), id=f"n{title}")
    assert isinstance(await email(server, certificate).send(what), Delivered)
    (got,) = server.letters
    assert set(got.mail.keys()) == {
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress"),
        *("MIME-Version", "Content-Type"),
    }
    assert got.to == (OPS,)
    assert got.body().endswith("\n.\n..\nlast\n")


@pytest.mark.parametrize("reply_to", ["4711", "<a@b>\r\nBcc: x@y", "<a b@c>", ""])
async def test_a_receipt_that_is_no_message_id_is_not_answered(
    server: MailServer, certificate: Certificate, reply_to: str
) -> None:
    await email(server, certificate).send(message(reply_to=reply_to))
    assert server.letters[0].mail["In-Reply-To"] is None


async def test_a_name_outside_ascii_needs_no_special_server(server: MailServer, certificate: Certificate) -> None:
    await email(server, certificate, sender="Wächter <lastseen@bücher.example>").send(message())
    (got,) = server.letters
    assert got.sender == "lastseen@xn--bcher-kva.example"
    assert got.mail["From"] == "Wächter <lastseen@xn--bcher-kva.example>"
    assert got.raw.isascii()


async def test_an_address_outside_ascii_is_sent_where_the_server_knows_them(
    server: MailServer, certificate: Certificate
) -> None:
    await email(server, certificate, to=("jürgen@example.org",)).send(message())
    assert server.letters[0].to == ("jürgen@example.org",)
    assert "jürgen@example.org" in server.letters[0].raw.decode()


def test_a_letter_has_only_short_lines_of_seven_bits() -> None:
    mail = letter(
        message(title="ü" * 500, text="ü" * 5000, html="ü" * 5000), "a@b.example", ["c@d.example"], at("3:00")
    )
    raw, foreign = as_sent(mail)
    assert not foreign
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998


# -- what the server says


async def test_a_wrong_password_is_said_and_not_repeated(server: MailServer, certificate: Certificate) -> None:
    wrong = secret("wr0ng-horse-battery")
    outcome = await email(server, certificate, password=SecretStr(wrong)).send(message())
    assert outcome == Retry("localhost refuses the user or the password (535)")


async def test_a_server_that_cannot_check_passwords_now_is_tried_again(
    server: MailServer, certificate: Certificate
) -> None:
    server.otherwise = Trouble("AUTH", "454 4.7.0 later")
    outcome = await email(server, certificate).send(message())
    assert outcome == Retry("localhost cannot check the password now (454)")


CASES = [
    (Trouble("MAIL", "421 4.3.2 too busy"), Retry("421 from localhost: too busy")),
    (Trouble("MAIL", "451 4.7.1 wait"), Retry("451 from localhost: wait")),
    (
        Trouble("MAIL", "553 5.7.1 <lastseen@example.org>: not yours"),
        Retry("it refuses the sender: 553 from localhost: [address]: not yours"),
    ),
    (Trouble("MAIL", "552 5.3.4 too big"), Rejected("552 from localhost: too big")),
    (Trouble("RCPT", "450 4.2.0 greylisted"), Retry("450 from localhost: greylisted")),
    (Trouble("RCPT", "550 5.1.1 no such user"), Rejected("550 from localhost: no such user", Scope.CHANNEL)),
    (Trouble("RCPT", "550 who?"), Rejected("550 from localhost: who?", Scope.CHANNEL)),
    (Trouble("RCPT", "550 5.2.1 closed"), Rejected("550 from localhost: closed", Scope.CHANNEL)),
    (Trouble("RCPT", "552 5.2.2 mailbox full"), Retry("552 from localhost: mailbox full")),
    (Trouble("RCPT", "554 5.7.1 relaying denied"), Retry("554 from localhost: relaying denied")),
    (Trouble("RCPT", "550 5.7.1 policy"), Retry("550 from localhost: policy")),
    (Trouble("DATA", "451 4.3.0 disk full"), Retry("451 from localhost: disk full")),
    (Trouble("DATA", "554 5.7.1 looks like spam"), Rejected("554 from localhost: looks like spam")),
]


@pytest.mark.parametrize(("trouble", "expected"), CASES, ids=[f"{t.at} {t.answer}" for t, _ in CASES])
async def test_what_an_answer_means(
    server: MailServer, certificate: Certificate, trouble: Trouble, expected: object
) -> None:
    server.otherwise = trouble
    assert await email(server, certificate).send(message()) == expected
    server.otherwise = None
    assert isinstance(await email(server, certificate).send(message()), Delivered), "and then it works again"


async def test_a_letter_that_is_too_big_harms_itself_only(certificate: Certificate) -> None:
    with MailServer(certificate, size=20_000) as server:
        outcome = await email(server, certificate).send(message(text="x" * 40_000))
        assert isinstance(outcome, Rejected)
        assert outcome.scope is Scope.NOTIFICATION
        assert outcome.reason.startswith("552 from localhost")
        assert isinstance(await email(server, certificate).send(message()), Delivered)


async def test_a_big_letter_arrives_whole(server: MailServer, certificate: Certificate) -> None:
    text = "\n".join(f"line {number} ü 🔴" for number in range(20_000))
    await email(server, certificate).send(message(text=text))
    assert server.letters[0].body().rstrip("\n") == text


# -- some are refused


async def test_who_is_put_off_gets_it_later_and_nobody_gets_it_twice(
    server: MailServer, certificate: Certificate
) -> None:
    server.script(Trouble("RCPT", "450 4.2.0 greylisted", to=BOSS))
    speaker = email(server, certificate, to=(OPS, BOSS))
    first = await speaker.send(message())
    assert first == Retry("450 from localhost: greylisted (for 1 of 2 recipients)", Scope.NOTIFICATION)
    second = await speaker.send(message())
    assert [one.to for one in server.letters] == [(OPS,), (BOSS,)]
    assert second == Delivered(receipt=server.letters[0].mail["Message-ID"])
    assert server.letters[1].mail["To"] == f"{OPS}, {BOSS}"


async def test_a_letter_with_more_in_it_goes_to_everybody(server: MailServer, certificate: Certificate) -> None:
    """What was put off may be told together with something newer, under the same id."""
    server.script(Trouble("RCPT", "450 4.2.0 greylisted", to=BOSS))
    speaker = email(server, certificate, to=(OPS, BOSS))
    await speaker.send(message())
    await speaker.send(replace(message(), events=(offline(), offline("nas-02", 2))))
    assert [one.to for one in server.letters] == [(OPS,), (OPS, BOSS)]


async def test_one_who_is_gone_does_not_keep_it_from_the_others(server: MailServer, certificate: Certificate) -> None:
    server.otherwise = Trouble("RCPT", "550 5.1.1 no such user", to=BOSS)
    speaker = email(server, certificate, to=(OPS, BOSS))
    with capture_logs() as logged:
        outcomes = [await speaker.send(message()), await speaker.send(replace(message(), id="another"))]
    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    assert [one.to for one in server.letters] == [(OPS,), (OPS,)]
    assert [(line["event"], line["recipient"], line["reason"]) for line in logged] == [
        ("mail_recipient_refused", BOSS, "550 from localhost: no such user")
    ], "once"


async def test_when_all_are_refused_and_one_may_come_back_it_is_tried_again(
    server: MailServer, certificate: Certificate
) -> None:
    server.script(Trouble("RCPT", "550 5.1.1 gone", to=OPS), Trouble("RCPT", "450 4.2.0 later", to=BOSS))
    outcome = await email(server, certificate, to=(OPS, BOSS)).send(message())
    assert outcome == Retry("450 from localhost: later")


# -- settings


GOOD = {"host": "mail.example.org", "sender": OPS, "to": [BOSS]}
BAD = [
    ({"host": "https://mail.example.org"}, "host"),
    ({"host": ""}, "host"),
    ({"port": "0"}, "port"),
    ({"security": "ssl"}, "security"),
    ({"sender": "nobody"}, "sender"),
    ({"sender": "a@b.example\nBcc: c@d.example"}, "sender"),
    ({"to": []}, "to"),
    ({"to": ["a@b.example, c@d.example"]}, "to"),
    ({"to": ["a@"]}, "to"),
    ({"to": ["a@b..example"]}, "to"),
    ({"to": ["a@b.example\r\nDATA"]}, "to"),
    ({"timeout": "0"}, "timeout"),
    ({"user": "me"}, ""),
    ({"user": "me", "password": "p4ssw0rd-here", "security": "none"}, ""),
]


@pytest.mark.parametrize(("change", "field"), BAD, ids=[str(change) for change, _ in BAD])
def test_settings_that_cannot_be_are_refused_by_their_name(change: dict[str, Any], field: str) -> None:
    check_config("email", GOOD)
    with pytest.raises(InvalidInput) as caught:
        check_config("email", {**GOOD, **change})
    assert caught.value.field == field
    assert "p4ssw0rd-here" not in str(caught.value)


def test_the_port_follows_from_the_security() -> None:
    assert mailbox("Ops <ops@example.org>").addr_spec == OPS
    config = check_config("email", {**GOOD, "port": "2525"})
    assert isinstance(config, Email.Config)
    assert (config.port, config.security) == (2525, "starttls")


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("nothing")
    with pytest.raises(ConfigurationError, match=r"ca_file: no certificates can be read from .*ca\.pem"):
        Email(Email.Config(host="x", sender=OPS, to=(BOSS,), ca_file=str(file)))


def test_without_its_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    email_library()
    monkeypatch.delitem(sys.modules, "lastseen.notifiers.email_answers")
    monkeypatch.delattr("lastseen.notifiers.email_answers")
    monkeypatch.setitem(sys.modules, "aiosmtplib", None)
    with pytest.raises(PluginError, match=r"pip install lastseen\[email\]"):
        Email(Email.Config(host="x", sender=OPS, to=(BOSS,)))
