"""`lastseen plugins`: what is installed, and whether it can be used."""

from __future__ import annotations

from typing import Any

from lastseen.cli.output import Json, print_json, table


def plugins(as_json: Json = False) -> None:
    """List the notifiers and stores that installed packages offer, and what is wrong with those that cannot be used."""
    from lastseen.plugins import installed

    found: list[dict[str, Any]] = [
        {
            "kind": one.kind,
            "type": one.name,
            "package": one.distribution,
            "ok": one.error is None,
            "summary": one.summary,
            "error": one.error,
        }
        for one in installed()
    ]
    if as_json:
        print_json(found)
        return
    table(
        ("kind", "type", "from", "works", "what it is"),
        [(one["kind"], one["type"], one["package"], one["ok"], one["error"] or one["summary"]) for one in found],
        "No notifiers are installed.",
    )
