"""Clients of other systems as they are: programs that are installed, and requests as the others write them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.foreign.conftest import Pinged
from tests.support import needs_programs

RID = "d1a6a1ab-7b4c-4c39-9b49-3d9f4c8f7a10"
needs_curl = needs_programs("curl")


async def program(*command: str, said: str | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run, command, input=said, capture_output=True, text=True, timeout=300, cwd=cwd
    )


async def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = await program(sys.executable, "-W", "ignore", "-c", code, *arguments)
    assert done.returncode == 0, done.stderr
    return done


def kinds(pinged: Pinged) -> list[str]:
    return [report["kind"] for report in pinged.reports()]


# -- programs


@needs_curl
async def test_the_usual_line_of_a_crontab(pinged: Pinged) -> None:
    done = await program("curl", "-fsS", "-m", "10", "--retry", "5", "-o", "/dev/null", pinged.ping_url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    line = f"echo 'it was 17 files' | curl -fsS -m 10 --data-binary @- '{pinged.ping_url}/$?'"
    done = await program("sh", "-c", f"false; {line.replace('$?', '1')}")
    assert (done.returncode, done.stdout) == (0, "OK")
    assert kinds(pinged) == ["ok", "error"]
    done = await program("curl", "-fsS", f"{pinged.url}/ping/lsp_wrong/backup")
    assert (done.returncode, "404" in done.stderr) == (22, True)


@needs_curl
async def test_curl_posts_a_long_log_and_asks_before_it_sends(pinged: Pinged, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x" * 1_500_000)
    done = await program("curl", "-sS", "-w", " %{http_code}", "-F", f"log=@{tmp_path}/log", pinged.ping_url)
    assert done.stdout == "OK 200"
    for more in (["--http1.0"], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]):
        done = await program("curl", "-sS", *more, "--data-binary", f"@{tmp_path}/log", pinged.ping_url)
        assert (done.returncode, done.stdout) == (0, "OK")
    assert kinds(pinged) == ["ok"] * 4


@needs_programs("wget")
async def test_wget(pinged: Pinged) -> None:
    done = await program("wget", "-q", "-O", "-", "--tries=1", f"{pinged.ping_url}/start")
    assert (done.returncode, done.stdout) == (0, "OK")
    assert kinds(pinged) == ["start"]


async def test_healthchecks_decorator(pinged: Pinged) -> None:
    code = """
import sys
from healthchecks_decorator import healthcheck

@healthcheck(url=sys.argv[1], send_start=True, send_diagnostics=True)
def job(fails):
    if fails:
        raise ValueError("no")
    return {"files": 17}

job(False)
try:
    job(True)
except ValueError:
    pass
"""
    await python(code, pinged.ping_url)
    assert kinds(pinged) == ["start", "ok", "start", "error"]
    assert json.loads(pinged.reports()[1]["body"])["output"] == "files=17"
    await pinged.becomes("error")


async def test_healthchecks_wrapper(pinged: Pinged) -> None:
    code = """
import sys
from healthchecks_wrapper import HealthCheck

with HealthCheck(sys.argv[1]):
    pass
with HealthCheck(sys.argv[1], suppress_exceptions=True):
    raise ValueError("disk is full")
"""
    await python(code, pinged.ping_url)
    assert kinds(pinged) == ["start", "ok", "start", "error"]
    assert json.loads(pinged.reports()[3]["body"])["message"] == "ValueError: disk is full"


async def test_runchecked(pinged: Pinged) -> None:
    code = """
import sys
from runchecked import HealthCheckedContext

with HealthCheckedContext(sys.argv[1], enable_tty_output=False) as job:
    job.run(["echo", "hello"])
with HealthCheckedContext(sys.argv[1] + "/", enable_tty_output=False) as job:
    job.run(["sh", "-c", "echo no space; exit 3"])
"""
    await python(code, pinged.ping_url)
    assert kinds(pinged) == ["ok", "error"]
    assert "hello" in json.loads(pinged.reports()[0]["body"])["output"]


async def test_kumas_own_line(pinged: Pinged) -> None:
    done = await program("curl", "-fsS", f"{pinged.push_url}?status=up&msg=OK&ping=")
    assert json.loads(done.stdout) == {"ok": True}
    await pinged.becomes("online")


# -- requests as the others write them


async def sent(pinged: Pinged, request: str, body: bytes = b"") -> bytes:
    """The answer to these very bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", pinged.served.port)
    writer.write(request.replace("\n", "\r\n").encode() + b"\r\n" + body)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
    length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    answer += await reader.readexactly(length)
    writer.close()
    return answer


RUNITOR = """\
POST {path} HTTP/1.1
Host: 127.0.0.1:{port}
User-Agent: runitor/v1.4.1 (+https://bdd.fi/x/runitor)
Content-Length: {length}
Content-Type: text/plain
Accept-Encoding: gzip
"""
BORGMATIC = """\
{method} {path} HTTP/1.1
Host: 127.0.0.1:{port}
User-Agent: borgmatic
Accept-Encoding: gzip, deflate
Accept: */*
Connection: keep-alive
{more}"""
TASK_MON = """\
POST {path} HTTP/1.1
user-agent: task-mon/0.5.0 (job)
accept: */*
host: 127.0.0.1:{port}
content-length: {length}
"""
AGENT = """\
POST /agent/metrics HTTP/1.1
Host: 127.0.0.1:{port}
User-Agent: Go-http-client/1.1
Content-Length: {length}
Authorization: Bearer {key}
Content-Type: application/json
Accept-Encoding: gzip
"""


@pytest.mark.parametrize("by", ["uuid", "slug"])
async def test_runitor_runs_a_command(pinged: Pinged, by: str) -> None:
    base = f"/ping/{pinged.uuid}" if by == "uuid" else f"/ping/{pinged.project}/nightly"
    more = f"?rid={RID}" if by == "uuid" else f"?create=1&rid={RID}"
    for path, body, status in (("/start", b"", b"200" if by == "uuid" else b"201"), ("/0", b"output\n", b"200")):
        request = RUNITOR.format(path=base + path + more, port=pinged.served.port, length=len(body))
        answer = await sent(pinged, request, body)
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert b"\r\nping-body-limit: 10000\r\n" in answer.lower()
    assert [(report["kind"], report["run_id"]) for report in pinged.reports()] == [("start", RID), ("ok", RID)]
    await pinged.becomes("online", "backup" if by == "uuid" else "nightly")


async def test_borgmatic_pings_and_pushes(pinged: Pinged) -> None:
    body = b"borgmatic: backup failed\ndisk is full"
    for method, path, content in (
        ("POST", f"/ping/{pinged.uuid}/start", b""),
        ("POST", f"/ping/{pinged.uuid}/log", body),
        ("POST", f"/ping/{pinged.uuid}/fail", body),
        ("GET", f"/api/push/{pinged.token}?status=up&msg=finish", None),
    ):
        more = "" if content is None else f"Content-Length: {len(content)}\n"
        request = BORGMATIC.format(method=method, path=path, port=pinged.served.port, more=more)
        assert (await sent(pinged, request, content or b"")).startswith(b"HTTP/1.1 200 OK\r\n")
    assert kinds(pinged) == ["start", "note", "error", "ok"]
    await pinged.becomes("online")


async def test_task_mon_reports_a_failure(pinged: Pinged) -> None:
    body = b"$ job\nno\n\nCommand exited with code 2\n"
    request = TASK_MON.format(path=f"/ping/{pinged.uuid}/2", port=pinged.served.port, length=len(body))
    assert (await sent(pinged, request, body)).endswith(b"\r\n\r\nOK")
    assert pinged.reports()[0]["exit_code"] == 2


async def test_lunasentris_agent_sends_its_numbers(pinged: Pinged) -> None:
    body = (
        b'{"cpu_pct":3.25,"mem_used_pct":41.7,"disk_used_pct":63.1,"net_rx_bytes":1024,"net_tx_bytes":2048,'
        b'"uptime_s":86400.5,"system_info":{"hostname":"db-01","platform":"debian","platform_version":"12.5",'
        b'"kernel_version":"6.1.0-18-amd64","cpu_cores":4,"memory_total_mb":7972,"disk_total_gb":98,'
        b'"last_boot_time":"2025-10-09T08:00:00+02:00"}}'
    )
    request = AGENT.format(port=pinged.served.port, length=len(body), key=pinged.key)
    answer = await sent(pinged, request, body)
    assert answer.startswith(b"HTTP/1.1 202 Accepted\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert pinged.latest() == body.decode()
