"""What a broker says of itself under `$SYS`, and what that means for messages that must not be lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lastseen.doctor.finding import Finding, Severity, counted

VERSION = "$SYS/broker/version"
DROPPED = "$SYS/broker/publish/messages/dropped"
UPTIME = "$SYS/broker/uptime"
TOPICS = (VERSION, DROPPED, UPTIME)

_LIMITS = (
    "in mosquitto.conf: `max_queued_messages 100000` (1,000 where it is not set) and `max_inflight_messages 1000` "
    "(20 where it is not set), then restart the broker"
)


def unreachable(source: str, reason: str) -> Finding:
    """No link from here."""
    what = f'source "{source}": its broker cannot be asked: {reason}'
    do = (
        f"is it there, and do address, user, password and certificates fit? `lastseen sources show {source}` shows them"
    )
    return Finding(Severity.BAD, "broker.unreachable", what, do)


def unusable(source: str, reason: str) -> Finding:
    """The source cannot be made of what was written down about it."""
    what = f'source "{source}" cannot be used: {reason}'
    do = f"`lastseen sources show {source}` shows it, `lastseen sources set {source}` puts it right"
    return Finding(Severity.BAD, "source.unusable", what, do)


def judge(source: str, said: Mapping[str, str]) -> Iterator[Finding]:
    """`said`: payloads by topic, of those in TOPICS that the broker has and lets us read."""
    name = f'source "{source}"'
    dropped = said.get(DROPPED, "").strip()
    if dropped.isdigit() and int(dropped):
        since = f" in {said[UPTIME]}" if UPTIME in said else " since it was started"
        what = f"{name}: its broker has dropped {counted(int(dropped), 'message')}{since}, for whichever client"
        yield Finding(Severity.WARNING, "broker.dropped", what, _LIMITS)
    elif said.get(VERSION, "").startswith("mosquitto"):
        what = (
            f"{name}: unless it was told otherwise, Mosquitto keeps 1,000 messages for us while we are away or behind, "
            "and drops more without a word, though their senders got their acknowledgement"
        )
        yield Finding(Severity.HINT, "broker.limits", what, _LIMITS)
