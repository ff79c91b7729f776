"""The ping API of Healthchecks: the whole table, asked over HTTP."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from lastseen.ingest.foreign.healthchecks import KEPT, READ
from tests.foreign.conftest import Pinged

RID = "0b3e6f6a-8d0e-4d56-a3c5-1f0b7a4c2f11"
NOBODY = "11111111-2222-4333-8444-555555555555"
METHODS = ["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH"]


def headers_are_those_of_a_ping(headers: Any) -> None:
    assert headers["ping-body-limit"] == "10000"
    assert headers["access-control-allow-origin"] == "*"
    assert "no-cache" in headers["cache-control"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("by", ["uuid", "slug"])
async def test_any_method_is_a_ping(pinged: Pinged, method: str, by: str) -> None:
    path = f"/ping/{pinged.uuid}" if by == "uuid" else f"/ping/{pinged.project}/backup"
    answer = await pinged.ask(path, method)
    assert (answer.status_code, answer.text) == (200, "" if method == "HEAD" else "OK")
    headers_are_those_of_a_ping(answer.headers)
    assert (await pinged.standing()).liveness.last_seen is not None
    await pinged.becomes("online")


@pytest.mark.parametrize(
    ("tail", "kind", "exit_code"),
    [("", "ok", None), ("/", "ok", None), ("/start", "start", None), ("/fail", "error", None), ("/log", "note", None),
     ("/0", "ok", 0), ("/1", "error", 1), ("/255", "error", 255), ("/007", "error", 7)],
)  # fmt: skip
@pytest.mark.parametrize("by", ["uuid", "slug"])
async def test_each_address_says_what_it_says(
    pinged: Pinged, tail: str, kind: str, exit_code: int | None, by: str
) -> None:
    if by == "slug" and tail == "/":
        return
    base = f"/ping/{pinged.uuid}" if by == "uuid" else f"/ping/{pinged.project}/backup"
    answer = await pinged.ask(base + tail, "POST", params={"rid": RID.upper()}, content=b"line one\nline two\n")
    assert (answer.status_code, answer.text) == (200, "OK")
    (report,) = pinged.reports()
    assert (report["kind"], report["run_id"]) == (kind, RID)
    body = json.loads(report["body"])
    assert body["output"] == "line one\nline two\n"
    assert body.get("exit_code") == exit_code
    assert ("message" in body) == (kind == "error")
    assert ((await pinged.standing()).liveness.last_seen is None) == (kind in ("start", "note"))


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        (f"/ping/{NOBODY}", 404, "not found"),
        ("/ping/{UUID}", 404, "not found"),
        ("/ping/{UUID}/start", 404, "not found"),
        ("/ping/{uuid}/start/", 404, "not found"),
        ("/ping/{uuid}/fail/", 404, "not found"),
        ("/ping/{uuid}/log/", 404, "not found"),
        ("/ping/{uuid}/1/", 404, "not found"),
        ("/ping/{uuid}/START", 404, "not found"),
        ("/ping/{uuid}/0/0", 404, "not found"),
        ("/ping/{uuid}/+1", 404, "not found"),
        ("/ping/{project}/backup/start/", 404, "not found"),
        ("/ping/{project}/backup/start/1", 404, "not found"),
        ("/ping/{project}/backup/nothing", 404, "not found"),
        ("/ping/{uuid}%0a", 404, "not found"),
        ("/ping/{project}/backup%0a", 404, "not found"),
        ("/ping/{project}/b%C3%A4ckup?create=1", 404, "not found"),
        ("/ping/{uuid}/nothing", 404, "not found"),
        ("/ping/{uuid}/-1", 404, "not found"),
        ("/ping/{uuid}//", 404, "not found"),
        ("/ping/", 404, "not found"),
        ("/ping/{project}", 404, "not found"),
        ("/ping/{project}/", 404, "not found"),
        ("/ping/{project}/backup/", 404, "not found"),
        ("/ping/{project}/nobody", 404, "not found"),
        ("/ping/{project}/nobody?create=0", 404, "not found"),
        ("/ping/{project}/nobody?create=true", 404, "not found"),
        ("/ping/{project}/nobody?create=01", 404, "not found"),
        ("/ping/{project}/nobody?create=", 404, "not found"),
        ("/ping/{project}/nobody?Create=1", 404, "not found"),
        ("/ping/{project}/nobody/start", 404, "not found"),
        ("/ping/{project}/a.b?create=1", 404, "not found"),
        ("/ping/lsp_wrong/backup", 404, "not found"),
        ("/ping/lsp_wrong/new?create=1", 404, "not found"),
        ("/ping/{token}/backup", 404, "not found"),
        ("/ping/{key}/backup", 404, "not found"),
        (f"/ping/{NOBODY}/backup", 404, "not found"),
        ("/ping/{project}/Backup", 400, "invalid url format"),
        ("/ping/{project}/Backup/start", 400, "invalid url format"),
        ("/ping/{project}/new/256?create=1", 400, "invalid url format"),
        ("/ping/{project}/Backup?create=1", 400, "invalid url format"),
        ("/ping/{project}/" + "a" * 201 + "?create=1", 400, "invalid url format"),
        ("/ping/{uuid}/256", 400, "invalid url format"),
        ("/ping/{uuid}/99999999999999999999", 400, "invalid url format"),
        ("/ping/{project}/backup/300", 400, "invalid url format"),
        ("/ping/{uuid}?rid=", 400, "invalid uuid format"),
        ("/ping/{uuid}?rid=nonsense", 400, "invalid uuid format"),
        ("/ping/{uuid}/fail?rid=nonsense", 400, "invalid uuid format"),
        ("/ping/{uuid}/log?rid=nonsense", 400, "invalid uuid format"),
        ("/ping/{uuid}/7?rid=nonsense", 400, "invalid uuid format"),
        ("/ping/{project}/backup?rid=nonsense", 400, "invalid uuid format"),
        ("/ping/{uuid}/start?rid=0b3e6f6a8d0e4d56a3c51f0b7a4c2f11", 400, "invalid uuid format"),
        ("/ping/{project}/new?create=1&rid=x", 400, "invalid uuid format"),
    ],
)
async def test_what_is_refused_is_refused_with_its_words_and_changes_nothing(
    pinged: Pinged, path: str, status: int, text: str
) -> None:
    made = path.format(
        uuid=pinged.uuid, UUID=pinged.uuid.upper(), project=pinged.project, token=pinged.token, key=pinged.key
    )
    answer = await pinged.ask(made)
    assert (answer.status_code, answer.text) == (status, text)
    assert answer.headers["content-type"].startswith("text/plain")
    assert pinged.reports() == []
    assert (await pinged.standing()).liveness.last_seen is None
    assert await pinged.served.other.liveness(["new", "nobody"]) == {}


@pytest.mark.parametrize("tail", ["", "/start", "/fail", "/0"])
async def test_create_makes_the_machine_once(pinged: Pinged, tail: str) -> None:
    path = f"/ping/{pinged.project}/nightly{tail}?create=1"
    first = await pinged.ask(path)
    assert (first.status_code, first.text) == (201, "Created")
    headers_are_those_of_a_ping(first.headers)
    again = await pinged.ask(path)
    assert (again.status_code, again.text) == (200, "OK")
    machine = (await pinged.standing("nightly")).machine
    assert (machine.name, machine.tags) == ("nightly", ("made",))
    assert machine.every is not None
    assert machine.offline_after is not None
    assert machine.max_runtime is not None
    spans = (machine.every, machine.offline_after, machine.max_runtime)
    assert [span.total_seconds() / 3600 for span in spans] == [24, 25, 1]


async def test_create_means_nothing_with_a_uuid(pinged: Pinged) -> None:
    assert (await pinged.ask(f"/ping/{pinged.uuid}?create=1")).status_code == 200
    assert (await pinged.ask(f"/ping/{uuid.uuid4()}?create=1")).status_code == 404


async def test_a_key_that_may_not_create_does_not(pinged: Pinged) -> None:
    key = await pinged.served.key("ping")
    assert (await pinged.ask(f"/ping/{key}/backup")).status_code == 200
    assert (await pinged.ask(f"/ping/{key}/new?create=1")).status_code == 404


@pytest.mark.parametrize("size", [0, 1, KEPT, KEPT + 1, 100_000])
async def test_the_beginning_of_a_body_is_kept_and_the_rest_never_refused(pinged: Pinged, size: int) -> None:
    answer = await pinged.ask(f"/ping/{pinged.uuid}", "POST", content=b"x" * size)
    assert (answer.status_code, answer.text) == (200, "OK")
    (report,) = pinged.reports()
    kept = json.loads(report["body"])["output"] if report["body"] else ""
    assert kept == "x" * min(size, KEPT)


async def test_a_body_without_end_is_answered_and_hung_up_on(pinged: Pinged) -> None:
    answer = await pinged.ask(f"/ping/{pinged.uuid}", "POST", content=b"x" * (READ + 300_000))
    assert (answer.status_code, answer.text, answer.headers["connection"]) == (200, "OK", "close")


async def test_a_body_of_any_bytes_is_kept_as_text(pinged: Pinged) -> None:
    raw = b'\x00\xff\xfe{"status": "offline", "message": 5} \xed\xa0\x80 \xc3\xa4'
    assert (await pinged.ask(f"/ping/{pinged.uuid}/fail", "POST", content=raw)).status_code == 200
    body = json.loads(pinged.reports()[0]["body"])
    assert "\0" not in body["output"]
    assert body["output"].endswith("ä")
    assert body["message"].endswith("ä")
    await pinged.becomes("error")


async def test_a_failure_says_its_last_words(pinged: Pinged) -> None:
    await pinged.ask(f"/ping/{pinged.uuid}/3", "POST", content=b"copying\ndisk is full\n\n")
    assert json.loads(pinged.reports()[0]["body"])["message"] == "exit code 3: disk is full"


async def test_a_success_ends_a_failure(pinged: Pinged) -> None:
    await pinged.ask(f"/ping/{pinged.uuid}/fail")
    await pinged.becomes("error")
    await pinged.ask(f"/ping/{pinged.uuid}")
    await pinged.becomes("online")


@pytest.mark.parametrize(
    ("tail", "takes_up"), [("", True), ("/0", True), ("/fail", True), ("/start", False), ("/log", False)]
)
@pytest.mark.parametrize("by", ["uuid", "slug"])
async def test_a_ping_takes_a_machine_up_again_that_waits_for_one(
    pinged: Pinged, tail: str, takes_up: bool, by: str
) -> None:
    base = f"/ping/{pinged.uuid}" if by == "uuid" else f"/ping/{pinged.project}/backup"
    assert (await pinged.ask(base)).status_code == 200
    await pinged.becomes("online")
    await pinged.served.app.monitor.pause("backup", by_hand=False)
    pinged.served.app.keys.forget()
    assert (await pinged.ask(base + tail)).status_code == 200
    await pinged.becomes("paused" if not takes_up else "error" if tail == "/fail" else "online")


async def test_it_does_not_where_a_person_is_to_resume_it_and_nothing_else_takes_it_up(pinged: Pinged) -> None:
    assert (await pinged.ask(f"/ping/{pinged.uuid}")).status_code == 200
    await pinged.becomes("online")
    await pinged.served.app.monitor.pause("backup")
    pinged.served.app.keys.forget()
    assert (await pinged.ask(f"/ping/{pinged.uuid}")).status_code == 200
    assert await pinged.status() == "paused"
    await pinged.served.app.monitor.pause("backup", by_hand=False)
    pinged.served.app.keys.forget()
    assert (await pinged.ask(f"/api/push/{pinged.token}")).status_code == 200
    assert (await pinged.served.beat(pinged.key)).status_code == 204
    assert await pinged.status() == "paused"


async def test_a_disabled_machine_is_not_found(pinged: Pinged) -> None:
    await pinged.served.app.monitor.disable("backup")
    pinged.served.app.keys.forget()
    for path in (f"/ping/{pinged.uuid}", f"/ping/{pinged.project}/backup"):
        answer = await pinged.ask(path)
        assert (answer.status_code, answer.text) == (404, "not found")


async def test_a_revoked_address_is_not_found(pinged: Pinged) -> None:
    assert (await pinged.ask(f"/ping/{pinged.uuid}")).status_code == 200
    machine = (await pinged.standing()).machine.id
    await pinged.served.other.revoke_addresses(machine, pinged.served.app.monitor.clock.now())
    pinged.served.app.keys.forget()
    assert (await pinged.ask(f"/ping/{pinged.uuid}")).status_code == 404
    assert (await pinged.ask(f"/api/push/{pinged.token}")).status_code == 404
    assert (await pinged.served.beat(pinged.key)).status_code == 204
