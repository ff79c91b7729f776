"""The way to the mail server: TLS, silence, broken connections; and the suite that every notifier passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import anyio
import pytest

from lastseen.model import Delivered, Message, Retry
from lastseen.notifiers.email import Email
from lastseen.testing import NotifierSuite
from lastseen.testing.http_server import Answer
from tests.notifiers.builders import message
from tests.notifiers.post import email
from tests.standins.smtp import USER, Certificate, Letter, MailServer, Trouble, silent_port
from tests.support import eventually


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("mail"))


@pytest.fixture
def server(certificate: Certificate) -> Iterator[MailServer]:
    with MailServer(certificate) as server:
        yield server


# -- the way to the server


async def test_tls_from_the_first_byte(certificate: Certificate) -> None:
    with MailServer(certificate, "tls") as server:
        assert isinstance(await email(server, certificate, security="tls").send(message()), Delivered)
    assert server.letters[0].login == USER


async def test_no_tls_and_no_password(certificate: Certificate) -> None:
    with MailServer(certificate, "none") as server:
        assert isinstance(
            await email(server, certificate, security="none", user=None, password=None).send(message()), Delivered
        )
    assert server.letters[0].login is None


async def test_the_password_is_not_sent_where_there_is_no_starttls(certificate: Certificate) -> None:
    with MailServer(certificate, "none") as server:
        outcome = await email(server, certificate).send(message())
    assert outcome == Retry("localhost offers no STARTTLS: try --security tls")
    assert server.heard == ""


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_certificate_that_nobody_trusts_is_refused(certificate: Certificate, security: str) -> None:
    with MailServer(certificate, security) as server:
        outcome = await email(server, certificate, security=security, ca_file=None).send(message())
    assert isinstance(outcome, Retry)
    assert outcome.reason.startswith("cannot connect to localhost: TLS failed, self")
    assert server.heard == ""


async def test_a_certificate_of_another_name_is_refused(certificate: Certificate) -> None:
    with MailServer(certificate, "tls") as server:
        outcome = await email(server, certificate, security="tls", host="127.0.0.2").send(message())
    assert isinstance(outcome, Retry)
    assert "TLS failed" in outcome.reason or "refused" in outcome.reason


async def test_tls_spoken_to_a_server_that_does_not_is_trouble_of_the_channel(certificate: Certificate) -> None:
    with MailServer(certificate, "none") as server:
        outcome = await email(server, certificate, security="tls").send(message())
    assert isinstance(outcome, Retry)
    assert outcome.reason.startswith("cannot connect to localhost: TLS failed")


async def test_nobody_there_is_refused(certificate: Certificate) -> None:
    with MailServer(certificate) as server:
        pass
    outcome = await email(server, certificate).send(message())
    assert outcome == Retry("cannot connect to localhost: refused")


async def test_no_such_host_tells_that_there_was_no_way(server: MailServer, certificate: Certificate) -> None:
    outcome = await email(server, certificate, host="mail.no-such-host.invalid").send(message())
    assert isinstance(outcome, Retry)
    assert outcome.unreached
    assert outcome.reason.startswith("cannot connect to mail.no-such-host.invalid: ")


async def test_a_server_that_says_nothing_is_left(certificate: Certificate, server: MailServer) -> None:
    with silent_port() as port:
        outcome = await email(server, certificate, port=port, timeout=0.5).send(message())
    assert outcome == Retry("localhost timed out")


@pytest.mark.parametrize("at_", ["MAIL", "RCPT", "DATA"])
async def test_a_server_that_stops_answering_is_left(server: MailServer, certificate: Certificate, at_: str) -> None:
    server.script(Trouble(at_, hang=True))
    outcome = await email(server, certificate, timeout=3).send(message())
    assert outcome == Retry("localhost timed out: perhaps it was delivered")
    assert isinstance(await email(server, certificate).send(message()), Delivered)


@pytest.mark.parametrize("at_", ["MAIL", "RCPT", "DATA"])
async def test_a_connection_that_breaks_is_tried_again(server: MailServer, certificate: Certificate, at_: str) -> None:
    server.script(Trouble(at_, reset=True))
    outcome = await email(server, certificate).send(message())
    assert outcome == Retry("localhost broke the connection: perhaps it was delivered")


async def test_a_slow_server_is_waited_for(server: MailServer, certificate: Certificate) -> None:
    server.script(Trouble("RCPT", delay=0.3))
    assert isinstance(await email(server, certificate, timeout=60).send(message()), Delivered)


async def test_a_send_that_is_cancelled_closes_its_connection(server: MailServer, certificate: Certificate) -> None:
    server.script(Trouble("DATA", hang=True))
    async with anyio.create_task_group() as group:
        group.start_soon(email(server, certificate).send, message())
        await eventually(lambda: server.had_its_trouble)
        group.cancel_scope.cancel()
    assert isinstance(await email(server, certificate).send(message()), Delivered)
    assert server.connections == 2


# -- the suite


class PostOffice(MailServer):
    """A mail server that is told what to do as the suite's HTTP far end is."""

    @property
    def requests(self) -> list[Letter]:
        return self.letters

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, _trouble(value) if isinstance(value, Answer) else value)

    def script(self, *answers: Any) -> None:
        super().script(*(_trouble(answer) for answer in answers))

    def echo(self, status: int) -> None:
        trouble = _trouble(Answer(status))
        self.otherwise = replace(trouble, answer=f"{trouble.answer[:9]} cannot do this with {{heard}}")


def _trouble(answer: Answer) -> Trouble:
    said = {
        200: ("DATA", ""),
        302: ("RCPT", "551 5.1.6 try elsewhere"),
        400: ("DATA", "554 5.6.0 no"),
        401: ("AUTH", "535 5.7.8 no"),
        403: ("MAIL", "550 5.7.1 no"),
        404: ("RCPT", "550 5.1.1 no"),
        410: ("RCPT", "550 5.2.1 no"),
        422: ("DATA", "550 5.7.0 no"),
        429: ("MAIL", "450 4.7.1 slow down"),
        500: ("DATA", "451 4.3.0 no"),
        502: ("RCPT", "451 4.4.1 no"),
        503: ("MAIL", "421 4.3.2 no"),
    }
    at_, words = said[answer.status]
    return Trouble(at_, words, hang=answer.hang, reset=answer.reset, delay=answer.delay)


class TestEmailBySuite(NotifierSuite):
    """Over TLS, with a login: so the server has a secret that it might repeat."""

    @pytest.fixture
    def server(self, certificate: Certificate) -> Iterator[Any]:
        with PostOffice(certificate) as server:
            self.certificate = certificate
            yield server

    def make(self, server: Any, tools: Any) -> Email:
        return email(server, self.certificate, timeout=20)

    async def test_a_message_is_what_the_dispatcher_hands_on(self) -> None:
        assert isinstance(message(), Message)
