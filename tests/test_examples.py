"""The examples do what they say. Those that are tests themselves are collected by pytest from `examples/`."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import httpx

from tests.support import eventually, free_port

ROOT = Path(__file__).parent.parent


def run(example: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / example)], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_minimal_tells_of_the_silence_and_of_the_return(tmp_path: Path) -> None:
    said = run("minimal.py", tmp_path)
    assert re.search(r"🔴 web-1 offline since \d\d:\d\d", said)
    assert re.search(r"🟢 web-1 back after 3 s", said)
    assert said.index("🔴") < said.index("🟢")


def test_how_long_is_kept_can_be_said_of_what_is_kept(tmp_path: Path) -> None:
    assert "True" in run("keep.py", tmp_path).splitlines(), "and what it logs"
    with sqlite3.connect(tmp_path / "devices.db") as db:
        assert db.execute("SELECT slug FROM machines").fetchall() == [("pump",)]
    db.close()


def test_the_own_store_keeps_the_pumps_in_its_own_table(tmp_path: Path) -> None:
    assert "cellar" in run("own_store.py", tmp_path)
    with sqlite3.connect(tmp_path / "pumps.db") as db:
        ((slug, seen),) = db.execute("SELECT slug, last_seen FROM pumps").fetchall()
    db.close()
    assert slug == "cellar"
    assert seen


async def test_fastapi_with_two_workers_on_one_database_tells_once(tmp_path: Path) -> None:
    port = free_port()
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "APP_DATABASE": f"sqlite:///{tmp_path}/app.db",
        "APP_OFFLINE_AFTER": "2s",
    }
    env.pop("TELEGRAM_BOT_TOKEN", None)
    out = tmp_path / "out.txt"
    with out.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "examples.fastapi_app:app", "--workers", "2", "--port", str(port)],
            cwd=tmp_path,
            env=env,
            stdout=file,
            stderr=file,
        )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

            async def beat() -> bool:
                try:
                    answer = await client.post("/devices/lamp/heartbeat", json={"uptime_seconds": 5})
                except httpx.TransportError:
                    return False
                return answer.status_code == 204

            await eventually(beat)
            await eventually(lambda: "machine.offline" in out.read_text())
            await eventually(beat)
            await eventually(lambda: out.read_text().count("\nMessage(") >= 2)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    told = [line for line in out.read_text().splitlines() if line.startswith("Message(")]
    kinds = [re.findall(r"type='(machine\.[a-z]+)'", line)[0] for line in told]
    assert kinds[:2] == ["machine.offline", "machine.online"], told  # a slow end may see it fall silent once more
    assert kinds[2:] in ([], ["machine.offline"]), told
