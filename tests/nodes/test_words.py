"""What is said where there is no connection: what is wrong and which setting, and nothing of the address."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from lastseen.errors import InvalidInput
from lastseen.ingest.mqtt.source import MqttSource
from lastseen.model import Lease
from lastseen.monitor.duty import Hold
from lastseen.storage.translate import translated
from lastseen.testing import FakeClock
from tests.cli.conftest import Cli, beat
from tests.nodes.fleet import KEY, PATIENCE, fleet
from tests.servers.postgres import PostgresServer
from tests.support import eventually, free_port

PASSWORD = "correct-horse-77"


@pytest.mark.parametrize("command", [("db", "upgrade"), ("machines", "list"), ("doctor",)])
@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("127.0.0.1:{closed}/lastseen", "nobody listens at that host and port: see LASTSEEN_DATABASE_URL"),
        ("127.0.0.1:{port}/nosuch", "the server has no database of this name: see LASTSEEN_DATABASE_URL"),
        ("nosuch.invalid/lastseen", "the name of its host cannot be resolved: see LASTSEEN_DATABASE_URL"),
        ("127.0.0.1:{port}/postgres?sslmode=require", "the server has no TLS, and sslmode wants it"),
    ],
)
def test_why_there_is_no_connection(
    command: tuple[str, ...], place: str, words: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    place = place.format(port=postgres_server.port, closed=free_port())
    url = f"postgresql://lastseen:{PASSWORD}@{place}"
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    done = Cli(folder, {"LASTSEEN_DATABASE_URL": url, "LASTSEEN_SECRET_KEY": KEY})(*command)
    assert done.code == 1
    assert words in done.out + done.err
    assert PASSWORD not in done.out + done.err


def test_a_part_of_a_password_that_was_taken_for_a_host_is_not_repeated() -> None:
    with pytest.raises(psycopg.OperationalError) as raised:
        psycopg.connect("postgresql://lastseen:correct@horse-77@127.0.0.1/lastseen")
    assert "horse-77" in str(raised.value)
    assert "horse" not in str(translated(raised.value))


@pytest.mark.parametrize(
    "said",
    [
        'connection failed: FATAL:  password authentication failed for user "lastseen"',
        'connection failed: FATAL:  no pg_hba.conf entry for host "10.0.0.7", user "lastseen"',
        'connection failed: FATAL:  role "lastseen" does not exist',
        "connection failed: FATAL:  sorry, too many clients already",
        "connection failed: FATAL:  the database system is starting up",
        "connection failed: FATAL:  the database system is not yet accepting connections",
        "connection failed: FATAL:  the database system is in recovery mode",
        "consuming input failed: could not receive data from server: Connection timed out",
        "sending query failed: could not send data to server: Broken pipe",
        "connection timeout expired",
        "connection failed: SSL error: certificate verify failed",
    ],
)
def test_what_libpq_says_is_said_in_other_words(said: str) -> None:
    found = str(translated(psycopg.OperationalError(said)))
    assert "OperationalError" not in found
    assert "lastseen" not in found.replace("LASTSEEN_DATABASE_URL", "")
    assert "10.0.0.7" not in found


def test_a_client_id_is_for_one_node() -> None:
    with pytest.raises(InvalidInput, match="client_id"):
        MqttSource("mqtt://localhost", presets=["devices"], share="nodes", client_id="one")


async def test_what_was_held_past_its_time_is_no_longer_ours() -> None:
    clock = FakeClock()
    hold = Hold(clock, Lease("x", "a", 1, clock.now() + timedelta(seconds=5)))
    assert hold.good
    await clock.advance(6)
    assert not hold.good
    assert Hold(clock, None).good


async def test_a_drill_goes_where_people_reach_the_nodes(tmp_path: Path, url: str) -> None:
    with fleet(tmp_path, url) as one:
        await one.start("a")
        key = str((await one.json("machines", "add", "web"))["key"])
        await eventually(lambda: one.nodes["a"].said("serving"), timeout=PATIENCE)
        assert beat(await one.url("a"), key) == 204
        one.cli.env["LASTSEEN_PUBLIC_URL"] = await one.url("a")
        said = await one.command("drill")
        assert "no server runs" not in said.err
        assert "channel" in said.err
