"""A bridge's own words, in whatever order they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lastseen.errors import InvalidInput, MalformedReport
from lastseen.ingest.mqtt.bindings import PRESETS, Heard
from lastseen.ingest.mqtt.bridge import STRANGERS, Bridge
from lastseen.model import Said
from lastseen.report import Report
from lastseen.testing import FakeClock
from tests.monitor.cases import scene

(BINDING,) = PRESETS["zigbee2mqtt"]("z")
ONLINE, OFFLINE = b'{"state":"online"}', b"offline"


class Site:
    def __init__(self, bridge: Bridge, clock: FakeClock) -> None:
        self.bridge, self.clock = bridge, clock

    def says(self, payload: bytes) -> None:
        assert self.bridge.told("z/bridge/state", payload) == ()

    def lists(self, *names: str) -> list[str]:
        listed = ",".join(f'{{"friendly_name":"{name}"}}' for name in names)
        return [heard.machine for heard in self.bridge.told("z/bridge/devices", f"[{listed}]".encode())]

    @property
    def hears(self) -> bool:
        return self.bridge.port._ear.hears


@asynccontextmanager
async def a_bridge(folder: Path) -> AsyncIterator[Site]:
    """Its link is not there yet."""
    async with scene("memory", folder) as s, s.monitor.source("home/z") as port:
        port.down()
        yield Site(Bridge(BINDING, port), s.clock)


async def test_what_is_kept_of_it_counts_whether_it_comes_before_the_link_is_up_or_after(tmp_path: Path) -> None:
    async with a_bridge(tmp_path) as z:
        z.says(OFFLINE)
        z.bridge.link_up()
        assert not z.hears
        z.says(ONLINE)
        assert z.hears
        z.bridge.link_down()
        z.bridge.port.down()
        z.bridge.link_up()
        assert z.hears
        z.says(OFFLINE)
        assert not z.hears


async def test_one_that_was_away_for_long_may_ask_before_its_devices_count_and_one_that_was_not_is_there_at_once(
    tmp_path: Path,
) -> None:
    async with a_bridge(tmp_path) as z:
        z.bridge.link_up()
        z.says(OFFLINE)
        await z.clock.advance("4m59s")
        z.says(ONLINE)
        assert z.hears
        for goes_again in (False, True):
            z.says(OFFLINE)
            await z.clock.advance("5m")
            z.says(ONLINE)
            z.says(ONLINE)
            await z.clock.advance("1m59s")
            assert not z.hears
            if goes_again:
                z.says(OFFLINE)
            await z.clock.advance("2s")
            assert z.hears is not goes_again


async def test_a_lost_link_ends_the_asking(tmp_path: Path) -> None:
    async with a_bridge(tmp_path) as z:
        z.bridge.link_up()
        z.says(OFFLINE)
        await z.clock.advance("1h")
        z.says(ONLINE)
        z.bridge.link_down()
        await z.clock.advance("1h")
        assert not z.hears


async def test_only_whom_it_lists_is_a_machine_and_the_last_word_of_the_others_is_kept_until_then(
    tmp_path: Path,
) -> None:
    async with a_bridge(tmp_path) as z:
        there, away = (Report(said) for said in (Said.PRESENT, Said.ABSENT))
        assert z.bridge.knows(Heard("all lamps", (there,))), "as long as there is no list"
        assert z.lists("lamp") == []
        assert z.bridge.knows(Heard("lamp", (there,)))
        for report in (there, away):
            assert not z.bridge.knows(Heard("new", (report,)))
        for name in ("all lamps", "gone"):
            assert not z.bridge.knows(Heard(name, (there,)))
        assert not z.bridge.knows(Heard("gone", gone=True))
        assert z.lists("lamp", "new", "gone") == ["new"]
        assert z.lists("lamp", "new", "gone") == []
        for number in range(STRANGERS + 5):
            assert not z.bridge.knows(Heard(f"n{number}", (there,)))
        assert len(z.lists(*(f"n{number}" for number in range(STRANGERS + 5)))) == STRANGERS - 1, "and all lamps"


async def test_what_it_says_and_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    async with a_bridge(tmp_path) as z:
        z.bridge.link_up()
        for topic, payload in (("z/bridge/state", b"starting"), ("z/bridge/devices", b"{}")):
            with pytest.raises((InvalidInput, MalformedReport)):
                z.bridge.told(topic, payload)
            assert z.bridge.told(topic, b"") == ()
        assert z.hears
        assert z.bridge.knows(Heard("lamp", (Report(),)))
