"""`lastseen import`: move here from another monitoring program, with what its clients call."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lastseen.cli.options import UsageError, spread
from lastseen.cli.output import Json, print_json, printable, table
from lastseen.cli.session import run, session, settings

if TYPE_CHECKING:
    from lastseen.imports.mover import Moved
    from lastseen.imports.plan import Plan
    from lastseen.imports.services import Given

app = typer.Typer(
    help="Move here from another monitoring program: its database is read, never written.", no_args_is_help=True
)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would come, and what cannot.")]
Rename = Annotated[bool, typer.Option("--rename", help="Bring what has a name that is taken here under another.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="Its database.")]


@dataclass(frozen=True, slots=True)
class MailOptions:
    mail_host: Annotated[str | None, typer.Option(help="The mail server of e-mail channels.")] = None
    mail_port: Annotated[int | None, typer.Option(help="Its port, unless it is the usual one.")] = None
    mail_security: Annotated[str, typer.Option(help="starttls, tls, or none.")] = "starttls"
    mail_from: Annotated[str | None, typer.Option(help="From which address they are sent.")] = None
    mail_user: Annotated[str | None, typer.Option(help="The name to log in with.")] = None
    mail_password_file: Annotated[Path | None, typer.Option(help="The file that holds the password.")] = None

    def given(self) -> Given:
        """With the bot's token of the settings. Raises UsageError."""
        from lastseen.imports.services import Given
        from lastseen.variables import read_secret

        token = settings().telegram_bot_token
        if (self.mail_host is None) != (self.mail_from is None):
            raise UsageError("--mail-host and --mail-from belong together: give both or none")
        mail: dict[str, Any] = {}
        if self.mail_host is not None:
            mail = {"host": self.mail_host, "sender": self.mail_from, "security": self.mail_security}
            mail |= {} if self.mail_port is None else {"port": self.mail_port}
            if self.mail_user is not None:
                mail["user"] = self.mail_user
            if self.mail_password_file is not None:
                mail["password"] = read_secret("--mail-password-file", self.mail_password_file).strip()
        return Given(None if token is None else token.get_secret_value(), mail)


@app.command()
@spread
def healthchecks(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Its SQLite file, the address of its PostgreSQL database, or what pg_dump or dumpdata wrote.",
        ),
    ],
    mail: MailOptions,
    dry_run: DryRun = False,
    rename: Rename = False,
    as_json: Json = False,
) -> None:
    """Bring the checks of Healthchecks: their ping addresses go on working here."""
    from lastseen.imports import healthchecks as program
    from lastseen.imports.tables import open_any

    with open_any(source, program.TABLES) as tables:
        plan = program.read(tables, mail.given())
    _carry_out(plan, dry_run, rename, as_json)


@app.command("uptime-kuma")
def uptime_kuma(file: File, dry_run: DryRun = False, rename: Rename = False, as_json: Json = False) -> None:
    """Bring the push monitors of Uptime Kuma: their push addresses go on working here."""
    from lastseen.clock import SystemClock
    from lastseen.imports import kuma as program
    from lastseen.imports.services import Given
    from lastseen.imports.tables import open_sqlite

    with open_sqlite(file) as tables:
        plan = program.read(tables, Given(), SystemClock().now())
    _carry_out(plan, dry_run, rename, as_json)


@app.command()
@spread
def lunasentri(
    file: File, mail: MailOptions, dry_run: DryRun = False, rename: Rename = False, as_json: Json = False
) -> None:
    """Bring the machines of LunaSentri: the keys of its agents go on working here."""
    from lastseen.imports import lunasentri as program
    from lastseen.imports.tables import open_sqlite

    with open_sqlite(file) as tables:
        plan = program.read(tables, mail.given())
    _carry_out(plan, dry_run, rename, as_json)


def _carry_out(plan: Plan, dry_run: bool, rename: bool, as_json: bool) -> None:
    done = run(_moved, plan, dry_run, rename)
    if as_json:
        rows = [asdict(one) for one in done]
        print_json({"program": plan.program, "dry_run": dry_run, "moved": rows, "remarks": plan.remarks})
    else:
        _print(plan, done)
    from lastseen.imports.mover import CONFLICT

    if any(one.result == CONFLICT for one in done):
        raise typer.Exit(1)


async def _moved(plan: Plan, dry_run: bool, rename: bool) -> list[Moved]:
    from lastseen.compose import Notifiers
    from lastseen.errors import ConfigurationError
    from lastseen.imports.mover import Mover
    from lastseen.protocols import Arrivals

    total = len(plan.machines) + len(plan.channels) + len(plan.keys) + len(plan.silences)
    with _progress(total) as step:
        async with session() as monitor, Notifiers(settings(), monitor.clock) as notifiers:
            if not isinstance(monitor.store, Arrivals):
                raise ConfigurationError("this store takes nothing from other programs: use a database")
            mover = Mover(
                monitor.store, monitor.clock, monitor.rules, notifiers, dry=dry_run, rename=rename, on_step=step
            )
            return await mover.move(plan)


def _progress(total: int) -> AbstractContextManager[Callable[[], None]]:
    """A bar on standard error, where somebody sees it."""
    if not sys.stderr.isatty():
        return nullcontext(lambda: None)
    return _Bar(total)


class _Bar:
    def __init__(self, total: int) -> None:
        self._bar: Any = typer.progressbar(length=total, file=sys.stderr, label="moving")

    def __enter__(self) -> Callable[[], None]:
        self._bar.__enter__()
        return lambda: self._bar.update(1)

    def __exit__(self, *error: Any) -> None:
        self._bar.__exit__(*error)


# -- for people


def _print(plan: Plan, done: Sequence[Moved]) -> None:
    from lastseen.imports.mover import CANNOT

    table(
        ("what", "there", "here", "result"),
        [(one.kind, one.name, one.here, _result(one)) for one in done if one.result != CANNOT],
        "There is nothing that could come.",
    )
    for one in done:
        for note in one.notes:
            typer.echo(f"{one.kind} {printable(one.name)}: {note}")
    left = [one for one in done if one.result == CANNOT]
    if left:
        typer.echo("")
        table(("cannot move", "name", "why"), [(one.kind, one.name, one.why) for one in left], "")
    for remark in plan.remarks:
        typer.echo(remark)
    typer.echo(_summary(done))


def _result(one: Moved) -> str:
    return f"{one.result}: {one.why}" if one.why else one.result


def _summary(done: Sequence[Moved]) -> str:
    from lastseen.imports import mover

    counts = Counter(one.result for one in done)
    words = {
        mover.BROUGHT: "brought",
        mover.WOULD: "would be brought",
        mover.HERE: "here already",
        mover.GONE: "brought once and removed here since",
        mover.CONFLICT: "in conflict with what is here",
        mover.CANNOT: "cannot move",
    }
    said = [f"{counts[result]} {word}" for result, word in words.items() if counts[result]]
    nothing = "" if counts[mover.BROUGHT] or counts[mover.WOULD] else "Nothing is changed: "
    return nothing + (", ".join(said) or "there is nothing there") + "."
