"""Silences that are on are said, and are no fault."""

from __future__ import annotations

from datetime import timedelta

from lastseen.doctor import Severity
from lastseen.model import Matcher, Silence
from tests.doctor.conftest import NOW, Ward

HOUR = timedelta(hours=1)


async def test_silences_that_are_on_are_told_of_and_nothing_is_to_be_done(ward: Ward) -> None:
    async def add(name: str, matcher: Matcher, start: timedelta = -HOUR) -> None:
        await ward.store.add_silence(Silence(name, NOW + start, NOW + 3 * HOUR, matcher), NOW)

    await add("one chat", Matcher(channels=("uid",)))
    await add("tonight", Matcher(), HOUR)
    assert (await ward.look("channels")).findings == ()
    await add("new router", Matcher())
    finding = await ward.only("channels")
    assert (finding.severity, finding.code, finding.wants_doing) == (Severity.HINT, "channels.silenced", False)
    assert finding.what == 'nothing is told of what 1 silence names: "new router" (all machines, for another 3 h)'
    assert "`lastseen silences end ID`" in finding.do
    for n in range(4):
        await add(f"s{n}", Matcher(groups=("rack",)))
    what = (await ward.only("channels")).what
    assert what.startswith("nothing is told of what 5 silences name: ")
    assert what.endswith('"s1" (group rack, for another 3 h) and 2 more')
