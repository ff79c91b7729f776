"""Record docs/demo.svg: run `lastseen demo --once` and draw what it printed, colours and all.

python docs/record_demo.py [demo.svg]
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 88
FONT = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<title>lastseen demo --once</title>
<style>
.{unique_id}-matrix {{ font-family: %s; font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-family: sans-serif; font-size: 18px; font-weight: bold; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</g>
</svg>
"""
"""Rich's own form fetches a font from elsewhere: a picture in a README may not."""


def record() -> str:
    """What the demo writes to a terminal of this width."""
    env = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": str(WIDTH)}
    done = subprocess.run(
        [sys.executable, "-m", "lastseen", "demo", "--once"],
        env=env,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    if done.returncode:
        sys.exit(f"the demo failed, nothing is recorded:\n{done.stdout}{done.stderr}")
    return done.stdout


def draw(printed: str) -> str:
    """The picture of a terminal with this text in it."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print("[bold green]$[/] lastseen demo --once")
    console.print(Text.from_ansi(printed.rstrip()))
    svg = console.export_svg(title="lastseen demo", code_format=FORMAT % FONT, unique_id="demo")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "demo.svg"
    target.write_text(draw(record()), encoding="utf-8")


if __name__ == "__main__":
    main()
