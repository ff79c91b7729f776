"""Apprise itself is asked whether it knows the addresses that are made for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lastseen.imports.healthchecks_channels import _target as of_healthchecks
from lastseen.imports.kuma_channels import _target as of_kuma
from lastseen.imports.services import CannotMove, Given, Target
from lastseen.notifiers.apprise import Apprise

FLOW = (
    "https://prod-12.westeurope.logic.azure.com:443/workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/"
    "invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=abcdefghijklmnopqrstuvwxyz0123456789abcdefg"
)
CHAT = "https://chat.googleapis.com/v1/spaces/AAAAabcd/messages?key=abcdefghijklmn&token=opqrstuvwxyz0123"
SLACK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
DISCORD = "https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"
NUMBER = "+15551234567"
HOOK = "abcdefghijklmnopqrstuvwxyz"

HEALTHCHECKS: list[tuple[str, Any]] = [
    ("apprise", "ntfys://ntfy.example.org/topic"),
    ("discord", {"webhook": {"url": DISCORD}}),
    ("googlechat", {"value": CHAT}),
    ("gotify", {"url": "https://gotify.example.org/push", "token": "AbCdEfGhIjKlMnO"}),
    ("mattermost", f"https://chat.example.org/hooks/{HOOK}"),
    ("msteamsw", FLOW),
    ("opsgenie", {"key": "12345678-1234-1234-1234-123456789012", "region": "eu"}),
    ("pushbullet", "o.abcdefghijklmnopqrstuvwxyz012345"),
    ("slack", {"incoming_webhook": {"url": SLACK, "channel": "#ops"}}),
    ("slack", SLACK),
]
KUMA: list[tuple[str, dict[str, Any]]] = [
    ("apprise", {"appriseURL": "ntfys://ntfy.example.org/topic"}),
    ("discord", {"discordWebhookUrl": DISCORD}),
    ("GoogleChat", {"googleChatWebhookURL": CHAT}),
    ("gotify", {"gotifyserverurl": "http://gotify.lan:8080", "gotifyapplicationToken": "AbCdEfGhIjKlMnO"}),
    (
        "matrix",
        {"homeserverUrl": "https://matrix.org", "accessToken": "syt_abc_def", "internalRoomId": "!r:matrix.org"},
    ),
    ("mattermost", {"mattermostWebhookUrl": f"http://chat.lan:8065/sub/hooks/{HOOK}"}),
    ("Opsgenie", {"opsgenieApiKey": "12345678-1234-1234-1234-123456789012", "opsgenieRegion": "us"}),
    ("pushbullet", {"pushbulletAccessToken": "o.abcdefghijklmnopqrstuvwxyz012345"}),
    ("pushover", {"pushoveruserkey": "u" * 30, "pushoverapptoken": "a" * 30}),
    (
        "signal",
        {"signalURL": "http://s.lan:8080/v2/send", "signalNumber": "+15551234567", "signalRecipients": "+15557654321"},
    ),
    ("slack", {"slackwebhookURL": SLACK}),
    ("teams", {"webhookUrl": FLOW}),
]


async def is_known(target: Target) -> None:
    assert target.type == "apprise"
    await Apprise(Apprise.Config(**target.values)).start()


@pytest.mark.parametrize(("kind", "value"), HEALTHCHECKS, ids=[kind for kind, _ in HEALTHCHECKS])
async def test_apprise_knows_what_healthchecks_sent_by(kind: str, value: Any) -> None:
    row = {"value": value if isinstance(value, str) else json.dumps(value)}
    await is_known(of_healthchecks(row, kind, Given()))


@pytest.mark.parametrize(("kind", "told"), KUMA, ids=[kind for kind, _ in KUMA])
async def test_apprise_knows_what_uptime_kuma_sent_by(kind: str, told: dict[str, Any]) -> None:
    await is_known(of_kuma(kind, told, Given()))


@pytest.mark.parametrize("kind", ["discord", "slack", "gotify", "mattermost"])
def test_what_has_no_address_cannot_move(kind: str) -> None:
    with pytest.raises(CannotMove):
        of_healthchecks({"value": "{}"}, kind, Given())
