"""Every command of docs/import.md, on databases of those names."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.imports.conftest import machines
from tests.imports.programs import Healthchecks, Kuma, LunaSentri

PAGE = Path(__file__).parent.parent.parent / "docs" / "import.md"


def test_every_command_does_what_it_is_there_for(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mail-password").write_text("c0rrect-horse\n")
    theirs = Healthchecks(tmp_path / "hc.sqlite")
    project = theirs.project("Office")
    theirs.channel(project, "email", "ops@example.org", theirs.check(project, "Backup", slug="backup"), name="mail")
    Kuma(tmp_path / "kuma.db").push("NAS", "Zp4kQ9vT1xW7mN3rL8sY2cB6hJ5dF0gA")
    luna = LunaSentri(tmp_path / "lunasentri.db")
    luna.machine(luna.user("ops@example.org"), "web-1", "mJ3kQ9vT1xW7mN3rL8sY2cB6hJ5dF0gAzP4kQ9vT1xW=")
    lines = [
        line.strip() for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.S) for line in block.splitlines()
    ]
    runs = [shlex.split(line)[1:] for line in lines if line.startswith("lastseen ")]
    assert len(runs) == 6
    for number, words in enumerate(runs):
        done = cli(*words)
        assert done.code == 0, (words, done.err)
        assert len(machines(cli)) == max(0, number - 2), words
    assert [channel["config"]["user"] for channel in cli.json("channels", "list")] == ["monitor"]
