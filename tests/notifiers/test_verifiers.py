"""Webhooks are verified by whoever gets them: examples in five languages, the reference library and our own listener
agree on every vector, and on what we really send."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import standardwebhooks.webhooks
from pydantic import SecretStr

from lastseen.cli.webhook import judged
from lastseen.notifiers.tools import Tools
from lastseen.notifiers.webhook import Webhook
from lastseen.testing.far_end import FarEnd
from lastseen.testing.http_server import Received
from tests.notifiers.builders import message
from tests.support import need

FOLDER = Path(__file__).parent.parent.parent / "examples" / "webhook_verifiers"
VECTORS: list[dict[str, Any]] = json.loads((FOLDER / "vectors.json").read_text())
BY_NAME = {vector["name"]: vector for vector in VECTORS}
LANGUAGES = ["py", "sh", "js", "php", "go"]
PROGRAMS = {"py": sys.executable, "sh": "sh", "js": "node", "php": "php", "go": "go"}

Verifier = Callable[..., bool]


@pytest.fixture(scope="module", params=LANGUAGES)
def verifier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    """The example in one language, as the program that it is."""
    from shutil import which

    program, source = PROGRAMS[request.param], str(FOLDER / f"verify.{request.param}")
    need(which(program), f"{program} is not installed")
    need(request.param != "sh" or which("openssl"), "openssl is not installed")
    command = [program, source]
    if request.param == "go":
        folder = tmp_path_factory.mktemp("go")
        env = {**os.environ, "GO111MODULE": "off", "GOFLAGS": "", "GOCACHE": str(folder / "cache"), "CGO_ENABLED": "0"}
        subprocess.run([program, "build", "-o", str(folder / "verify"), source], check=True, env=env, timeout=300)
        command = [str(folder / "verify")]
    return lambda **vector: verified(command, vector)


def verified(command: list[str], vector: dict[str, Any]) -> bool:
    now = [] if vector["now"] is None else [str(vector["now"])]
    done = subprocess.run(
        [*command, vector["id"], vector["timestamp"], vector["signatures"], *now],
        input=vector["body"].encode(),
        env={**os.environ, "WEBHOOK_SECRET": vector["secret"]},
        capture_output=True,
        timeout=300,
    )
    assert (done.returncode in (0, 1), done.stdout, done.stderr) == (True, b"", b"")
    return done.returncode == 0


def test_every_example_decides_every_vector_as_it_says(verifier: Verifier) -> None:
    decided = {vector["name"]: verifier(**vector) for vector in VECTORS}
    assert decided == {vector["name"]: vector["genuine"] for vector in VECTORS}


def test_every_example_believes_what_is_really_sent(verifier: Verifier) -> None:
    sent = really_sent()
    assert verifier(**sent)
    assert not verifier(**{**sent, "body": sent["body"].replace("offline", "online")})


def really_sent() -> dict[str, Any]:
    """A request of the notifier itself, signed now by the new secret and by the old one, which the receiver knows."""
    import anyio

    secrets = [BY_NAME[name]["secret"] for name in ("as it is sent", "the secret is another")]

    async def send(url: str) -> None:
        async with httpx.AsyncClient() as http:
            given = Webhook.Config(url=url, secret=SecretStr(secrets[0]), previous_secret=SecretStr(secrets[1]))
            assert await Webhook(given, Tools(http)).send(message(wall=datetime.now(UTC)))

    with FarEnd() as server:
        anyio.run(send, server.url)
    (request,) = server.requests
    return {
        "secret": secrets[1],
        "id": request.headers["webhook-id"],
        "timestamp": request.headers["webhook-timestamp"],
        "signatures": request.headers["webhook-signature"],
        "body": request.body.decode(),
        "now": None,
    }


ODD_TO_THE_REFERENCE = {"the timestamp is a broken number", "the timestamp has a sign", "the timestamp has a line end"}
"""It reads a number where the specification wants whole seconds."""


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if v["name"] not in ODD_TO_THE_REFERENCE], ids=lambda v: v["name"]
)
def test_the_reference_library_decides_as_the_vectors_say(
    vector: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Then(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(vector["now"], tz)

    monkeypatch.setattr(standardwebhooks.webhooks, "datetime", Then)
    names = {"webhook-id": "id", "webhook-timestamp": "timestamp", "webhook-signature": "signatures"}
    headers = {name: vector[field] for name, field in names.items()}
    try:
        standardwebhooks.webhooks.Webhook(vector["secret"]).verify(vector["body"], headers, json_parse=False)
        genuine = True
    except (standardwebhooks.webhooks.WebhookVerificationError, ValueError):
        genuine = False
    assert genuine is vector["genuine"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["name"])
def test_our_listener_decides_as_the_vectors_say(vector: dict[str, Any]) -> None:
    headers = {
        f"webhook-{n}": vector[f] for n, f in (("id", "id"), ("timestamp", "timestamp"), ("signature", "signatures"))
    }
    request = Received("POST", "/", {}, headers, vector["body"].encode())
    assert (judged(request, vector["secret"], vector["now"]) == "") is vector["genuine"]


def test_the_page_shows_the_files_word_for_word_and_the_vector() -> None:
    page = (FOLDER.parent.parent / "docs" / "webhooks.md").read_text()
    shown = dict(re.findall(r"`examples/webhook_verifiers/(verify\.\w+)`\n\n```\w+\n(.*?)```", page, re.S))
    assert shown == {f"verify.{language}": (FOLDER / f"verify.{language}").read_text() for language in LANGUAGES}
    vector = BY_NAME["as it is sent"]
    for field in ("secret", "id", "timestamp", "body", "signatures"):
        assert f"`{vector[field]}`" in page, field
