"""Plugins that break, and plugins that block: what doctor says of them."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from lastseen import plugins
from lastseen.doctor import Severity
from lastseen.model import Message
from lastseen.notifiers import blockers, contained
from lastseen.notifiers.contained import take_blockers, watched
from lastseen.testing import FakeClock
from tests.doctor.conftest import NOW, Ward

PACKAGES = {"broken-one": "gone = no_such_module:Notifier", "copycat": "webhook = no_such_module:Notifier"}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two installed packages: one that does not load, one that wants a name that is taken."""
    for name, entry in PACKAGES.items():
        info = tmp_path / "site" / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[lastseen.notifiers]\n{entry}\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    plugins.forget()
    yield
    plugins.forget()


@pytest.mark.usefixtures("packages")
async def test_a_plugin_that_does_not_load_is_a_warning_and_a_name_that_is_taken_a_hint(ward: Ward) -> None:
    found = {finding.code: finding for finding in (await ward.look("plugins")).findings}
    assert set(found) == {"plugin.broken", "plugin.name_taken"}
    broken, taken = found["plugin.broken"], found["plugin.name_taken"]
    assert (broken.severity, taken.severity) == (Severity.WARNING, Severity.HINT)
    assert "'gone' of broken-one 1.0" in broken.what
    assert "no_such_module" in broken.what
    assert "'webhook' of copycat 1.0" in taken.what
    assert broken.do
    assert taken.do


async def test_a_channel_whose_plugin_held_up_everything_is_found_for_a_week(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contained, "STALL", 0.001)

    class Blocking:
        async def send(self, message: Message | None) -> None:
            time.sleep(0.02)

    take_blockers()
    await watched(Blocking().send(None), "screen")
    await blockers.keep(ward.store, FakeClock(NOW - timedelta(hours=3)))
    finding = await ward.only("channels")
    assert (finding.severity, finding.code) == (Severity.WARNING, "channel.blocks")
    assert 'channel "screen"' in finding.what
    assert "3 h ago" in finding.what
    assert "blocking = True" in finding.do
    assert take_blockers() == {}, "it was taken once"
    ward.now += timedelta(days=8)
    assert "channel.blocks" not in [one.code for one in (await ward.look("channels")).findings]


async def test_what_nobody_can_read_of_a_plugin_is_left_alone(ward: Ward) -> None:
    await ward.store.keep_note("blocks:screen", "{nonsense")
    assert (await ward.look("channels")).findings == ()
