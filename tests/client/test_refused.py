"""What goes wrong between a command and a server is one sentence, and no key is in it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lastseen.client import Remote
from lastseen.client.verbs import machines
from lastseen.errors import Unreachable
from tests.cli.conftest import Cli, Done
from tests.client.conftest import Both
from tests.standins.smtp import silent_port
from tests.standins.tls import issue

PROBLEM = "application/problem+json"


class StandIn(ThreadingHTTPServer):
    """Answers everything with `status`, `kind` and `body`; after `refusals` times 503. What it was asked is `asked`."""

    status, kind, body, refusals = 200, "text/html", b"<h1>It works!</h1>", 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: StandIn

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path))
        refused = len(self.server.asked) <= self.server.refusals
        status, kind, body = (
            (503, PROBLEM, b'{"detail": "not now"}')
            if refused
            else (self.server.status, self.server.kind, self.server.body)
        )
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if 300 <= status < 400:
            self.send_header("Location", "https://elsewhere.example/api/v1")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815  (as http.server wants them)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def said(done: Done, both: Both) -> str:
    """The one line on standard error."""
    assert (done.code, done.out) == (1, "")
    for name in ("write", "read"):
        assert (both.files / name).read_text().strip() not in done.err
    (line,) = done.err.splitlines()
    return line


def test_a_key_that_reads_changes_nothing(both: Both) -> None:
    before = both.here.json("machines", "list")
    line = said(both.ask("machines", "add", "new", may="read"), both)
    assert "read" in line
    assert both.here.json("machines", "list") == before
    assert both.ask("machines", "list", may="read").code == 0


def test_a_wrong_key_is_named_as_wrong_and_not_shown(both: Both) -> None:
    (both.files / "wrong").write_text("lsa_" + "x" * 43)
    line = said(both.ask("machines", "list", may="wrong"), both)
    assert "this key is not valid" in line
    assert "xxx" not in line
    (both.files / "spaced").write_text("lsa_ secret word")
    line = said(both.ask("machines", "list", may="spaced"), both)
    assert "secret" not in line


def test_a_user_s_key_sees_what_they_see(both: Both) -> None:
    both.here.json("users", "add", "vera", "--role", "viewer")
    both.key("vera", "--user", "vera", "--may", "write")
    assert both.ask("machines", "show", "pump-01", may="vera").code == 0
    assert "ping_url" not in both.ask("machines", "show", "pump-01", may="vera").out
    said(both.ask("machines", "pause", "pump-01", may="vera"), both)
    said(both.ask("keys", "list", "--show"), both)


def test_what_is_another_s_is_in_no_list(both: Both) -> None:
    for name in ("mia", "max"):
        both.here.json("users", "add", name, "--role", "member")
        both.key(name, "--user", name, "--may", "write")
    assert both.ask("machines", "add", "hers", may="mia").code == 0
    assert both.here.json("machines", "show", "hers")["owner"] == "mia"
    for command in ("machines list", "uptime", "events", "notifications list"):
        assert "hers" not in both.ask(*command.split(), may="max").out
    for command in ("machines list", "uptime", "events"):
        assert "hers" in both.ask(*command.split(), may="mia").out
    for command in ("machines show hers", "uptime hers", "why hers", "machines remove hers"):
        assert "no machine 'hers'" in said(both.ask(*command.split(), may="max"), both)
    assert both.ask("machines", "remove", "hers", may="mia").code == 0


def test_a_certificate_is_believed_by_the_file_that_was_named_and_no_other(
    both: Both, stand_in: StandIn, tmp_path: Path
) -> None:
    issued = issue(tmp_path / "own.pem", "localhost", "127.0.0.1")
    stand_in.kind, stand_in.body = "application/json", b'{"items": [], "next": null}'
    stand_in.socket = issued.context.wrap_socket(stand_in.socket, server_side=True)
    url = stand_in.url.replace("http:", "https:")
    line = said(both.ask("machines", "list", server=url), both)
    assert "certificate verify failed" in line.lower()
    assert stand_in.asked == []
    done = both.ask("--ca-file", str(issued.file), "machines", "list", "--json", server=url)
    assert (done.code, done.out) == (0, "[]\n")
    assert "--ca-file" in said(both.ask("--ca-file", str(tmp_path / "none.pem"), "machines", "list", server=url), both)


async def test_a_server_that_says_nothing_is_left_and_who_changed_something_is_told_the_doubt() -> None:
    with silent_port() as port:
        async with Remote(f"http://127.0.0.1:{port}", "lsa_key", timeout=0.1) as remote:
            with pytest.raises(Unreachable, match=r"did not answer within 0.1 s$"):
                await machines.listed(remote)
            with pytest.raises(Unreachable, match="may have been done all the same"):
                await machines.remove(remote, "db-01")


def test_a_server_that_is_away_is_named(both: Both, stand_in: StandIn) -> None:
    url = stand_in.url
    stand_in.server_close()
    for command in ("machines list", "machines pause pump-01"):
        assert said(both.ask(*command.split(), server=url), both).startswith(f"lastseen: {url} cannot be reached: ")


def test_who_is_no_lastseen_server_is_told_apart(both: Both, stand_in: StandIn) -> None:
    answers = [
        (200, "text/html", b"<h1>It works!</h1>", "no lastseen server"),
        (404, "text/html", b"", "answers 404 without saying why"),
        (502, "text/html", b"<h1>Bad gateway</h1>", "answers 502 without saying why"),
        (301, "text/html", b"", "redirects elsewhere (301)"),
        (200, "application/json", b'{"items": [{"slug": 1}], "next": null}', "of another version"),
        (200, "application/json", b'{"machines": []}', "of another version"),
        (500, PROBLEM, b'{"detail": "something went\\u001b[31m wrong"}', "answers 500: something went [31m wrong"),
        (429, PROBLEM, b'{"detail": "too often"}', "too often"),
        (422, PROBLEM, b'{"detail": "a: b", "errors": [{"field": "kind", "detail": "is none"}]}', "kind: is none"),
    ]
    for status, kind, body, words in answers:
        stand_in.status, stand_in.kind, stand_in.body = status, kind, body
        assert words in said(both.ask("machines", "list", server=stand_in.url), both)
        assert len(stand_in.asked) == 1, "a redirect is not followed, an answer is not asked for again"
        stand_in.asked.clear()


def test_of_what_is_wrong_no_more_is_said_than_people_read(both: Both, stand_in: StandIn) -> None:
    wrong = {"detail": "not valid", "errors": [{"field": f"f{number}", "detail": "is none"} for number in range(200)]}
    stand_in.kind, stand_in.status, stand_in.body = PROBLEM, 422, json.dumps(wrong).encode()
    assert len(both.ask("machines", "list", server=stand_in.url).err.splitlines()) == 100


def test_what_only_reads_is_asked_again_and_what_changes_something_is_not(both: Both, stand_in: StandIn) -> None:
    stand_in.refusals, stand_in.kind, stand_in.body = 2, "application/json", b'{"items": [], "next": null}'
    assert both.ask("machines", "list", "--json", server=stand_in.url).value == []
    assert len(stand_in.asked) == 3
    stand_in.asked.clear()
    assert "not now" in said(both.ask("machines", "pause", "pump-01", server=stand_in.url), both)
    assert stand_in.asked == [("POST", "/api/v1/machines/pump-01/pause")]


OLD_CHANNEL = {
    "id": 1,
    "type": "webhook",
    "name": "ops",
    "enabled": False,
    "disabled_by": "user",
    "disabled_reason": "noisy",
    "config": {"url": "https://h.example"},
    "wishes": {},
    "fallback": None,
    "owner": None,
}
OLD_SILENCE = {
    "id": 1,
    "name": "rack",
    "starts_at": "2026-03-01T12:00:00Z",
    "ends_at": "2026-03-01T13:00:00Z",
    "machines": "group berlin",
    "matcher": {"groups": ["berlin"]},
    "one_chat": False,
    "created_by": "ada",
}


@pytest.mark.parametrize(
    ("command", "one", "shown"),
    [
        ("channels list", OLD_CHANNEL, "noisy"),
        ("silences list", OLD_SILENCE, "group berlin"),
        ("silences add rack --group berlin", OLD_SILENCE, "(silence 1)\n"),
    ],
)
def test_what_an_older_server_does_not_say_yet_is_not_shown(
    both: Both, stand_in: StandIn, command: str, one: dict[str, Any], shown: str
) -> None:
    """How many machines a silence names, who may end it, and since when and why a channel fails."""
    many = command.endswith("list")
    answer = {"items": [one], "next": None} if many else one
    stand_in.kind, stand_in.body = "application/json", json.dumps(answer).encode()
    done = both.ask(*command.split(), server=stand_in.url)
    assert (done.code, done.err) == (0, "")
    assert shown in done.out
    assert not any(word in done.out for word in ("None", "fails", "That is"))
    assert both.ask(*command.split(), "--json", server=stand_in.url).value == ([one] if many else one)


def test_an_older_server_that_cannot_be_asked_for_all_machines_refuses_it_by_the_option(
    both: Both, stand_in: StandIn
) -> None:
    wrong = {"detail": "not valid", "errors": [{"field": "machines.all", "detail": "there is no such field"}]}
    stand_in.kind, stand_in.status, stand_in.body = PROBLEM, 422, json.dumps(wrong).encode()
    refused = said(both.ask("silences", "add", "rack", "--all", server=stand_in.url), both)
    assert refused == "lastseen: --all: is not known to the server, which is older: the name `*` is of all machines too"
    assert len(stand_in.asked) == 1


def test_what_a_newer_server_says_beside_is_passed_on(both: Both, stand_in: StandIn) -> None:
    kind = b'{"name": "server", "offline_after_seconds": 5, "every_seconds": null, "colour": "red"}'
    stand_in.kind, stand_in.body = "application/json", b'{"items": [%s], "next": null, "total": 1}' % kind
    (found,) = both.ask("kinds", "list", "--json", server=stand_in.url).value
    assert found["colour"] == "red"
    assert "server" in both.ask("kinds", "list", server=stand_in.url).out


def test_a_name_that_means_something_in_a_path_does_not(both: Both, stand_in: StandIn) -> None:
    stand_in.kind, stand_in.status, stand_in.body = PROBLEM, 404, b'{"detail": "no such"}'
    for name in ("..", "."):
        said(both.ask("machines", "remove", name, server=stand_in.url), both)
    assert stand_in.asked == [("GET", f"/api/v1/machines/status?ids={name}") for name in ("..", ".")]
    said(both.ask("machines", "remove", "a/../b?c#d", server=stand_in.url), both)
    assert stand_in.asked[2:] == [("DELETE", "/api/v1/machines/a%2F..%2Fb%3Fc%23d")]


def test_what_has_no_address_is_not_taken_for_whom_its_id_names(both: Both) -> None:
    for name in ("old", "other"):
        both.here.json("machines", "add", name)
    with contextlib.closing(sqlite3.connect(both.here.folder / "lastseen.db")) as raw, raw:
        raw.execute(
            "UPDATE machines SET slug = (SELECT CAST(id AS TEXT) FROM machines WHERE slug = 'old') WHERE slug = 'other'"
        )
        raw.execute("UPDATE machines SET slug = '..' WHERE slug = 'old'")
    assert "another machine's name" in said(both.ask("machines", "remove", ".."), both)
    for name in ("..", str(both.here.json("machines", "show", "..")["id"])):
        assert both.here("machines", "remove", name).code == 0, "both are still there"


def test_a_machine_called_status_is_found_by_its_id(both: Both) -> None:
    both.here.json("machines", "add", "status")
    assert both.ask("machines", "show", "status", "--json").value["slug"] == "status"
    assert both.ask("machines", "remove", "status", "--json").value["removed"]
    assert "no machine 'status'" in said(both.ask("machines", "show", "status"), both)


def test_what_works_here_alone_says_so(both: Both) -> None:
    for command in ("db check", "backup x", "serve", "import", "doctor", "plugins", "agent"):
        line = said(both.ask(*command.split()), both)
        assert line == f"lastseen: lastseen {command.split()[0]} works here alone: leave out --server" + (
            ", or give it behind agent" if command == "agent" else ""
        )
    assert "TELEGRAM_BOT_TOKEN" in said(both.ask("channels", "invite", "phone"), both)


def test_what_only_the_server_finds_wrong_is_named_by_its_option(both: Both) -> None:
    assert "--role: " in said(both.ask("users", "add", "x", "--role", "king"), both)
    assert "--url: " in said(both.ask("channels", "add", "webhook", "--name", "x"), both)
    token = ("--bot-token-file", str(both.files / "read"))
    assert "--bot-token-file: " in said(both.ask("channels", "add", "telegram", "--name", "x", *token), both)
    done = both.ask("channels", "add", "telegram", "--name", "x", "--thread-id", "five", *token)
    assert (done.code, "--thread-id: must be a number" in done.err) == (2, True)


def test_the_environment_names_the_server_where_it_names_the_key_too(both: Both) -> None:
    env = {"LASTSEEN_SERVER": both.url, "LASTSEEN_API_KEY_FILE": str(both.files / "read")}
    there = Cli(both.there.folder, env)
    assert there.json("machines", "list") == both.ask("machines", "list", "--json").value
    assert "only where the database is" in said(there("setup-link"), both)
    assert there("plugins").code == 0
    alone = Cli(both.here.folder, {"LASTSEEN_SERVER": "http://127.0.0.1:1"})
    assert alone("machines", "list").code == 0, "what an agent is told is no reason to leave the database"


def test_who_names_half_of_it_is_told_the_other_half(both: Both) -> None:
    done = both.there("--server", both.url, "machines", "list")
    assert (done.code, "--api-key-file" in done.err) == (2, True)
    done = both.there("--api-key-file", str(both.files / "read"), "machines", "list")
    assert (done.code, "--server" in done.err) == (2, True)
    assert "cannot be read" in said(both.ask("machines", "list", may="nothing"), both)
    for server in ("ftp://x", "nothing", "http://[::1", "http://"):
        assert "--server: " in said(both.ask("machines", "list", server=server), both)
    line = said(both.ask("machines", "list", server="http://ada:hunter2@127.0.0.1:1"), both)
    assert "hunter2" not in line
