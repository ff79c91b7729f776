"""What the Bot API may do to us, over real HTTP and through the real outbox, in virtual time: what is told and how
often, how long is waited, and what becomes of the channel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from lastseen.testing.http_server import Answer
from tests.notifiers.telegram_world import (
    CHAT,
    LEFT,
    OFFLINE,
    SISTER,
    Step,
    always,
    becomes,
    do,
    hurried,
    living,
    loses,
    patient_again,
    refuses,
    shows,
    well,
)
from tests.scenarios.harness import rows


@dataclass(frozen=True)
class Trouble:
    """`begins` before the alert, `ends` when it was tried once. `state`: of the alert's row in between, the failures of
    its channel, and whether that is on. `wait`: seconds that the channel is left alone. `times`: how often the alert is
    in the chat in the end; where it was perhaps delivered it is said again."""

    begins: Step
    said: str = ""
    state: tuple[str, int, int] = ("pending", 1, 1)
    wait: float | None = 5
    times: int = 1
    ends: Step = well
    tls: bool = False


WELL, WRONG, GONE = ("delivered", 0, 1), ("pending", 0, 1), ("dead", 0, 0)
HTML = b"<html><h1>502 Bad Gateway</h1></html>"
PROXY = (400, 401, 403, 404, 407, 409)
TOLD = b'{"ok":true,"result":{"message_id":7,"date":1,"chat":{"id":1,"type":"private"},"text":"x"}}'
PERHAPS = "no answer in time: perhaps it was delivered"
UNREACHED = "cannot reach Telegram: "

TROUBLE: dict[str, Trouble] = {
    "slow": Trouble(lambda world: setattr(world.api, "slow", 0.2), "", WELL, None),
    "never answers": Trouble(hurried(always(hang=True)), PERHAPS, ends=patient_again),
    "takes it and never answers": Trouble(hurried(loses(Answer(hang=True))), PERHAPS, times=2, ends=patient_again),
    "resets": Trouble(always(reset=True), UNREACHED),
    "takes it and resets": Trouble(loses(Answer(reset=True)), UNREACHED, times=2),
    "500": Trouble(always(500, b"{}"), UNREACHED + "internal Server Error"),
    "500 and JSON": Trouble(refuses(500, "Internal Server Error"), UNREACHED + "internal Server Error"),
    "502 and HTML": Trouble(always(502, HTML), UNREACHED + "bad Gateway (502)"),
    "503 and nothing": Trouble(always(503, b""), UNREACHED + "service Unavailable"),
    "429 for a minute": Trouble(refuses(429, "Too Many Requests", retry_after=60), "wait 60 s", wait=60),
    "429 for a day": Trouble(refuses(429, "Too Many Requests", retry_after=86400), "wait 86400 s", wait=3600),
    "429 without a time": Trouble(refuses(429, "Too Many Requests"), "429, too many messages"),
    "429 and HTML": Trouble(always(429, HTML), "429, too many messages"),
    "429 for ever": Trouble(always(429, b'{"parameters": {"retry_after": 1e999}}'), "wait 86400 s", wait=3600),
    "429 for no number": Trouble(always(429, b'{"parameters": {"retry_after": NaN}}'), "429, too many messages"),
    "401": Trouble(refuses(401, "Unauthorized"), "401, the bot token is wrong"),
    "404": Trouble(refuses(404, "Not Found"), "401, the bot token is wrong"),
    "blocked": Trouble(becomes("blocked"), "403, forbidden: bot was blocked by the user", GONE, None, 0),
    "kicked": Trouble(becomes("kicked"), "403, forbidden: bot was kicked", GONE, None, 0),
    "deactivated": Trouble(becomes("deactivated"), "403, forbidden: user is deactivated", GONE, None, 0),
    "no such chat": Trouble(lambda world: world.api.chats.clear(), "400, chat not found", GONE, None, 0),
    "moved": Trouble(becomes("migrated", -1007), "", WELL, None),
    "400 of another kind": Trouble(refuses(400, "Bad Request: peer_flood"), "400, peer_flood", WRONG, None),
    "a body without an end": Trouble(always(200, b"x" * 65536, endless=True), "the answer has no end"),
    "an error without an end": Trouble(always(500, b"x" * 65536, endless=True), "the answer has no end"),
    "byte by byte for ever": Trouble(hurried(always(200, b"x", drip=0.05, endless=True)), PERHAPS, ends=patient_again),
    "no JSON": Trouble(always(200, b"all is well"), "invalid server response"),
    "half of it": Trouble(always(200, TOLD[:40]), "invalid server response"),
    "less than it said": Trouble(always(200, TOLD, {"content-length": "4000"}), UNREACHED),
    "takes it and is cut off": Trouble(loses(Answer(200, TOLD, {"content-length": "4000"})), UNREACHED, times=2),
    "JSON of another kind": Trouble(always(200, b"[1, 2]"), "invalid server response"),
    "JSON without an end": Trouble(always(200, b"[" * 100_000), "while sending"),
    "no result": Trouble(always(200, b'{"ok": true}'), "invalid server response"),
    "a result of another kind": Trouble(always(200, b'{"ok": true, "result": 7}'), "while sending"),
    "packed": Trouble(always(200, b"\x1f\x8bnonsense", {"content-encoding": "gzip"}), "invalid server response"),
    **{f"{code} of a proxy": Trouble(always(code, HTML), f"{code}, but not by the Bot API") for code in PROXY},
    "an error that is no object": Trouble(always(400, b"[]"), "400, but not by the Bot API"),
    "nobody there": Trouble(lambda world: world.line.down(), UNREACHED, ends=lambda world: world.line.up()),
    "no such name": Trouble(
        lambda world: setattr(world.line, "resolves", False),
        UNREACHED,
        ends=lambda world: setattr(world.line, "resolves", True),
    ),
    **{
        f"certificate: {kind}": Trouble(
            shows(kind), UNREACHED + "connectError: [SSL: CERTIFICATE_VERIFY_FAILED]", ends=shows(""), tls=True
        )
        for kind in ("self-signed", "expired", "other name")
    },
}

BOTH = {"429 for a day", "429 for ever", "no such chat"}
"""Its sister has the same trouble, and as long."""

SISTER_FAILS = 'Channel "sister" fails'


@pytest.mark.parametrize("name", sorted(TROUBLE))
async def test_what_becomes_of_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trouble = TROUBLE[name]
    async with living(tmp_path, monkeypatch, trouble.tls) as world:
        await do(trouble.begins, world)
        await world.clock.advance("64s")  # offline at 2 min, told 2 s later, and not yet tried again
        assert trouble.said in (world.row[3] or "")
        assert (world.row[:3], world.row[4]) == (trouble.state, trouble.wait)
        await do(trouble.ends, world)
        await world.clock.advance("2h")
        heard = [text for text in world.heard if SISTER_FAILS not in text]
        assert [text.partition(" (")[0] for text in heard] == [OFFLINE] * trouble.times
        await world.monitor.heartbeat("pump")
        await world.clock.advance("1m")
    gone = trouble.state is GONE
    assert [text for text in world.heard if SISTER_FAILS not in text][trouble.times :] == (
        [] if gone else ["🟢 pump back after 2 h 2 min"]
    )
    failing = ["channel.failing"] * (gone or trouble.wait == 3600)
    sister = ["channel.failing"] if name in BOTH else []  # or it is asked first, and works again
    assert world.told_elsewhere in (["machine.offline", *failing], ["machine.offline", *failing, *sister])
    assert rows(world.path, LEFT) == ([("dead",)] if gone else [])


HOUR: dict[str, Trouble] = {
    name: TROUBLE[name]
    for name in ("500", "502 and HTML", "403 of a proxy", "401", "429 without a time", "resets", "nobody there",
                 "no such name", "certificate: expired")
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(HOUR))
async def test_an_hour_of_it_loses_nothing_and_tells_nothing_twice(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = HOUR[name]
    async with living(tmp_path, monkeypatch, trouble.tls) as world:
        await do(trouble.begins, world)
        await world.clock.advance("10m")
        for _ in range(50):
            await world.monitor.heartbeat("pump")
            await world.clock.advance("1m")
        assert world.heard == []
        assert 5 < world.attempts <= 20, "it is left alone for longer and longer, and for five minutes at most"
        assert world.told_elsewhere.count("channel.failing") == 2, "of the chat and of its sister, after 15 minutes"
        assert world.row[1] <= 20
        await do(trouble.ends, world)
        for _ in range(6):
            await world.monitor.heartbeat("pump")
            await world.clock.advance("1m")
    for chat in (CHAT, SISTER):
        told = [sent.text for sent in world.api.messages if sent.chat_id == chat]
        assert sorted(text.partition("\n")[0] for text in told[:1]) == [f'⚠️ Channel "{OTHER[chat]}" fails since 12:02']
        assert [text.partition("\n")[0] for text in told[1:]] == HEARD_LATE
        assert all("Told late: " in text for text in told)
    assert rows(tmp_path, LEFT) == []


OTHER = {CHAT: "sister", SISTER: "chat"}
HEARD_LATE = ["🟢 pump was offline 12:00–12:11 (11 min)", "🟢 pump back after 11 min"]


async def test_a_revoked_token_rests_the_chats_that_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with living(tmp_path, monkeypatch) as world:
        await do(TROUBLE["401"].begins, world)
        await world.clock.advance("64s")
        assert rows(tmp_path, STATES) == [("chat", 1, 5.0), ("other", 0, None), ("sister", 1, 5.0)]
        await world.clock.advance("10m")
        well(world)
        await world.clock.advance("6m")
    assert sorted(sent.chat_id for sent in world.api.messages) == [SISTER, CHAT]


STATES = """
SELECT c.name, s.failures, round((julianday(s.ready_at) - julianday(s.failing_since)) * 86400, 2)
FROM channels c JOIN channel_state s ON s.channel_id = c.id ORDER BY c.name
"""


# -- while a message grows

FEW, ALL = "🔴 3 of 4 offline since 12:00", "🔴 4 of 4 offline since 12:00"
CHANGES: dict[str, tuple[Step, list[str], int]] = {
    "it goes well": (well, [OFFLINE, ALL], 1),
    "it is made and not answered": (loses(Answer(reset=True)), [OFFLINE, ALL], 1),
    "500": (always(500, b""), [OFFLINE, ALL], 1),
    "429": (refuses(429, "Too Many Requests", retry_after=30), [OFFLINE, ALL], 1),
    "the message was deleted": (lambda world: world.api.messages.clear(), [ALL], 0),
    "the chat has moved": (becomes("migrated", -1007), [OFFLINE, FEW, ALL], 0),
    "blocked": (becomes("blocked"), [OFFLINE, FEW], 0),
}
"""What happens to the chat before the message is changed, what is there to be read in the end, and how many changes."""


@pytest.mark.parametrize("name", sorted(CHANGES))
async def test_what_happens_to_a_change_loses_no_machine(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happens, heard, edits = CHANGES[name]
    async with living(tmp_path, monkeypatch) as world:
        for machine in ("nas", "cam"):
            await world.monitor.heartbeat(machine)
        await world.clock.advance("1m")
        await world.monitor.heartbeat("late")
        await world.clock.advance("70s")
        await do(happens, world)
        await world.clock.advance("2m")
        well(world)
        await world.clock.advance("10m")
    assert (world.heard, len([1 for chat, _, _ in world.api.edits if chat == CHAT])) == (heard, edits)
    assert rows(tmp_path, LEFT) == ([("dead",)] if name == "blocked" else [])
