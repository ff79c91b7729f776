"""Every line of docs/api.md, pasted into a shell beside a real server."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.api.conftest import Api
from tests.cli.conftest import Cli
from tests.foreign.test_docs_http import pasted
from tests.support import needs_programs

PAGE = Path(__file__).parent.parent.parent / "docs" / "api.md"

CALLED = re.compile(r"\{\w+\}")
"""What a part of a path is called says nothing."""


@needs_programs("curl")
def test_every_line_does_what_it_is_there_for(tmp_path: Path) -> None:
    cli = Cli(tmp_path / "data", {"LASTSEEN_LOG_FORMAT": "json"})
    assert cli("db", "upgrade").code == 0
    with cli.serving() as url:
        key = cli.json("keys", "add", "api", "--may", "write")["key"]
        env = {**cli.environment(), "URL": url, "API": key}
        blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.S)
        _, machines, lists, channels, public = (pasted(block, env) for block in blocks)
        made, changed, shown = values(machines)
        assert made["key"].startswith("lsm_")
        assert (changed["offline_after_seconds"], changed["tags"]) == (300, ["berlin"])
        assert shown["name"] == "Main database"
        wrong, found, events = values(lists)
        assert wrong["items"] == []
        assert [one["slug"] for one in found["items"]] == ["db-01"]
        assert [one["type"] for one in events["items"]] == ["machine.registered"]
        types, channel, tried, wishes, told = values(channels)
        assert {one["type"] for one in types["items"]} >= {"webhook", "console"}
        assert (channel["name"], tried["ok"], wishes["wishes"]["notify_after"]) == ("out", True, 300)
        assert told == {"items": [], "next": None}
        page, changed, badge = values(public)
        assert (page["slug"], page["lines"]) == ("shop", [{"machine": "db-01", "alias": "Database"}])
        assert (changed["text"], badge["shows"]) == ("Questions: 555-0100", "uptime")


def values(said: str) -> list[dict[str, object]]:
    """One JSON value after another."""
    decoder, found, place = json.JSONDecoder(), [], 0
    while place < len(said):
        value, place = decoder.raw_decode(said, place)
        found.append(value)
    return found


async def test_the_page_shows_a_problem_as_it_is(api: Api) -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.S)
    assert await api.refused("POST", "/machines", 422, json={"slug": "m", "every": "soon"}) == json.loads(shown)


async def test_every_call_that_the_page_names_is_there(api: Api) -> None:
    paths = (await api.ask("GET", "/openapi.json")).json()["paths"]
    known = {CALLED.sub("{}", path.removeprefix("/api/v1")) for path in paths}
    named = re.findall(r"`(?:(?:GET|POST|PUT|PATCH|DELETE) )?(/[a-z{][^`?]*)", PAGE.read_text())
    for path in named:
        whole = CALLED.sub("{}", path)
        assert whole in known or f"/machines/{{}}{whole}" in known or whole.startswith("/api/"), path
