"""`lastseen demo`: the main job, live, on this computer: five machines, one falls silent, one webhook tells of it."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from lastseen.cli.demo_stage import Arrival, Receiver, Stage

MACHINES = ("web-1", "web-2", "db-1", "nas-1", "door-1")
VICTIM = "db-1"
INTERVAL, THRESHOLD, CHECK_INTERVAL = "500ms", "3s", "1s"
QUIET = 2.5
"""Seconds to listen, at the end, for what must not come: a repeat."""


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Stop at the end; exit code 1 when something was missing.")
    ] = False,
) -> None:
    """Show the main job on this computer, in under a minute: real server, real agents, real signed webhooks."""
    from rich.console import Console

    from lastseen.cli.demo_stage import DemoFailed, Stage, environment, receiving

    console = Console(highlight=False)
    with _interruptible(), tempfile.TemporaryDirectory(prefix="lastseen-demo-") as folder, receiving() as receiver:
        stage = Stage(Path(folder), environment(Path(folder), THRESHOLD, CHECK_INTERVAL))
        try:
            ok = Demo(console, stage, receiver).play()
            if not once:
                _stay(console, stage)
        except DemoFailed as error:
            console.print(f"[bold red]✗[/] {error}\n\nThe last lines of the server's log:\n", markup=True)
            console.print(stage.tail("serve"), markup=False)
            ok = False
        except KeyboardInterrupt:
            console.print("\nStopped.")
            ok = not once
        finally:
            stage.stop()
    raise typer.Exit(0 if ok else 1)


class Demo:
    """The play itself, one method an act."""

    def __init__(self, console: Console, stage: Stage, receiver: Receiver) -> None:
        from lastseen.cli.demo_stage import CLOCK

        self._console, self._stage, self._receiver, self._clock = console, stage, receiver, CLOCK
        self._began = CLOCK.monotonic()
        self._server = ""
        self._made: dict[str, dict[str, Any]] = {}
        self._agents: dict[str, subprocess.Popen[bytes]] = {}

    def play(self) -> bool:
        self._say("bold", "The main job of lastseen, on this computer, with real processes.")
        self._serve()
        self._declare()
        self._report()
        killed_at, offline = self._silence()
        online = self._recovery()
        return self._summary(killed_at, offline, online)

    def _say(self, style: str, text: str) -> None:
        self._console.print(f"[dim]{self._clock.monotonic() - self._began:5.1f} s[/]  [{style}]{text}[/]")

    def _serve(self) -> None:
        from lastseen.cli.demo_stage import until

        process = self._stage.start("serve", "serve")
        line = until(
            lambda: self._stage.logged("serve", "serving") or (process.poll() is not None and {"url": ""}) or None,
            "`lastseen serve` is ready",
            20,
        )
        if not line.get("url"):
            from lastseen.cli.demo_stage import DemoFailed

            raise DemoFailed(f"`lastseen serve` ended with exit code {process.returncode}")
        self._server = str(line["url"])
        until(lambda: self._get("/readyz") is not None or None, "/readyz answers 200", 10)
        self._say("green", f"lastseen serve is ready at {self._server}")

    def _declare(self) -> None:
        add = ("channels", "add", "webhook", "--name", "demo", "--url", self._receiver.url)
        with ThreadPoolExecutor(2) as pool:  # as many as the smallest computers have cores
            channel = pool.submit(self._stage.command, *add)
            added = pool.map(lambda slug: self._stage.command("machines", "add", slug), MACHINES)
            self._made = {machine["slug"]: machine for machine in added}
            self._receiver.trust(channel.result()["secret"])
        for slug, machine in self._made.items():
            path = self._stage.folder / f"{slug}.key"
            path.touch(mode=0o600)
            path.write_text(machine["key"])
        self._say("green", f"{len(MACHINES)} machines and a webhook channel, added by the command line")

    def _start_agent(self, slug: str) -> None:
        key = str(self._stage.folder / f"{slug}.key")
        self._agents[slug] = self._stage.start(
            f"agent-{slug}", "agent", "--server", self._server, "--key-file", key, "--interval", INTERVAL
        )

    def _report(self) -> None:
        from lastseen.cli.demo_stage import until

        for slug in MACHINES:
            self._start_agent(slug)
        until(lambda: all(self._status(slug) == "online" for slug in MACHINES) or None, "all machines are online", 20)
        self._say("green", f"{len(MACHINES)} agents report every {INTERVAL}: {' '.join('🟢 ' + m for m in MACHINES)}")

    def _silence(self) -> tuple[datetime, Arrival]:
        self._agents[VICTIM].kill()
        self._agents[VICTIM].wait()
        killed_at = self._clock.wall()
        self._say("yellow", f"the agent of {VICTIM} is killed (kill -9); it may be silent for {THRESHOLD} …")
        arrival = self._receiver.wait("machine.offline", VICTIM, 15)
        self._say("bold red", f"🔴 machine.offline of {VICTIM} arrived, {_signed(arrival)}")
        return killed_at, arrival

    def _recovery(self) -> Arrival:
        self._start_agent(VICTIM)
        self._say("yellow", f"the agent of {VICTIM} is started again …")
        arrival = self._receiver.wait("machine.online", VICTIM, 15)
        self._say("bold green", f"🟢 machine.online of {VICTIM} arrived, {_signed(arrival)}")
        return arrival

    def _summary(self, killed_at: datetime, offline: Arrival, online: Arrival) -> bool:
        threading.Event().wait(QUIET)
        arrivals = self._receiver.arrivals
        delay = self._after_deadline(offline)
        rows = [
            ("machine.offline arrived after the deadline", f"{delay:.0f} ms", 0 <= delay < 5000),
            ("… after the kill", f"{(offline.at - killed_at).total_seconds():.1f} s", True),
            ("deliveries (one offline, one online)", str(len(arrivals)), len(arrivals) == 2),
            ("signatures verified", f"{sum(not a.problem for a in arrivals)}", not any(a.problem for a in arrivals)),
            (
                "the same incident",
                str(_incident(offline) == _incident(online)).lower(),
                _incident(offline) == _incident(online),
            ),
            ("repeats", str(_repeats(arrivals)), _repeats(arrivals) == 0),
        ]
        from rich.box import ROUNDED
        from rich.table import Table

        grid = Table(box=ROUNDED, show_header=False, title="What happened", title_justify="left")
        for name, value, fine in rows:
            grid.add_row("[green]✓[/]" if fine else "[bold red]✗[/]", name, value)
        self._console.print(grid)
        return all(fine for _, _, fine in rows)

    def _after_deadline(self, offline: Arrival) -> float:
        """Milliseconds from the moment the machine's silence became an outage to the webhook's arrival."""
        events = self._stage.command("events", "--machine", VICTIM, "--type", "machine.offline", "--limit", "1")
        limit = timedelta(seconds=offline.payload["data"]["offline_after_seconds"])
        deadline = datetime.fromisoformat(events[0]["last_seen"]) + limit
        return (offline.at - deadline).total_seconds() * 1000

    def _status(self, slug: str) -> str | None:
        answer = self._get(f"/api/v1/machines/{slug}/status", self._made[slug]["key"])
        return None if answer is None else str(answer["status"])

    def _get(self, path: str, key: str = "") -> Any:
        import httpx

        try:
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            answer = httpx.get(self._server + path, headers=headers, timeout=5, trust_env=False)
            return answer.json() if answer.status_code == 200 else None
        except (httpx.HTTPError, ValueError):
            return None


def _signed(arrival: Arrival) -> str:
    return f"SIGNATURE REFUSED: {arrival.problem}" if arrival.problem else "signature verified"


def _incident(arrival: Arrival) -> object:
    return (arrival.payload.get("data") or {}).get("incident_id")


def _repeats(arrivals: list[Arrival]) -> int:
    return len(arrivals) - len({arrival.id for arrival in arrivals})


def _stay(console: Console, stage: Stage) -> None:
    url = stage.logged("serve", "serving") or {}
    console.print(
        f"\nThe server stays up at [bold]{url.get('url', '')}[/] (/api/v1/openapi.json). Ctrl-C stops everything."
    )
    console.print(
        f"Look at it with:  LASTSEEN_DATA_DIR={stage.env['LASTSEEN_DATA_DIR']} lastseen machines list", soft_wrap=True
    )
    while True:
        signal.pause()


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does: with everything stopped and removed."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
