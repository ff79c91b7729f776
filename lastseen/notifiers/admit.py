"""May this notification be sent now? Pure, asked at every claim, each answer with its reason."""

from __future__ import annotations

from lastseen.model import Admission, Cancel, Channel, Notification, Send


def admit(notification: Notification, channel: Channel | None, batch: int) -> Admission:
    """`batch`: how many the channel's notifier speaks for at once."""
    if channel is None:
        return Cancel("its channel was removed")
    if not channel.enabled:
        return Cancel(f"channel disabled: {channel.disabled_reason or 'by a person'}")
    return Send(1 if notification.solo else batch)
