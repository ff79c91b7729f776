"""Secrets at rest: encrypted, rotated, and locked rather than lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from lastseen.errors import ConfigurationError, SecretsLocked
from lastseen.storage import open_store
from lastseen.storage.secrets import SecretBox
from lastseen.storage.sql import SqlStore
from lastseen.testing.script import at
from lastseen.testing.suite_base import online

SECRET = {"secret": "whsec_very-secret"}


async def opened(folder: Path, box: SecretBox | None = None) -> SqlStore:
    store = open_store(f"sqlite:///{folder}/store.db", secrets=box)
    assert isinstance(store, SqlStore)
    await store.open()
    return store


def key() -> str:
    return Fernet.generate_key().decode()


async def test_the_key_is_made_once_beside_the_database_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    store, file = await opened(tmp_path), tmp_path / "store.db.key"
    assert not file.exists(), "not before the first secret"
    made = await store.add_channel("webhook", "w", {}, SECRET, "l", at(0))
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_text()
    await store.add_channel("webhook", "w2", {}, SECRET, "l", at(0))
    assert file.read_text() == before
    assert await store.channel_secrets(made.uid) == SECRET
    await store.close()
    for path in tmp_path.iterdir():
        assert b"very-secret" not in path.read_bytes(), path


async def test_a_lost_key_locks_its_channels_and_nothing_else(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    made = await store.add_channel("webhook", "w", {}, SECRET, "l", at(0))
    (tmp_path / "store.db.key").unlink()
    with pytest.raises(SecretsLocked, match="put the old key back"):
        await store.channel_secrets(made.uid)
    with pytest.raises(SecretsLocked):
        await store.add_channel("webhook", "other", {}, SECRET, "l", at(0))
    assert not (tmp_path / "store.db.key").exists(), "no new key while something is encrypted with the old"
    open_one = await store.add_channel("webhook", "without", {}, {}, "l", at(0))
    assert await store.channel_secrets(open_one.uid) == {}
    await online(store, "pump")
    await store.remove_channel(made.uid, at(1))
    again = await store.add_channel("webhook", "w", {}, SECRET, "l", at(2))
    assert await store.channel_secrets(again.uid) == SECRET, "once nothing old is left a new key is made"
    await store.close()


async def test_another_key_is_noticed_before_anything_is_encrypted_with_it(tmp_path: Path) -> None:
    store = await opened(tmp_path, SecretBox(key_text=key()))
    made = await store.add_channel("webhook", "w", {}, SECRET, "l", at(0))
    await store.close()
    other = await opened(tmp_path, SecretBox(key_text=key()))
    with pytest.raises(SecretsLocked, match="LASTSEEN_SECRET_KEY"):
        await other.channel_secrets(made.uid)
    with pytest.raises(SecretsLocked):
        await other.add_channel("webhook", "x", {}, SECRET, "l", at(0))
    await other.close()


@pytest.mark.parametrize("between", [",", "\n", " "])
async def test_keys_are_rotated(tmp_path: Path, between: str) -> None:
    old, new = key(), key()
    store = await opened(tmp_path, SecretBox(key_text=old))
    made = await store.add_channel("webhook", "w", {}, SECRET, "l", at(0))
    await store.close()
    store = await opened(tmp_path, SecretBox(key_text=f"{new}{between}{old}\n"))
    assert await store.channel_secrets(made.uid) == SECRET
    assert await store.rotate_secrets() == 1
    await store.close()
    store = await opened(tmp_path, SecretBox(key_text=new))
    assert await store.channel_secrets(made.uid) == SECRET
    await store.add_channel("webhook", "x", {}, SECRET, "l", at(0))
    await store.close()


@pytest.mark.parametrize("text", ["", "nonsense", "a,b"])
async def test_a_key_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    store = await opened(tmp_path, SecretBox(key_text=text))
    with pytest.raises(ConfigurationError, match="holds no key"):
        await store.add_channel("webhook", "w", {}, SECRET, "l", at(0))
    await store.close()


def test_a_box_shows_no_key() -> None:
    given = key()
    assert given not in repr(SecretBox(key_text=given))
    with pytest.raises(ConfigurationError):
        SecretBox()
