"""What one node, ten and a hundred carry, by the table of costs: the table of docs/scale.md.

python -m benchmarks.scale_limits
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.scale_costs import Costs
from lastseen.monitor.loops import BATCH

INTERVAL, THRESHOLD = 60.0, 900.0
"""Seconds: every machine reports once a minute, and is looked at once a threshold, less what it was heard since."""

CORES = 8
"""Of the database's server."""

WRITER = 105_500.0
"""Heartbeats a second that SQLite's one writer stores (docs/benchmarks.md)."""

SETTLED = 1000 / 0.173
"""Machines found silent a second in SQLite (docs/benchmarks.md)."""

WAL_BYTES = 206
"""A heartbeat in PostgreSQL's write-ahead log (`bench_postgres_fleet`)."""


@dataclass(frozen=True)
class Way:
    """How the fleet is carried. `batches`: heartbeats come many in a request, from gateways or over a bridge."""

    database: str
    nodes: int
    batches: bool


WAYS = [
    Way(database, nodes, batches)
    for database, counts in (("SQLite", (1,)), ("PostgreSQL", (1, 10, 100)))
    for nodes in counts
    for batches in (False, True)
]


def limits(way: Way, costs: Costs) -> dict[str, float]:
    """Machines that each stage carries when it does nothing else and is never idle."""
    looks = 1 / (THRESHOLD - INTERVAL / 2)
    beat = costs.beat_node if way.batches else costs.request_node
    look_node, look_server = (
        costs.look_node + costs.settle_node / BATCH,
        costs.look_server + costs.settle_server / BATCH,
    )
    node = way.nodes / (beat / INTERVAL + look_node * looks)
    if way.database == "SQLite":
        return {"the node's processor": node, "the one writer": WRITER * INTERVAL}
    return {
        "the nodes' processors" if way.nodes > 1 else "the node's processor": node,
        f"the server's {CORES} cores": CORES / (costs.beat_server / INTERVAL + look_server * looks),
    }


def alerts(way: Way, costs: Costs) -> float:
    """Alerts a second, when nothing else is done."""
    node = costs.alert_node + costs.settle_node / BATCH
    if way.database == "SQLite":
        return SETTLED
    return min(way.nodes / node, CORES / (costs.alert_server + costs.settle_server / BATCH))


def rounded(value: float) -> str:
    """With two digits that count."""
    return f"{float(f'{value:.2g}'):,.0f}"


def table(costs: Costs) -> list[str]:
    lines = ["| | heartbeats come | machines | … a second | bends first | the next limit | alerts a second | WAL |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for way in WAYS:
        ranked = sorted((count, stage) for stage, count in limits(way, costs).items())
        (machines, first), (further, then) = ranked[:2]
        nodes = f"{way.nodes} node{'s' * (way.nodes > 1)}"
        rate = machines / INTERVAL
        wal = "–" if way.database == "SQLite" else f"{rounded(rate * WAL_BYTES / 1e6)} MB/s"
        cells = (
            f"{way.database}, {nodes}",
            "in batches" if way.batches else "one a request",
            rounded(machines),
            rounded(rate),
            first,
            f"{then}: {rounded(further)}",
            rounded(alerts(way, costs)),
            wal,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    print("\n".join(table(Costs())))
