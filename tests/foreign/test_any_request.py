"""Whatever is sent to a way in, it is answered sanely, and nothing is stored of what was refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lastseen.errors import UnknownMachine
from lastseen.ingest.auth import KeyCache
from lastseen.ingest.gate import Gate
from lastseen.ingest.http import HEARTBEAT_PATH, HeartbeatRoute
from lastseen.ingest.routes import WaysIn
from lastseen.model import Beat
from lastseen.model.keys import OutOfService
from tests.server.fakes import FakeKeys, FakeMonitor, FakeWay, HandClock

UUID = "0b3e6f6a-8d0e-4d56-a3c5-1f0b7a4c2f11"
KEYS = {"machine": "lsm_k", "fleet": "lsf_k", "ping": "lsp_k", "push": "lsu_k", "api": "lsa_k"}
STORED = {200, 201, 202, 204}
REFUSED = {400, 401, 403, 404, 405, 413, 422, 429}


class Monitor(FakeMonitor, FakeWay):
    """Knows machine 7, which is `m`; makes any other."""

    def __init__(self, clock: Any) -> None:
        super().__init__(clock)
        self.made: set[object] = {7, "m"}
        self.resumed: list[object] = []
        self.here: Any = self

    async def record(self, beat: Beat) -> None:
        if beat.machine not in self.made:
            raise UnknownMachine(beat.machine)
        self.beats.append(beat)

    def record_many(self, beats: list[Beat]) -> list[asyncio.Future[None]]:
        return [asyncio.ensure_future(self.record(beat)) for beat in beats]

    async def watch(self, machine: object, *, expect: str = "any", **changes: Any) -> None:
        self.made.add(machine)

    async def resume(self, machine: object) -> None:
        self.resumed.append(machine)

    def known(self, name: str) -> int | None:
        return None

    def forget(self, name: str) -> None: ...

    async def machine(self, name: str, add: Any = None) -> int | None:
        return None


words = st.one_of(
    st.sampled_from(
        ["", UUID, UUID.upper(), *KEYS.values(), "m", "M", "start", "fail", "log", "0", "3", "256", "%00", "..", "ä"]
    ),
    st.text(max_size=20),
)
paths = st.one_of(
    st.tuples(st.sampled_from(["/ping/", "/api/push/"]), st.lists(words, max_size=4).map("/".join)).map("".join),
    st.sampled_from([HEARTBEAT_PATH, "/api/v1/heartbeats", "/agent/metrics"]),
)
values = st.one_of(
    st.sampled_from(["", "1", UUID, "up", "down", "-1", "1e11", "NaN", "Infinity", "%ff%00"]), st.text(max_size=8)
)
queries = st.one_of(
    st.lists(st.tuples(st.sampled_from(["rid", "create", "status", "msg", "ping", "x"]), values), max_size=4).map(
        lambda pairs: "&".join(f"{name}={value}" for name, value in pairs).encode("utf-8", "surrogatepass")
    ),
    st.binary(max_size=30),
)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([7, "m", "new", "ok", 50]),
)
names = st.sampled_from(
    ["machine", "status", "message", "next_in", "cpu_pct", "mem_used_pct", "disk_used_pct", "timestamp", "x"]
)
objects = st.dictionaries(names, leaves, max_size=5)


def written(value: Any) -> bytes:
    import json

    return json.dumps(value).encode()


bodies = st.one_of(
    st.binary(max_size=60),
    objects.map(written),
    st.lists(objects, max_size=4).map(written),
    st.lists(objects, max_size=4).map(lambda rows: b"\n".join(map(written, rows))),
)
keys = st.one_of(st.sampled_from([*KEYS.values(), ""]).map(str.encode), st.binary(max_size=12))
methods = st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "BREW"])


async def asked(method: str, path: str, query: bytes, key: bytes, body: bytes) -> tuple[int, bytes, Monitor]:
    clock, store = HandClock(), FakeKeys()
    store.out = OutOfService(frozenset(), frozenset({7, "m"}))
    for scope, text in KEYS.items():
        store.put(text, scope, 7 if scope in ("machine", "push") else None, defaults={"may_create": True})
    store.put(UUID, "ping", 7)
    monitor = Monitor(clock)
    gate = Gate(KeyCache(store, clock), clock)  # type: ignore[arg-type]
    route: Any = HeartbeatRoute(monitor, gate) if path == HEARTBEAT_PATH else WaysIn(monitor, gate).route(path)
    headers = [(b"x-api-key", key), (b"content-length", str(len(body)).encode())]
    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": headers}
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await route(scope, receive, send)
    assert len(sent) == 2
    length = dict(sent[0]["headers"]).get(b"content-length")
    if method != "HEAD" and length is not None:
        assert int(length) == len(sent[1]["body"])
    return sent[0]["status"], sent[1]["body"], monitor


@settings(max_examples=600, deadline=None)
@given(methods, paths, queries, keys, bodies)
@example("GET", f"/ping/{UUID}/start", b"rid=", b"", b"")
@example("GET", "/ping/lsp_k/new", b"create=1&rid=x", b"", b"")
@example("GET", "/ping/lsp_k/new", b"create=0", b"", b"")
@example("GET", "/ping/lsp_k/M", b"create=1", b"", b"")
@example("GET", f"/ping/{UUID}/256", b"", b"", b"")
@example("GET", f"/ping/{UUID}/0", b"rid=x", b"", b"")
@example("GET", "/ping/lsp_k/m/0", b"rid=x", b"", b"")
@example("GET", "/api/push/lsu_k", b"ping=-1", b"", b"")
@example("POST", "/agent/metrics", b"", b"lsm_k", b'{"cpu_pct":1,"mem_used_pct":1,"disk_used_pct":101}')
@example("POST", HEARTBEAT_PATH, b"", b"lsm_k", b'{"status":"fine"}')
@example("POST", "/api/v1/heartbeats", b"", b"lsf_k", b'[{"machine":"m"},{"machine":"new"}')
@example("GET", "/api/push/lsu_k", b"ping=1e400", b"", b"")
@example("POST", "/agent/metrics", b"", b"lsm_k", b'{"cpu_pct":1e999}')
@example("POST", "/api/v1/heartbeats", b"", b"lsf_k", b'[{"machine":"new"},{"machine":"\\u0000"}]')
def test_it_is_answered_and_what_is_refused_leaves_nothing(
    method: str, path: str, query: bytes, key: bytes, body: bytes
) -> None:
    status, answer, monitor = asyncio.run(asked(method, path, query, key, body))
    assert status in STORED | REFUSED, (status, answer)
    if status in REFUSED:
        assert (monitor.beats, monitor.made, monitor.resumed) == ([], {7, "m"}, [])
    for beat in monitor.beats:
        assert beat.body is None or "\0" not in beat.body
        (beat.body or "").encode()


@pytest.mark.parametrize("path", ["/ping", "/api/push", "/api/v1/heartbeats/", "/agent/metrics/", "/agent"])
def test_what_is_no_way_in_is_left_to_others(path: str) -> None:
    clock = HandClock()
    gate = Gate(KeyCache(FakeKeys(), clock), clock)  # type: ignore[arg-type]
    assert WaysIn(Monitor(clock), gate).route(path) is None
