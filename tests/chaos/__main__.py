"""Many runs, each with a seed of its own, and a report of them.

python -m tests.chaos [--seeds 20] [--first SEED] [--report chaos-report.md]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import plans
from tests.chaos.auditor import Finding, audit
from tests.chaos.evidence import Evidence
from tests.chaos.faults import one_after_the_other

STEPS = 2
NODES = (2, 2, 3)


@dataclass
class Tally:
    runs: int = 0
    failed: dict[int, list[Finding]] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)

    def add(self, seed: int, evidence: Evidence, findings: list[Finding]) -> None:
        self.runs += 1
        self.faults.update(fault.kind for fault in evidence.faults)
        if findings:
            self.failed[seed] = findings
        acked = [beat for beat in evidence.beats if beat.acked is not None]
        self.seen.update(
            {
                "heartbeats acknowledged": len(acked),
                "tries without an answer": len(evidence.beats) - len(acked),
                "outages found": sum(event.type == "machine.offline" for event in evidence.events),
                "deliveries": len(evidence.deliveries),
                "of them repeats, with the same id": len(evidence.deliveries)
                - len({one.id for one in evidence.deliveries}),
            }
        )


async def run(folder: Path, seed: int) -> tuple[Evidence, list[Finding]]:
    breaks = plans.plan(seed)
    world = plans.world_for(folder, seed, breaks, NODES[seed % len(NODES)])
    async with world.running():
        async with world.living(STEPS):
            await one_after_the_other(world, breaks)
        return world.evidence, audit(world.evidence)


def table(head: tuple[str, str], rows: Mapping[str, int]) -> str:
    lines = [f"| {name} | {count:,} |" for name, count in sorted(rows.items())]
    return "\n".join([f"| {head[0]} | {head[1]} |", "|---|---|", *lines])


def report(tally: Tally, first: int) -> str:
    last = first + tally.runs - 1
    where = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    result = ", ".join(f"seed {seed}: {len(found)}" for seed, found in tally.failed.items()) or "nothing"
    return "\n\n".join(
        [
            f"{time.strftime('%Y-%m-%d', time.gmtime())}, {where}: {tally.runs} runs, seeds {first} to {last}.",
            table(("fault", "times"), tally.faults),
            table(("what came to pass", "times"), tally.seen),
            f"What the auditor found: {result}.\n",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--report", type=Path, default=Path("chaos-report.md"))
    given = parser.parse_args()
    tally = Tally()
    for seed in range(given.first, given.first + given.seeds):
        folder = Path(tempfile.mkdtemp(prefix=f"lastseen-chaos-{seed}-"))
        print(f"seed {seed}: {', '.join(each.__name__ for each in plans.plan(seed))}", flush=True)
        evidence, findings = asyncio.run(run(folder, seed))
        tally.add(seed, evidence, findings)
        for finding in findings:
            print(f"  {finding}", flush=True)
        if findings:
            print(f"  the logs are in {folder}", flush=True)
        else:
            shutil.rmtree(folder)
        given.report.write_text(report(tally, given.first))
    print(given.report.read_text())
    return bool(tally.failed)


if __name__ == "__main__":
    sys.exit(main())
