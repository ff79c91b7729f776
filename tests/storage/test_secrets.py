"""Secrets at rest: encrypted, rotated, and locked rather than lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from lastseen.errors import ConfigurationError, SecretsLocked
from lastseen.storage import open_store, secrets
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
    assert (await store.rotate_secrets()).used == (0, 1)
    await store.close()
    store = await opened(tmp_path, SecretBox(key_text=new))
    assert await store.channel_secrets(made.uid) == SECRET
    await store.add_channel("webhook", "x", {}, SECRET, "l", at(0))
    await store.close()


async def test_a_key_file_gets_a_new_key_and_everything_is_encrypted_with_it(tmp_path: Path) -> None:
    store, file = await opened(tmp_path), tmp_path / "store.db.key"
    made = await store.add_channel("webhook", "w", {}, SECRET, "l", at(0))
    source = await store.add_source("mqtt", "broker", {}, {"password": "p4ss"}, at(0))
    (old,) = file.read_text().split()
    done = await store.rotate_secrets()
    assert (done.used, done.dropped) == ((0, 2), 1)
    assert old not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert await store.channel_secrets(made.uid) == SECRET
    assert await store.source_secrets(source.name) == {"password": "p4ss"}
    await store.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store.db", "store.db.key"]


@pytest.mark.parametrize("step", ["_write", "rotate", "drop_old"])
async def test_a_rotation_that_is_cut_short_leaves_everything_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def stopped(*given: object) -> None:
        raise KeyError("the power went")

    store = await opened(tmp_path)
    made = await store.add_channel("webhook", "w", {}, SECRET, "l", at(0))
    with monkeypatch.context() as patch:
        patch.setattr(secrets if step == "_write" else SecretBox, step, stopped)
        with pytest.raises(KeyError):
            await store.rotate_secrets()
    assert await store.channel_secrets(made.uid) == SECRET
    done = await store.rotate_secrets()
    assert done.secrets == 1
    assert len((tmp_path / "store.db.key").read_text().split()) == 1
    assert await store.channel_secrets(made.uid) == SECRET
    await store.close()


async def test_old_keys_stay_while_something_needs_them(tmp_path: Path) -> None:
    store, file = await opened(tmp_path), tmp_path / "store.db.key"
    await store.add_channel("webhook", "w", {}, SECRET, "l", at(0))
    file.write_text(f"{key()}\n{file.read_text()}")
    before = file.read_text()
    assert await store.database.write(store.secrets.drop_old) == 0
    assert file.read_text() == before
    await store.close()


async def test_programs_beside_a_rotation_go_on(tmp_path: Path) -> None:
    """They read and write secrets all the time; none of them ever finds one locked."""
    store, other = await opened(tmp_path), await opened(tmp_path)
    made = await store.add_channel("webhook", "w", {}, SECRET, "l", at(0))
    over = False

    async def using() -> int:
        rounds = 0
        while not over:
            assert await other.channel_secrets(made.uid) == SECRET
            await other.change_channel(made.uid, {}, at(1), SECRET)
            rounds += 1
        return rounds

    user = asyncio.create_task(using())
    for _ in range(10):
        await store.rotate_secrets()
    over = True
    assert await user > 0
    await other.close()
    await store.close()


async def test_a_rotation_without_the_old_key_changes_nothing(tmp_path: Path) -> None:
    store, file = await opened(tmp_path), tmp_path / "store.db.key"
    await store.add_channel("webhook", "w", {}, SECRET, "l", at(0))
    file.write_text(lost := f"{key()}\n")
    with pytest.raises(SecretsLocked):
        await store.rotate_secrets()
    assert file.read_text() == lost
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
