"""Lines to copy: the ways in which a machine can report, with its own addresses in them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lastseen.words import say

PLACEHOLDER: Final = "lsm_PUT-ITS-KEY-HERE"
"""Where the key was shown before, and is not known any more."""

UNIT: Final = """\
# /etc/systemd/system/lastseen-beat.service
[Unit]
Description=Report to lastseen

[Service]
Type=oneshot
ExecStart=/usr/bin/curl -fsS -m 10 --retry 3 -o /dev/null {url}

# /etc/systemd/system/lastseen-beat.timer
[Unit]
Description=Report to lastseen every minute

[Timer]
OnBootSec=1min
OnUnitActiveSec=1min
AccuracySec=5s

[Install]
WantedBy=timers.target"""


@dataclass(frozen=True, slots=True)
class Way:
    """`before` and `after` say what to do with the lines. `blocks` are copied one by one."""

    name: str
    title: str
    before: str
    blocks: tuple[str, ...]
    after: str = ""


def ways_to_report(one: Mapping[str, Any], key: str | None, base: str, told: str) -> list[Way]:
    """`one`: as `machines.show` says. `base`: how the server is reached; its addresses begin with `told` instead."""
    secret, slug = key or PLACEHOLDER, str(one["slug"])
    ping, push = _here(one["ping_url"], told, base), _here(one["push_url"], told, base)
    found = [_ping(ping) if key is None and ping is not None else _curl(secret, base)]
    if ping is not None:
        found += [_cron(ping), _timer(ping)]
    found += [_agent(secret, base), _mqtt(slug)]
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


def _cron(ping: str) -> Way:
    ask = f"curl -fsS -m 10 --retry 3 -o /dev/null {shlex.quote(ping)}".replace("%", r"\%")
    every = f"* * * * * {ask}"
    add = f"(crontab -l 2>/dev/null; echo {shlex.quote(every)}) | crontab -"
    before = say(
        "The first line, run once, lets cron report every minute. The second is what stands in the crontab then; the "
        "third, for a job, reports when it went well. The address is its secret."
    )
    return Way("cron", "cron", before, (add, every, f"0 3 * * * /path/to/job && {ask}"))


def _timer(ping: str) -> Way:
    begin = "systemctl daemon-reload && systemctl enable --now lastseen-beat.timer"
    before = say("Two files, then one command. The address is its secret: let only root read the first.")
    return Way("systemd", say("systemd timer"), before, (UNIT.format(url=ping.replace("%", "%%")), begin))


def _agent(key: str, base: str) -> Way:
    install = "pip install 'lastseen[agent,server]'"
    file = "install -d -m 0755 /etc/lastseen && install -m 0600 /dev/stdin /etc/lastseen/key"
    save = f"printf '%s\\n' '{key}' | ({file})"
    run = f"lastseen agent --server {shlex.quote(base)} --key-file /etc/lastseen/key --interval 30s"
    before = say(
        "With memory, load and how full the disk is. Where there is a copy of the repository and no release, the first "
        "line is: pip install './lastseen[agent,server]'"
    )
    return Way("agent", say("the agent"), before, (install, save, run))


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
