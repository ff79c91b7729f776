"""One channel of a hundred whose receiver takes 10 s for each answer, and one that never answers: how fast the other 99
are told, beside 99 alone.

Other work on the machine makes single rounds half as fast as others. So rounds are short, several and interleaved, each
is compared with its neighbours only, and what a second of the processor does is told beside what passes in a second.
"""

from __future__ import annotations

import base64
import os
import statistics
import time
from pathlib import Path

import anyio

from benchmarks.common import Figure, arguments, fsync_ms, machine, report, workspace
from benchmarks.outbox import as_serve_does, fill_outbox, send_until, silent_fleet
from benchmarks.receivers import receiving
from lastseen.log_output import configure_logs

LAST = {"none": "these alone", "10": "one takes 10 s to answer", "never": "one never answers"}
EVERY = 0.02
"""Seconds between two looks at what has come."""


def others(folder: Path, hooks: int, machines: int, last: str) -> tuple[float, float]:
    """Webhooks at all receivers but the last, which answers after so many seconds, never, or is not there: how many in
    a second, and in a second of the processor."""
    path, key = folder / f"{time.monotonic_ns()}.db", os.urandom(32)
    silent_fleet(path, machines)
    given = (hooks - 1, key) if last == "none" else (hooks, key, last)
    with receiving(*given) as receivers:
        secret = "whsec_" + base64.b64encode(key).decode()
        anyio.run(fill_outbox, path, receivers.urls, secret, machines)
        count = 2 * machines * (hooks - 1)

        async def all_came() -> bool:
            await anyio.sleep(EVERY)
            return await anyio.to_thread.run_sync(receivers.quick) >= count

        began = time.process_time()
        as_serve_does(send_until, path, all_came)
        spent = time.process_time() - began
        came = receivers.report()
    if (
        came.per_receiver[: hooks - 1] != [2 * machines] * (hooks - 1)
        or came.disordered
        or came.requests != came.signed
    ):
        raise SystemExit(f"{came.per_receiver} came, {came.disordered} machines out of order, {came.signed} signed")
    if last != "none" and not came.per_receiver[-1]:
        raise SystemExit("nothing came to the receiver that does not answer in time")
    return count / (came.last - came.first), count / spent


def main() -> None:
    configure_logs(level="ERROR")
    short = arguments().short
    machines, hooks, rounds = (3, 4, 1) if short else (10, 100, 7)
    rates: dict[str, list[float]] = {last: [] for last in LAST}
    costs: dict[str, list[float]] = {last: [] for last in LAST}
    print(f"{machine()}; {hooks} receivers, {2 * machines} webhooks each")
    with workspace() as folder:
        print(f"fdatasync {fsync_ms(folder):.2f} ms")
        others(folder, hooks, machines, "none")  # the first is slower whatever it is
        for number in range(rounds):
            turn = number % len(LAST)
            for last in [*LAST, *LAST][turn : turn + len(LAST)]:  # each is the first in some rounds
                rate, per_processor = others(folder, hooks, machines, last)
                rates[last].append(rate)
                costs[last].append(per_processor)
            shown = ", ".join(f"{LAST[last]} {found[-1]:,.0f}/s" for last, found in rates.items())
            print(f"{shown}; load {os.getloadavg()[0]:.1f}", flush=True)
    what = f"to the other {hooks - 1}"
    report(
        [
            Figure(f"{what}{kind}: {LAST[last]}", unit, found[last], found["none"], LAST["none"], ">= 0.95")
            for last in ("10", "never")
            for kind, unit, found in (("", "/s", rates), (", by the processor's time", "/s", costs))
        ]
    )
    for last in ("10", "never"):
        for kind, found in (("time", rates), ("processor", costs)):
            low, middle, high = quartiles([a / b for a, b in zip(found[last], found["none"], strict=True)])
            print(f"{LAST[last]}, by {kind}: {middle:.3f}, the middle half {low:.3f} to {high:.3f}")


def quartiles(values: list[float]) -> tuple[float, float, float]:
    found = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return found[0], found[1], found[2]


if __name__ == "__main__":
    main()
