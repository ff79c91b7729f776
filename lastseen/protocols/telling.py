"""What a store may keep of those who are told: channels, what they wish, how they are connected and how they fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable

from lastseen.model import Channel, Delivery, Invite, Preferences, Silence, Trouble


@runtime_checkable
class Channels(Protocol):
    """Channels are rows."""

    async def channels(self) -> Sequence[Channel]:
        """All that are not removed, disabled ones too, by id."""

    async def add_channel(
        self,
        type_: str,
        name: str,
        config: Mapping[str, Any],
        secrets: Mapping[str, str],
        lane: str,
        now: datetime,
        owner: int | None = None,
    ) -> Channel:
        """A new one, of this user or of everybody. `secrets` are encrypted at rest. Raises Conflict when the name is
        taken."""

    async def code_channel(self, name: str, lane: str, now: datetime) -> Channel:
        """The channel of type `code` by this durable name, made if there is none. Idempotent."""

    async def channel_secrets(self, channel: str) -> Mapping[str, str]:
        """The secrets of the channel with this uid, decrypted. Raises SecretsLocked."""

    async def switch_channel(self, channel: str, enabled: bool, reason: str | None, now: datetime) -> Channel:
        """Enable or disable by a person. Disabling cancels what waits; enabling also forgets its failures."""

    async def remove_channel(self, channel: str, now: datetime) -> None:
        """Soft-delete it; what waits is cancelled."""

    async def change_channel(
        self, channel: str, changes: Mapping[str, Any], now: datetime, secrets: Mapping[str, str] | None = None
    ) -> Channel:
        """Merge `changes` into its config, and replace its secrets where some are given. Its version grows, which is
        how whoever sends to it learns of it. Its failures are forgotten, what failed is due, and what was said of
        incidents that are not over has no receipt any more: all of that was of where it sent before."""

    async def rename_channel(self, channel: str, name: str, now: datetime) -> Channel:
        """Raises Conflict when the name is taken."""

    async def give_channel(self, channel: str, owner: int | None, now: datetime) -> Channel:
        """To this user, or to everybody."""


@runtime_checkable
class Wishes(Protocol):
    """What people wish to be told is rows: silences, and a channel's preferences. Where it changes, what is held back
    is decided on anew. An `admit` that has `hear` is told the silences by `take`, in its transaction, before any other
    question."""

    async def silences(self, now: datetime) -> Sequence[Silence]:
        """Those that are not over, planned ones too, by id."""

    async def add_silence(self, silence: Silence, now: datetime) -> Silence:
        """A new one, with its id. Raises InvalidInput."""

    async def end_silence(self, silence: int, now: datetime) -> Silence:
        """End it before its time; one that has not begun is removed. Raises NotFound."""

    async def prefer(self, channel: str, wishes: Preferences, fallback: str | None, now: datetime) -> Channel:
        """What the channel (a uid) is told from now on; `fallback`: the uid of another."""


@runtime_checkable
class Troubles(Protocol):
    """Channels that fail."""

    async def troubled(self, now: datetime, after: timedelta) -> Sequence[Trouble]:
        """The enabled channels that have failed for so long."""

    async def fall_back(self, now: datetime) -> int:
        """Where a channel with a fallback has failed for its `fallback_after`: for each alert that waits for it and is
        not over, a notification for the fallback (cause `fallback`, due now), unless that has one already. How many."""


@runtime_checkable
class Spoken(Protocol):
    """What was said can be said again, with what has become of it."""

    async def spoken(self, channel: str, incident: str) -> Sequence[Delivery]:
        """The delivered notifications that the newest message on the channel (a uid) about an alert of this incident
        was for, and those of machines that were told offline on it within five minutes of that, the oldest first, the
        newest of that message last. Each with its outage as it stands now, and who has seen it; empty: there is no
        message with a receipt."""


@runtime_checkable
class Invites(Protocol):
    """Chats are connected by whoever has a code."""

    async def add_invite(
        self, digest: str, name: str, config: Mapping[str, Any], expires_at: datetime, now: datetime
    ) -> Invite:
        """`digest`: SHA-256 of the code. `name` and `config`: of the channel that is to be made."""

    async def use_invite(self, digest: str, by: str, now: datetime) -> Invite | None:
        """The invite with this code, used up now, or by the same a moment ago; None: there is none, it is over, or it
        was used."""

    async def invite(self, invite: int) -> Invite | None:
        """As it is now."""
