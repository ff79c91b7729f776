"""The files in deploy/compose and the Containerfile, as far as they can be tried where nothing runs containers: they
agree with each other and with the settings, and the programs take what is theirs."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import yaml
from cryptography.fernet import Fernet

from lastseen.ingest.mqtt import PRESETS
from lastseen.settings import Settings
from tests.cli.conftest import beat
from tests.mqtt.broker import Mosquitto
from tests.mqtt.broker import find as find_broker
from tests.nodes.fleet import PATIENCE, Fleet, fleet
from tests.support import eventually, find, free_port, needs_programs

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose"
CONTAINER = (DEPLOY / "Containerfile").read_text()
NODES = ("node-a", "node-b")


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((COMPOSE / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def commands() -> list[tuple[str, str]]:
    """Of the Containerfile."""
    lines = re.sub(r"^#.*\n", "", CONTAINER, flags=re.M).replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def variables(commands: list[tuple[str, str]]) -> dict[str, str]:
    pairs = [pair for command, rest in commands if command == "ENV" for pair in shlex.split(rest)]
    return dict(pair.split("=", 1) for pair in pairs)


def test_both_nodes_are_the_same_and_every_name_is_a_setting(compose: Any, commands: list[tuple[str, str]]) -> None:
    a, b = (compose["services"][name] for name in NODES)
    assert a == b
    known = {name for name, _, _ in Settings.describe()}
    named = {*a["environment"], *(name for name in variables(commands) if name.startswith("LASTSEEN_"))}
    assert {name.removesuffix("_FILE") for name in named} <= known
    assert a["environment"]["LASTSEEN_MQTT_PRESETS"] in PRESETS


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the page says to type, up to where containers begin."""
    find_broker("mosquitto_passwd")
    page = (ROOT / "docs" / "deployment.md").read_text()
    typed = next(block for block in re.findall(r"```sh\n(.*?)```", page, re.S) if "docker compose up" in block)
    lines = [line for line in typed.splitlines() if not line.startswith(("cd ", "docker "))]
    folder = tmp_path_factory.mktemp("compose")
    subprocess.run(["bash", "-euc", "\n".join(lines)], cwd=folder, check=True)
    return folder / "secrets"


def test_a_node_takes_the_settings_and_the_secrets_that_the_page_makes(
    compose: Any, secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {f"./secrets/{path.name}" for path in secrets.iterdir()} >= {
        one["file"] for one in compose["secrets"].values()
    }
    for name, value in compose["services"]["node-a"]["environment"].items():
        monkeypatch.setenv(name, value.replace("/run/secrets", str(secrets)))
    monkeypatch.setenv("LASTSEEN_DATA_DIR", str(tmp_path / "data"))
    settings = Settings.load()
    password = (secrets / "postgres-password").read_text()
    assert settings.database == f"postgresql://lastseen:{password}@postgres/lastseen"
    assert settings.mqtt_url is not None
    assert len(password) == 48
    assert password not in repr(settings)
    assert settings.secret_key is not None
    assert Fernet(settings.secret_key.get_secret_value())


def test_everything_that_is_named_is_there(compose: Any) -> None:
    services = compose["services"]
    for name, service in services.items():
        assert {*service.get("secrets", ())} <= compose["secrets"].keys(), name
        assert {*service.get("depends_on", ())} <= services.keys(), name
        assert service["restart"] == "unless-stopped", name
        assert re.search(r":[\w.]*\d", service["image"]), f"{name}: a version is said"
        assert "latest" not in service["image"]
        assert "healthcheck" in service or name in NODES, name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (COMPOSE / source).is_file() if source.startswith(".") else source in compose["volumes"], volume
    assert all(one["file"].startswith("./secrets/") for one in compose["secrets"].values())
    assert "\nHEALTHCHECK" in CONTAINER


def test_ports_agree(compose: Any, commands: list[tuple[str, str]]) -> None:
    port = variables(commands)["LASTSEEN_PORT"]
    proxy = (COMPOSE / "haproxy.cfg").read_text()
    assert ("EXPOSE", port) in commands
    assert f"http://127.0.0.1:{port}/healthz" in CONTAINER
    assert re.findall(r"^ +server \w+ (\S+)", proxy, re.M) == [f"{name}:{port}" for name in NODES]
    inside = compose["services"]["proxy"]["ports"][0].split(":")[1]
    assert f"bind :{inside}\n" in proxy
    assert f"127.0.0.1/{inside}" in " ".join(compose["services"]["proxy"]["healthcheck"]["test"])
    listener = (COMPOSE / "mosquitto.conf").read_text().splitlines()[0]
    assert compose["services"]["mosquitto"]["ports"] == [f"{listener.split()[1]}:{listener.split()[1]}"]


def test_the_image_is_built_from_what_is_there_and_runs_as_nobody_special(commands: list[tuple[str, str]]) -> None:
    stages = [rest for command, rest in commands if command == "FROM"]
    assert len(stages) == 2
    assert all("slim" in stage for stage in stages)
    sources = [
        part for command, rest in commands if command == "COPY" and "--from" not in rest for part in rest.split()[:-1]
    ]
    assert all((ROOT / source).exists() for source in sources)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {f"!{source}" for source in sources} == {line for line in ignored if line.startswith("!")}
    assert ("USER", "10001") in commands
    assert commands[-1] == ("CMD", '["serve"]')


def test_a_wheel_can_be_built_from_what_the_image_is_given(commands: list[tuple[str, str]], tmp_path: Path) -> None:
    """Without a network: what builds it is installed here."""
    source = tmp_path / "build"
    source.mkdir()
    for part in ("pyproject.toml", "README.md", "LICENSE", "constraints.txt"):
        shutil.copy(ROOT / part, source)
    shutil.copytree(ROOT / "lastseen", source / "lastseen", ignore=shutil.ignore_patterns("__pycache__"))
    said = next(rest for command, rest in commands if command == "RUN" and rest.startswith("pip wheel"))
    more = ["--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    built = subprocess.run(
        [sys.executable, "-m", *shlex.split(said), *more], cwd=source, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    assert len(list((source / "dist").glob("lastseen-*.whl"))) == 1


def test_mosquitto_takes_its_configuration_and_lets_nobody_in_without_a_password(secrets: Path, tmp_path: Path) -> None:
    for source, name in ((secrets / "mqtt-passwords", "passwords"), (COMPOSE / "mosquitto.acl", "acl")):
        shutil.copy(source, tmp_path / name)
        (tmp_path / name).chmod(0o600)
    places = {"/run/secrets/mqtt-passwords": "passwords", "/mosquitto/config/acl": "acl", "/mosquitto/data/": ""}
    text = "\n".join((COMPOSE / "mosquitto.conf").read_text().splitlines()[1:]).replace("persistence true\n", "")
    for inside, here in places.items():
        text = text.replace(inside, str(tmp_path / here))
    broker = Mosquitto(tmp_path, text.splitlines(), persistent=False)
    broker.start()
    try:
        who = ("-u", "lastseen", "-P")
        broker.publish("devices/web/heartbeat", "", *who, (secrets / "mqtt-password").read_text())
        with pytest.raises(subprocess.CalledProcessError):
            broker.publish("devices/web/heartbeat", "", *who, "wrong")
    finally:
        broker.stop()


@needs_programs("haproxy")
def test_haproxy_takes_its_configuration_and_every_line_of_it() -> None:
    program = find("haproxy")
    assert program is not None
    done = subprocess.run([program, "-c", "-f", COMPOSE / "haproxy.cfg"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if "WARNING" in line and "could not resolve" not in line]
    assert warnings == []


@needs_programs("haproxy")
async def test_behind_the_proxy_heartbeats_go_on_when_a_node_is_killed(two: Fleet, tmp_path: Path) -> None:
    key = str((await two.json("machines", "add", "web"))["key"])
    await two.start("node-a", "node-b")
    async with proxied(two, tmp_path) as url:
        await eventually(lambda: _taken(url, key), timeout=PATIENCE)
        await eventually(lambda: _all_ready(two), timeout=PATIENCE)
        two.kill("node-a")
        for _ in range(20):
            assert await anyio.to_thread.run_sync(beat, url, key) == 204
        await two.end("node-b")
        assert await anyio.to_thread.run_sync(beat, url, key) == 503


def _taken(url: str, key: str) -> bool:
    """The proxy is there, and knows of a node that is ready."""
    with contextlib.suppress(httpx.ConnectError):
        return beat(url, key) == 204
    return False


async def _all_ready(of: Fleet) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        return all([(await client.get(f"{await of.url(name)}/readyz")).status_code == 200 for name in of.nodes])


@pytest.fixture
def two(tmp_path: Path, url: str) -> Iterator[Fleet]:
    with fleet(tmp_path, url, LASTSEEN_RATE_LIMIT="off") as found:
        yield found


@contextlib.asynccontextmanager
async def proxied(of: Fleet, folder: Path) -> AsyncIterator[str]:
    """The real proxy with our file, but for the addresses."""
    program, port = find("haproxy"), free_port()
    assert program is not None
    text = (COMPOSE / "haproxy.cfg").read_text().replace("bind :8080", f"bind 127.0.0.1:{port}")
    for name in NODES:
        text = text.replace(f"{name}:8383", (await of.url(name)).removeprefix("http://"))
    (folder / "haproxy.cfg").write_text(text)
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen([program, "-db", "-f", folder / "haproxy.cfg"], stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
