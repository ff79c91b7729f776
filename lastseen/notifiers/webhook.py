"""Signed webhooks: Standard Webhooks 1.0.0, and the body and header of the system that this replaces.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import httpx
import msgspec
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from lastseen.clock import told_time
from lastseen.errors import ForbiddenAddress
from lastseen.model import Delivered, Event, Message, Outcome
from lastseen.notifiers.addresses import Policy, literal, refusal
from lastseen.notifiers.guard import barred, post
from lastseen.notifiers.outcome import from_exception, http_outcome
from lastseen.notifiers.signing import decode_secret, sign, sign_lunasentri
from lastseen.notifiers.tools import Tools, local_tools
from lastseen.words import say

_json = msgspec.json.Encoder()
_SIX = ("id", "name", "hostname", "description", "status", "last_seen")


class Webhook:
    """Posts every event to one address, signed."""

    class Config(BaseModel):
        """Where to, and signed with what."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        url: str = Field(description="where to post: http://… or https://…")
        signature: Literal["standard", "lunasentri"] = Field(
            default="standard", description="lunasentri adds the header X-LunaSentri-Signature"
        )
        secret: SecretStr = Field(description="whsec_… (24 to 64 bytes in base64); any text for lunasentri")
        previous_secret: SecretStr | None = Field(
            default=None, description="the secret before, which signs too while receivers change over"
        )
        previous_until: AwareDatetime | None = Field(
            default=None, description="until when the previous secret signs too"
        )

        @field_validator("url")
        @classmethod
        def _address(cls, value: str) -> str:
            return checked_url(value)

        @field_validator("secret", "previous_secret")
        @classmethod
        def _usable(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
            if value is not None and not value.get_secret_value():
                raise ValueError(say("must not be empty"))
            if value is not None and info.data.get("signature") == "standard":
                decode_secret(value.get_secret_value())
            return value

    max_batch = 1
    reads_text = False
    schedule = "webhook"
    timeout = 20.0  # the client's own 15 s end first, with a better reason
    label = "Webhook"

    def __init__(self, config: Config, tools: Tools | None = None) -> None:
        """Without `tools` it makes a client of its own, which may reach private addresses: the url is the program's."""
        self.config = config
        self._owns_http = tools is None
        tools = tools or local_tools()
        self._http, self._clock = tools.http, tools.clock
        self._url = httpx.URL(config.url)
        self.host = self._url.host

    def barred(self) -> str | None:
        """Why nothing ever gets to its address, as that is written; None: something may."""
        return barred(self._http, self.host)

    async def send(self, message: Message) -> Outcome:
        """One POST of the event as it was, signed for this attempt."""
        now = message.wall or told_time(self._clock)
        body = _json.encode(payload(message.event))
        try:
            response = await post(self._http, self._url, body, headers(self.config, message.id, now, body))
        except (httpx.HTTPError, ForbiddenAddress) as error:
            return from_exception(error)
        return Delivered() if response is None else http_outcome(response, now, _secrets(self.config))

    async def close(self) -> None:
        if self._owns_http:
            await self._http.aclose()


# -- what is sent


def payload(event: Event) -> dict[str, Any]:
    """The body: the event and its machine with exactly six fields, as receivers of old know them, and `data`."""
    snapshot, outage = event.snapshot, event.snapshot.get("outage") or {}
    machine = snapshot.get("machine")
    data: dict[str, Any] = {
        "event_id": event.uid,
        "sequence": event.seq,
        "incident_id": event.incident,
        "previous_status": event.previous_status,
        "reason": event.reason,
        "severity": event.severity,
        "offline_after_seconds": snapshot.get("offline_after_seconds"),
        "outage_seconds": outage.get("seconds"),
        "slug": snapshot.get("slug"),
        "kind": snapshot.get("kind"),
        "group": snapshot.get("group"),
        "tags": snapshot.get("tags") or [],
    }
    for subject in ("source", "channel"):
        if isinstance(snapshot.get(subject), Mapping):
            data[subject] = {key: snapshot[subject].get(key) for key in ("id", "name")}
    if isinstance(snapshot.get("flaps"), Mapping):
        data["flapping"] = dict(snapshot["flaps"])
    if snapshot.get("message"):
        data["message"] = snapshot["message"]
    if event.type.startswith("system."):
        data["since"] = snapshot.get("since")
        disk = snapshot.get("disk")
        data |= {"disk": {key: disk.get(key) for key in ("free", "total")}} if isinstance(disk, Mapping) else {}
    return {
        "type": event.type,
        "event": event.type,
        "timestamp": event.at.isoformat().replace("+00:00", "Z"),
        "machine": None if machine is None else {key: machine.get(key) for key in _SIX},
        "data": data,
    }


def headers(config: Webhook.Config, id_: str, now: datetime, body: bytes) -> dict[str, str]:
    """The signature over the exact bytes, for an attempt made at `now` (wall time)."""
    timestamp = str(int(now.timestamp()))
    signatures = [sign(secret, id_, timestamp, body) for secret in _standard_keys(config, now)]
    given = {"content-type": "application/json", "webhook-id": id_, "webhook-timestamp": timestamp}
    if signatures:
        given["webhook-signature"] = " ".join(signatures)
    if config.signature == "lunasentri":
        given["X-LunaSentri-Signature"] = sign_lunasentri(config.secret.get_secret_value(), body)
    return given


def _standard_keys(config: Webhook.Config, now: datetime) -> Sequence[bytes]:
    """Newest first. A lunasentri secret that is no whsec_ has no standard signature."""
    given = [config.secret]
    if config.previous_secret is not None and (config.previous_until is None or now < config.previous_until):
        given.append(config.previous_secret)
    return [key for secret in given if (key := _key(secret.get_secret_value())) is not None]


def _secrets(config: Webhook.Config) -> Sequence[str]:
    given = (config.secret, config.previous_secret)
    return [secret.get_secret_value() for secret in given if secret is not None]


def _key(secret: str) -> bytes | None:
    try:
        return decode_secret(secret)
    except ValueError:
        return None


# -- what is configured


def checked_url(value: str) -> str:
    """An address that can be posted to; ValueError otherwise."""
    try:
        url = httpx.URL(value.strip())
        port = url.port
    except (httpx.InvalidURL, ValueError):
        raise ValueError(say("must be an address such as https://pager.example/hook")) from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(say("must be an address such as https://pager.example/hook"))
    if port == 0:
        raise ValueError(say("must not have port 0"))
    if url.userinfo:
        raise ValueError(say("must not contain a user name or a password: the signature is what receivers check"))
    address = literal(url.host)
    reason = None if address is None else refusal(address, Policy(allow_private=True))
    if reason is not None:
        raise ValueError(say("{address}: {reason}", address=address, reason=reason))
    return str(url.copy_with(fragment=None))
