"""`lastseen run`, as a process of its own and once as people put it into a crontab, against a real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.agent.servers import KEY, NO_CONTENT, Server, answer, reset, serving, silence
from tests.starting import Piped
from tests.support import eventually

FLEET = "lsf_fleet-key-0123456789"
SECRET = "0b9d8c4e-6f3a-4b21-9d57-1f1f5b7a9a10"
OK = answer("200 OK", b"OK")


def start(arguments: Sequence[str], *, listens: bool = False) -> Piped:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LASTSEEN_")}
    return Piped(["run", *arguments], {**environment, "NO_COLOR": "1"}, listens=listens)


async def done(process: Piped | subprocess.Popen[bytes], words: bytes | None = None) -> tuple[int, str, str]:
    with process:  # at the end its pipes are closed and it is waited for, whatever happens
        try:
            out, err = await anyio.to_thread.run_sync(lambda: process.communicate(words, timeout=300))
        finally:
            process.kill()
    assert process.returncode is not None
    return process.returncode, (out or b"").decode(errors="replace"), err.decode(errors="replace")


async def run(server: Server, key_file: Path, *command: str, options: Sequence[str] = ()) -> tuple[int, str, str]:
    return await done(start(["--server", server.url, "--key-file", str(key_file), *options, "--", *command]))


def sh(script: str) -> tuple[str, str, str]:
    return "sh", "-c", script


def bodies(server: Server) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in server.requests]


# -- what the server hears


async def test_a_run_is_told_when_it_begins_and_when_it_ends(key_file: Path) -> None:
    async with serving(NO_CONTENT) as server:
        code, out, err = await run(server, key_file, *sh("echo out; echo problem >&2; exit 3"))
    assert (code, out, err) == (3, "out\n", "problem\n")
    began, ended = bodies(server)
    assert began == {"status": "start", "run": str(uuid.UUID(ended["run"]))}
    assert (ended["status"], ended["exit_code"]) == ("error", 3)
    assert sorted(ended["output"].splitlines()) == ["out", "problem"]
    assert ended["duration_seconds"] >= 0
    assert {request.key for request in server.requests} == {KEY}


async def test_a_success_is_an_explicit_ok(key_file: Path) -> None:
    async with serving(NO_CONTENT) as server:
        assert (await run(server, key_file, "true"))[0] == 0
    ended = bodies(server)[-1]
    assert (ended["status"], ended["exit_code"]) == ("ok", 0)
    assert "output" not in ended


async def test_the_end_of_a_long_output_is_told_and_all_of_it_is_passed_on(key_file: Path) -> None:
    async with serving(NO_CONTENT) as server:
        _, out, _ = await run(server, key_file, *sh("seq 1 60000; printf 'bad \\377 nul \\000 last'"))
    assert out.startswith("1\n2\n")
    assert len(out) > 300_000
    message = bodies(server)[-1]["output"]
    assert len(message.encode()) <= 10_000
    assert message.endswith("60000\nbad \ufffd nul  last")


async def test_the_output_stays_here_when_it_shall(key_file: Path) -> None:
    async with serving(NO_CONTENT) as server:
        _, out, _ = await run(server, key_file, "echo", "private", options=["--no-output"])
    assert out == "private\n"
    assert "output" not in bodies(server)[-1]


async def test_a_fleet_key_reports_for_the_machine_named(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(FLEET)
    async with serving(answer("200 OK", b'{"accepted": 1, "rejected": []}')) as server:
        code, _, err = await run(server, tmp_path / "key", "false", options=["--machine", "backup-nas"])
    assert (code, err) == (1, "")
    assert server.requests[0].head.startswith("POST /api/v1/heartbeats ")
    assert [rows[0]["machine"] for rows in bodies(server)] == ["backup-nas", "backup-nas"]  # type: ignore[index]
    assert bodies(server)[-1][0]["exit_code"] == 1  # type: ignore[index]


async def test_a_row_that_was_refused_is_said(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(FLEET)
    reply = answer("200 OK", b'{"accepted": 0, "rejected": [{"index": 0, "error": "no machine \'x\'"}]}')
    async with serving(reply) as server:
        code, _, err = await run(server, tmp_path / "key", "true", options=["--machine", "x"])
    assert code == 0
    assert "no machine" in err


async def test_a_fleet_key_wants_to_know_the_machine(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(FLEET)
    async with serving(OK) as server:
        code, out, err = await run(server, tmp_path / "key", "echo", "no")
    assert (code, out) == (1, "")
    assert "--machine" in err
    assert FLEET not in err


async def test_a_ping_address_hears_start_and_end_with_the_same_run() -> None:
    async with serving(OK) as server:
        url = f"{server.url}/ping/{SECRET}?create=1"
        code, _, err = await done(start(["--ping-url", url, "--", *sh("echo no space; exit 2")]))
    assert (code, err) == (2, "")
    began, ended = (request.head.split()[1] for request in server.requests)
    assert began.startswith(f"/ping/{SECRET}/start?create=1&rid=")
    assert ended == began.replace("/start?", "/2?")
    assert server.requests[1].body == b"no space\n"
    assert "authorization" not in server.requests[0].head.lower()


async def test_a_success_is_the_bare_ping_address() -> None:
    async with serving(answer("201 Created", b"Created")) as server:
        code, _, err = await done(start(["--ping-url", f"{server.url}/ping/{SECRET}/", "true"]))
    assert (code, err) == (0, "")
    assert server.requests[1].head.startswith(f"POST /ping/{SECRET}?rid=")


# -- what the job notices of it: nothing


async def test_options_after_the_command_are_its_own(key_file: Path) -> None:
    async with serving(NO_CONTENT) as server:
        process = start(["--server", server.url, "--key-file", str(key_file), "echo", "--timeout", "-n", "--", "x"])
        assert (await done(process))[1] == "--timeout -n -- x\n"


async def test_the_job_has_our_standard_input(key_file: Path) -> None:
    async with serving(NO_CONTENT) as server:
        arguments = ["--server", server.url, "--key-file", str(key_file), "--", "tr", "a-z", "A-Z"]
        assert (await done(start(arguments, listens=True), b"hello"))[1] == "HELLO"


@pytest.mark.parametrize(
    "trouble",
    [answer("503 Busy"), reset, answer("401 No"), answer("200 OK", b"login")],
    ids=["busy", "reset", "refused", "login page"],
)
async def test_trouble_with_the_server_changes_no_exit_code_and_is_one_line(key_file: Path, trouble: Any) -> None:
    async with serving(trouble) as server:
        code, out, err = await run(server, key_file, *sh("echo done; exit 7"), options=["--retry-for", "0"])
    assert (code, out) == (7, "done\n")
    assert len(err.splitlines()) == 1
    assert "run_not_told" in err
    assert KEY not in err


async def test_a_server_that_does_not_answer_delays_the_start_of_nothing(key_file: Path, tmp_path: Path) -> None:
    flag = tmp_path / "ran"
    async with serving(silence) as server:
        script = sh(f"echo $$ > {flag}.new; mv {flag}.new {flag}; exec sleep 60")
        process = start(["--server", server.url, "--key-file", str(key_file), "--", *script])
        try:
            await eventually(flag.exists)
            assert not any(line.at_eof() for line in server.lines), "it began when the first try was given up"
        finally:
            process.send_signal(signal.SIGTERM)
            await eventually(lambda: not flag.exists() or gone(int(flag.read_text())))
            process.kill()
            await done(process)


async def test_a_missing_key_leaves_no_job_undone(tmp_path: Path) -> None:
    async with serving(NO_CONTENT) as server:
        code, out, err = await run(server, tmp_path / "none", *sh("echo done; exit 4"))
    assert (code, out) == (4, "done\n")
    assert "cannot be read" in err
    assert server.requests == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--server"),
        (["--server", "http://127.0.0.1:9"], "--key-file"),
        (["--server", "monitor", "--key-file", "key"], "--server"),
        (["--ping-url", f"ftp://example.org/ping/{SECRET}"], "--ping-url"),
        (["--ping-url", "http://127.0.0.1:9", "--timeout", "soon"], "--timeout"),
        (["--ping-url", "http://127.0.0.1:9", "--retry-for", "-1"], "--retry-for"),
    ],
)
async def test_what_can_never_work_is_refused_before_anything_runs(arguments: list[str], named: str) -> None:
    code, out, err = await done(start([*arguments, "--", "echo", "no"]))
    assert (code, out) == (1, "")
    assert named in err
    assert SECRET not in err


async def test_a_ping_address_is_not_said_even_if_the_server_says_it() -> None:
    async with serving(answer("302 Found", b"", f"Location: https://elsewhere/ping/{SECRET}?x=1")) as server:
        process = start(["--ping-url", f"{server.url}/ping/{SECRET}", "--retry-for", "0", "--", "true"])
        code, _, err = await done(process)
    assert code == 0
    assert "302" in err
    assert SECRET not in err


# -- how it ends


@pytest.mark.parametrize(("script", "code"), [("kill -9 $$", 137), ("kill -15 $$", 143), ("exit 255", 255)])
async def test_its_exit_code_is_ours_as_a_shell_has_it(key_file: Path, script: str, code: int) -> None:
    async with serving(NO_CONTENT) as server:
        assert (await run(server, key_file, *sh(script)))[0] == code
    assert bodies(server)[-1]["exit_code"] == code


@pytest.mark.parametrize(("command", "code", "why"), [("no-such-command", 127, "No such file"), (".", 126, "denied")])
async def test_what_cannot_be_started_is_a_failed_run(key_file: Path, command: str, code: int, why: str) -> None:
    async with serving(NO_CONTENT) as server:
        found, _, err = await run(server, key_file, command)
    assert found == code
    assert "run_not_started" in err
    assert (bodies(server)[-1]["status"], bodies(server)[-1]["exit_code"]) == ("error", code)
    assert why in bodies(server)[-1]["output"]


async def test_what_takes_too_long_is_stopped_with_all_that_it_started(key_file: Path, tmp_path: Path) -> None:
    child = tmp_path / "child"
    script = f"(trap '' TERM; echo $$ >&2; exec sleep 61) & echo $! > {child}; echo begun; sleep 62"
    async with serving(NO_CONTENT) as server:
        code, out, err = await run(server, key_file, *sh(script), options=["--timeout", "500ms"])
    assert (code, out) == (124, "begun\n")
    assert "run_timed_out" in err
    ended = bodies(server)[-1]
    assert (ended["status"], ended["exit_code"]) == ("error", 124)
    assert ended["output"].splitlines()[-1].startswith("stopped: it took longer than")
    await eventually(lambda: gone(int(child.read_text())))


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
async def test_signals_are_handed_on_and_the_job_has_the_last_word(key_file: Path, number: signal.Signals) -> None:
    name = number.name.removeprefix("SIG")
    script = f"trap 'echo got {name}; exit 5' {name}; echo ready; while :; do sleep 0.05; done"
    async with serving(NO_CONTENT) as server:
        process = start(["--server", server.url, "--key-file", str(key_file), "--", *sh(script)])
        try:
            assert process.stdout is not None
            assert await anyio.to_thread.run_sync(process.stdout.readline) == b"ready\n"
            process.send_signal(number)
            code, out, _ = await done(process)
        finally:
            process.kill()
    assert (code, out) == (5, f"got {name}\n")
    assert bodies(server)[-1]["exit_code"] == 5


async def test_what_was_started_to_ignore_hangups_ignores_them(key_file: Path) -> None:
    async with serving(NO_CONTENT) as server:
        arguments = ["--server", server.url, "--key-file", str(key_file), "--", *sh("kill -HUP $$; exit 6")]
        nohup = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", sys.executable, "-m", "lastseen", "run", *arguments]
        process = subprocess.Popen(nohup, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert (await done(process))[0] == 6


async def test_something_left_running_does_not_hold_it_up(key_file: Path) -> None:
    async with serving(NO_CONTENT) as server:
        code, out, _ = await run(server, key_file, *sh("sleep 20 & echo started $!"))
    os.kill(int(out.split()[1]), signal.SIGKILL)
    assert code == 0
    assert bodies(server)[-1]["duration_seconds"] < 15, "what was left running sleeps for 20 s"


async def test_a_closed_pipe_ends_the_job_as_it_would_without_us(key_file: Path) -> None:
    async with serving(NO_CONTENT) as server:
        process = start(["--server", server.url, "--key-file", str(key_file), "--", "yes"])
        assert process.stdout is not None
        assert await anyio.to_thread.run_sync(process.stdout.readline) == b"y\n"
        process.stdout.close()
        process.stdout = None
        assert (await done(process))[0] == 128 + signal.SIGPIPE
