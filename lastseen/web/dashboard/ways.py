"""Lines to copy: the ways in which a machine can report, with its own addresses in them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from lastseen.durations import spell, spelled
from lastseen.manage.jobs import zone_of
from lastseen.monitor.calendar import names_zone
from lastseen.web.dashboard.machine_form import written
from lastseen.web.dashboard.often import MINUTE, SECOND, by_cron, in_a_crontab, is_calendar, pace
from lastseen.words import say

PLACEHOLDER: Final = "lsm_PUT-ITS-KEY-HERE"
"""Where the key was shown before, and is not known any more."""

UNIT: Final = """\
# /etc/systemd/system/lastseen-beat.service
[Unit]
Description=Report to lastseen{unlimited}

[Service]
Type=oneshot
ExecStart=/usr/bin/{ask}

# /etc/systemd/system/lastseen-beat.timer
[Unit]
Description=Report to lastseen every {words}

[Timer]
OnBootSec={first}
OnUnitActiveSec={every}
AccuracySec={within}

[Install]
WantedBy=timers.target"""

HASTY: Final = timedelta(seconds=30)
"""Who reports more often than this asks once: the next report comes before a second try would."""

UNLIMITED: Final = timedelta(seconds=10)
"""systemd refuses what it starts more often than five times in ten seconds."""


@dataclass(frozen=True, slots=True)
class Way:
    """`before` and `after` say what to do with the lines. `blocks` are copied one by one."""

    name: str
    title: str
    before: str
    blocks: tuple[str, ...]
    after: str = ""


def ways_to_report(one: Mapping[str, Any], every: timedelta | None, key: str | None, base: str, told: str) -> list[Way]:
    """`one`: as `machines.show` says; `every`: how often it reports, where somebody said so. `base`: how the server is
    reached; its addresses begin with `told` instead."""
    secret, slug = key or PLACEHOLDER, str(one["slug"])
    ping, push = _here(one["ping_url"], told, base), _here(one["push_url"], told, base)
    found = [_ping(ping) if key is None and ping is not None else _curl(secret, base)]
    if one["schedule"]:
        found += of_a_job(one["schedule"], zone_of(one["schedule"], one["timezone"]), secret, base, ping)
    else:
        seconds = one["offline_after_seconds"]
        limit = None if seconds is None else timedelta(seconds=seconds)
        if ping is not None:
            found += [_cron(ping, every, limit), _timer(ping, pace(every, limit, MINUTE))]
        found.append(_agent(secret, base, pace(every, limit, HASTY)))
    found.append(_mqtt(slug))
    if ping is not None:
        found.append(_healthchecks(ping))
    if push is not None:
        found.append(_kuma(push))
    return found


def _here(url: str | None, told: str, base: str) -> str | None:
    return None if url is None else base + url.removeprefix(told.rstrip("/"))


def _curl(key: str, base: str) -> Way:
    line = f"curl -fsS -X POST -H 'X-API-Key: {key}' {shlex.quote(f'{base}/api/v1/heartbeat')}"
    return Way("curl", "curl", say("Once, to see it come alive:"), (line,))


def _ping(ping: str) -> Way:
    return Way("curl", "curl", say("Once, to see it come alive:"), (f"curl -fsS -X POST {shlex.quote(ping)}",))


def _cron(ping: str, every: timedelta | None, limit: timedelta | None) -> Way:
    found = by_cron(every, limit)
    if found is None:
        return _loop(ping, pace(every, limit, MINUTE))
    when, span = found
    line = f"{when} {_in_crontab(_ask(ping, span))}"
    add = f"(crontab -l 2>/dev/null; echo {shlex.quote(line)}) | crontab -"
    before = say(
        "The first line, run once, lets cron report every {span}. The second is what stands in the crontab then. The "
        "address is its secret.",
        span=spelled(span),
    )
    after = say("For a job, say first when it is due: its line stands here then.")
    return Way("cron", "cron", before, (add, line), after)


def _loop(ping: str, span: timedelta) -> Way:
    before = say(
        "It must report every {span}, and cron starts nothing more often than once a minute: a line in the crontab "
        "would make false alarms. The timer and the agent below report often enough, or a loop that is started with "
        "the machine. The address is its secret.",
        span=spelled(span),
    )
    loop = f"while true; do {_ask(ping, span)}; sleep {span.total_seconds():g}; done"
    return Way("cron", "cron", before, (loop,))


def _ask(ping: str, span: timedelta) -> str:
    """`span`: until it asks again."""
    tries = f"-m {min(10, max(2, span // SECOND))}" if span < HASTY else "-m 10 --retry 3"
    return f"curl -fsS {tries} -o /dev/null {shlex.quote(ping)}"


def _in_crontab(command: str) -> str:
    return command.replace("%", r"\%")


def _in_unit(command: str) -> str:
    return command.replace("%", "%%")


def _timer(ping: str, span: timedelta) -> Way:
    begin = "systemctl daemon-reload && systemctl enable --now lastseen-beat.timer"
    before = say("Two files, then one command. The address is its secret: let only root read the first.")
    unit = UNIT.format(
        unlimited="\nStartLimitIntervalSec=0" if span < UNLIMITED else "",
        ask=_in_unit(_ask(ping, span)),
        words=spell(span),
        first=written(min(span, MINUTE)),
        every=written(span),
        within="5s" if span >= HASTY else "100ms",
    )
    return Way("systemd", say("systemd timer"), before, (unit, begin))


def installed(key: str) -> tuple[str, str]:
    """The package, and the key in its file."""
    file = "install -d -m 0755 /etc/lastseen && install -m 0600 /dev/stdin /etc/lastseen/key"
    return "pip install 'lastseen[agent,server]'", f"printf '%s\\n' '{key}' | ({file})"


def _agent(key: str, base: str, span: timedelta) -> Way:
    where = f"--server {shlex.quote(base)} --key-file /etc/lastseen/key"
    run = f"lastseen agent {where} --interval {written(span)}"
    before = say(
        "With memory, load and how full the disk is. Where there is a copy of the repository and no release, the first "
        "line is: pip install './lastseen[agent,server]'"
    )
    return Way("agent", say("the agent"), before, (*installed(key), run))


# -- of a job, which reports when it ran


def of_a_job(schedule: str, zone: str, key: str, base: str, ping: str | None) -> list[Way]:
    """Nothing that reports all the time: then nobody would see that the job does not run."""
    cron = f"{schedule} " if in_a_crontab(schedule) else ""
    found = [] if ping is None else [_job_line(ping, cron, zone), _job_unit(ping, schedule, zone)]
    return [*found, _wrapped(key, base, cron)]


def _job_line(ping: str, cron: str, zone: str) -> Way:
    line = f"/path/to/job && {_ask(ping, MINUTE)}"
    if not cron:
        before = say("Where the job is started: it reports when it went well. The address is its secret.")
        return Way("job", say("its own command"), before, (line,))
    before = say("The job's line in the crontab: it reports when it went well. The address is its secret.")
    return Way("cron", "cron", before, (cron + _in_crontab(line),), _clock(zone))


def _clock(zone: str) -> str:
    return say("cron goes by the clock of the computer that it runs on; meant is the time of {zone}.", zone=zone)


def _job_unit(ping: str, schedule: str, zone: str) -> Way:
    reports = f"[Service]\nExecStartPost=-/usr/bin/{_in_unit(_ask(ping, MINUTE))}"
    blocks = [f"# /etc/systemd/system/JOB.service.d/lastseen.conf\n{reports}"]
    if is_calendar(schedule):
        when = schedule if names_zone(schedule) else f"{schedule} {zone}"
        timer = f"[Timer]\nOnCalendar={when}\n\n[Install]\nWantedBy=timers.target"
        blocks.append(f"# /etc/systemd/system/JOB.timer\n{timer}")
    before = say(
        "One more file for the service that a timer starts: it reports when the job went well. The address is its "
        "secret: let only root read it."
    )
    return Way("systemd", say("systemd timer"), before, (*blocks, "systemctl daemon-reload"))


def _wrapped(key: str, base: str, cron: str) -> Way:
    run = f"lastseen run --server {shlex.quote(base)} --key-file /etc/lastseen/key -- /path/to/job"
    before = say(
        "Before the command: it reports that the job began, how it ended and the end of what it wrote. Where there is "
        "a copy of the repository and no release, the first line is: pip install './lastseen[agent,server]'"
    )
    return Way("run", say("lastseen run"), before, (*installed(key), cron + _in_crontab(run) if cron else run))


# -- others


def _mqtt(slug: str) -> Way:
    source = "lastseen sources add mqtt home --url mqtt://BROKER --preset devices"
    publish = f"mosquitto_pub -h BROKER -q 1 -t {shlex.quote(f'devices/{slug}/heartbeat')} -m '{{}}'"
    before = say("Once for all devices, where the server runs; then whatever the device publishes:")
    return Way("mqtt", "MQTT", before, (source, publish))


def _healthchecks(ping: str) -> Way:
    before = say(
        "A client of Healthchecks takes this as its ping address, with /start, /fail and exit codes behind it:"
    )
    return Way("healthchecks", say("Healthchecks clients"), before, (ping,))


def _kuma(push: str) -> Way:
    before = say("A client of Uptime Kuma takes this as its push address:")
    return Way("kuma", say("Uptime Kuma clients"), before, (f"{push}?status=up&msg=OK&ping=",))
