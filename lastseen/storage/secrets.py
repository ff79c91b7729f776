"""Secrets at rest: what must be read back is encrypted with keys that are not in the database.

Keys are Fernet keys, one a line; the first encrypts, all decrypt. They are given as text, or lie in a file (mode 0600)
that is made once. A new key is never made while something in the database is encrypted with another: then those
channels are locked, and everything else goes on.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.sqlite import insert

from lastseen.errors import ConfigurationError, SecretsLocked
from lastseen.storage.sqltools import meta_value, table
from lastseen.storage.tables import Channels, MachineApiKeys, Meta

_CHECK = "key_check"
_PLAIN = b"lastseen"


class SecretBox:
    """Encrypts and decrypts the secrets of one database. Holds no key before the first secret."""

    def __init__(self, *, key_file: Path | None = None, key_text: str | None = None) -> None:
        if (key_file is None) == (key_text is None):
            raise ConfigurationError("secrets need either a key file or the key itself")
        self._file, self._text = key_file, key_text

    @classmethod
    def beside(cls, database: Path) -> SecretBox:
        """The key in a file beside the database."""
        return cls(key_file=database.with_name(f"{database.name}.key"))

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

    def rotate(self, connection: Connection) -> int:
        """Encrypt everything anew with the first key; how many rows that were. Raises SecretsLocked."""
        fernet = self._ready(connection)
        channels, keys, count = table(Channels), table(MachineApiKeys), 0
        for target, column in ((channels, channels.c.secrets), (keys, keys.c.shown_cipher)):
            for row in connection.execute(select(target.c.id, column).where(column.is_not(None))).fetchall():
                try:
                    fresh = fernet.rotate(row[1].encode()).decode()
                except InvalidToken:
                    raise self._locked() from None
                connection.execute(target.update().where(target.c.id == row[0]).values({column: fresh}))
                count += 1
        _set_check(connection, fernet)
        return count

    def _ready(self, connection: Connection) -> MultiFernet:
        """Keys that belong to this database."""
        sealed, check = _anything_sealed(connection), meta_value(connection, _CHECK)
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
        if self._text is not None:
            return _parsed(self._text, "LASTSEEN_SECRET_KEY")
        assert self._file is not None  # noqa: S101  (the constructor saw to it)
        try:
            text = self._file.read_text()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SecretsLocked(f"the key file {self._file} cannot be read: {error.strerror}") from error
        return _parsed(text, str(self._file))

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


def _parsed(text: str, place: str) -> list[Fernet]:
    try:
        keys = [Fernet(part) for part in re.split(r"[,\s]+", text.strip()) if part]
    except ValueError:
        keys = []
    if not keys:
        raise ConfigurationError(f"{place} holds no key: a key is 32 random bytes in URL-safe base64, one a line")
    return keys


def _opens(fernet: MultiFernet, check: str) -> bool:
    try:
        return fernet.decrypt(check.encode()) == _PLAIN
    except InvalidToken:
        return False


def _set_check(connection: Connection, fernet: MultiFernet) -> None:
    value = fernet.encrypt(_PLAIN).decode()
    put = insert(table(Meta)).values(key=_CHECK, value=value)
    connection.execute(put.on_conflict_do_update(index_elements=["key"], set_={"value": value}))


def _anything_sealed(connection: Connection) -> bool:
    channels, keys = table(Channels), table(MachineApiKeys)
    count = select(func.count()).select_from(channels).where(channels.c.secrets.is_not(None)).scalar_subquery()
    shown = select(func.count()).select_from(keys).where(keys.c.shown_cipher.is_not(None)).scalar_subquery()
    return bool(connection.execute(select(count + shown)).scalar())
