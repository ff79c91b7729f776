"""What `lastseen sources add mqtt` and `sources set` may be given, and what a row holds after it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

FIELDS = {"preset": "presets", "user": "username"}
"""Options that are called otherwise than their field of a source."""

FLAGS = {**{field: f"--{option}" for option, field in FIELDS.items()}, "password": "--password-file"}


@dataclass(frozen=True, slots=True)
class SourceOptions:
    url: Annotated[str | None, typer.Option(help="mqtt://host[:port] or mqtts://host[:port].")] = None
    preset: Annotated[list[str] | None, typer.Option(help="What is listened to; may be given several times.")] = None
    bind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TOPIC=MODE", help="Topics with {machine} in them, heartbeat, presence or both; several times."
        ),
    ] = None
    base: Annotated[str | None, typer.Option(help="The first part of the presets' topics, where it is another.")] = None
    offline_after: Annotated[
        str | None, typer.Option(metavar="DURATION", help="The threshold of machines that are added, or `never`.")
    ] = None
    kind: Annotated[str | None, typer.Option(help="The kind of machines that are added.")] = None
    goodbye_grace: Annotated[
        str | None, typer.Option(metavar="DURATION", help="The grace of machines that are added, after a goodbye.")
    ] = None
    auto_add: Annotated[bool | None, typer.Option("--auto-add/--no-auto-add", help="Add machines that are heard.")] = (
        None
    )
    ca: Annotated[Path | None, typer.Option(help="Certificates that the broker's is checked against (PEM).")] = None
    cert: Annotated[Path | None, typer.Option(help="Our own certificate (PEM).")] = None
    key: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None
    user: Annotated[str | None, typer.Option(help="Who we are to the broker.")] = None
    password_file: Annotated[
        Path | None, typer.Option(help="The file that holds the password; it is stored encrypted.")
    ] = None
    share: Annotated[str | None, typer.Option(metavar="GROUP", help="Heartbeat topics by shared subscription.")] = None
    publish: Annotated[
        str | None, typer.Option(metavar="PREFIX", help="Publish the machines' states below this topic.")
    ] = None
    discovery: Annotated[
        str | None, typer.Option(metavar="PREFIX", help="Where Home Assistant looks for devices, or `off`.")
    ] = None

    def said(self) -> dict[str, Any]:
        """What was given, by the fields of a source, as `manage.sources` takes it. Raises ConfigurationError."""
        from lastseen.variables import read_secret

        given = {FIELDS.get(option, option): _plain(value) for option, value in asdict(self).items()}
        file = given.pop("password_file")
        return {**given, "password": None if file is None else read_secret("--password-file", Path(file))}


def _plain(value: Any) -> Any:
    """As it stands in a row. Paths are whole ones: the server runs in another folder."""
    if isinstance(value, Path):
        return "" if value == Path() else str(value.expanduser().absolute())
    return [text for text in value if text] if isinstance(value, list) else value


def flag_of(field: str) -> str:
    """The option that a field of a source is given by; "" for none."""
    return FLAGS.get(field) or (f"--{field.replace('_', '-')}" if field else "")
