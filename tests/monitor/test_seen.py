"""Somebody has seen it: where that is shown, and for how long."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from tests.monitor.cases import STORES, Scene, scene

ERROR = {"status": "error"}


@pytest.mark.parametrize("store", STORES)
async def test_the_status_says_who_has_seen_an_outage_or_an_error_until_there_is_a_new_one(
    store: str, tmp_path: Path
) -> None:
    async with scene(store, tmp_path) as s:
        await s.monitor.watch("backup", kind="job")
        for machine, report in (("pump", ERROR), ("pump", ERROR), ("backup", ERROR)):
            await s.beat(machine, report=report)
            await s.clock.advance("1s")
        for machine in ("pump", "backup"):
            assert await seen(s, machine) == (None, None)
            await s.monitor.acknowledge(machine, "ada")
            assert await seen(s, machine) == ("ada", s.clock.now())
        await s.beat("pump", "backup", report=ERROR)
        await s.clock.advance("1s")
        assert (await seen(s, "pump"))[0] == "ada", "it says the same as before"
        assert await seen(s, "backup") == (None, None), "another run has failed since"
        await s.clock.advance("5m")
        assert (await s.monitor.status("pump")).status == "offline"
        assert await seen(s, "pump") == (None, None), "nobody has seen that it is silent"
        await s.monitor.acknowledge("pump", "eva")
        assert (await seen(s, "pump"))[0] == "eva"
        await s.beat("pump", report={"status": "ok"})
        await s.clock.advance("1s")
        assert await seen(s, "pump") == (None, None)


async def seen(s: Scene, machine: str) -> tuple[str | None, datetime | None]:
    status = await s.monitor.status(machine)
    return status.acknowledged_by, status.acknowledged_at
