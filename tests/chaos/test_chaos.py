"""Real nodes on real servers, broken again and again while machines live: then the auditor reads what is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import faults
from tests.chaos.auditor import audit
from tests.chaos.world import World


@pytest.mark.parametrize(("seed", "breaks"), [(1, [faults.node_killed, faults.node_killed])])
async def test_every_promise_is_kept(tmp_path: Path, seed: int, breaks: list[faults.Break]) -> None:
    world = World(tmp_path, seed, nodes=2, machines=16, devices=4)
    async with world.running():
        async with world.living(steps=2):
            await faults.one_after_the_other(world, breaks)
        assert audit(world.evidence) == []
