"""Signed webhooks: the body that receivers know, and a signature that theirs and the reference library accept."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import respx
from pydantic import SecretStr, ValidationError
from standardwebhooks import Webhook as Referee

from lastseen.clock import SystemClock
from lastseen.errors import InvalidInput
from lastseen.model import Delivered, Message, Rejected, Retry, Scope, Status
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.notifiers.addresses import Policy
from lastseen.notifiers.guard import guarded_client
from lastseen.notifiers.signing import decode_secret, new_secret, sign
from lastseen.notifiers.tools import Tools
from lastseen.notifiers.webhook import Webhook, headers, payload
from lastseen.plugins import check_config
from lastseen.testing import NotifierSuite
from lastseen.testing.far_end import Answer, FarEnd
from tests.monitor.cases import Hands
from tests.notifiers.builders import at, event, message, offline, online
from tests.support import eventually

URL = "https://pager.example/hook"
VECTOR = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def config(**changes: Any) -> Webhook.Config:
    return Webhook.Config(**{"url": URL, "secret": VECTOR, **changes})


def test_the_contracts_vector() -> None:
    body = b'{"type":"machine.offline","event":"machine.offline","machine":{"id":1,"name":"db-01"}}'
    signature = sign(decode_secret(VECTOR), "msg_01", "1760113920", body)
    assert signature == "v1,CSOq+X4EjxgOnkFLjzULFBypDfw9/1NNfWXv0JPfejM="
    when = datetime.fromtimestamp(1760113920.7, UTC)
    assert headers(config(), "msg_01", when, body)["webhook-signature"] == signature


def test_the_body_is_the_contracts() -> None:
    told = event(
        "machine.offline",
        datetime(2025, 10, 10, 16, 32, tzinfo=UTC),
        "production-server",
        hostname="prod-01",
        description="Main API server",
        last_seen=datetime(2025, 10, 10, 16, 30, tzinfo=UTC),
        tags=["berlin"],
    )
    assert payload(told) == {
        "type": "machine.offline",
        "event": "machine.offline",
        "timestamp": "2025-10-10T16:32:00Z",
        "machine": {
            "id": 1,
            "name": "production-server",
            "hostname": "prod-01",
            "description": "Main API server",
            "status": "offline",
            "last_seen": "2025-10-10T16:30:00Z",
        },
        "data": {
            "event_id": told.uid,
            "sequence": 17,
            "incident_id": "e-incident",
            "previous_status": "online",
            "reason": "silent",
            "severity": "alert",
            "offline_after_seconds": 120,
            "outage_seconds": None,
            "slug": "production-server",
            "kind": "server",
            "group": "http",
            "tags": ["berlin"],
        },
    }


def test_the_body_of_a_flapping_machine_says_how_often_it_changed() -> None:
    flaps = {"changes": 6, "window_seconds": 1800, "since": None, "until": None, "offline_seconds": 540}
    assert payload(event("machine.flapping", at("03:00:00"), flaps=flaps))["data"]["flapping"] == flaps
    assert "flapping" not in payload(offline())["data"]


def test_a_recovery_says_how_long_it_was_gone() -> None:
    body = payload(online(since="03:00", until="03:40"))
    assert body["data"]["outage_seconds"] == 2400
    assert body["data"]["previous_status"] == Status.OFFLINE


def test_an_event_without_a_machine_names_its_subject() -> None:
    told = event("channel.failing", at("03:00"), seq=None, channel={"id": 3, "name": "ops", "type": "telegram"})
    told.snapshot["machine"] = None  # type: ignore[index]
    body = payload(told)
    assert (body["machine"], body["data"]["sequence"]) == (None, None)
    assert body["data"]["channel"] == {"id": 3, "name": "ops"}


# -- sending


def speaking(**changes: Any) -> tuple[Webhook, respx.Router]:
    router = respx.Router(assert_all_called=False)
    http = httpx.AsyncClient(transport=httpx.MockTransport(router.async_handler))
    return Webhook(config(**changes), Tools(http)), router


async def sent(**changes: Any) -> httpx.Request:
    webhook, router = speaking(**changes)
    route = router.post(URL).respond(200)
    assert await webhook.send(message(wall=SystemClock().wall())) == Delivered()
    request: httpx.Request = route.calls.last.request
    return request


async def test_the_reference_library_accepts_what_is_sent() -> None:
    request = await sent()
    body = Referee(VECTOR).verify(request.content, dict(request.headers))
    assert body["type"] == "machine.offline"
    assert request.headers["webhook-id"] == message().id
    assert request.headers["content-type"] == "application/json"


async def test_both_secrets_verify_while_receivers_change_over() -> None:
    old, new = new_secret(), new_secret()
    request = await sent(secret=new, previous_secret=old)
    for secret in (old, new):
        Referee(secret).verify(request.content, dict(request.headers))
    assert len(request.headers["webhook-signature"].split(" ")) == 2


async def test_the_previous_secret_ends_when_its_time_is_over() -> None:
    now = SystemClock().wall()
    request = await sent(previous_secret=new_secret(), previous_until=now - timedelta(seconds=1))
    assert " " not in request.headers["webhook-signature"]
    request = await sent(previous_secret=new_secret(), previous_until=now + timedelta(hours=1))
    assert " " in request.headers["webhook-signature"]


async def test_lunasentri_receivers_verify_with_the_digest_of_the_secret() -> None:
    request = await sent(secret="any text", signature="lunasentri")
    expected = hmac.new(hashlib.sha256(b"any text").digest(), request.content, hashlib.sha256).hexdigest()
    assert request.headers["X-LunaSentri-Signature"] == f"sha256={expected}"
    assert "webhook-signature" not in request.headers


async def test_a_standard_secret_signs_both_ways_for_lunasentri() -> None:
    request = await sent(signature="lunasentri")
    Referee(VECTOR).verify(request.content, dict(request.headers))
    assert request.headers["X-LunaSentri-Signature"].startswith("sha256=")


async def test_every_attempt_is_signed_anew_under_the_same_id() -> None:
    webhook, router = speaking()
    route = router.post(URL).respond(500)
    for minute in ("03:00", "03:05"):
        await webhook.send(message(wall=at(minute)))
    first, second = (call.request for call in route.calls)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.content == second.content
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 300


async def test_answers_become_outcomes() -> None:
    webhook, router = speaking()
    route = router.post(URL)
    route.side_effect = [
        httpx.Response(410),
        httpx.Response(429, headers={"retry-after": "9"}),
        httpx.Response(422),
        httpx.ConnectError,
    ]
    assert await webhook.send(message()) == Rejected("410 from pager.example", Scope.CHANNEL)
    assert await webhook.send(message()) == Retry("429 from pager.example", Scope.CHANNEL, timedelta(seconds=9))
    assert await webhook.send(message()) == Rejected("422 from pager.example", Scope.NOTIFICATION)
    assert await webhook.send(message()) == Retry("cannot connect to pager.example: no connection")


async def test_on_its_own_it_reaches_private_receivers_over_real_http() -> None:
    with FarEnd() as server:
        webhook = Webhook(Webhook.Config(url=server.url, secret=SecretStr(VECTOR)))
        assert await webhook.send(message(wall=SystemClock().wall())) == Delivered()
        await webhook.close()
    assert (
        Referee(VECTOR).verify(server.requests[0].body, dict(server.requests[0].headers))["machine"]["name"] == "db-01"
    )
    assert server.requests[0].json == json.loads(json.dumps(payload(offline())))


async def test_a_forbidden_address_is_trouble_of_the_channel() -> None:
    async with guarded_client(Policy()) as client:
        webhook = Webhook(Webhook.Config(url="http://10.0.0.1/", secret=SecretStr(VECTOR)), Tools(client))
        outcome = await webhook.send(message())
    assert isinstance(outcome, Retry)
    assert "an admin shares it" in outcome.reason
    assert "LASTSEEN_WEBHOOK_ALLOW_NETWORKS" in outcome.reason


# -- config


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": "ftp://a.example"}, "url"),
        ({"url": "http://169.254.169.254/"}, "url"),
        ({"url": "http://[::ffff:169.254.169.254]/"}, "url"),
        ({"url": "http://0xa9fea9fe/"}, "url"),
        ({"url": "nonsense"}, "url"),
        ({"url": "http://"}, "url"),
        ({"url": "http://[::1"}, "url"),
        ({"url": "https://user:pass@a.example"}, "url"),
        ({"url": None}, "url"),
        ({"secret": "any text"}, "secret"),
        ({"secret": ""}, "secret"),
        ({"secret": "whsec_c2hvcnQ="}, "secret"),
        ({"secret": "whsec_" + "A" * 200}, "secret"),
        ({"secret": "whsec_!!!"}, "secret"),
        ({"secret": "", "signature": "lunasentri"}, "secret"),
        ({"signature": "md5"}, "signature"),
        ({"previous_secret": "short"}, "previous_secret"),
        ({"previous_until": "soon"}, "previous_until"),
        ({"secert": VECTOR}, "secert"),
    ],
)
def test_a_wrong_value_names_its_field_and_is_not_repeated(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_config("webhook", {"url": URL, "secret": VECTOR, **changes})
    assert caught.value.field == field
    for value in changes.values():
        assert not value or len(str(value)) < 5 or str(value) not in str(caught.value)


def test_a_misspelt_option_gets_a_suggestion() -> None:
    with pytest.raises(InvalidInput, match="did you mean 'secret'"):
        check_config("webhook", {"url": URL, "secert": VECTOR})


def test_a_new_secret_is_valid_and_always_another() -> None:
    assert len(decode_secret(new_secret())) == 32
    assert new_secret() != new_secret()


def test_the_secret_is_in_no_text_of_the_config() -> None:
    assert VECTOR not in repr(config()) + str(config()) + repr(Webhook(config(), Tools(httpx.AsyncClient())))
    with pytest.raises(ValidationError) as caught:
        config(url="nonsense")
    assert VECTOR not in str(caught.value)


class TestWebhookSuite(NotifierSuite):
    def make(self, server: FarEnd, tools: Any) -> Webhook:
        return Webhook(Webhook.Config(url=server.url, secret=SecretStr(VECTOR)), tools)


def test_answers_can_be_scripted() -> None:
    with FarEnd(Answer(204)) as server:
        server.script(Answer(500))
        assert [httpx.get(server.url, trust_env=False).status_code for _ in range(2)] == [500, 204]


async def test_what_is_sent_is_dated_by_the_clock_that_the_nodes_share() -> None:
    """Receivers refuse what was signed at another time than theirs; a node's computer may be wrong by hours."""
    hands = Hands()
    clock, shared = hands.clock(), datetime(2026, 1, 1, 6, tzinfo=UTC)
    clock.follow(shared, clock.monotonic(), clock.monotonic())
    told: list[Message] = []

    class Far:
        max_batch, reads_text = 1, False

        async def send(self, message: Message) -> None:
            told.append(message)

    async with HeartbeatMonitor("memory:", notify={"ops": Far()}, clock=clock) as monitor:
        await monitor.heartbeat("web")
        await monitor.heartbeat("web", {"status": "error"})
        await eventually(lambda: hands.pass_(0.1) or told)
    assert told[0].wall is not None
    assert abs(told[0].wall - clock.now()) < timedelta(minutes=1)
    webhook, router = speaking()
    webhook = Webhook(webhook.config, Tools(webhook._http, clock))
    route = router.post(URL).respond(200)
    assert await webhook.send(message(wall=None)) == Delivered()
    dated = datetime.fromtimestamp(int(route.calls.last.request.headers["webhook-timestamp"]), UTC)
    assert abs(dated - clock.now()) < timedelta(minutes=1)
