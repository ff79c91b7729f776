"""Everything that can be wrong, one at a time: it is found, and something is said about what to do."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from lastseen.datadir import serve_lock, served_by, tell_address
from lastseen.doctor import CHECKS, Check, Checked, Finding, Serving, Severity, Subject, computer, examine
from lastseen.storage import health
from lastseen.testing.http_server import Answer, Received, http_server
from tests.doctor.conftest import NOW, Ward, ago
from tests.doctor.damage import BLIND, BROKER, FAILED, notification, stranger, unheard, wished

BAD, WARNING, HINT = Severity.BAD, Severity.WARNING, Severity.HINT


async def test_what_is_in_order_has_no_findings(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computer, "synchronised", lambda: True)
    found = {check.name: (await ward.look(check.name)) for check in CHECKS}
    assert {name: checked.findings for name, checked in found.items() if checked.findings} == {}
    assert all(checked.summary for checked in found.values())


# -- what the store knows: SQL that breaks it, and what is then found


CASES: dict[str, tuple[str, Sequence[str], Severity, str, Sequence[str]]] = {
    "a machine that never reported": (
        "machines", unheard("nas", hours=5), WARNING, "machines.unheard", ("1 machine never", "nas"),
    ),
    "many machines that never reported": (
        "machines", [s for n in range(40) for s in unheard(f"m{n}", hours=5)], WARNING, "machines.unheard",
        ("40 machines never", "m0, m1, m2, m3, m4 and 35 more"),
    ),
    "a machine that was added just now": (
        "machines", unheard("nas", minutes=5), HINT, "machines.new", ("1 machine added", "nas"),
    ),
    "no machine at all": (
        "machines", [f"UPDATE machines SET deleted_at = '{ago()}'", "DELETE FROM liveness"], HINT, "machines.none", (),
    ),
    "a key that has expired": (
        "keys", [f"UPDATE machine_api_keys SET expires_at = '{ago(days=1)}'"], BAD, "keys.expired", ("db-01",),
    ),
    "a key that expires soon": (
        "keys", [f"UPDATE machine_api_keys SET expires_at = '{ago(days=-3)}'"], WARNING, "keys.expiring", ("db-01",),
    ),
    "a program's key that has expired": (
        "keys",
        ["INSERT INTO machine_api_keys (digest, hint, scope, label, created_at, expires_at) "
         f"VALUES ('d', 'lsa_12345678', 'api', 'grafana', '{ago(days=9)}', '{ago(days=1)}')"],
        HINT, "keys.over", ("grafana",),
    ),
    "no channel": ("channels", [f"UPDATE channels SET deleted_at = '{ago()}'"], WARNING, "channels.none", ()),
    "a channel that people switched off, the only one": (
        "channels", ["UPDATE channels SET enabled = 0, disabled_by = 'person'"], BAD, "channels.off", (),
    ),
    "a channel that fails": (
        "channels", FAILED, BAD, "channel.failing", ("screen", "3 h ago", "503 Service Unavailable"),
    ),
    "a channel that waits for what is never told": (
        "channels", [wished(events=["machine.paused"])], WARNING, "channel.untold", ("screen", "'machine.paused'"),
    ),
    "a channel that waits for ends without their alerts": (
        "channels", [wished(events=["machine.online"])], WARNING, "channel.untold", ("screen", "machine.offline too"),
    ),
    "a channel that waits for what there is not": (
        "channels", [wished(events=["machine.ofline"])], WARNING, "channel.untold", ("screen", "'machine.offline'"),
    ),
    "a channel that hears of machines that are not there": (
        "channels", [wished(machines={"groups": ["berln"]})], WARNING, "channel.of_nothing", ("screen", "berln"),
    ),
    "a notification that nobody sends": (
        "channels", notification("pending", ago(hours=2)), BAD, "channel.stuck", ("1 notification", "2 h ago"),
    ),
    "a plugin that is not there": (
        "channels", ["UPDATE channels SET type = 'pigeon', secrets = NULL"], BAD, "channel.without_plugin", ("pigeon",),
    ),
    "a notification that was given up": (
        "notifications", notification("dead", ago(days=2), "'410 Gone'"), WARNING, "notifications.dead",
        ("1 notification given up", "machine.offline of db-01 to screen (410 Gone)"),
    ),
    "a source that is blind": (
        "sources", [BLIND.format(source=0, start=ago(minutes=20), end="NULL", why="store")], BAD, "source.blind",
        ("http", "20 min ago", "store"),
    ),
    "a source that was blind for long": (
        "sources", [BLIND.format(source=0, start=ago(hours=2), end=f"'{ago(hours=1)}'", why="stalled")], WARNING,
        "source.was_blind", ("1 h of the last day", "stalled"),
    ),
    "a broker that nobody listens to": ("sources", [BROKER], BAD, "source.unheard", ("broker",)),
    "a broker that is paused": (
        "sources", [BROKER, """UPDATE sources SET config = '{"paused": true}' WHERE kind = 'mqtt'"""], WARNING,
        "source.paused", ("broker",),
    ),
    "names that no machine has": (
        "sources", [stranger("unknown", f"lamp-{n}", 3, ago(minutes=n)) for n in range(7)], HINT,
        "source.unknown_names",
        ("7 names", "lamp-0, lamp-1, lamp-2, lamp-3, lamp-4 and 2 more"),
    ),
    "messages that cannot be read": (
        "sources", [stranger("malformed", "devices/x/heartbeat", 12, ago(hours=1), "no JSON")], WARNING,
        "source.malformed", ("12 messages", "devices/x/heartbeat (no JSON)"),
    ),
    "messages that could not be read long ago": (
        "sources", [stranger("malformed", "devices/x/heartbeat", 1, ago(days=3))], HINT, "source.malformed",
        ("1 message",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
async def test_it_is_found(ward: Ward, case: str) -> None:
    check, statements, severity, code, words = CASES[case]
    ward.sql(*statements)
    finding = await ward.only(check)
    assert (finding.severity, finding.code) == (severity, code)
    assert [word for word in words if word not in finding.what] == []
    assert finding.do


async def test_somebodys_channel_hears_of_no_machine_where_it_names_only_those_of_others(ward: Ward) -> None:
    ada, ben = [(await ward.store.add_user(name, "member", None, NOW)).id for name in ("ada", "ben")]
    await ward.store.add_channel("console", "adas", {}, {}, "adas", NOW)
    ward.sql(
        wished(machines={"names": ["db-*"]}) + f", owner_id = {ada} WHERE name = 'adas'",
        f"UPDATE machines SET owner_id = {ben}",
    )
    assert (await ward.only("channels")).code == "channel.of_nothing"
    ward.sql(f"UPDATE machines SET owner_id = {ada}")
    assert (await ward.look("channels")).findings == ()
    off = "UPDATE channels SET enabled = 0, disabled_by = 'person' WHERE name = 'adas'"
    ward.sql(off, f"UPDATE machines SET owner_id = {ben}")
    assert (await ward.look("channels")).findings == (), "nobody waits for what is switched off"


async def test_a_channel_that_its_far_end_switched_off_is_found_with_the_reason(ward: Ward) -> None:
    await ward.store.add_channel("console", "other", {}, {}, "other", NOW)
    gone = (
        "UPDATE channels SET enabled = 0, disabled_by = 'far_end', disabled_reason = '410 Gone' WHERE name = 'screen'"
    )
    ward.sql(gone)
    finding = await ward.only("channels")
    assert (finding.severity, finding.code) == (BAD, "channel.disabled")
    assert "410 Gone" in finding.what
    assert "lastseen channels enable screen" in finding.do


async def test_a_bot_that_another_program_reads_is_found_and_its_token_not_shown(ward: Ward) -> None:
    token = "77:another_token_another_token"
    await ward.store.add_channel("telegram", "ops", {"chat_id": 1}, {"token": token}, "telegram:77", NOW)
    await ward.store.keep_note("poller:77:trouble", "409, another program reads this bot")
    finding = await ward.only("channels")
    assert (finding.severity, finding.code) == (WARNING, "bot.unread")
    assert "bot 77 is not read: 409, another program" in finding.what
    assert "LASTSEEN_TELEGRAM_COMMANDS=false" in finding.do
    await ward.store.keep_note("poller:77:trouble", "")
    assert (await ward.look("channels")).findings == ()


async def test_secrets_whose_key_is_lost_are_found_and_not_shown(ward: Ward) -> None:
    (ward.site.folder / "lastseen.db.key").unlink()
    finding = await ward.only("channels")
    assert (finding.severity, finding.code) == (BAD, "channel.locked")
    assert "a-secret-of-the-channel" not in repr(finding)


async def test_what_was_told_again_is_no_longer_given_up(ward: Ward) -> None:
    ward.sql(*notification("dead", ago(days=2), "'410 Gone'"))
    ward.sql(
        "INSERT INTO notifications (uid, event_id, channel_id, machine_id, occasion, cause, state, due_at, created_at, "
        f"expires_at, finished_at) SELECT 'n2', max(id), 1, 1, 1, 'replay', 'delivered', '{ago()}', '{ago()}', "
        f"'{ago()}', '{ago()}' FROM events"
    )
    assert (await ward.look("notifications")).findings == ()


async def test_being_stopped_is_nobodys_fault(ward: Ward) -> None:
    ward.sql(BLIND.format(source=0, start=ago(hours=9), end=f"'{ago(hours=1)}'", why="stopped"))
    assert (await ward.look("sources")).findings == ()


async def test_a_removed_source_is_not_spoken_of(ward: Ward) -> None:
    ward.sql("INSERT INTO sources (id, name, kind) VALUES (1, 'broker (removed)', 'removed')")
    ward.sql(BLIND.format(source=1, start=ago(hours=9), end="NULL", why="link"))
    assert (await ward.look("sources")).findings == ()


async def test_what_somebody_outside_says_is_among_the_findings(ward: Ward) -> None:
    said = Finding(WARNING, "broker.limits", "it drops messages", "raise its limit")

    async def probe() -> Sequence[Finding]:
        return [said]

    assert await ward.only("sources", probes=(probe,)) == said


# -- the server


async def test_no_server_is_found(ward: Ward) -> None:
    finding = await ward.only("server", serving=Serving(held=False))
    assert (finding.severity, finding.code) == (BAD, "server.stopped")


async def test_a_server_that_no_longer_writes_is_found(ward: Ward) -> None:
    ward.now += timedelta(minutes=10)
    finding = await ward.only("server")
    assert (finding.severity, finding.code) == (BAD, "server.stuck")
    assert "process 4711" in finding.what
    assert "10 min" in finding.what


async def test_where_nobody_can_say_who_serves_the_marks_say_whether_somebody_does(ward: Ward) -> None:
    assert (await ward.look("server", serving=Serving(held=None))).findings == ()
    ward.now += timedelta(minutes=10)
    assert (await ward.only("server", serving=Serving(held=None))).code == "server.stopped"


async def test_a_server_that_is_not_ready_says_why(ward: Ward) -> None:
    answers = [
        Answer.of_json({"status": "not ready", "parts": {"store": "no answer within 2 s"}}, 503),
        Answer.of_json(["nonsense"], 502),
        Answer.of_json({"status": "ok"}),
    ]

    async def handle(request: Received) -> Answer:
        assert request.path == "/readyz"
        return answers.pop(0)

    async with http_server(handle) as url:
        serving = Serving(held=True, pid=1, url=url)
        first, second = await ward.only("server", serving=serving), await ward.only("server", serving=serving)
        assert (first.code, second.code) == ("server.not_ready", "server.not_ready")
        assert "store: no answer within 2 s" in first.what
        assert "502" in second.what
        assert (await ward.look("server", serving=serving)).findings == ()
    assert (await ward.only("server", serving=serving)).code == "server.silent"


def test_the_kernel_says_who_serves(tmp_path: Path) -> None:
    import os

    file = tmp_path / "lastseen.db"
    assert served_by(file) == (False, None)
    with serve_lock(file):
        tell_address(file, "http://127.0.0.1:1")
        assert served_by(file) == (True, os.getpid())
    assert served_by(file) == (False, None)


# -- the computer


@pytest.mark.parametrize(
    ("free", "code"),
    [(100_000_000, "disk.full"), (900_000_000, "disk.space"), (4_900_000_000, "disk.space"), (5_100_000_000, None)],
)
async def test_a_disk_that_fills_is_found(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, free: int, code: str | None
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10**12, 10**12 - free, free))  # type: ignore[attr-defined]
    assert [finding.code for finding in (await ward.look("disk")).findings] == ([code] if code else [])


@pytest.mark.parametrize(("seconds", "severity"), [(0.1, WARNING), (0.5, BAD)])
async def test_a_slow_disk_is_found(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, seconds: float, severity: Severity
) -> None:
    monkeypatch.setattr(health, "fsync_seconds", lambda folder: seconds)
    finding = await ward.only("disk")
    assert (finding.severity, finding.code) == (severity, "disk.slow")


async def test_a_network_drive_is_found(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "filesystem", lambda place: "nfs4")
    assert (await ward.only("disk")).code == "disk.network"


def test_measuring_the_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    assert 0 < health.fsync_seconds(tmp_path) < 5
    assert list(tmp_path.iterdir()) == []


def test_the_file_system_of_a_folder_is_known_here(tmp_path: Path) -> None:
    assert health.filesystem(Path("/proc/self")) == "proc"
    assert health.filesystem(tmp_path)


@pytest.mark.parametrize(
    ("name", "mode", "code"),
    [
        ("", 0o755, "folder.readable"),
        ("", 0o777, "folder.writable"),
        ("", 0o700, None),
        ("lastseen.db", 0o644, None),
        ("lastseen.db", 0o666, "folder.writable"),
        ("lastseen.db.key", 0o644, "folder.readable"),
    ],
)
async def test_what_others_may_do_in_the_folder_is_found(ward: Ward, name: str, mode: int, code: str | None) -> None:
    path = ward.site.folder / name
    path.chmod(mode)
    if not name and mode != 0o700:
        (ward.site.folder / "lastseen.db-wal").chmod(0o600)
        (ward.site.folder / "lastseen.db").chmod(0o600)
    assert [finding.code for finding in (await ward.look("folder")).findings] == ([code] if code else [])


async def test_a_clock_that_was_put_back_is_found(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computer, "synchronised", lambda: None)
    ward.wall -= timedelta(hours=1)
    finding = await ward.only("clock")
    assert (finding.severity, finding.code) == (WARNING, "clock.behind")
    assert "1 h behind" in finding.what


async def test_a_clock_that_nobody_keeps_right_is_a_hint(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computer, "synchronised", lambda: False)
    finding = await ward.only("clock")
    assert (finding.severity, finding.code) == (HINT, "clock.free")


def test_asking_the_kernel_for_its_clock_changes_nothing_and_answers() -> None:
    assert computer.synchronised() in (True, False, None)


async def test_settings_that_are_none_are_found(ward: Ward) -> None:
    said = "the environment sets LASTSEEN_PROT, which is no setting, did you mean LASTSEEN_PORT?"
    finding = await ward.only("settings", problems=[said])
    assert (finding.severity, finding.code, finding.what) == (WARNING, "settings.unknown", said)


# -- what goes wrong while it is looked at


async def test_a_check_that_fails_is_a_finding_and_stops_no_other(ward: Ward) -> None:
    async def breaks(subject: Subject) -> Checked:
        raise RuntimeError("oh")

    checked = await examine(Check("odd", "Breaking", breaks), Subject(ward.site, ward.store, NOW, NOW))
    assert checked is not None
    assert (checked.findings[0].severity, checked.findings[0].code) == (BAD, "odd.unreadable")


async def test_without_a_store_the_checks_that_need_it_are_left_out(ward: Ward) -> None:
    subject = Subject(ward.site, None, NOW, NOW, trouble="it belongs to root")
    done = [check.name for check in CHECKS if await examine(check, subject) is not None]
    assert done == ["settings", "folder", "disk", "database", "clock", "plugins"]
    (database,) = (check for check in CHECKS if check.name == "database")
    checked = await examine(database, subject)
    assert checked is not None
    assert [finding.what for finding in checked.findings] == ["it belongs to root"]
