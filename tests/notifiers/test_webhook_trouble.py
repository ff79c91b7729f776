"""What a receiver may do to us, over real HTTP and through the real outbox: what becomes of the row, of the channel,
and of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from lastseen import HeartbeatMonitor
from lastseen.notifiers.webhook import Webhook
from lastseen.testing.far_end import Answer, FarEnd
from tests.scenarios.harness import rows
from tests.support import eventually

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


class Hasty(Webhook):
    timeout = 0.8


def hook(url: str) -> Hasty:
    return Hasty(Hasty.Config(url=url, secret=SecretStr(SECRET)))


LATER = {"retry-after": "Fri, 10 Oct 2025 03:00:30 GMT", "date": "Fri, 10 Oct 2025 03:00:00 GMT"}
WELL, COOLS, REFUSED, GONE = ("delivered", 0, 1), ("pending", 1, 1), ("pending", 0, 1), ("dead", 0, 0)
"""The state of the row, the failures of the channel, and whether it is on."""

TROUBLE: dict[str, tuple[Answer | str, tuple[str, int, int], str, tuple[int, int]]] = {
    "slow": (Answer(delay=0.1), WELL, "", (0, 0)),
    "too slow": (Answer(delay=30), COOLS, "no answer within 0.8 s", (4, 6)),
    "never": (Answer(hang=True), COOLS, "no answer within 0.8 s", (4, 6)),
    "byte by byte for ever": (Answer(500, b"x" * 4000, drip=0.05), COOLS, "no answer within 0.8 s", (4, 6)),
    "half": (Answer(500, b"ha", {"content-length": "400"}), COOLS, "500 from 127.0.0.1", (4, 6)),
    "half a yes": (Answer(200, b"ye", {"content-length": "400"}), WELL, "", (0, 0)),
    "reset": (Answer(reset=True), COOLS, "broke the connection", (4, 6)),
    "1 MB": (Answer(500, b"x" * 1_000_000), COOLS, "500 from 127.0.0.1", (4, 6)),
    "odd type": (Answer(200, b"\xff\xfe", {"content-type": "image/png; charset=nonsense"}), WELL, "", (0, 0)),
    "429 in seconds": (Answer(429, b"", {"retry-after": "60"}), COOLS, "429 from", (59, 61)),
    "429 at a date": (Answer(429, b"", LATER), COOLS, "429 from", (29, 31)),
    "429 and nonsense": (Answer(429, b"", {"retry-after": "soon"}), COOLS, "429 from", (4, 6)),
    "429 for a year": (Answer(429, b"", {"retry-after": "31536000"}), COOLS, "429 from", (3599, 3601)),
    "503": (Answer(503), COOLS, "503 from", (4, 6)),
    "redirect": (Answer(302, b"", {"location": "http://127.0.0.1:9/"}), COOLS, "302 from", (4, 6)),
    "not this message": (Answer(422, b"no"), REFUSED, "422 from", (0, 0)),
    "gone": (Answer(410), GONE, "410 from", (0, 0)),
    "no TLS": ("https://127.0.0.1:{port}/", COOLS, "cannot connect", (4, 6)),
    "nobody there": ("http://127.0.0.1:9/", COOLS, "cannot connect", (4, 6)),
    "no such name": ("http://nowhere.invalid/", COOLS, "cannot connect", (4, 6)),
}

ROW = """
SELECT n.state, s.failures, c.enabled, a.detail, (julianday(s.ready_at) - julianday(a.finished_at)) * 86400
FROM notifications n JOIN channels c ON c.id = n.channel_id JOIN channel_state s ON s.channel_id = c.id
JOIN delivery_attempts a ON a.channel_id = c.id JOIN events e ON e.id = n.event_id
WHERE c.name = '{name}' AND a.finished_at IS NOT NULL AND e.type = 'machine.offline'
"""


@pytest.mark.parametrize("trouble", sorted(TROUBLE))
async def test_what_becomes_of_it(trouble: str, tmp_path: Path) -> None:
    how, state, said, (least, most) = TROUBLE[trouble]
    path = tmp_path / "lastseen.db"

    def found(name: str) -> list[tuple[Any, ...]]:
        return rows(path, ROW.format(name=name))

    with FarEnd(how if isinstance(how, Answer) else None) as bad, FarEnd() as good:
        url = bad.url if isinstance(how, Answer) else how.format(port=bad.url.rpartition(":")[2])
        notify = {"bad": hook(url), "good": hook(good.url)}
        async with HeartbeatMonitor(f"sqlite:///{path}", notify=notify, offline_after="1s") as monitor:
            await monitor.heartbeat("pump")
            row = (await eventually(lambda: found("bad"), timeout=60))[0]
            assert (await eventually(lambda: found("good"), timeout=60))[0][:3] == WELL
    assert row[:3] == state
    assert said in (row[3] or "")
    assert most == 0 or least <= row[4] <= most
    assert any(request.json["event"] == "machine.offline" for request in good.requests)
