"""`lastseen plugins`: what is installed, and whether it loads."""

from __future__ import annotations

from typing import Any

from lastseen.cli.output import Json, print_json, table


def plugins(as_json: Json = False) -> None:
    """List the notifiers that installed packages offer, and what is wrong with those that do not load."""
    from lastseen.plugins import notifier_types

    found: list[dict[str, Any]] = [
        {
            "type": one.name,
            "package": one.distribution,
            "ok": one.error is None,
            "summary": one.summary,
            "error": one.error,
        }
        for one in notifier_types().values()
    ]
    if as_json:
        print_json(found)
        return
    table(
        ("notifier", "from", "loads", "what it is"),
        [(one["type"], one["package"], one["ok"], one["error"] or one["summary"]) for one in found],
        "No notifiers are installed.",
    )
