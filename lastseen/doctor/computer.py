"""Settings, data folder, disk and clock: what lastseen stands on."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from lastseen.doctor.finding import Checked, Finding, Severity, counted
from lastseen.doctor.subject import Subject
from lastseen.monitor.disk_room import room
from lastseen.storage import health

MB, GB = 1_000_000, 1_000_000_000
LEAST = 200 * MB
"""Free bytes below which writing ends soon. Below the mark of `lastseen.monitor.disk_room` people are told."""

SLOW, VERY_SLOW = 0.05, 0.25
"""Seconds that a write may take to reach the disk."""

FELL_BACK = 2.0
"""Seconds that the wall clock may be behind the store's time."""

NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "fuse.glusterfs", "ceph", "afs")


async def settings(subject: Subject) -> Checked:
    findings = tuple(
        Finding(Severity.WARNING, "settings.unknown", problem, "correct the name, or remove the line")
        for problem in subject.site.problems
    )
    return Checked("every name is known" if not findings else counted(len(findings), "unknown name"), findings)


# --- the data folder --------------------------------------------------------------------------------------------------


async def folder(subject: Subject) -> Checked:
    """Who may read what is in it."""
    place = subject.site.folder
    if not place.is_dir():
        gone = Finding(
            Severity.BAD,
            "folder.missing",
            f"there is no folder {place}",
            "`lastseen serve` or `lastseen db upgrade` makes it; LASTSEEN_DATA_DIR names another",
        )
        return Checked(str(place), (gone,))
    return Checked(str(place), tuple(_open_to_others(place, subject.site.database)))


def _open_to_others(place: Path, database: Path | None) -> Iterator[Finding]:
    around = place if database is None else database.parent
    closed = not around.stat().st_mode & (stat.S_IXGRP | stat.S_IXOTH)
    for path in _secrets(around, database):
        mode = path.stat().st_mode
        key = path.name.endswith(".key")
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            severity, code, what = Severity.BAD, "folder.writable", "can be written by others"
        elif mode & (stat.S_IRGRP | stat.S_IROTH) and (key or not closed):
            severity, code, what = Severity.WARNING, "folder.readable", "can be read by others"
        else:
            continue
        says = "the key that encrypts secrets: " if key else ""
        right = "700" if path.is_dir() else "600"
        yield Finding(severity, code, f"{says}{path} {what} ({stat.filemode(mode)})", f"`chmod {right} {path}`")


def _secrets(around: Path, database: Path | None) -> Iterator[Path]:
    yield around
    if database is not None:
        for name in ("", ".key", "-wal"):
            path = database.with_name(database.name + name)
            if path.exists():
                yield path


# --- the disk ---------------------------------------------------------------------------------------------------------


async def disk(subject: Subject) -> Checked:
    place = subject.site.folder if subject.site.database is None else subject.site.database.parent
    if not place.is_dir():
        return Checked("there is no folder to look at")
    findings = [*_space(place), *_kind(place)]
    usage = shutil.disk_usage(place)
    summary = f"{usage.free / GB:,.1f} GB free of {usage.total / GB:,.1f} GB"
    if os.access(place, os.W_OK):
        seconds = await asyncio.to_thread(health.fsync_seconds, place)
        summary += f"; a write takes {seconds * 1000:.1f} ms to be safe"
        findings += _speed(seconds)
    return Checked(summary, tuple(findings))


def _space(place: Path) -> Iterator[Finding]:
    found, inodes = room(place), os.statvfs(place)
    do = "make room: when the disk is full, heartbeats are refused and nobody is judged"
    if found.free < min(LEAST, found.mark):
        yield Finding(Severity.BAD, "disk.full", f"only {found.free / MB:,.0f} MB are free in {place}", do)
    elif found.low(before=False):
        what = f"only {found.free / MB:,.0f} MB are free in {place}: less than {found.mark / MB:,.0f} MB is little"
        yield Finding(Severity.WARNING, "disk.space", what, do)
    if inodes.f_files and inodes.f_favail < 1000:
        yield Finding(Severity.WARNING, "disk.inodes", f"no more than {inodes.f_favail} files can be made", do)


def _kind(place: Path) -> Iterator[Finding]:
    kind = health.filesystem(place)
    if kind in NETWORK:
        yield Finding(
            Severity.BAD,
            "disk.network",
            f"{place} is on a network drive ({kind}): SQLite's locks do not hold there, and the database may break",
            "put it on a disk of this computer: LASTSEEN_DATA_DIR or LASTSEEN_DATABASE_URL",
        )


def _speed(seconds: float) -> Iterator[Finding]:
    if seconds > SLOW:
        yield Finding(
            Severity.BAD if seconds > VERY_SLOW else Severity.WARNING,
            "disk.slow",
            f"a write takes {seconds * 1000:,.0f} ms to be safe on the disk: every heartbeat waits for one",
            "use another disk, or find out what else keeps this one busy",
        )


# --- the clock --------------------------------------------------------------------------------------------------------


async def clock(subject: Subject) -> Checked:
    """Does the wall clock go back, and does anybody set it?"""
    findings = []
    behind = (subject.now - subject.wall).total_seconds()
    if behind > FELL_BACK:
        fell_back = Finding(
            Severity.WARNING,
            "clock.behind",
            f"the clock is {subject.span(behind)} behind the newest time in the database: it was put back, or the "
            "database comes from a computer whose clock is ahead",
            "set the clock right; until both agree, stored times run 10 % slow, and silences are noticed later",
        )
        findings.append(fell_back)
    in_step = synchronised()
    if in_step is False:
        free = Finding(
            Severity.HINT,
            "clock.free",
            "nothing keeps this computer's clock right, as far as the kernel knows",
            "run a time service, such as `systemctl enable --now systemd-timesyncd`",
        )
        findings.append(free)
    return Checked(
        {True: "kept right by a time service", False: "not kept right", None: "runs"}[in_step], tuple(findings)
    )


UNSYNCHRONISED = 5


class _Timex(ctypes.Structure):
    """Linux' struct timex, of which only `modes` matters here: 0 asks and changes nothing."""

    _fields_ = (("modes", ctypes.c_uint), ("rest", ctypes.c_byte * 300))


def synchronised() -> bool | None:
    """Whether the kernel's clock is disciplined by NTP; None where that cannot be asked."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(_Timex()))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != UNSYNCHRONISED
