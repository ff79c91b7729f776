"""Record docs/scale.svg: draw what a simulation of the fleet wrote down.

python -m benchmarks.simulate_scale --json scale.json
python docs/record_scale.py scale.json [scale.svg]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

WIDTH, PANEL, LEFT, RIGHT, TOP, BETWEEN = 880, 150, 70, 190, 50, 46
COLOURS = ("#0b6e99", "#c2410c", "#4d7c0f", "#7e22ce")
FONT = "ui-sans-serif, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif"

PANELS = (
    ("busy, % of all cores", (("busiest node", "node", 100), ("database's server", "server", 100))),
    ("machines, thousands", (("found silent", "found", 1e-3), ("back again", "back", 1e-3))),
    (
        "most that waited",
        (
            ("due for a look", "due", 1),
            ("heartbeats to store", "heartbeats", 1),
            ("webhooks to send", "webhooks", 1),
            ("alerts for the chat", "chat", 1),
        ),
    ),
)


def nice(value: float) -> float:
    """The next of 1, 2, 5, 10, … that is not less."""
    size = 1.0
    while size * 10 < value:
        size *= 10
    return next(size * step for step in (1, 2, 5, 10) if size * step >= value)


def line(points: Sequence[tuple[float, float]], colour: str) -> str:
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>'


def text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 12, colour: str = "#333") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}"'
    return f"<text {place}>{escape(words)}</text>"


def spans(plan: dict[str, Any], across: float, bottom: float) -> list[str]:
    """What happens meanwhile, as bands from top to bottom."""
    drawn = []
    for name, (start, end), colour in (
        (f"a site of {plan['site']:,} is dark", plan["dark"], "#f3f4f6"),
        ("the broker's link is lost", plan["link"], "#fde68a"),
    ):
        x, width = LEFT + start * across, (end - start) * across
        drawn.append(f'<rect x="{x:.1f}" y="{TOP}" width="{width:.1f}" height="{bottom - TOP:.1f}" fill="{colour}"/>')
        at, anchor = (x + width, "end") if width > WIDTH / 4 else (x, "start")
        drawn.append(text(at, TOP - 6, name, anchor=anchor, size=11, colour="#666"))
    return drawn


def panel(number: int, rows: Sequence[dict[str, float]], across: float) -> list[str]:
    title, lines = PANELS[number]
    top = TOP + number * (PANEL + BETWEEN)
    most = nice(0.99 * max(1e-9, *(row[key] * scale for _, key, scale in lines for row in rows)))
    right = LEFT + rows[-1]["until"] * across
    drawn = [text(LEFT, top + 14, title, size=13, colour="#111")]
    for part in (0, 0.5, 1):
        y = top + PANEL - part * (PANEL - 24)
        drawn.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{right:.1f}" y2="{y:.1f}" stroke="#d1d5db"/>')
        drawn.append(
            text(LEFT - 8, y + 4, f"{most * part:,.4g}" if most < 1000 else f"{most * part:,.0f}", anchor="end")
        )
    for place, (name, key, scale) in enumerate(lines):
        points = [(LEFT + row["until"] * across, top + PANEL - row[key] * scale / most * (PANEL - 24)) for row in rows]
        drawn.append(line(points, COLOURS[place]))
        drawn.append(text(right + 12, top + 40 + 18 * place, name, colour=COLOURS[place]))
    return drawn


def draw(result: dict[str, Any]) -> str:
    rows, plan = result["over_time"], result["plan"]
    across = (WIDTH - LEFT - RIGHT) / rows[-1]["until"]
    bottom = TOP + len(PANELS) * PANEL + (len(PANELS) - 1) * BETWEEN
    title = (
        f"{plan['machines']:,} machines, {plan['nodes']} node{'s' * (plan['nodes'] > 1)}, one database: a simulation"
    )
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {bottom + 40}" xmlns="http://www.w3.org/2000/svg" font-family="{FONT}">',
        f"<title>{title}</title>",
        f'<rect width="{WIDTH}" height="{bottom + 40}" fill="#ffffff"/>',
        text(LEFT, 22, title, size=15, colour="#111"),
        *spans(plan, across, bottom),
    ]
    for number in range(len(PANELS)):
        parts += panel(number, rows, across)
    for seconds in range(0, int(rows[-1]["until"]) + 1, 300):
        parts.append(text(LEFT + seconds * across, bottom + 20, f"{seconds // 60} min", anchor="middle"))
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    source = Path(sys.argv[1])
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent / "scale.svg"
    target.write_text(draw(json.loads(source.read_text())), encoding="utf-8")


if __name__ == "__main__":
    main()
