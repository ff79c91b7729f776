"""What a store ends itself is in the log, as what a dispatcher ends is."""

from __future__ import annotations

from collections.abc import Iterable

from lastseen.log import get_logger
from lastseen.model import Notification, NotificationState

_log = get_logger()


def tell_of_expired(ended: Iterable[tuple[Notification, str]]) -> None:
    """Rows with the names of their channels. Said when their transaction is over."""
    for row, channel in ended:
        if row.state is NotificationState.DEAD:
            _log.error("notification_dead", notification=row.uid, channel=channel, reason=row.reason)
