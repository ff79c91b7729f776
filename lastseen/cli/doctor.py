"""`lastseen doctor`: what is wrong here, and what to do about it."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from lastseen.cli.output import Json, print_json, printable
from lastseen.cli.session import run, session, settings

if TYPE_CHECKING:
    from rich.console import Console

    from lastseen.doctor import Check, Checked, Finding, Subject
    from lastseen.doctor.subject import Probe

MARKS = {"bad": ("✗", "bold red"), "warning": ("!", "bold yellow"), "hint": ("·", "cyan")}


def doctor(as_json: Json = False) -> None:
    """Look at everything here, and say what to do about it. Exit code 1 when something wants doing.

    Looked at are the settings, the folder, the disk, the database, the clock, the server, the sources, the machines,
    the keys and the channels.
    """
    printer = _Json() if as_json else _People()
    run(_examined, printer)
    printer.end()
    if any(finding.wants_doing for _, checked in printer.done for finding in checked.findings):
        raise typer.Exit(1)


async def _examined(printer: _Printer) -> None:
    from lastseen.doctor import CHECKS, Checked, Finding, Severity, examine
    from lastseen.errors import ConfigurationError

    try:
        check_broker(settings())
        redis = checks_of_redis(settings())
    except ConfigurationError as error:
        wrong = Finding(Severity.BAD, "settings.wrong", str(error), "put it right; nothing runs until then")
        printer.add("settings", Checked("they cannot be used", (wrong,)))
        return
    async with _subject() as subject:
        for check in (*CHECKS, *redis):
            with printer.during(check.title):
                checked = await examine(check, subject)
            if checked is not None:
                printer.add(check.name, checked)


def check_broker(chosen: Any) -> None:
    """Raises ConfigurationError when the broker that the settings name cannot be used."""
    from lastseen.sources import way_of_settings

    way_of_settings(chosen)


def checks_of_redis(chosen: Any) -> list[Check]:
    """That of the Redis server, if the settings name one. Raises ConfigurationError when it cannot be used."""
    from lastseen.clock import SystemClock
    from lastseen.compose import RedisParts
    from lastseen.doctor import Check
    from lastseen.doctor.redis import redis

    parts = RedisParts(chosen, SystemClock(), lasting=False)
    if chosen.redis_url is None:
        return []
    return [Check("redis", "Asking the Redis server", lambda _: redis(parts.ask), needs_store=False)]


@contextlib.asynccontextmanager
async def _subject() -> AsyncIterator[Subject]:
    """The configured site. A store that cannot be opened is what is to be found out, not an error."""
    from lastseen.clock import SystemClock
    from lastseen.datadir import database_file, served_at, served_by
    from lastseen.doctor import Serving, Site, Subject
    from lastseen.errors import LastseenError
    from lastseen.settings import unknown_variables

    chosen = settings()
    file = database_file(chosen.database)
    held, pid = served_by(file) if file is not None else (None, None)
    url = served_at(file) if file is not None and held else None
    async with contextlib.AsyncExitStack() as stack:
        clock: Any = SystemClock()
        store, trouble = None, ""
        try:
            monitor = await stack.enter_async_context(session())
            store, clock = monitor.store, monitor.clock
        except LastseenError as error:
            trouble = str(error)
        serving, problems = Serving(held, pid, url), unknown_variables(chosen.data_dir)
        probes = await brokers(chosen, store) if store is not None else []
        vouching = chosen.trusted_proxies if chosen.login_header is not None else ()
        site = Site(chosen.data_dir, file, serving, problems, probes, tuple(vouching))
        yield Subject(site, store, clock.now(), clock.wall(), trouble)


async def brokers(settings: Any, store: Any) -> list[Probe]:
    """What asks each broker that the settings or the store name."""
    from lastseen.doctor.brokers import unusable
    from lastseen.errors import LastseenError
    from lastseen.sources import KIND, make_way, way_of_settings

    probes: list[Probe] = []
    fixed = way_of_settings(settings)
    if fixed is not None:
        probes.append(_asking(fixed))
    for row in await store.sources():
        if row.kind == KIND and (fixed is None or row.name != fixed.name):
            try:
                probes.append(_asking(make_way(row.name, row.config, await store.source_secrets(row.name))))
            except LastseenError as error:
                probes.append(_saying(unusable(row.name, str(error))))
    return probes


def _asking(way: Any) -> Probe:
    from lastseen.ingest.mqtt.probe import probe

    return functools.partial(probe, way)


def _saying(finding: Finding) -> Probe:
    async def said() -> Sequence[Finding]:
        return [finding]

    return said


class _Printer:
    """Keeps what was found."""

    def __init__(self) -> None:
        self.done: list[tuple[str, Checked]] = []

    def during(self, title: str) -> contextlib.AbstractContextManager[Any]:
        """While something is looked at."""
        return contextlib.nullcontext()

    def add(self, name: str, checked: Checked) -> None:
        self.done.append((name, checked))

    def end(self) -> None:
        """Everything was looked at."""


class _Json(_Printer):
    def end(self) -> None:
        checks = [
            {
                "name": name,
                "summary": checked.summary,
                "findings": [
                    {"severity": f.severity.value, "code": f.code, "what": f.what, "do": f.do} for f in checked.findings
                ],
            }
            for name, checked in self.done
        ]
        wanted = sum(finding.wants_doing for _, checked in self.done for finding in checked.findings)
        print_json({"ok": not wanted, "to_do": wanted, "checks": checks})


class _People(_Printer):
    """A line for each check as soon as it is known, what was found below it, and what to do below that."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console

        self._out = Console(highlight=False, width=None if sys.stdout.isatty() else 400)

    def during(self, title: str) -> contextlib.AbstractContextManager[Any]:
        return self._out.status(f"[dim]{title} …[/dim]") if self._out.is_terminal else contextlib.nullcontext()

    def add(self, name: str, checked: Checked) -> None:
        super().add(name, checked)
        print_check(self._out, name, checked)

    def end(self) -> None:
        self._out.print()
        self._out.print(_verdict([finding for _, checked in self.done for finding in checked.findings]))


def print_check(out: Console, name: str, checked: Checked) -> None:
    """One check for people. What it says may come from outside: no markup in it is obeyed."""
    from rich.padding import Padding
    from rich.text import Text

    worst = min((list(MARKS).index(f.severity.value) for f in checked.findings), default=None)
    mark, style = ("✓", "green") if worst is None else list(MARKS.values())[worst]
    out.print(Text.assemble((f"{mark} ", style), (f"{name:<14}", "bold"), (printable(checked.summary), "dim")))
    for finding in checked.findings:
        mark, style = MARKS[finding.severity.value]
        out.print(Padding(Text.assemble((f"{mark} ", style), printable(finding.what)), (0, 0, 0, 4), expand=False))
        if finding.do:
            out.print(
                Padding(Text.assemble(("→ ", style), *_with_code(printable(finding.do))), (0, 0, 0, 6), expand=False)
            )


def _with_code(text: str) -> list[tuple[str, str]]:
    """Commands stand out, without the marks around them."""
    return [(part, "bold" if n % 2 else "dim") for n, part in enumerate(text.split("`"))]


def _verdict(findings: Sequence[Finding]) -> Any:
    from rich.text import Text

    wanted = sum(finding.wants_doing for finding in findings)
    hints = len(findings) - wanted
    said = f", {hints} {'hint' if hints == 1 else 'hints'}" if hints else ""
    if not wanted:
        return Text(f"Nothing to do{said}.", style="bold green")
    return Text(f"{wanted} {'thing' if wanted == 1 else 'things'} to do{said}.", style="bold")
