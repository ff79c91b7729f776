"""What is taken back from everybody is gone with the next request; what another process takes back, within seconds."""

from __future__ import annotations

from typing import Any

from lastseen.manage import badges, statuspages
from lastseen.web.public.routes import CATALOGUE
from tests.public.conftest import Shop


async def test_a_page_that_is_made_private_or_removed_here_is_gone_at_once(shop: Shop) -> None:
    office = shop.site.app.office
    await shop.machine("till")
    await statuspages.add(office, "s", {"lines": [{"machine": "till"}]})
    shown = await shop.get("/status/s")
    assert (shown.status_code, shown.headers["cache-control"]) == (200, "no-cache")
    for said, status in (({"public": False}, 404), ({"public": True, "title": "Anew"}, 200)):
        await statuspages.change(office, "s", said)
        answer = await shop.get("/status/s", **{"If-None-Match": shown.headers["etag"]})
        assert answer.status_code == status
    assert "Anew" in answer.text
    await statuspages.remove(office, "s")
    assert (await shop.get("/status/s")).status_code == 404
    await statuspages.add(office, "t", {})
    assert (await shop.get("/status/t")).status_code == 200


async def test_a_badge_that_is_removed_here_is_gone_at_once(shop: Shop) -> None:
    office = shop.site.app.office
    made: dict[str, Any] = await badges.add(office, {"all": True})
    assert (await shop.get(f"/badge/{made['key']}.svg")).status_code == 200
    await badges.remove(office, made["id"])
    assert (await shop.get(f"/badge/{made['key']}.svg")).status_code == 404


async def test_what_another_process_takes_back_is_gone_after_some_seconds(shop: Shop) -> None:
    await statuspages.add(shop.office, "s", {})
    assert (await shop.get("/status/s")).status_code == 200
    await statuspages.change(shop.office, "s", {"public": False})  # an office of its own, as a command has
    assert (await shop.get("/status/s")).status_code == 200
    shop.site.clock.seconds += CATALOGUE
    assert (await shop.get("/status/s")).status_code == 404
