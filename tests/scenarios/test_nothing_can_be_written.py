"""A server on a disk that is full: killed after it has told, started again while it is still full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.disk import fill, small_disk
from tests.scenarios.harness import Server, fleet, rows, server
from tests.standins.webhook import WebhookReceiver
from tests.support import eventually

LOST, RESTORED = "system.store_lost", "system.store_restored"
QUICK = """
from datetime import timedelta
from lastseen.monitor import alarms
from lastseen.notifiers import emergency
emergency.AFTER = timedelta(seconds=2)
alarms.RALLY = tuple(timedelta(seconds=seconds) for seconds in (6, 7, 8))
"""
"""Seconds instead of a minute, in the server's process."""


def begin(serve: Server) -> None:
    """As a service manager does: it does not wait until all is well."""
    with serve.log.open("ab") as log:
        command = [sys.executable, "-m", "lastseen", "serve", "--port", str(serve.port)]
        serve.process = subprocess.Popen(command, env={**os.environ, **serve.env}, stdout=log, stderr=log)


def ended(serve: Server) -> bool:
    assert serve.process is not None
    return serve.process.poll() is not None


def said(serve: Server, event: str) -> int:
    return serve.log.read_text().count(f'"event": "{event}"')


async def test_a_kill_and_a_start_on_a_disk_that_is_still_full_tell_nobody_twice_and_the_end_is_told(
    tmp_path: Path,
) -> None:
    (tmp_path / "quick").mkdir()
    (tmp_path / "quick" / "sitecustomize.py").write_text(QUICK)
    with small_disk(tmp_path / "disk", "8m") as folder:
        await fleet(folder, 1)
        path = os.pathsep.join([str(tmp_path / "quick"), *filter(None, [os.environ.get("PYTHONPATH")])])
        async with WebhookReceiver() as receiver, server(folder, PYTHONPATH=path) as serve:
            serve.folder = tmp_path  # for its log: that must find room
            added = await serve.cli("channels", "add", "webhook", "--name", "ops", "--url", receiver.url)
            receiver.secret(added["secret"])
            await serve.start()
            fill(folder / "ballast")
            await eventually(lambda: said(serve, "emergency_told") == 1)
            serve.kill()
            begin(serve)
            await eventually(lambda: ended(serve) or said(serve, "store_lost") == 2)
            (folder / "ballast").unlink()
            if ended(serve):
                begin(serve)
            await eventually(lambda: [one.type for one in receiver.messages] == [LOST, RESTORED])
        assert not receiver.refused
        stored = rows(folder, "SELECT type, uid FROM events WHERE type LIKE 'system.store%' ORDER BY id")
        assert [type_ for type_, _ in stored] == [LOST, RESTORED]
        assert [one.event_id for one in receiver.messages] == [uid for _, uid in stored]
        assert [one.id for one in receiver.messages] == [
            uid for (uid,) in rows(folder, "SELECT uid FROM notifications WHERE state = 'delivered' ORDER BY event_id")
        ]
