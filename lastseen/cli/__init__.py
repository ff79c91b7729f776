"""The command `lastseen`: one file per group of commands, `main` around them all.

Groups import what they need when a command runs, not before: `lastseen --help` must be quick.
"""

from __future__ import annotations

from lastseen.garbage import collect_seldom

collect_seldom()  # before all that is imported

from lastseen.cli.main import main  # noqa: E402

__all__ = ["main"]
