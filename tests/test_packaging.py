"""What an install brings, and what the package promises by name."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import lastseen

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

PUBLIC = """
    NEVER Channel Console Delivered Event FakeClock HeartbeatMonitor InvalidInput LastseenError Machine MachineStatus
    Message MqttSource Notifier Outcome RecordingNotifier Rejected Retry Scope Status Store StoreUnavailable Telegram
    UnknownMachine Webhook http_outcome open_store
""".split()  # noqa: SIM905 - a list of them would be 30 lines


def test_the_public_names_are_these() -> None:
    assert sorted(lastseen.__all__) == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(lastseen, name) is not None
    assert name in dir(lastseen)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        lastseen.no_such_name  # noqa: B018


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """An ordinary wheel of this tree, made without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    subprocess.run(
        [*command, "--disable-pip-version-check", "--wheel-dir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("lastseen-*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_every_file_of_the_package_and_nothing_beside_it(wheel: zipfile.ZipFile) -> None:
    tree = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "lastseen").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == tree
    assert "lastseen/migrations/script.py.mako" in held
    assert any(name.startswith("lastseen/migrations/versions/0001") for name in held)
    assert "lastseen/py.typed" in held


def test_the_wheel_says_what_it_is_and_what_it_needs(wheel: zipfile.ZipFile) -> None:
    info = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = wheel.read(info).decode()
    assert "Requires-Python: >=3.11" in metadata
    for minor in (11, 12, 13, 14):
        assert f"Programming Language :: Python :: 3.{minor}" in metadata
    assert {"server", "telegram", "agent", "dev"} <= set(re.findall(r"^Provides-Extra: (.+)$", metadata, re.M))
    assert any(name.endswith("/licenses/LICENSE") for name in wheel.namelist())
    entry_points = wheel.read(info.replace("METADATA", "entry_points.txt")).decode()
    assert "lastseen = lastseen.cli:main" in entry_points
    assert "[lastseen.notifiers]" in entry_points
    assert "[lastseen.stores]" in entry_points


def test_constraints_pin_everything_that_is_needed_and_name_no_registry() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)
    pinned = {_plain(line.split("==")[0]) for line in lines}
    extras = [need for extra in PROJECT["optional-dependencies"].values() for need in extra]
    needed = {_plain(re.split(r"[\[<>=~! ]", need)[0]) for need in [*PROJECT["dependencies"], *extras]}
    assert needed <= pinned


def test_every_dependency_has_a_lower_bound() -> None:
    extras = [need for extra in PROJECT["optional-dependencies"].values() for need in extra]
    assert all(">=" in need for need in [*PROJECT["dependencies"], *extras])


def test_importing_the_package_loads_next_to_nothing() -> None:
    heavy = ("pydantic", "sqlalchemy", "httpx", "fastapi", "typer", "apscheduler")
    code = f"import sys, lastseen; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
