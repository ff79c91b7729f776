"""Every line of docs/http.md, pasted into a shell beside a real server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Cli
from tests.support import needs_programs, until

PAGE = Path(__file__).parent.parent.parent / "docs" / "http.md"


@needs_programs("curl")
def test_every_line_does_what_it_is_there_for(tmp_path: Path) -> None:
    cli = Cli(tmp_path / "data", {"LASTSEEN_LOG_FORMAT": "json"})
    assert cli("db", "upgrade").code == 0
    with cli.serving() as url:
        machine = cli.json("machines", "add", "db-01")
        env = {
            **cli.environment(),
            "URL": url,
            "KEY": machine["key"],
            "PING_URL": machine["ping_url"],
            "PUSH_URL": machine["push_url"],
            "FLEET": cli.json("keys", "add", "fleet", "--may-create")["key"],
            "PING_KEY": cli.json("keys", "add", "ping")["key"],
        }
        said = [pasted(block, env) for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.S)]
        array, lines = (json.loads(answer) for answer in said[2].replace("}{", "}\n{").splitlines())
        assert (array, lines["accepted"]) == ({"accepted": 2, "rejected": []}, 2)
        assert [row["index"] for row in lines["rejected"]] == [2]
        assert said[3] == "OK" * 4
        assert said[4].endswith("OKCreated")
        assert said[5] == '{"ok":true}' * 3
        assert re.search(r"ping address +\S+/ping/", said[-1])
        until(lambda: cli.json("machines", "show", "db-01")["status"] == "online", "online at the end")
        made = {machine["slug"]: machine for machine in cli.json("machines", "list")}
        assert set(made) == {"db-01", "pump-1", "pump-2", "Pumpe-sud", "nightly-backup"}
        assert made["nightly-backup"]["offline_after_seconds"] == 25 * 3600


def pasted(block: str, env: dict[str, str]) -> str:
    lines = re.sub(r"^lastseen ", f"{sys.executable} -m lastseen ", block, flags=re.M)
    done = subprocess.run(["sh", "-ec", lines], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, (lines, done.stdout, done.stderr)
    return done.stdout
