"""What people call a far end, by the type of its channel."""

from __future__ import annotations

from lastseen.errors import LastseenError
from lastseen.plugins import load_notifier

CHATS = frozenset({"telegram"})
"""Types whose far end is a chat."""


def label_of(type_: str) -> str:
    """The notifier's own label; where it has none, or none is installed, the type's name."""
    try:
        label = getattr(load_notifier(type_), "label", None)
    except LastseenError:
        label = None
    return label if isinstance(label, str) and label else type_.capitalize()


def place_of(type_: str) -> str:
    """`chat` or `channel`."""
    return "chat" if type_ in CHATS else "channel"
