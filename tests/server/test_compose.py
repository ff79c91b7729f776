"""What is made from the settings: the store, and notifiers with the right to reach just what they may."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from lastseen.clock import SystemClock
from lastseen.compose import Notifiers, store_for
from lastseen.errors import ForbiddenAddress, InvalidInput, PluginError
from lastseen.log_output import redact
from lastseen.model import Channel
from lastseen.settings import Settings

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.fixture
def local() -> str:
    """An address on this computer where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


async def test_a_channel_made_by_hand_may_reach_private_addresses_one_of_a_person_may_not(
    tmp_path: Path, local: str
) -> None:
    async with Notifiers(Settings.load(data_dir=tmp_path), SystemClock()) as notifiers:
        with pytest.raises(httpx.ConnectError):
            await notifiers.tools(by_hand=True).http.post(local)
        with pytest.raises(ForbiddenAddress, match="LASTSEEN_WEBHOOK_ALLOW_NETWORKS"):
            await notifiers.tools(by_hand=False).http.post(local)


async def test_the_administrator_may_allow_networks_to_everybody(tmp_path: Path, local: str) -> None:
    settings = Settings.load(data_dir=tmp_path, webhook_allow_networks="127.0.0.0/8 10.0.0.0/8")
    async with Notifiers(settings, SystemClock()) as notifiers:
        with pytest.raises(httpx.ConnectError):
            await notifiers.tools(by_hand=False).http.post(local)


async def test_a_channels_notifier_is_made_and_its_secrets_are_kept_from_the_log(tmp_path: Path) -> None:
    async with Notifiers(Settings.load(data_dir=tmp_path), SystemClock()) as notifiers:
        channel = Channel(uid="u", name="ops", type="webhook", config={"url": "http://127.0.0.1:1/hook"})
        assert hasattr(notifiers(channel, {"secret": SECRET}), "send")
        assert SECRET[6:] not in redact(f"text={SECRET}")
        with pytest.raises(InvalidInput):
            notifiers(Channel(uid="u", name="ops", type="webhook", config={"url": 5}), {"secret": SECRET})
        with pytest.raises(PluginError):
            notifiers(Channel(uid="u", name="ops", type="pigeon"), {})


def test_a_key_that_was_given_is_used_instead_of_a_key_file(tmp_path: Path) -> None:
    plain = store_for(Settings.load(data_dir=tmp_path))
    given = store_for(Settings.load(data_dir=tmp_path, secret_key=SecretStr("x" * 44)))
    assert "lastseen.db.key" in repr(plain.secrets)  # type: ignore[attr-defined]
    assert "key given" in repr(given.secrets)  # type: ignore[attr-defined]
