"""The benchmarks run, and what they count is right. Nothing here looks at how long it took."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def figures(program: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """What the short form prints, and its figures by name. It ends with an error where its counts are wrong."""
    command = [sys.executable, "-m", f"benchmarks.{program}", "--short", "--json", str(folder / "figures.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((folder / "figures.json").read_text())
    assert all(value >= 0 for one in found for value in one["ours"])
    return done.stdout, {one["name"]: one for one in found}


def test_webhooks_come_once_signed_and_in_order_and_both_bare_clients_post_the_same(tmp_path: Path) -> None:
    said, found = figures("bench_webhooks", tmp_path)
    assert "each came once, signed, and each machine's in their order" in said
    assert list(found) == ["24 webhooks to 4 receivers", "24 webhooks to 4 receivers (the same)"]
    assert all(len(one["ours"]) == len(one["baseline"]) == 1 for one in found.values())
