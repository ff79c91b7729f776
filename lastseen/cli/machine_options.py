"""What `lastseen machines add` and `machines set` may be given beside the machine's name."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from lastseen.cli.options import group_given, own

FIELDS = {"tag": "tags", "tz": "timezone"}
"""Options that are called otherwise than their field of Machine."""

FLAGS = {"machine": "SLUG", "slug": "SLUG", **{field: f"--{option}" for option, field in FIELDS.items()}}

TAKEN_BACK = {"every", "offline_after", "schedule", "timezone", "grace", "max_runtime", "owner"}
"""Fields that a machine need not have of its own."""


@dataclass(frozen=True, slots=True)
class MachineOptions:
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None
    hostname: Annotated[str | None, typer.Option(help="Its name in the network.")] = None
    kind: Annotated[str | None, typer.Option(help="Its kind: default, server, device, job or your own.")] = None
    group: Annotated[str | None, typer.Option(help="Where it stands; `none` takes it back.", callback=group_given)] = (
        None
    )
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None
    tag: Annotated[list[str] | None, typer.Option(help="A tag; may be given several times.")] = None
    every: Annotated[str | None, typer.Option(help="How often it reports, such as 1m; `none` takes it back.")] = None
    offline_after: Annotated[
        str | None, typer.Option(help="How long it may be silent: 90s, 2m, never; `default` for what its kind says.")
    ] = None
    schedule: Annotated[
        str | None,
        typer.Option(
            help="When its job is due: cron (`30 2 * * *`) or OnCalendar (`Mon..Fri 02:30`); `none` takes it back."
        ),
    ] = None
    tz: Annotated[
        str | None,
        typer.Option(help="The schedule's time zone, such as Europe/Berlin; LASTSEEN_TIMEZONE, else UTC."),
    ] = None
    grace: Annotated[
        str | None,
        typer.Option(help="How long after it was due it may come: 1h unless told otherwise; `default` takes it back."),
    ] = None
    max_runtime: Annotated[
        str | None,
        typer.Option(help="How long a run may take: its grace unless told otherwise; `default` takes it back."),
    ] = None

    owner: Annotated[str | None, typer.Option(help="The user whose it is; `none` for everybody's.")] = None

    def changes(self) -> dict[str, Any]:
        """Only what was said, by field of Machine; the words for "not its own" become None."""
        said: dict[str, Any] = {}
        for option, value in asdict(self).items():
            field = FIELDS.get(option, option)
            if value and field == "tags":
                said[field] = [tag for tag in value if tag]  # `--tag ""` takes all tags away
            elif value is not None and field != "tags":
                said[field] = own(value) if field in TAKEN_BACK else value
        return said


def flag_of(field: str) -> str:
    """The option that a field of a machine is given by."""
    return FLAGS.get(field) or f"--{field.replace('_', '-')}"
