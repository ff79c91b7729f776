"""What lies between us and a webhook's receiver: its certificate, its name, the length of its answers. Over real HTTP
and TLS through the real outbox, in virtual time; every delivery is checked by the reference verifier."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import certifi
import pytest
from pydantic import SecretStr

from lastseen import HeartbeatMonitor
from lastseen.clock import SystemClock
from lastseen.notifiers import guard
from lastseen.notifiers.addresses import Policy
from lastseen.notifiers.guard import guarded_client
from lastseen.notifiers.signing import new_secret
from lastseen.notifiers.tools import Tools
from lastseen.notifiers.webhook import Webhook
from lastseen.testing import FakeClock
from lastseen.testing.http_server import Answer, Received
from tests.scenarios.harness import rows
from tests.secrecy import secret
from tests.standins.tls import issue
from tests.standins.webhook import WebhookReceiver

NAME = "pager.example"
HERE, THERE, FORBIDDEN = "127.0.0.1", "127.0.0.2", "127.0.0.3"
POLICY = Policy(networks=tuple(ipaddress.ip_network(one) for one in (HERE, THERE)))
"""The third listens too, and must never hear anything."""

UNTIL = {"retry-after": "Fri, 10 Oct 2025 03:10:00 GMT", "date": "Fri, 10 Oct 2025 03:00:00 GMT"}
ROW = """
SELECT n.state, s.failures, c.enabled, a.detail FROM notifications n JOIN channels c ON c.id = n.channel_id
JOIN channel_state s ON s.channel_id = c.id JOIN delivery_attempt_items i ON i.notification_id = n.id
JOIN delivery_attempts a ON a.id = i.attempt_id JOIN events e ON e.id = n.event_id
WHERE e.type = 'machine.offline' ORDER BY a.id
"""


@dataclass
class Names:
    """What the receiver's name resolves to: each time the next of these, then the last for ever."""

    answers: list[list[str]]
    asked: int = 0

    def resolve(self, host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        self.asked += host == NAME
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]


class Endless(WebhookReceiver):
    """Answers without an end, with this status."""

    status = 200

    async def handle(self, request: Received) -> Answer:
        answer = await super().handle(request)
        return Answer(self.status, b"x" * 65536, endless=True) if answer.status == 204 else answer


class Failing(WebhookReceiver):
    """Gives this answer instead of reading anything, while there is one."""

    answer: Answer | None = None
    asked = 0

    async def handle(self, request: Received) -> Answer:
        self.asked += 1
        return self.answer or await super().handle(request)


@dataclass
class World:
    names: Names
    clock: FakeClock
    path: Path
    monitor: HeartbeatMonitor
    receivers: dict[str, WebhookReceiver]

    @property
    def row(self) -> tuple[Any, ...]:
        """Of the alert: its state, the failures of the channel and whether it is on, and what its last attempt met."""
        return rows(self.path, ROW)[-1]

    def heard(self, address: str) -> list[str | None]:
        assert not self.receivers[address].refused
        return [one.type for one in self.receivers[address].messages]


@contextlib.asynccontextmanager
async def living(
    folder: Path, names: Names, receiver: WebhookReceiver | None = None, ago: timedelta = timedelta(0)
) -> AsyncIterator[World]:
    """A pump that was heard two minutes ago; a receiver at each address, all at one port. Less than five minutes may
    pass: the reference verifier looks at the real clock."""
    key, first = secret(new_secret()), receiver or WebhookReceiver()
    receivers = {HERE: first}
    clock, path = FakeClock(SystemClock().now() - ago), folder / "lastseen.db"
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(first)
        first.secret(key)
        scheme, _, rest = first.url.split(":")
        port = rest.partition("/")[0]
        for host in (THERE, FORBIDDEN):
            other = WebhookReceiver(key, host=host, port=int(port))
            receivers[host] = await stack.enter_async_context(other)
        http = await stack.enter_async_context(guarded_client(POLICY))
        config = Webhook.Config(url=f"{scheme}://{NAME}:{port}/hook", secret=SecretStr(key))
        notify = {"pager": Webhook(config, Tools(http, clock))}
        monitor = HeartbeatMonitor(f"sqlite:///{path}", notify=notify, clock=clock)
        await stack.enter_async_context(monitor)
        await monitor.heartbeat("pump")
        await clock.advance("119s")
        world = World(names, clock, path, monitor, receivers)
        yield world


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    found = Names([[HERE]])
    monkeypatch.setattr(socket, "getaddrinfo", found.resolve)
    return found


# -- certificates

WRONG = {
    "self-signed": "TLS failed, self-signed certificate",
    "expired": "TLS failed, certificate has expired",
    "other name": f"TLS failed, Hostname mismatch, certificate is not valid for '{NAME}'.",
}


@pytest.mark.parametrize("kind", sorted(WRONG))
async def test_a_wrong_certificate_is_told_nothing_until_it_is_right(
    kind: str, tmp_path: Path, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = issue(tmp_path / "authority.pem", "an authority")
    monkeypatch.setattr(certifi, "where", lambda: str(authority.file))
    wrong = {
        "self-signed": issue(tmp_path / "own.pem", NAME),
        "expired": issue(tmp_path / "old.pem", NAME, by=authority, expired=True),
        "other name": issue(tmp_path / "other.pem", "elsewhere.example", by=authority),
    }
    context = wrong[kind].context
    receiver = WebhookReceiver(tls=context)
    async with living(tmp_path, names, receiver) as world:
        await world.clock.advance("3s")
        assert world.row == ("pending", 1, 1, f"cannot connect to {NAME}: {WRONG[kind]}")
        assert receiver.deliveries == []
        context.load_cert_chain(issue(tmp_path / "right.pem", NAME, by=authority).file)
        await world.clock.advance("30s")
        assert world.row == ("delivered", 0, 1, None)
    assert world.heard(HERE) == ["machine.offline"]


# -- names


async def test_a_name_that_changes_between_check_and_connect_leads_nowhere_else(tmp_path: Path, names: Names) -> None:
    """Whoever resolves it a second time, to connect, would be led astray."""
    names.answers = [[HERE], [FORBIDDEN]]
    async with living(tmp_path, names) as world:
        await world.clock.advance("30s")
        assert names.asked == 1
        assert world.row[:2] == ("delivered", 0)
    assert (world.heard(HERE), world.heard(FORBIDDEN)) == (["machine.offline"], [])


async def test_a_name_that_changes_between_attempts_is_judged_each_time(
    tmp_path: Path, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "NAME_KEPT", 0)
    async with living(tmp_path, names, WebhookReceiver(fail_first=1, how="reset")) as world:
        await world.clock.advance("3s")
        assert world.row[:3] == ("pending", 1, 1)
        names.answers = [[FORBIDDEN]]
        await world.clock.advance("5s")
        assert f"{NAME} resolves to {FORBIDDEN}: " in world.row[3]
        names.answers = [[THERE, FORBIDDEN]]
        await world.clock.advance("10s")
        assert f"{NAME} resolves to {FORBIDDEN}: " in world.row[3]
        names.answers = [[THERE]]
        await world.clock.advance("20s")
        assert world.row == ("delivered", 0, 1, None)
    assert (world.heard(HERE), world.heard(THERE), world.heard(FORBIDDEN)) == ([], ["machine.offline"], [])
    assert world.receivers[HERE].deliveries[0].id == world.receivers[THERE].deliveries[0].id


async def test_a_receiver_that_moves_is_followed_by_its_name(
    tmp_path: Path, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "NAME_KEPT", 0)
    async with living(tmp_path, names) as world:
        await world.receivers[HERE].__aexit__()
        await world.clock.advance("3s")
        assert world.row == ("pending", 1, 1, f"cannot connect to {NAME}: refused")
        names.answers = [[THERE]]
        await world.clock.advance("30s")
        assert world.row[:2] == ("delivered", 0)
    assert (world.heard(HERE), world.heard(THERE)) == ([], ["machine.offline"])


# -- answers without an end


@pytest.mark.parametrize(("status", "state"), [(200, ("delivered", 0, 1)), (503, ("pending", 1, 1))])
async def test_an_answer_without_an_end_is_read_no_further_than_is_wanted(
    status: int, state: tuple[str, int, int], tmp_path: Path, names: Names
) -> None:
    receiver = Endless()
    receiver.status = status
    async with living(tmp_path, names, receiver) as world:
        await world.clock.advance("3s")
        assert world.row[:3] == state
        receiver.status = 200
        await world.clock.advance("30s")
        assert world.row[:3] == ("delivered", 0, 1)
    assert len({one.id for one in receiver.deliveries if one.type == "machine.offline"}) == 1


# -- an hour of it

HOUR = {
    "500": (Answer(500), 17),
    "reset": (Answer(reset=True), 17),
    "429 for ten minutes": (Answer(429, headers={"retry-after": "600"}), 6),
    "503 until a date": (Answer(503, headers=UNTIL), 6),
    "302": (Answer(302, headers={"location": "/"}), 17),
}
"""What is answered, and how often it is asked at the most."""


@pytest.mark.parametrize("kind", sorted(HOUR))
async def test_an_hour_of_it_loses_nothing_and_tells_nothing_twice(kind: str, tmp_path: Path, names: Names) -> None:
    receiver = Failing()
    receiver.answer, most = HOUR[kind]
    async with living(tmp_path, names, receiver, timedelta(minutes=62)) as world:
        await world.clock.advance("8m")
        for _ in range(51):
            await world.monitor.heartbeat("pump")
            await world.clock.advance("1m")
        assert world.row[:3] == ("pending", receiver.asked, 1)
        assert 5 <= receiver.asked <= most
        receiver.answer = None
        for _ in range(4):
            await world.monitor.heartbeat("pump")
            await world.clock.advance("1m")
    assert world.heard(HERE) == ["machine.offline", "machine.online"]
    assert len({one.id for one in receiver.deliveries}) == 2
