"""`lastseen webhook listen`: what is sent to it is printed, judged and answered as it was told to."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from lastseen.notifiers.addresses import NEVER, PRIVATE
from lastseen.notifiers.signing import new_secret
from tests.cli.conftest import Cli

ROOT = Path(__file__).parent.parent.parent


class Listening:
    """The process, and what it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.first = self.line()

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    @property
    def value(self) -> Any:
        return json.loads(self.line())

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def ended(self) -> int:
        return self._process.wait(60)


@contextmanager
def listening(cli: Cli, *options: str) -> Iterator[Listening]:
    command = [sys.executable, "-m", "lastseen", "webhook", "listen", "--port", "0", *options]
    process = subprocess.Popen(command, env={**cli.environment(), "PYTHONUNBUFFERED": "1"}, stdout=-1, text=True)
    try:
        yield Listening(process)
    finally:
        process.kill()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()


def test_a_channel_is_tried_against_it_and_its_signature_is_genuine(cli: Cli, tmp_path: Path) -> None:
    secret = new_secret()
    (tmp_path / "secret").write_text(secret + "\n")
    with listening(cli, "--secret-file", str(tmp_path / "secret"), "--json") as listener:
        url = json.loads(listener.first)["url"]
        cli.json("channels", "add", "webhook", "--name", "here", "--url", url, "--secret", secret)
        assert cli("channels", "test", "here").code == 0
        told = listener.value
    assert (told["type"], told["genuine"], told["problem"], told["status"]) == ("channel.test", True, None, 204)
    assert told["body"]["type"] == "channel.test"


def test_it_answers_in_turn_and_counts_the_tries_and_ends(cli: Cli) -> None:
    statuses = ("--status", "500", "--status", "429", "--status", "204")
    with listening(cli, *statuses, "--retry-after", "7", "--count", "4", "--json") as listener:
        url = json.loads(listener.first)["url"]
        answers = [
            httpx.post(url, headers={"webhook-id": "one"}, json={"type": "x"}, trust_env=False) for _ in range(4)
        ]
        told = [listener.value for _ in answers]
        assert listener.ended() == 0
    assert [answer.status_code for answer in answers] == [500, 429, 204, 204]
    assert [answer.headers.get("retry-after") for answer in answers] == ["7", "7", None, None]
    assert [(one["try"], one["genuine"]) for one in told] == [(1, None), (2, None), (3, None), (4, None)]


def test_it_ends_by_ctrl_c_without_a_complaint(cli: Cli) -> None:
    with listening(cli) as listener:
        assert "signatures are not verified" in listener.first
        listener.interrupt()
        assert listener.ended() == 0


def test_what_is_not_genuine_is_refused_and_why_is_said(cli: Cli) -> None:
    with listening(cli, "--secret", new_secret()) as listener:
        url = re.findall(r"http://\S+", listener.first)[0]
        body = {"type": "machine.offline", "machine": {"name": "db-01\x1b[2J"}}
        assert httpx.post(url, json=body, trust_env=False).status_code == 401
        line = listener.line()
    assert "machine.offline db-01" in line
    assert "REFUSED: webhook-timestamp is not a number of seconds  → 401" in line
    assert "\x1b" not in line


def test_the_signature_of_lunasentri_is_judged_by_its_text(cli: Cli) -> None:
    with listening(cli, "--secret", "correct horse", "--json") as listener:
        url = json.loads(listener.first)["url"]
        options = ("--secret", "correct horse", "--signature", "lunasentri")
        cli.json("channels", "add", "webhook", "--name", "old", "--url", url, *options)
        assert cli("channels", "test", "old").code == 0
        assert listener.value["genuine"] is True
        assert httpx.post(url, json={}, trust_env=False).status_code == 401
        assert listener.value["problem"] == "there is no X-LunaSentri-Signature"


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--status", "99"), 2, "--status takes a number from 200 to 599, not 99"),
        (("--secret", "whsec_short"), 1, "--secret: must be"),
        (("--secret", "a", "--secret-file", "b"), 2, "not both"),
    ],
)
def test_what_cannot_be_meant_is_refused(cli: Cli, options: tuple[str, ...], code: int, words: str) -> None:
    done = cli("webhook", "listen", *options)
    assert (done.code, words in done.err) == (code, True), done.err


def test_the_page_names_every_network_that_is_refused() -> None:
    page = (ROOT / "docs" / "webhooks.md").read_text()
    never, private = page.split("\nNever:\n")[1].split("\nLoopback and private:\n")
    for text, table in ((never, NEVER), (private, PRIVATE)):
        rows = re.findall(r"^\| (.+?) \| (`.+`) \|$", text, re.M)
        said = {(network, what) for what, networks in rows for network in re.findall("`(.+?)`", networks)}
        assert said == {(str(network), what) for network, what in table}
