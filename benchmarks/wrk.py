"""Load by wrk: one request after the other on every connection, each for the next of some keys or paths."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

SCRIPT = """
local lines = {{}}
for line in io.lines("{lines}") do lines[#lines + 1] = line end
local n = 0
request = function()
  n = n % #lines + 1
  return wrk.format({request})
end
"""

GET = '"GET", lines[n], nil, nil'
"""A line is a path."""


def with_key(path: str, body: str = "nil") -> str:
    """A request to `path`, of which a line is the key; `body` as Lua writes it."""
    return f'"POST", "{path}", {{["Authorization"] = "Bearer " .. lines[n]}}, {body}'


def script(folder: Path, name: str, request: str, lines: Sequence[str]) -> Path:
    """A script for wrk: `request` is what it makes of `lines[n]`."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing: apt-get install wrk")
    (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    path = folder / f"{name}.lua"
    path.write_text(SCRIPT.format(lines=folder / f"{name}.txt", request=request))
    return path


def wrk(url: str, script: Path, connections: int, seconds: int) -> tuple[float, float, int]:
    """Requests a second, p99 in ms, and how many answers were not 2xx."""
    out = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), url],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])  # type: ignore[index]
    p99, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()  # type: ignore[union-attr]
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    return rate, float(p99) * {"us": 0.001, "ms": 1, "s": 1000}[unit], int(bad[1]) if bad else 0
