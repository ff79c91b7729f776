"""The benchmarks run, and what they count is right. Nothing here looks at how long it took."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from benchmarks.scale_costs import Costs
from benchmarks.scale_limits import table
from tests.starting import finished
from tests.support import needs_programs

ROOT = Path(__file__).parent.parent
RUN = "import runpy; runpy.run_module('{module}', run_name='__main__', alter_sys=True)"
"""What `python -m` does."""


def figures(program: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """What the short form prints, and its figures by name. It ends with an error where its counts are wrong."""
    text = RUN.format(module=f"benchmarks.{program}")
    code, said, errors = finished(["--short", "--json", str(folder / "figures.json")], os.environ, program=text)
    assert code == 0, errors[-2000:]
    found = json.loads((folder / "figures.json").read_text())
    assert all(value >= 0 for one in found for value in one["ours"])
    return said, {one["name"]: one for one in found}


def test_webhooks_come_once_signed_and_in_order_and_both_bare_clients_post_the_same(tmp_path: Path) -> None:
    said, found = figures("bench_webhooks", tmp_path)
    assert "each came once, signed, and each machine's in their order" in said
    names = ["24 webhooks to 4 receivers", "24 webhooks to 4 receivers (the same)", "… time of the processor for each"]
    assert list(found) == names
    assert all(len(one["ours"]) == len(one["baseline"]) == 1 for one in found.values())


def test_a_slow_receiver_and_a_dead_one_leave_the_others_theirs(tmp_path: Path) -> None:
    _, found = figures("bench_slow_channel", tmp_path)
    bad = ("one takes 10 s to answer", "one never answers")
    assert list(found) == [f"to the other 3{how}: {one}" for one in bad for how in ("", ", by the processor's time")]


def test_a_dark_site_makes_two_sounds_and_a_fleet_five_messages_at_most(tmp_path: Path) -> None:
    _, found = figures("bench_storms", tmp_path)
    sounds = [one["ours"] for name, one in found.items() if name.endswith("sounding messages")]
    assert len(sounds) == 2
    assert all(1 <= count <= 2 for counts in sounds for count in counts)
    plain = next(one["baseline"] for name, one in found.items() if name.endswith("sounding messages"))
    assert all(count > 10 for count in plain), "a plain window makes many"
    fleets = [one["ours"] for name, one in found.items() if "at once" in name]
    assert len(fleets) == 2
    assert all(1 <= count <= 5 for counts in fleets for count in counts)


def test_many_clients_are_sent_each_event_once_while_a_fleet_flaps_in_bounded_memory(tmp_path: Path) -> None:
    said, found = figures("bench_stream", tmp_path)
    assert "50 clients were sent 804 events each, once and without a gap" in said
    assert "events to 50 clients" in "".join(found)
    (grown,) = found["… and more at most while all machines flap"]["ours"]
    assert grown < 100, "megabytes: what waits for a client is bounded"


def test_the_copy_in_valkey_answers_as_the_store_does_and_is_written(tmp_path: Path) -> None:
    _, found = figures("bench_redis", tmp_path)
    ways = {"read 1 from the copy": 2, "read 100 from the copy": 2, "write 1": 1, "write 100": 1}
    for name, beside in ways.items():
        assert sum(one.startswith(f"{name}, p") for one in found) == 2 * beside
    recorder = found["recorder, 1000 a batch, with the copy"]
    assert min(recorder["ours"] + recorder["baseline"]) > 0


def test_a_fleet_in_postgresql_is_swept_by_a_few_pages_and_recorded_by_two_nodes(tmp_path: Path) -> None:
    said, found = figures("bench_postgres_fleet", tmp_path)
    assert "sweep, 500 newly silent, committed" in found, "and the program ends where another number was found"
    assert len(found["processor for a heartbeat, two nodes"]["baseline"]) == 1
    read = [int(n) for n in re.findall(r"the smallest check_at (\d+), what is due (\d+)", said)[0]]
    assert max(read) < 40, "a sweep with nothing due reads a few pages of an index, not the fleet"


def test_a_simulated_fleet_is_found_as_it_was(tmp_path: Path) -> None:
    """The program holds what `decide` said against what each machine did, and ends with an error where they differ."""
    target = tmp_path / "scale.json"
    command = [sys.executable, "-m", "benchmarks.simulate_scale", "--short", "--json", str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(target.read_text())
    assert found["wrong"] == []
    assert found["found"] == 700 + 200, "the site's that were not on the broker, and those that fell silent"
    assert found["back"] == 700
    assert found["webhooks"] == found["found"] + found["back"]
    assert len(found["over_time"]) > 100
    picture = tmp_path / "scale.svg"
    subprocess.run([sys.executable, "docs/record_scale.py", str(target), str(picture)], cwd=ROOT, check=True)
    lines = ElementTree.parse(picture).iter("{http://www.w3.org/2000/svg}polyline")
    assert [len(line.attrib["points"].split()) for line in lines] == [len(found["over_time"])] * 8


def test_the_page_of_scale_has_the_table_that_the_costs_give() -> None:
    assert "\n".join(table(Costs())) in (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


@needs_programs("wrk", "chromium")
def test_what_people_read_is_measured_on_the_pages_they_see(tmp_path: Path) -> None:
    _, found = figures("bench_api", tmp_path)
    assert {"overview of 200 machines", "list of 200 machines", "a change to the screen"} < set(found)
    (kilobytes,) = found["… with gzip"]["ours"]
    assert 0 < kilobytes < 300
