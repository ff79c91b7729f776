"""The statuses of many machines, whatever they are called, by a client whose server is in the test."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from lastseen.client import Remote
from lastseen.client.verbs import machines, why
from lastseen.errors import InvalidInput

AT = "2026-03-01T12:00:00Z"
COMMON = {
    **dict.fromkeys(("last_seen", "notified_at", "flapping_since", "offline_after_seconds", "seconds_until_offline")),
    **dict(status="online", late=False, status_since=AT, sources=[], group="http"),  # noqa: C408  (shorter)
}


class Server:
    """Knows each machine whose slug begins with m, by what stands before a colon; `asked`: the addresses."""

    def __init__(self) -> None:
        self.asked: list[httpx.URL] = []
        self.ids: dict[str, int] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url)
        refs = request.url.params["ids"].split(",")
        items = [self.one(ref) for ref in refs if ref.startswith("m")]
        return httpx.Response(200, json={"items": items, "unknown": [ref for ref in refs if not ref.startswith("m")]})

    def one(self, slug: str) -> dict[str, Any]:
        number = self.ids.setdefault(slug.partition(":")[0], len(self.ids) + 1)
        return {"id": number, "slug": slug, "name": slug, **COMMON}

    def asker(self) -> Remote:
        return Remote("https://status.example.org", "lsa_key", transport=httpx.MockTransport(self))


@pytest.mark.parametrize("length", [64, 200])
async def test_many_with_long_names_are_asked_for_in_addresses_that_every_server_takes(length: int) -> None:
    server, refs = Server(), [f"{'m' if n % 10 else 'x'}{n:0{length - 1}}" for n in range(1000)]
    async with server.asker() as remote:
        found = await machines.statuses(remote, refs)
    assert [one["slug"] for one in found["items"]] == [ref for ref in refs if ref[0] == "m"]
    assert found["unknown"] == [ref for ref in refs if ref[0] == "x"]
    assert max(len(str(url)) for url in server.asked) < 8100
    assert len(server.asked) == -(-1000 // (8000 // (length + 3))), "and in no more than that takes"


async def test_more_than_a_server_takes_at_once_are_asked_for_in_parts_and_each_is_answered_once() -> None:
    server = Server()
    async with server.asker() as remote:
        assert await machines.statuses(remote, []) == {"items": [], "unknown": []}
        found = await machines.statuses(remote, [*(f"m{n}" for n in range(1100)), "m7", "m7:again", "x"])
    assert [one["slug"] for one in found["items"]] == [f"m{n}" for n in range(1100)]
    assert found["unknown"] == ["x"]
    assert len(server.asked) == 2


async def test_what_no_address_has_room_for_and_what_is_no_text_is_an_error_of_ours() -> None:
    server = Server()
    async with server.asker() as remote:
        for name in ("m" * 70_000, "m\udc80"):
            with pytest.raises(InvalidInput, match="cannot be asked for"):
                await machines.statuses(remote, [name])
            with pytest.raises(InvalidInput, match="cannot be asked for"):
                await why.described(remote, name, None)
        with pytest.raises(InvalidInput, match="cannot be asked for"):
            await machines.change(remote, "m", {"name": "\udc80"})
    assert server.asked == []
