"""A row of hours or days as one small picture: what was up, what was not, of what nothing is known.

An inline SVG without a style, a script or an id of its own, so that thousands may stand on one page under a strict
policy: colours are the classes `s-up`, `s-down`, `s-unknown`, `s-none`, and `s-hatch` of the lines across what was
silenced. One path for all stretches of a kind: a machine is a few hundred bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from markupsafe import Markup, escape

from lastseen.monitor.uptime import Uptime

WIDTH, HEIGHT, GAP = 4, 10, 1
KINDS = ("up", "down", "unknown", "none")


def strip(stretches: Sequence[Uptime], label: str, *, parted: bool = False) -> Markup:
    """`label`: what it shows, in words, for who does not see it. `parted`: each stretch by itself, as days."""
    paths = [f'<path class="s-{kind}" d="{path}"/>' for kind in KINDS if (path := _bars(stretches, kind, parted))]
    hatch = "".join(f"M{WIDTH * n} {HEIGHT}l{WIDTH} -{HEIGHT}" for n, one in enumerate(stretches) if one.silenced)
    if hatch:
        paths.append(f'<path class="s-hatch" vector-effect="non-scaling-stroke" d="{hatch}"/>')
    wide = max(1, WIDTH * len(stretches) - (GAP if parted else 0))
    return Markup(  # noqa: S704  (numbers of ours, and a label that is escaped)
        f'<svg class="strip" viewBox="0 0 {wide} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}">{"".join(paths)}</svg>'
    )


def _bars(stretches: Sequence[Uptime], kind: str, parted: bool) -> str:
    """A rectangle for each run of this kind, or for each stretch of it."""
    found, place = [], 0
    for key, run in groupby(enumerate(stretches), lambda one: (one[1].kind, one[0] if parted else None)):
        many = len(list(run))
        if key[0] == kind:
            wide = WIDTH * many - (GAP if parted else 0)
            found.append(f"M{WIDTH * place} 0h{wide}v{HEIGHT}h-{wide}z")
        place += many
    return "".join(found)
