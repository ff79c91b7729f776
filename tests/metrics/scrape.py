"""Reading `/metrics` as Prometheus does, and complaining as promtool does."""

from __future__ import annotations

import re
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
THEIRS = ("process_",)


class Page:
    """One scrape. `page["name", "label=value"]` is one number."""

    def __init__(self, text: str, media_type: str) -> None:
        parse = openmetrics if media_type.startswith("application/openmetrics-text") else prometheus
        self.text, self.families = text, {family.name: family for family in parse(text)}
        self.numbers = {
            (sample.name, *(f"{k}={v}" for k, v in sorted(sample.labels.items()))): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def __getitem__(self, wanted: tuple[str, ...] | str) -> float:
        name, *labels = (wanted,) if isinstance(wanted, str) else wanted
        one = name, *sorted(labels)
        assert one in self.numbers, f"{one} is not on the page"  # yet: it is waited for as any other number
        return self.numbers[one]

    def all(self, name: str) -> dict[tuple[str, ...], float]:
        """Every series of a name, those at zero left out."""
        return {labels: value for (series, *rest), value in self.numbers.items() if series == name and value
                for labels in [tuple(label.partition("=")[2] for label in rest)]}  # fmt: skip


def complaints(page: Page) -> Iterator[str]:
    """What `promtool check metrics` would say, and a little more."""
    for family in page.families.values():
        yield from (f"{family.name}: {text}" for text in _of(family))
    names = [line.split()[2] for line in page.text.splitlines() if line.startswith("# TYPE ")]
    yield from (f"{name}: twice on the page" for name in {n for n in names if names.count(n) > 1})
    series = [line.rsplit(" ", 1)[0] for line in page.text.splitlines() if line and not line.startswith("#")]
    yield from (f"{one}: twice on the page" for one in {s for s in series if series.count(s) > 1})


def _of(family: Metric) -> Iterator[str]:
    name = family.name
    if not family.documentation:
        yield "no HELP"
    if family.type in ("unknown", "untyped"):
        yield "no TYPE"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        yield "not in snake case"
    if not name.startswith(("lastseen_", *THEIRS)):
        yield "without our prefix"
    if family.type == "counter" and any(not sample.name.endswith(("_total", "_created")) for sample in family.samples):
        yield "a counter without _total"
    if family.type != "counter" and name.endswith("_total"):
        yield "_total, and no counter"
    if re.search(r"_(count|sum|bucket)$", name):
        yield "ends as a histogram's series do"
    if re.search(rf"_{family.type}\b", name):
        yield "its type in its name"
    if re.search(r"(milli|micro|nano)seconds|_(ms|us|secs?|minutes|hours|days|kb|mb|percent)(_|$)", name):
        yield "not in base units"
    labels = {label for sample in family.samples for label in sample.labels}
    yield from (f"label {label}" for label in labels if not re.fullmatch(r"[a-z][a-z0-9_]*", label))
    if labels & {"job", "instance"}:
        yield "a label that Prometheus sets itself"
