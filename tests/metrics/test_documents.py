"""The page of metrics and the dashboard, held to the code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lastseen import counters
from lastseen.counters import Counter
from lastseen.web.metrics import GAUGES

ROOT = Path(__file__).parent.parent.parent
BOARD = json.loads((ROOT / "deploy/grafana/lastseen.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
THEIRS = {"process_start_time_seconds", "process_resident_memory_bytes", "process_cpu_seconds_total"}


def metrics() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Name, type, labels and meaning of each, as the page of metrics lists them."""
    for one in counters.ALL:
        counts = isinstance(one, Counter)
        yield (
            f"{one.name}_total" if counts else one.name,
            "counter" if counts else "histogram",
            one.labels,
            one.meaning,
        )
    for name, (meaning, labels) in GAUGES.items():
        yield name, "gauge", labels, meaning


def series() -> set[str]:
    """The names that can stand in a query."""
    names = {"lastseen_build_info", *THEIRS}
    for name, type_, _, _ in metrics():
        names |= {f"{name}_{end}" for end in ("bucket", "sum", "count")} if type_ == "histogram" else {name}
    return names


def test_the_page_lists_every_metric_as_it_is() -> None:
    lines = re.findall(
        r"^\| `(lastseen_\w+)` \| (\w+) \| (.+?) \| (.+) \|$", (ROOT / "docs/metrics.md").read_text(), re.M
    )
    wanted = [(n, t, ", ".join(f"`{label}`" for label in labels) or "–", m) for n, t, labels, m in metrics()]
    assert lines == wanted


def test_the_page_explains_every_outcome_of_a_heartbeat() -> None:
    text = (ROOT / "docs/metrics.md").read_text()
    table = text.split("| outcome | meaning |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.M) == list(counters.OUTCOMES)


def test_every_metric_that_the_page_asks_for_exists() -> None:
    text = (ROOT / "docs/metrics.md").read_text()
    named = set(re.findall(r"\blastseen_[a-z_]+\b", text))
    assert named <= series() | {name for name, *_ in metrics()}


def queries() -> list[str]:
    return [target["expr"] for panel in PANELS for target in panel["targets"]]


def test_every_metric_on_the_dashboard_exists_and_every_metric_is_on_it() -> None:
    named = set(re.findall(r"\b(?:lastseen|process)_[a-z_]+\b", " ".join(queries())))
    assert named - series() == set()
    missing = {name for name, type_, *_ in metrics() if not any(n.startswith(name) for n in named)}
    assert missing == set()


def test_labels_on_the_dashboard_are_labels_of_their_metric() -> None:
    labels = {name: set(of) for name, _, of, _ in metrics()} | {"lastseen_build_info": {"version"}}
    for query in queries():
        for name, chosen in re.findall(r"\b(lastseen_[a-z_]+)\{([^}]*)\}", query):
            metric = re.sub(r"_(bucket|sum|count)$", "", name) if name not in labels else name
            used = set(re.findall(r"(\w+)(?:=~|!=|=)", chosen)) | set(_grouped(query))
            assert used <= labels[metric] | {"instance", "le"}, query


def _grouped(query: str) -> Iterator[str]:
    for group in re.findall(r"\bby \(([^)]*)\)", query):
        yield from (label.strip() for label in group.split(","))


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["title"]))
def test_every_panel_asks_the_chosen_source_and_stands_alone(panel: dict[str, Any]) -> None:
    assert panel["datasource"]["uid"] == "${datasource}"
    assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
    assert [target["refId"] for target in panel["targets"]] == list("ABC"[: len(panel["targets"])])
    place = panel["gridPos"]
    assert place["x"] + place["w"] <= 24


def test_no_two_panels_share_an_id_or_a_place() -> None:
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken = [(x, y) for p in BOARD["panels"] for g in [p["gridPos"]]
             for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])]  # fmt: skip
    assert len(taken) == len(set(taken))


def test_buckets_rise() -> None:
    for one in counters.ALL:
        if not isinstance(one, Counter):
            assert list(one.buckets) == sorted(set(one.buckets)), one.name
