"""The processes that work on one store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Node:
    """One process that runs a monitor. `id` is what its leases and marks are under; `lanes` are those it sends on now,
    `sources` those it listens to. `settings`: what all of them must have alike, by name (`lastseen.monitor.agreement`);
    empty: it is of a version that does not say."""

    id: str
    name: str
    version: str
    started_at: datetime
    alive_at: datetime
    lanes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting that not all nodes have alike: by value, the names of the nodes that have it."""

    setting: str
    nodes: Mapping[str, tuple[str, ...]]

    def __str__(self) -> str:
        return f"{self.setting} is " + ", ".join(f"{value} on {', '.join(has)}" for value, has in self.nodes.items())


def differences(nodes: Iterable[Node]) -> list[Difference]:
    """Of these nodes, as far as they say."""
    values: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for node in nodes:
        for setting, value in node.settings.items():
            values[setting][value].append(node.name)
    return [
        Difference(setting, {value: tuple(has) for value, has in by_value.items()})
        for setting, by_value in values.items()
        if len(by_value) > 1
    ]
