"""Secrets at rest: what must be read back is encrypted with keys that are not in the database.

Keys are Fernet keys, one a line; the first encrypts, all decrypt. They are given as text, or lie in a file (mode 0600)
that is made once. A new key is never made while something in the database is encrypted with another: then those
channels are locked, and everything else goes on.

A key is replaced in three steps, each of which leaves everything readable: the new key goes above the old ones, then
everything is encrypted anew, then the old ones go. Whoever reads the file in between finds the key it needs.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert  # SQLite renders it too

from lastseen.errors import ConfigurationError, SecretsLocked
from lastseen.storage.sqltools import meta_value, table
from lastseen.storage.tables import Channels, MachineApiKeys, Meta, Sources

_CHECK = "key_check"
_PLAIN = b"lastseen"


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation found: by key, in their order, how many secrets it had encrypted. `place`: where the keys are;
    `dropped`: how many old ones are gone from there."""

    place: str
    used: tuple[int, ...]
    dropped: int = 0

    @property
    def secrets(self) -> int:
        return sum(self.used)


class SecretBox:
    """Encrypts and decrypts the secrets of one database. Holds no key before the first secret."""

    def __init__(self, *, key_file: Path | None = None, key_text: str | None = None) -> None:
        if (key_file is None) == (key_text is None):
            raise ConfigurationError("secrets need either a key file or the key itself")
        self._file, self._text = key_file, key_text

    @classmethod
    def beside(cls, database: Path) -> SecretBox:
        """The key in a file beside the database."""
        return cls(key_file=key_file(database))

    def __repr__(self) -> str:
        return f"SecretBox({'key given' if self._file is None else self._file})"

    # -- on the caller's connection

    def seal(self, connection: Connection, secrets: Mapping[str, str]) -> str:
        """Encrypt. Makes the key at the first time. Raises SecretsLocked."""
        return self._ready(connection).encrypt(json.dumps(dict(secrets)).encode()).decode()

    def unseal(self, sealed: str) -> dict[str, str]:
        """Decrypt. Raises SecretsLocked."""
        keys = self._keys()
        if keys is None:
            raise self._locked()
        try:
            opened: dict[str, str] = json.loads(MultiFernet(keys).decrypt(sealed.encode()))
        except InvalidToken:
            raise self._locked() from None
        return opened

    def rotate(self, connection: Connection) -> Rotated:
        """Encrypt everything anew with the first key. Raises SecretsLocked."""
        fernet = self._ready(connection)
        keys = self._keys() or []
        used = [0] * len(keys)
        for target, column, row_id, sealed in _sealed(connection):
            used[self._opener(keys, sealed)] += 1
            fresh = fernet.rotate(sealed.encode()).decode()
            connection.execute(target.update().where(target.c.id == row_id).values({column: fresh}))
        _set_check(connection, fernet)
        return Rotated(self._place(), tuple(used))

    def add_and_rotate(self, connection: Connection) -> Rotated:
        """`rotate` with a new key; where keys are given as text, with the first of those. Raises SecretsLocked.

        In the transaction that writes, so no second rotation gets between the file and the database. Done twice, or
        half, it leaves one key more in the file.
        """
        if self._file is not None:
            self._ready(connection)
            _write(self._file, [Fernet.generate_key().decode(), *self._lines()])
        return self.rotate(connection)

    def drop_old(self, connection: Connection) -> int:
        """Take all keys but the first out of the file, if that one opens everything that is committed; how many."""
        keys = self._keys()
        if self._file is None or not keys or len(keys) == 1:
            return 0
        if any(self._opener(keys, sealed) for *_, sealed in _sealed(connection)):
            return 0  # somebody put another key on top meanwhile, and was stopped: the next rotation tidies up
        _write(self._file, self._lines()[:1])
        return len(keys) - 1

    def _opener(self, keys: list[Fernet], sealed: str) -> int:
        """The number of the key that opens it. Raises SecretsLocked."""
        for number, key in enumerate(keys):
            try:
                key.decrypt(sealed.encode())
            except InvalidToken:
                continue
            return number
        raise self._locked()

    def _ready(self, connection: Connection) -> MultiFernet:
        """Keys that belong to this database."""
        sealed, check = any(_sealed(connection)), meta_value(connection, _CHECK)
        keys = self._keys()
        if keys is None:
            if sealed:
                raise self._locked()
            keys = self._make()
        fernet = MultiFernet(keys)
        if check is None or not _opens(fernet, check):
            if sealed:
                raise self._locked()
            _set_check(connection, fernet)
        return fernet

    # -- the keys

    def _keys(self) -> list[Fernet] | None:
        """None: there is no key file yet."""
        try:
            return _parsed(self._lines(), self._place())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SecretsLocked(f"the key file {self._file} cannot be read: {error.strerror}") from error

    def _lines(self) -> list[str]:
        if self._text is not None:
            return _split(self._text)
        assert self._file is not None  # noqa: S101  (the constructor saw to it)
        return _split(self._file.read_text())

    def _place(self) -> str:
        return "LASTSEEN_SECRET_KEY" if self._file is None else str(self._file)

    def _make(self) -> list[Fernet]:
        assert self._file is not None  # noqa: S101  (a key that was given is always there)
        key = Fernet.generate_key()
        try:
            handle = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(key + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ConfigurationError(f"the key file {self._file} cannot be made: {error.strerror}") from error
        return [Fernet(key)]

    def _locked(self) -> SecretsLocked:
        place = "LASTSEEN_SECRET_KEY is another" if self._file is None else f"{self._file} is missing or another"
        return SecretsLocked(
            f"the key that encrypted these secrets is not here ({place}): put the old key back, "
            "or remove the channels concerned and add them again"
        )


def _split(text: str) -> list[str]:
    return [part for part in re.split(r"[,\s]+", text.strip()) if part]


def _parsed(lines: list[str], place: str) -> list[Fernet]:
    try:
        keys = [Fernet(line) for line in lines]
    except ValueError:
        keys = []
    if not keys:
        raise ConfigurationError(f"{place} holds no key: a key is 32 random bytes in URL-safe base64, one a line")
    return keys


def _write(file: Path, lines: list[str]) -> None:
    """The whole file or nothing of it, on the disk when this returns."""
    fresh = file.with_name(f"{file.name}.new")
    try:
        fresh.unlink(missing_ok=True)  # of a process that was stopped here; nobody else is: we hold the write lock
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write("".join(f"{line}\n" for line in lines))
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(file)
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ConfigurationError(f"the key file {file} cannot be written: {error.strerror}") from error


def _opens(fernet: MultiFernet, check: str) -> bool:
    return _decrypts(fernet, check) and fernet.decrypt(check.encode()) == _PLAIN


def _set_check(connection: Connection, fernet: MultiFernet) -> None:
    value = fernet.encrypt(_PLAIN).decode()
    put = insert(table(Meta)).values(key=_CHECK, value=value)
    connection.execute(put.on_conflict_do_update(index_elements=["key"], set_={"value": value}))


def _sealed(connection: Connection) -> Iterator[tuple[Any, Any, int, str]]:
    """All that is encrypted: the table, the column, the row's id and what it holds."""
    channels, keys, sources = table(Channels), table(MachineApiKeys), table(Sources)
    columns = ((channels, channels.c.secrets), (keys, keys.c.shown_cipher), (sources, sources.c.secrets))
    for target, column in columns:
        for row in connection.execute(select(target.c.id, column).where(column.is_not(None))).fetchall():
            yield target, column, row[0], row[1]


# --- keys that are moved with their database --------------------------------------------------------------------------


def key_file(database: Path) -> Path:
    """Where the keys of this database are, unless they are given."""
    return database.with_name(f"{database.name}.key")


def parse_keys(text: str) -> list[str]:
    """The keys in a text, in their order."""
    return _split(text)


def write_keys(file: Path, keys: list[str]) -> None:
    """Put these in the place of those in the file. For the one process that works on its database. Raises
    ConfigurationError."""
    _write(file, keys)


def unreadable(connection: Connection, keys: list[str]) -> int:
    """How many secrets none of these keys opens."""
    fernet = MultiFernet([Fernet(key) for key in keys]) if keys else None
    return sum(fernet is None or not _decrypts(fernet, sealed) for *_, sealed in _sealed(connection))


def _decrypts(fernet: MultiFernet, sealed: str) -> bool:
    try:
        fernet.decrypt(sealed.encode())
    except InvalidToken:
        return False
    return True
