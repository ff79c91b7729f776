"""Programs that know nothing of lastseen, as they are installed: they back up, they check, and they report here."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.foreign.conftest import Pinged
from tests.support import needs_programs

BIN = Path(sys.executable).parent


def kinds(pinged: Pinged) -> list[str]:
    return [report["kind"] for report in pinged.reports()]


def last_body(pinged: Pinged) -> dict[str, object]:
    found: dict[str, object] = json.loads(pinged.reports()[-1]["body"])
    return found


# -- borgmatic, with a real repository of borg

BACKUP = """\
source_directories: [{source}]
source_directories_must_exist: true
repositories: [{{path: {folder}/archive.borg}}]
healthchecks: {{ping_url: "{ping}", send_logs: true, create_slug: {create}}}
"""
PUSHED = """\
source_directories: [{source}]
source_directories_must_exist: true
repositories: [{{path: {folder}/archive.borg}}]
uptime_kuma: {{push_url: "{push}"}}
"""


class Borgmatic:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = folder / "source"
        self.source.mkdir()
        (self.source / "letter").write_text("Dear all,\n" * 1000)

    async def __call__(self, config: str, *action: str, **more: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(self.run, config, *action, **more)

    def run(self, config: str, *action: str, **more: str) -> subprocess.CompletedProcess[str]:
        file = self.folder / "borgmatic.yaml"
        file.write_text(config.format(folder=self.folder, **{"source": str(self.source), **more}))
        env = {
            **os.environ,
            "BORG_BASE_DIR": str(self.folder),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder),
        }
        command = [str(BIN / "borgmatic"), "--config", str(file), *action]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, cwd=self.folder)


@pytest.fixture(scope="module")
def borgmatic(tmp_path_factory: pytest.TempPathFactory) -> Borgmatic:
    made = Borgmatic(tmp_path_factory.mktemp("borg"))
    done = made.run(BACKUP, "repo-create", "--encryption", "none", ping="http://127.0.0.1:9/none", create="false")
    assert done.returncode == 0, done.stderr
    return made


@needs_programs("borg")
@pytest.mark.parametrize("by", ["uuid", "slug"])
async def test_borgmatic_tells_of_a_backup_and_of_one_that_failed(
    pinged: Pinged, borgmatic: Borgmatic, by: str
) -> None:
    ping, slug = (
        (pinged.ping_url, "backup") if by == "uuid" else (f"{pinged.url}/ping/{pinged.project}/letters", "letters")
    )
    how = {"ping": ping, "create": "false" if by == "uuid" else "true"}
    done = await borgmatic(BACKUP, "create", "--stats", **how)
    assert (done.returncode, "error" in done.stderr.lower()) == (0, False), done.stderr
    assert kinds(pinged) == ["start", "note", "ok"]
    assert "Archive name" in str(last_body(pinged)["output"])
    await pinged.becomes("online", slug)
    done = await borgmatic(BACKUP, "create", **how, source="/nowhere")
    assert done.returncode != 0
    assert kinds(pinged)[3:] == ["start", "note", "error"]
    assert "/nowhere" in str(last_body(pinged)["output"])
    await pinged.becomes("error", slug)


@needs_programs("borg")
async def test_borgmatic_pushes_as_to_uptime_kuma(pinged: Pinged, borgmatic: Borgmatic) -> None:
    done = await borgmatic(PUSHED, "create", push=pinged.push_url)
    assert done.returncode == 0, done.stderr
    assert kinds(pinged) == ["ok", "ok"]
    assert last_body(pinged) == {"message": "finish"}
    done = await borgmatic(PUSHED, "create", push=pinged.push_url, source="/nowhere")
    assert done.returncode != 0
    assert kinds(pinged)[2:] == ["ok", "error"]
    assert last_body(pinged) == {"message": "fail"}
    await pinged.becomes("error")


@needs_programs("borg")
async def test_borgmatic_is_told_of_a_wrong_address_and_backs_up_all_the_same(
    pinged: Pinged, borgmatic: Borgmatic
) -> None:
    done = await borgmatic(
        BACKUP, "create", ping=f"{pinged.url}/ping/{'0' * 8}-0000-4000-8000-{'0' * 12}", create="false"
    )
    assert (done.returncode, "404" in done.stdout + done.stderr) == (0, True)
    assert kinds(pinged) == []


# -- programs that push to Uptime Kuma

CHECKS = """\
[[checks]]
name = "disk"
executor.command = "/bin/sh"
executor.args = ["-c", "{script}"]
publisher.url = "{url}"
publisher.push_token = "{token}"
schedule.interval = 3600
"""


async def kumacub_until_it_has_pushed(config: Path) -> None:
    """Run its daemon until it says itself that its push was taken. (Stopped earlier, it may die with a traceback.)"""
    env = {"KUMACUB__CONFIG": str(config), "KUMACUB__CHECKS_DIR": str(config.parent / "none")}
    process = await asyncio.create_subprocess_exec(
        *(str(BIN / "kumacub"), "daemon"),
        env={**os.environ, **env, "KUMACUB__LOG__LEVEL": "DEBUG"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = b""
    try:
        async with asyncio.timeout(60):
            while b"Successfully pushed" not in said and (line := await process.stdout.readline()):
                said += line
    finally:
        process.kill()
        await process.wait()
    assert b"Successfully pushed" in said, said
    assert b"Failed to push" not in said, said


@pytest.mark.parametrize(
    ("script", "kind", "status"),
    [("echo DISK OK - free 17 GB", "ok", "online"), ("echo DISK CRITICAL - free 0 GB; exit 2", "error", "error")],
)
async def test_kumacub_runs_a_check_and_pushes_what_it_found(
    pinged: Pinged, tmp_path: Path, script: str, kind: str, status: str
) -> None:
    config = tmp_path / "kumacub.toml"
    config.write_text(CHECKS.format(script=script, url=pinged.url, token=pinged.token))
    await kumacub_until_it_has_pushed(config)
    assert kinds(pinged) == [kind]
    assert "free" in str(last_body(pinged)["message"])
    await pinged.becomes(status)


async def test_apykuma_in_a_program_of_ones_own(pinged: Pinged) -> None:
    code = """
import asyncio, sys
import apykuma

async def main():
    await apykuma.start(url=sys.argv[1], interval=3600)
    await asyncio.Event().wait()

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, pinged.push_url)
    try:
        await pinged.becomes("online")
    finally:
        process.kill()
        await process.wait()
    assert kinds(pinged) == ["ok"]
