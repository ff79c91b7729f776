"""Many machines at once, by a fleet key, over HTTP."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from lastseen.ingest import bulk, route
from lastseen.ingest.patience import Patience
from lastseen.ingest.rows import MAX_BYTES, MOST_ROWS
from lastseen.model import MachineRef
from lastseen.monitor import recorder
from tests.server.conftest import Served, a_server

BULK = "/api/v1/heartbeats"


async def send(served: Served, key: str, rows: Any, **headers: str) -> httpx.Response:
    content = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
    return await served.http.post(BULK, content=content, headers={"Authorization": f"Bearer {key}", **headers})


def lines(*rows: Any) -> bytes:
    return b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)


@pytest.fixture
async def fleet(served: Served) -> str:
    return await served.key("fleet")


@pytest.fixture
async def maker(served: Served) -> str:
    return await served.key(
        "fleet", defaults={"may_create": True, "kind": "device", "group": "roof", "tags": ["a", "b"]}
    )


async def seen(served: Served) -> set[str]:
    standings = await served.other.machines()
    return {standing.machine.slug for standing in standings if standing.liveness.last_seen}


@pytest.mark.parametrize("form", ["array", "lines", "lines with gaps"])
async def test_rows_are_stored_before_they_are_acknowledged(served: Served, fleet: str, form: str) -> None:
    for slug in ("a", "b", "c", "d"):
        await served.machine(slug)
    rows = [{"machine": "a"}, {"machine": 2, "uptime_seconds": 5}, {"machine": "c", "status": "error", "message": "m"}]
    body = json.dumps(rows, indent=2).encode() if form == "array" else lines(*rows)
    if form == "lines with gaps":
        body = b"\n\r\n" + body.replace(b"\n", b"\r\n\n \n") + b"\r\n\n"
    answer = await send(served, fleet, body)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 3, "rejected": []})
    assert await seen(served) == {"a", "b", "c"}


async def test_one_bad_row_never_rejects_the_others(served: Served, fleet: str) -> None:
    for slug in ("a", "b"):
        await served.machine(slug)
    answer = await send(
        served,
        fleet,
        lines(
            {"machine": "a"},
            b"{",
            {"machine": "b", "status": "fine"},
            {"machine": "nobody"},
            {"machine": 99},
            {"status": "ok"},
            b"[]",
            b'"a"',
            {"machine": None},
            {"machine": True},
            {"machine": 1.5},
            {"machine": ""},
            {"machine": "no slug"},
            {"machine": -1},
            {"machine": 2**63},
            {"machine": "b", "message": "\0"},
            b'{"machine": "b", "message": "\\ud800"}',
            b'{"machine": "b", "message": "\xed\xa0\x80"}',
            b'{"machine": "b", "message": "\xff"}',
            {"machine": "b", "next_in": 0},
            {"machine": "b", "timestamp": "now"},
            {"machine": "x" * 300},
            b'{"machine": "b", "x": ' + b"[" * 3000 + b"]" * 3000 + b"}",
            {"machine": "b", "x": "y" * 65_536},
            b'{"machine": "nobody", "machine": "b"}',
        ),
    )
    assert answer.status_code == 200
    said = answer.json()
    assert said["accepted"] == 2
    assert [row["index"] for row in said["rejected"]] == list(range(1, 24))
    errors = {row["index"]: row["error"] for row in said["rejected"]}
    assert errors[2].startswith("status: ")
    assert errors[3] == "no machine 'nobody'"
    assert errors[5].startswith("machine: ")
    assert errors[15].startswith("message: ")
    assert await seen(served) == {"a", "b"}


@pytest.mark.parametrize(
    "bad",
    [
        b'{"machine": "b", "metrics": {"bar": NaN}}', b'{"machine": "b", "message": "\\ud800"}', b'"\\ud800"',
        b'{"machine": "b", "x": "a\nb"}', b'{"machine": "b", "x": 1e400}', b'{"machine": "b", "x": -Infinity}',
        b'{"machine": " \\u200b"}', b'{"machine": "\xc2\xa0"}',
    ],
)  # fmt: skip
async def test_a_row_that_a_whole_array_cannot_be_read_for_is_refused_alone(
    served: Served, fleet: str, bad: bytes
) -> None:
    await served.machine("a")
    await served.machine("b")
    answer = await send(served, fleet, b'[{"machine": "a", "x": "],[\xc3\xa4"} ,\n' + bad + b', {"machine": "a"}]')
    assert answer.status_code == 200
    assert (answer.json()["accepted"], [row["index"] for row in answer.json()["rejected"]]) == (2, [1])
    assert await seen(served) == {"a"}


@pytest.mark.parametrize("body", [b"[NaN", b"[NaN,]", b"[NaN NaN]", b"[NaN] x", b"[,NaN]", b"[NaN,{]"])
async def test_an_array_that_is_none_is_not_taken_for_one(served: Served, fleet: str, body: bytes) -> None:
    assert (await send(served, fleet, body)).status_code == 400


@pytest.mark.parametrize(
    "body", [b"[", b'[{"machine": "a"}', b'[{"machine": "a"}] x', b"null", b"7", b'"a"', b"\xff", b"a,b\n1,2"]
)
async def test_what_has_no_rows_to_tell_apart_is_400(served: Served, fleet: str, body: bytes) -> None:
    await served.machine("a")
    answer = await send(served, fleet, body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert await seen(served) == set()


@pytest.mark.parametrize(
    "body", [b'{"heartbeats": [{"machine": "a"}]}', b'{"from": "x",\n "heartbeats":\n [{"machine": "a"}]\n}']
)
async def test_an_array_inside_an_object_is_refused_by_the_name_of_its_field(
    served: Served, fleet: str, body: bytes
) -> None:
    await served.machine("a")
    answer = await send(served, fleet, body)
    assert (answer.status_code, "'heartbeats'" in answer.json()["detail"]) == (400, True)
    assert await seen(served) == set()


async def test_a_row_of_a_machine_may_have_a_list_among_its_fields(served: Served, fleet: str) -> None:
    await served.machine("a")
    answer = await send(served, fleet, b'{"machine": "a", "disks": [1, 2]}')
    assert answer.json() == {"accepted": 1, "rejected": []}


@pytest.mark.parametrize("body", [b"", b"[]", b" \n "])
async def test_nothing_is_nothing(served: Served, fleet: str, body: bytes) -> None:
    assert (await send(served, fleet, body)).json() == {"accepted": 0, "rejected": []}


async def test_ten_thousand_rows_are_taken_and_one_more_is_not(served: Served, fleet: str) -> None:
    await served.machine("a")
    row = b'{"machine": "a"}'
    assert (await send(served, fleet, lines(*[row] * MOST_ROWS))).json() == {"accepted": MOST_ROWS, "rejected": []}
    for body in (lines(*[row] * (MOST_ROWS + 1)), b"[" + b",".join([row] * (MOST_ROWS + 1)) + b"]"):
        answer = await send(served, fleet, body)
        assert answer.status_code == 413
        assert "10,000" in answer.json()["detail"]


async def test_eight_mebibytes_are_taken_and_more_is_not(served: Served, fleet: str) -> None:
    await served.machine("a")
    row = b'{"machine":"a","x":"' + b"y" * 60_000 + b'"}\n'
    count = MAX_BYTES // len(row)
    assert (await send(served, fleet, row * count)).json()["accepted"] == count
    assert (await send(served, fleet, row * (count + 1))).status_code == 413
    assert (await send(served, fleet, b" " * 9 * 1024 * 1024)).status_code == 413

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(150):  # a little more than is taken: much more is hung up on
            yield row

    headers = {"X-API-Key": fleet}
    assert (await served.http.post(BULK, content=parts(), headers=headers)).status_code == 413


async def test_only_a_fleet_key_will_do(served: Served, fleet: str) -> None:
    mine = await served.machine("a")
    for key, status in ((mine, 403), (await served.key("api"), 403), ("lsf_wrong", 401), ("lsf_", 401)):
        answer = await send(served, key, [{"machine": "a"}])
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    expired = await served.key("fleet", expires_at=served.app.monitor.clock.now() - timedelta(seconds=1))
    assert (await send(served, expired, [{"machine": "a"}])).status_code == 401
    assert await seen(served) == set()


async def test_a_disabled_machine_is_refused_by_its_id_and_by_its_slug(served: Served, fleet: str) -> None:
    for slug in ("a", "b"):
        await served.machine(slug)
    await served.app.monitor.disable("b")
    served.app.keys.forget()
    said = (await send(served, fleet, [{"machine": "a"}, {"machine": "b"}, {"machine": 2}])).json()
    assert said["accepted"] == 1
    assert [(row["index"], row["error"]) for row in said["rejected"]] == [
        (1, "this machine is disabled"),
        (2, "this machine is disabled"),
    ]
    await served.app.monitor.enable("b")
    served.app.keys.forget()
    assert (await send(served, fleet, [{"machine": "b"}])).json()["accepted"] == 1


async def test_a_fleet_key_may_make_the_machines_it_reports_for(served: Served, maker: str) -> None:
    rows = [{"machine": f"m{n}"} for n in range(250)] * 2 + [{"machine": 12345}, {"machine": "ok", "status": "error"}]
    said = (await send(served, maker, rows)).json()
    assert said["accepted"] == 501
    assert said["rejected"] == [{"index": 500, "error": "no machine 12345"}]
    standings = await served.other.machines()
    assert len(standings) == 251
    first = standings[0].machine
    assert (first.kind, first.group, first.tags) == ("device", "roof", ("a", "b"))
    assert (await send(served, maker, rows)).json()["accepted"] == 501


async def test_two_that_make_the_same_machines_at_once_make_them_once(served: Served, maker: str) -> None:
    import anyio

    answers: list[Any] = []

    async def one() -> None:
        answers.append((await send(served, maker, [{"machine": f"m{n}"} for n in range(30)])).json())

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(one)
    assert answers == [{"accepted": 30, "rejected": []}] * 5
    assert len(await served.other.machines()) == 30


async def test_names_that_are_no_slugs_get_slugs_and_keep_their_machines(
    served: Served, maker: str, fleet: str
) -> None:
    await served.machine("Groe-1")
    names = ["Größe 1", "Gröe 1", "größe/2", "☃", "☃☃", "Größe 1"]
    for _ in range(2):
        said = (await send(served, maker, [{"machine": name} for name in names])).json()
        assert said == {"accepted": 6, "rejected": []}
    made = {standing.machine.name: standing.machine.slug for standing in await served.other.machines()}
    assert set(made) == {"Groe-1", *names}
    assert sorted(made.values()) == ["Groe-1", "Groe-1-2", "Groe-1-3", "groe-2", "machine", "machine-2"]
    assert await seen(served) == set(made.values()) - {"Groe-1"}
    said = (await send(served, fleet, [{"machine": "Größe 1"}, {"machine": "a b"}])).json()
    assert said == {"accepted": 1, "rejected": [{"index": 1, "error": "no machine 'a b'"}]}


async def test_names_of_one_dot_or_two_get_slugs_that_an_address_can_hold(served: Served, maker: str) -> None:
    for _ in range(2):
        said = (await send(served, maker, [{"machine": name} for name in (".", "..", "..\t", "...")])).json()
        assert said == {"accepted": 4, "rejected": []}
    made = {standing.machine.name: standing.machine.slug for standing in await served.other.machines()}
    assert (set(made), made["..."]) == ({".", "..", "..\t", "..."}, "...")
    assert sorted(made.values()) == ["...", "machine", "machine-2", "machine-3"]


async def test_a_removed_machine_is_not_made_again_by_its_name(served: Served, maker: str) -> None:
    row = [{"machine": "web 1"}]
    assert (await send(served, maker, row)).json()["accepted"] == 1
    await served.app.monitor.forget("web-1")
    for _ in range(2):
        said = (await send(served, maker, row)).json()
        assert said == {"accepted": 0, "rejected": [{"index": 0, "error": "no machine 'web 1'"}]}
    assert await served.other.machines() == []


async def test_a_kind_that_is_gone_rejects_the_rows_that_need_it(served: Served) -> None:
    await served.machine("a")
    maker = await served.key("fleet", defaults={"may_create": True, "kind": "nothing"})
    said = (await send(served, maker, [{"machine": "a"}, {"machine": "new"}])).json()
    assert said["accepted"] == 1
    assert "nothing" in said["rejected"][0]["error"]
    assert await served.other.liveness(["new"]) == {}


async def test_a_full_queue_is_503_and_takes_nothing(
    served: Served, fleet: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await served.machine("a")
    monkeypatch.setattr(served.app.monitor._loops.recorder, "_capacity", 5)
    assert (await send(served, fleet, [{"machine": "a"}] * 5)).json()["accepted"] == 5
    before = (await served.standing("a")).liveness.last_seen
    answer = await send(served, fleet, [{"machine": "a"}] * 6)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert (await served.standing("a")).liveness.last_seen == before
    assert recorder.CAPACITY >= 2 * MOST_ROWS


async def test_a_stopped_monitor_is_503(served: Served, fleet: str) -> None:
    await served.machine("a")
    assert (await send(served, fleet, [{"machine": "a"}])).status_code == 200
    await served.app.monitor.stop()
    assert (await send(served, fleet, [{"machine": "a"}])).status_code == 503


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS"])
async def test_other_methods_are_answered_sanely(served: Served, method: str) -> None:
    answer = await served.http.request(method, BULK)
    assert answer.status_code == (204 if method == "OPTIONS" else 405)
    assert "POST" in answer.headers["allow"]


async def test_bodies_are_kept_as_they_came_and_bare_rows_have_none(served: Served, fleet: str, tmp_path: Path) -> None:
    for slug in ("a", "b"):
        await served.machine(slug)
    row = b'{"machine": "a",  "free_memory": 1e9, "mine": [1, "\xc3\xa4"]}'
    assert (await send(served, fleet, lines(row, {"machine": "b"}))).json()["accepted"] == 2
    with sqlite3.connect(tmp_path / "lastseen.db") as db:
        assert db.execute("SELECT machine_id, body FROM latest_reports").fetchall() == [(1, row.decode())]
    db.close()


@pytest.mark.parametrize("looks", [6, 20])
async def test_who_makes_many_machines_waits_anew_for_each_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    """Each takes so many of the 16 looks after which the database keeps somebody waiting for too long."""
    patient: list[Patience] = []

    class Seen(Patience):
        def __init__(self, missed: Callable[[], None]) -> None:
            super().__init__(missed)
            patient.append(self)

    declare = bulk.Batch._declare

    async def slow(batch: bulk.Batch, name: str) -> MachineRef:
        for _ in range(looks):
            for one in patient:
                one._look()
        await asyncio.sleep(0)
        return await declare(batch, name)

    monkeypatch.setattr(route, "Patience", Seen)
    monkeypatch.setattr(bulk, "TOGETHER", 1)
    monkeypatch.setattr(bulk.Batch, "_declare", slow)
    async with a_server(tmp_path) as served:
        maker = await served.key("fleet", defaults={"may_create": True})
        answer = await send(served, maker, [{"machine": f"new-{number}"} for number in range(8)])
        assert (answer.status_code, len(await seen(served))) == ((200, 8) if looks < 16 else (503, 0))
