"""Channels as the API is told of them and tells of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from lastseen.web.api.asked import Json, Said, Span, Text

Word = Annotated[Text, Field(min_length=1, max_length=200)]
Config = Annotated[Json, Field(description="by the `schema` of its type; secrets among them")]
HOOK: Any = {"url": "https://hooks.example.org/lastseen"}


class NewChannel(Said):
    model_config = ConfigDict(json_schema_extra={"example": {"type": "webhook", "name": "ops", "config": HOOK}})

    type: Word
    name: Word
    config: Config = Field(default={})
    shared: bool = Field(default=True, description="everybody's; false: of who asks. What members make is theirs.")


class ChannelChanges(Said):
    """What is not named stays."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"wishes": {"severity": "alert", "notify_after": 300}, "fallback": "pager"}}
    )

    name: Word | None = Field(default=None, description="what people call it; what it was told stays its own")
    owner: Word | None = Field(default=None, description="the user whose it is; null: everybody's. For admins.")
    config: Config | None = Field(default=None, description="these fields anew, the others stay")
    wishes: Json | None = Field(
        default=None,
        description="what it is told and when: `events`, `severity`, `machines`, `quiet`, `notify_after`, "
        "`repeat_every`, `fallback_after`; null takes one back",
    )
    fallback: Word | None = Field(default=None, description="who is told while it fails; null: nobody")


class NewInvite(Said):
    model_config = ConfigDict(json_schema_extra={"example": {"name": "ada's phone", "lasting": "24h"}})

    name: Word
    lasting: Span = Field(default="24h", description="how long the link is good, at most 30 days")
    thread_id: Annotated[int, Field(ge=1, lt=2**31)] | None = Field(
        default=None, description="the topic of a group that is told"
    )
    silent: bool = Field(default=False, description="it will never make a sound")
    token: Annotated[Text, Field(max_length=200)] = Field(
        default="",
        description="of a bot, where an admin asks; without, that of the settings or of the only bot there is",
    )
    shared: bool = Field(default=True, description="everybody's; false: of who asks. What members make is theirs.")

    def wishes(self) -> dict[str, Any]:
        return {name: value for name in ("thread_id", "silent") if (value := getattr(self, name))}


class Invite(BaseModel):
    """Good once, for whoever opens the link or sends `/start CODE` to the bot."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 1,
                "name": "ada's phone",
                "bot": "our_bot",
                "code": "…",
                "link": "https://t.me/our_bot?start=…",
                "group_link": "https://t.me/our_bot?startgroup=…",
                "expires_at": "2025-10-11T16:30:00Z",
            }
        }
    )

    id: int
    name: str
    bot: str
    code: str
    link: str = Field(description="for a chat")
    group_link: str = Field(description="for a group")
    expires_at: datetime | None


class Used(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 1,
                "name": "ada's phone",
                "expires_at": "2025-10-11T16:30:00Z",
                "used": False,
                "over": False,
                "channel": None,
            }
        }
    )

    id: int
    name: str
    expires_at: datetime
    used: bool = Field(description="somebody is connected by it")
    over: bool = Field(description="nobody has used it, and nobody can any more")
    channel: Channel | None = Field(description="whose chat used it; null: nobody's has, or it is removed")


class Disabling(Said):
    reason: Annotated[Text, Field(max_length=500)] | None = None


class Rotating(Said):
    keep: Span = Field(default="7d", description="how long the old secret signs too")


class ChannelType(BaseModel):
    type: str
    summary: str
    package: str
    admins_only: bool = Field(description="nothing guards where it connects to, so that only admins make one")
    schema_: dict[str, Any] | None = Field(alias="schema", description="the JSON Schema of its `config`")
    error: str | None = Field(description="why it cannot be used")


class Channel(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": 1,
                "type": "webhook",
                "name": "ops",
                "enabled": True,
                "disabled_by": None,
                "disabled_reason": None,
                "failing_since": None,
                "last_error": None,
                "config": HOOK,
                "wishes": {"severity": "alert"},
                "machines_now": None,
                "fallback": None,
                "owner": None,
            }
        }
    )

    id: int
    type: str
    name: str
    enabled: bool
    disabled_by: str | None
    disabled_reason: str | None
    failing_since: datetime | None = Field(description="it is on and fails; null: it works, as far as is known")
    last_error: str | None = Field(description="why it fails, as its far end said last")
    config: dict[str, Any] = Field(description="without secrets, and empty for who may not change the channel")
    wishes: dict[str, Any] = Field(description="what is not as usual")
    machines_now: int | None = Field(
        description="how many machines the wishes name now; null: they name all, and in a list, where nobody counts"
    )
    fallback: str | None
    owner: str | None = Field(description="the user whose it is; null: everybody's")


class MadeChannel(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"example": {"id": 1, "type": "webhook", "name": "ops", "secret": "whsec_…"}}
    )

    id: int
    type: str
    name: str
    secret: str | None = Field(default=None, description="where one was made: shown this once")


class Tried(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": {"ok": True, "detail": "delivered"}})

    ok: bool
    detail: str = Field(description="what the far end answered")


class RemovedChannel(BaseModel):
    id: int
    name: str
    removed: bool
