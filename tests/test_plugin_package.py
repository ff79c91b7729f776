"""The example of a plugin is a package like any other: installed by pip, found by its entry point, tested where it is
with pytest alone, and of use as a channel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lastseen.testing.far_end import Answer, FarEnd
from tests.cli.conftest import Cli

ROOT = Path(__file__).parent.parent
PIP = ["-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "-q"]
TOKEN = "AbCdEf.12345-x"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the package, outside of this tree; its neighbour `site` is where it is installed."""
    folder = tmp_path_factory.mktemp("elsewhere")
    source = Path(shutil.copytree(ROOT / "examples" / "lastseen-gotify", folder / "lastseen-gotify"))
    run(folder, *PIP, "--target", str(folder / "site"), str(source))
    (source / "lastseen_gotify.py").unlink()  # from here on only what was installed can be imported
    return source


def run(folder: Path, *words: str, **env: str) -> str:
    """Python with these words, where `site` of the folder is."""
    paths = os.pathsep.join([str(folder / "site"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, **env},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_tests_pass_with_pytest_alone(package: Path) -> None:
    """No plugin of ours and none that happens to be here: only anyio's, which comes with lastseen."""
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    strict = ["-p", "anyio.pytest_plugin", "-p", "no:cacheprovider", "--strict-markers", "-W", "error"]
    said = run(package.parent, "-m", "pytest", "-q", *strict, str(package), **alone)
    assert " passed" in said
    assert "skipped" not in said


@pytest.fixture
def cli(package: Path, tmp_path: Path) -> Cli:
    return Cli(tmp_path / "data", {"PYTHONPATH": os.pathsep.join([str(package.parent / "site"), str(ROOT)])})


def json_of(cli: Cli, *words: str) -> Any:
    done = cli.process(*words, "--json")
    assert done.code == 0, done.err
    return done.value


def test_it_is_listed_and_becomes_a_channel_with_its_secret_kept(cli: Cli, tmp_path: Path) -> None:
    listed = {one["type"]: one for one in json_of(cli, "plugins")}
    assert (listed["gotify"]["ok"], listed["gotify"]["package"]) == (True, "lastseen-gotify 1.0.0")
    (tmp_path / "gotify.token").write_text(TOKEN + "\n")
    assert cli.process("db", "upgrade").code == 0
    with FarEnd(Answer.of_json({"id": 1})) as server:
        options = ("--url", server.url, "--token-file", str(tmp_path / "gotify.token"))
        json_of(cli, "channels", "add", "gotify", "--name", "phone", *options)
        assert json_of(cli, "channels", "test", "phone")["ok"]
    (request,) = server.requests
    assert (request.path, request.headers["x-gotify-key"], request.json["priority"]) == ("/message", TOKEN, 2)
    assert not [
        file for file in (tmp_path / "data").rglob("*") if file.is_file() and TOKEN.encode() in file.read_bytes()
    ]
