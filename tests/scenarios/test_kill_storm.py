"""`kill -9` in the middle of a storm that is edited, with some of it held: nothing is lost, each event has one id."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.scenarios.harness import Server, all_beat, fleet, rows, server
from tests.standins.telegram import TOKEN, UNCHANGED, BotApi
from tests.standins.webhook import Delivery, WebhookReceiver
from tests.support import eventually

MACHINES = 30
NEVER = 10**9
KILLS = (1, 4, 9, 15)
"""After so many messages have come to the webhook: the far end has them, the sender has not heard so yet."""


async def test_killed_as_a_far_end_takes_it_with_a_storm_in_a_chat_and_some_of_it_held(tmp_path: Path) -> None:
    keys = await fleet(tmp_path, MACHINES)
    async with (
        WebhookReceiver() as receiver,
        BotApi(chats=(1,)).serving() as api,
        server(
            tmp_path,
            TELEGRAM_BOT_TOKEN=TOKEN,
            LASTSEEN_TELEGRAM_API_URL=api.url,
            LASTSEEN_TELEGRAM_COMMANDS="false",
        ) as serve,
    ):
        added = await serve.cli("channels", "add", "webhook", "--name", "ops", "--url", receiver.url)
        receiver.secret(added["secret"])
        await serve.cli("channels", "add", "telegram", "--name", "chat", "--chat-id", "1")
        silence = await serve.cli("silences", "add", "works", "--for", "1h", "--machine", "m?")
        await serve.start()
        moments = iter(KILLS)
        at = next(moments)

        def told(_: Delivery) -> None:
            nonlocal at
            if len(receiver.deliveries) >= at:
                at = next(moments, NEVER)
                serve.kill()

        receiver.told = told
        await all_beat(serve, keys)
        while at < NEVER or dead(serve):
            await eventually(lambda: dead(serve))
            assert not held_names(receiver)
            await revived(serve)
        await eventually(lambda: told_of(receiver) == {slug for slug in keys if len(slug) > 2}, timeout=90)
        assert not held_names(receiver)
        await serve.cli("silences", "end", str(silence["id"]))
        await eventually(lambda: told_of(receiver) == set(keys), timeout=90)
        await eventually(lambda: not rows(tmp_path, UNFINISHED), timeout=90)
        assert all(refusal.startswith(UNKNOWN) for refusal in api.refused), api.refused
        assert api.messages
    ids = {message.id: (message.machine, message.type) for message in receiver.messages}
    assert Counter(ids.values()) == Counter((slug, "machine.offline") for slug in keys), "one id each, each delivered"
    assert rows(tmp_path, "SELECT state, count(*) FROM notifications WHERE state != 'skipped' GROUP BY 1") == [
        ("delivered", 2 * MACHINES)
    ]


UNKNOWN = (f"400 {UNCHANGED}", "429 ")
"""What nobody could know who was killed: that an edit was done already, and how lately a message was sent."""

UNFINISHED = "SELECT 1 FROM notifications WHERE state IN ('pending', 'sending')"


def dead(serve: Server) -> bool:
    return serve.process is not None and serve.process.poll() is not None


async def revived(serve: Server) -> None:
    """It may be killed again before it is ready."""
    while True:
        try:
            return await serve.start()
        except RuntimeError:
            assert dead(serve)


def told_of(receiver: WebhookReceiver) -> set[str | None]:
    return {message.machine for message in receiver.messages if message.type == "machine.offline"}


def held_names(receiver: WebhookReceiver) -> set[str | None]:
    return {machine for machine in told_of(receiver) if len(machine or "") == 2}
