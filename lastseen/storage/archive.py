"""The file that `lastseen backup` writes: a zip archive that any program opens, whose every byte is checked.

    tables/01-kinds.jsonl …   a line that says what the columns are, then one JSON array a row; in the order in which
                              they can be written, so that no row refers to one that is still to come
    keys                      the keys that encrypted the secrets, one a line; unless they were left out
    manifest.json             version, schema, time, counts, checksums: written last

The archive's comment is the SHA-256 of all bytes before it. Nothing is read from a file in which one bit is another.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any, Self

import msgspec

from lastseen.errors import ConfigurationError, DatabaseTooNew
from lastseen.storage.tables_io import BATCH, Row, Shape

FORMAT = 1
"""Of this description. A program reads those up to its own."""

MANIFEST, KEYS = "manifest.json", "keys"

LONGEST_LINE = 64 * 1024 * 1024
"""Bytes of one row, at most."""

_DIGEST = hashlib.sha256().digest_size * 2
_CHUNK = 1024 * 1024


class Entry(msgspec.Struct, frozen=True):
    """One table in the archive: how many rows, and the SHA-256 of its file."""

    table: str
    file: str
    rows: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What an archive says of itself. `revision`: of the schema; `counters`: the greatest id ever given, by table."""

    format: int
    version: str
    revision: str
    taken_at: datetime
    tables: tuple[Entry, ...]
    counters: dict[str, int]
    keys: bool = False

    @property
    def rows(self) -> dict[str, int]:
        return {entry.table: entry.rows for entry in self.tables}


class ArchiveWriter:
    """Into an open file. `end` completes it; without it, what was written is no archive."""

    def __init__(self, file: IO[bytes], moment: datetime) -> None:
        self._file = file
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=4)
        self._zip.comment = b"0" * _DIGEST
        self._date = moment.timetuple()[:6]
        self._entries: list[Entry] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError, ValueError):  # whatever went wrong before is what is told
            self._zip.close()

    def add_table(self, shape: Shape, batches: Iterator[list[Row]]) -> int:
        """How many rows these were."""
        name, count = f"tables/{len(self._entries) + 1:02}-{shape.name}.jsonl", 0
        with self._member(name) as member:
            out = _Summed(member)
            out.write(msgspec.json.encode(shape) + b"\n")
            for rows in batches:
                out.write(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
                count += len(rows)
        self._entries.append(Entry(shape.name, name, count, out.sum.hexdigest()))
        return count

    def end(self, keys: str | None, **known: Any) -> Manifest:
        """The keys, the manifest, and the checksum of it all."""
        if keys is not None:
            self._write(KEYS, keys.encode())
        manifest = Manifest(FORMAT, tables=tuple(self._entries), keys=keys is not None, **known)
        self._write(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        self._zip.close()
        size = self._file.seek(0, os.SEEK_END) - _DIGEST
        self._file.seek(0)
        digest = _sum(self._file, size)
        self._file.seek(size)
        self._file.write(digest.encode())
        self._file.flush()
        return manifest

    def _member(self, name: str) -> IO[bytes]:
        info = zipfile.ZipInfo(name, self._date)
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
        return self._zip.open(info, "w", force_zip64=True)

    def _write(self, name: str, content: bytes) -> None:
        with self._member(name) as member:
            member.write(content)


@dataclass
class _Summed:
    """Adds up what is written."""

    out: IO[bytes]
    sum: Any = field(default_factory=hashlib.sha256)

    def write(self, data: bytes) -> None:
        self.sum.update(data)
        self.out.write(data)


class Archive:
    """One that is whole: opening it reads all of it once. Raises ConfigurationError with what is wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path
        _check(path)
        try:
            self._zip = zipfile.ZipFile(path)
            self.manifest = _manifest(self._zip.read(MANIFEST), path)
        except (zipfile.BadZipFile, KeyError) as error:
            raise _damaged(path, str(error)) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def keys(self) -> str | None:
        return self._zip.read(KEYS).decode() if self.manifest.keys else None

    @contextmanager
    def table(self, entry: Entry) -> Iterator[tuple[Shape, Iterator[list[Row]]]]:
        """What its rows look like, and the rows, some at a time."""
        with self._zip.open(entry.file) as member:
            shape = msgspec.json.decode(_line(member), type=Shape)
            yield shape, self._batches(member, shape, entry)

    def _batches(self, member: IO[bytes], shape: Shape, entry: Entry) -> Iterator[list[Row]]:
        decode, count = msgspec.json.Decoder(shape.row_type()).decode, 0
        there = iter(partial(_line, member), b"")
        try:
            while lines := list(islice(there, BATCH)):
                yield [decode(line) for line in lines]
                count += len(lines)
        except (msgspec.DecodeError, zipfile.BadZipFile) as error:
            raise _damaged(self.path, f"{entry.file}: {error}") from None
        if count != entry.rows:
            raise _damaged(self.path, f"{entry.file} has {count} rows, and should have {entry.rows}")


def _line(member: IO[bytes]) -> bytes:
    line = member.readline(LONGEST_LINE)
    if len(line) == LONGEST_LINE:
        raise msgspec.DecodeError("a line is too long")
    return line


def _check(path: Path) -> None:
    """Every byte is what it was."""
    with path.open("rb") as file:
        size = path.stat().st_size - _DIGEST
        if file.read(4) != b"PK\x03\x04" or size < 0:
            raise ConfigurationError(f"{path} is no backup of lastseen's")
        file.seek(0)
        found = _sum(file, size)
        if file.read() != found.encode():
            raise _damaged(path, "its checksum is another: it was changed, or is not complete")


def _sum(file: IO[bytes], size: int) -> str:
    total, left = hashlib.sha256(), size
    while left and (chunk := file.read(min(_CHUNK, left))):
        total.update(chunk)
        left -= len(chunk)
    return total.hexdigest()


def _manifest(text: bytes, path: Path) -> Manifest:
    """Its format is looked at before anything else of it."""
    try:
        known: Mapping[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
        if int(known["format"]) > FORMAT:
            raise DatabaseTooNew(
                f"{path} was written by lastseen {known.get('version', '?')}, in a format that this version does not "
                "know: install that version or a newer one"
            )
        return msgspec.convert(known, Manifest)
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"its manifest: {error}") from None


def _damaged(path: Path, what: str) -> ConfigurationError:
    return ConfigurationError(f"{path} is damaged ({what}): nothing was changed")
