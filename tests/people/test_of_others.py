"""What members see and change of machines, channels and silences of others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lastseen.errors import Forbidden, InvalidInput, NotFound
from lastseen.manage import channel_setup, machines, silenced, silences, why
from lastseen.manage.office import Office
from lastseen.manage.who import Who
from lastseen.model import Matcher, Silence, Status
from lastseen.model.wishes import matchable
from lastseen.monitor.deadline import Threshold
from lastseen.monitor.snapshot import of_machine
from tests.api.conftest import Api, an_api
from tests.support import eventually

HOUR = timedelta(hours=1)
ROLES = {"root": "admin", "ada": "member", "ben": "member", "vic": "viewer"}


class People:
    """`root` has made `shared` and `shared-2` for all; `adas` and `bens` are theirs, and so are their channels."""

    def __init__(self, api: Api) -> None:
        self.site, self.offices = api, dict[str, Office]()

    def __getitem__(self, name: str) -> Office:
        return self.offices[name]

    async def mute(self, channel: str, **of: Any) -> int:
        """As a bot does for one chat."""
        store, now = self.site.app.store, self.site.clock.now()
        uid = next(one.uid for one in await store.channels() if one.name == channel)
        silence = Silence("muted by Eva", now, now + HOUR, Matcher(channels=(uid,), **of), "Eva (Telegram)")
        made: int = (await store.add_silence(silence, now)).id
        return made


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[People]:
    async with an_api(tmp_path) as site:
        made = People(site)
        for name, role in ROLES.items():
            user = await site.app.store.add_user(name, role, None, site.clock.now())
            made.offices[name] = site.app.office.of(Who(name, role, user.id, through="session"))
        for slug, owner in (("shared", "root"), ("shared-2", "root"), ("adas", "ada"), ("bens", "ben")):
            await machines.add(made[owner], slug, {"group": "house"})
        for name, owner in (("hook-all", "root"), ("hook-ada", "ada"), ("pager-ada", "ada"), ("hook-ben", "ben")):
            await channel_setup.add(made[owner], "webhook", name, {"url": f"http://hooks.lan:9/{name}"})
        yield made


async def told_of(office: Office, slug: str) -> list[dict[str, Any]]:
    said = await why.described(office, slug, None)
    return [one for moment in said["timeline"] for one in moment["told"]]


async def test_why_counts_channels_of_others_and_names_none(people: People) -> None:
    monitor = people.site.app.office.monitor
    await monitor.heartbeat("shared")
    await monitor.sweep()
    await monitor.goodbye("shared")

    async def all_told() -> bool:
        await monitor.sweep()
        names = {one["channel"] for one in await told_of(people["root"], "shared")}
        return names == {"hook-all", "hook-ada", "pager-ada", "hook-ben"}

    await eventually(all_told)
    for name, own, others in (
        ("ada", {"hook-all", "hook-ada", "pager-ada"}, 1),
        ("ben", {"hook-all", "hook-ben"}, 2),
        ("vic", {"hook-all"}, 3),
    ):
        said = await told_of(people[name], "shared")
        counted = [one for one in said if one["channel"] not in own]
        assert {one["channel"] for one in said} >= own
        assert sum(int(one["channel"].split()[0]) for one in counted) == others
        assert all(one["channel"].endswith(" of others") for one in counted)
        assert [one["tries"] for one in counted] == [[]] * len(counted)
        hidden = {"hook-ada", "pager-ada", "hook-ben"} - own
        assert not [word for word in hidden if word in str(said)], f"{name} reads of them"


async def test_a_members_silence_is_of_what_they_may_change_by_name(people: People) -> None:
    every = await silences.add(people["ada"], "all", HOUR, Matcher(), "ada")
    assert every["matcher"] == {"slugs": ["adas", "shared", "shared-2"]}
    group = await silences.add(people["ada"], "house", HOUR, Matcher(groups=("house",), names=("s*", "b*")), "ada")
    assert group["matcher"] == {"slugs": ["shared", "shared-2"]}
    for matcher in (Matcher(names=("bens",)), Matcher(names=("b*",)), Matcher(groups=("nowhere",))):
        with pytest.raises(InvalidInput) as refused:
            await silences.add(people["ada"], "not mine", HOUR, matcher, "ada")
        assert refused.value.field == "names"
    whole = await silences.add(people["root"], "all", HOUR, Matcher(), "root")
    assert whole["matcher"] == {}, "an admin's is of whatever there will be"


async def test_a_members_silence_holds_for_nothing_of_others_that_is_called_like_their_machine(people: People) -> None:
    await machines.add(people["ben"], "kiln", {"name": "Oven"})
    await machines.add(people["ada"], "Oven", {"name": "hers"})
    made = await silences.add(people["ada"], "hers", HOUR, Matcher(names=("Oven",)), "ada")
    assert (made["machines"], made["machines_now"], made["matcher"]) == ("Oven", 1, {"slugs": ["Oven"]})
    (whole,) = await silences.listed(people["root"])
    assert whole["machines_now"] == 1, "of all that there are"
    assert await silences.listed(people["ben"]) == []
    (stored,) = await people.site.app.store.silences(people.site.clock.now())
    kiln, hers = [(await people.site.app.store.liveness([slug]))[slug].machine for slug in ("kiln", "Oven")]
    assert stored.matcher.misses(matchable(kiln)) == "wants only 1 machine"
    assert stored.matcher.misses(matchable(hers)) is None
    await machines.change(people["ben"], "kiln", {"name": "hers"})
    assert (await silences.end(people["ada"], made["id"]))["id"] == made["id"], "whatever others call theirs"


async def test_a_members_silence_is_of_no_machine_that_comes_later_with_the_slug_of_one_that_is_gone(
    people: People,
) -> None:
    store, slugs = people.site.app.store, ["shared", "adas"]
    await silences.add(people["ada"], "hers", HOUR, Matcher(names=("shared", "adas")), "ada")
    for slug in slugs:
        await machines.remove(people["ada"], slug)
        await machines.add(people["ben"], slug, {})
    (stored,) = await store.silences(people.site.clock.now())
    for standing in (await store.liveness(slugs)).values():
        machine = standing.machine
        asked = of_machine(machine, Threshold(None, "never"), standing.liveness, Status.OFFLINE)
        for snapshot in (asked, matchable(machine)):
            assert stored.matcher.misses(snapshot) is not None, "what happens to it is told"
    assert await silences.listed(people["ben"]) == []


async def test_who_made_a_silence_ends_it_also_when_its_machines_are_gone(people: People) -> None:
    made = await silences.add(people["ada"], "hers", HOUR, Matcher(names=("shared", "adas")), "ada")
    for slug, left in (("adas", ["shared"]), ("shared", [])):
        await machines.remove(people["ada"], slug)
        (shown,) = await silences.listed(people["ada"])
        assert (shown["matcher"], shown["machines_now"], shown["may_end"]) == ({"slugs": left}, len(left), True)
        assert shown["machines"] == (", ".join(left) or "removed machines")
        assert [one["name"] for one in await silences.listed(people["ben"])] == ["hers"] * len(left)
        assert [one["matcher"] for one in await silences.listed(people["root"])] == [{"slugs": left}]
    assert await silences.on_now(people["ada"]) == []
    with pytest.raises(NotFound):
        await silences.end(people["ben"], made["id"])
    assert (await silences.end(people["ada"], made["id"]))["matcher"] == {"slugs": []}


async def test_a_silence_stays_with_a_machine_that_is_given_to_somebody_else(people: People) -> None:
    await machines.add(people["ada"], "oven", {"name": "Oven"})
    both = await silences.add(people["ada"], "both", HOUR, Matcher(names=("adas", "oven")), "ada")
    one = await silences.add(people["ada"], "one", HOUR, Matcher(names=("adas",)), "ada")
    await machines.change(people["root"], "adas", {"owner": "ben"})
    for name in ("ada", "ben"):
        listed = await silences.listed(people[name])
        seen = {"ada": [("both", {"slugs": ["oven"]}, False)]}
        seen["ben"] = [("both", {"slugs": ["adas"]}, False), ("one", {"slugs": ["adas"]}, True)]
        assert [(each["name"], each["matcher"], each["may_end"]) for each in listed] == seen[name]
    with pytest.raises(NotFound):
        await silences.end(people["ada"], one["id"])
    assert (await silences.end(people["ben"], one["id"]))["id"] == one["id"]
    assert (await silences.end(people["root"], both["id"]))["matcher"] == {"slugs": ["adas", "oven"]}


async def test_a_mute_of_a_chat_of_theirs_is_listed_also_where_it_is_of_machines_of_others_alone(
    people: People,
) -> None:
    await machines.add(people["ben"], "kiln", {"group": "cellar"})
    mute = await people.mute("hook-ada", groups=("cellar",))
    assert [(one["id"], one["may_end"]) for one in await silences.listed(people["ada"])] == [(mute, True)]
    assert (await silences.end(people["ada"], mute))["id"] == mute


async def test_the_first_page_tells_members_of_no_silence_that_the_list_hides(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where there are more than are counted at a glance."""
    await machines.add(people["ben"], "kiln", {"name": "Oven", "group": "cellar", "kind": "device", "tags": ["hot"]})
    await machines.add(people["ada"], "Oven", {})
    of_others = [Matcher(groups=("cellar",)), Matcher(tags=("hot",)), Matcher(kinds=("device",))]
    of_others += [Matcher(names=("kil*",)), Matcher(names=("Oven",), groups=("cellar",))]
    for n, matcher in enumerate(of_others):
        await silences.add(people["root"], f"secret {n}", HOUR, matcher, "root")
    await silences.add(people["root"], "seen", 2 * HOUR, Matcher(names=("shared", "bens")), "root")
    await silences.add(people["ada"], "hers", 2 * HOUR, Matcher(names=("adas",)), "ada")
    await silences.add(people["root"], "every", HOUR, Matcher(), "root")
    for glances in (100, silenced.GLANCES, 0):
        monkeypatch.setattr(silenced, "GLANCES", glances)
        shown = [one.name for one in await silences.on_now(people["ada"])]
        assert shown == ["every", "seen", "hers"], glances
        assert len(await silences.on_now(people["root"])) == 8
    assert {one["name"] for one in await silences.listed(people["ada"])} == {"every", "seen", "hers"}


async def test_a_silence_is_seen_as_far_as_its_machines_and_chats_are(people: People) -> None:
    both = await silences.add(people["root"], "both", HOUR, Matcher(names=("adas", "bens")), "root")
    await silences.add(people["root"], "bens", HOUR, Matcher(names=("bens",)), "root")
    await people.mute("hook-ben")
    shown = await silences.listed(people["ada"])
    assert [(one["id"], one["matcher"]) for one in shown] == [(both["id"], {"names": ["adas"]})]
    assert len(await silences.listed(people["ben"])) == 3
    assert len(await silences.listed(people["root"])) == 3
    assert await silences.listed(people["vic"]) == []


async def test_a_name_that_machines_of_others_have_too_is_seen_and_nobodys_to_end(people: People) -> None:
    for slug, owner in (("oven-a", "ada"), ("oven-b", "ben"), ("kiln", "ben")):
        await machines.add(people[owner], slug, {"name": "Oven" if slug != "kiln" else "Kiln"})
    both = await silences.add(people["root"], "ovens", HOUR, Matcher(names=("Oven", "Kiln")), "root")
    (shown,) = await silences.listed(people["ada"])
    assert (shown["matcher"], shown["machines_now"], shown["may_end"]) == ({"names": ["Oven"]}, 1, False)
    assert [one["may_end"] for one in await silences.listed(people["ben"])] == [False]
    for name in ("ada", "ben"):
        with pytest.raises(Forbidden):
            await silences.end(people[name], both["id"])
    assert await silences.listed(people["vic"]) == []


async def test_a_slug_that_is_the_name_of_a_machine_of_another_gives_no_right_to_its_silence(people: People) -> None:
    """A silence names whatever is called so, by its slug or its name."""
    await machines.add(people["ben"], "kiln", {"name": "Oven"})
    await machines.add(people["ada"], "Oven", {"group": "hers"})
    oven = await silences.add(people["root"], "oven", HOUR, Matcher(names=("Oven",)), "root")
    (shown,) = await silences.listed(people["ada"])
    assert (shown["matcher"], shown["machines_now"], shown["may_end"]) == ({"names": ["Oven"]}, 1, False)
    with pytest.raises(Forbidden):
        await silences.end(people["ada"], oven["id"])
    await machines.remove(people["ben"], "kiln")
    assert (await silences.end(people["ada"], oven["id"]))["id"] == oven["id"], "it is of hers alone by now"


async def test_a_name_that_only_a_machine_of_theirs_has_is_theirs_to_end(people: People) -> None:
    await machines.add(people["ada"], "oven", {"name": "Oven"})
    oven = await silences.add(people["root"], "oven", HOUR, Matcher(names=("Oven",)), "root")
    assert (await silences.end(people["ada"], oven["id"]))["id"] == oven["id"]


@pytest.mark.parametrize(
    "matcher",
    [Matcher(groups=("cellar",)), Matcher(names=("k*",)), Matcher(groups=("cellar",), names=("Oven",))],
)
async def test_what_is_only_of_machines_of_others_is_not_there_for_a_member(people: People, matcher: Matcher) -> None:
    await machines.add(people["ben"], "kiln", {"name": "Oven", "group": "cellar"})
    await machines.add(people["ada"], "Oven", {"group": "hers"})
    made = await silences.add(people["root"], "cellar", HOUR, matcher, "root")
    assert await silences.listed(people["ada"]) == []
    with pytest.raises(NotFound):
        await silences.end(people["ada"], made["id"])
    assert [one["id"] for one in await silences.listed(people["ben"])] == [made["id"]]
    await machines.change(people["ada"], "Oven", {"group": "cellar", "name": "kilometre"})
    assert [one["may_end"] for one in await silences.listed(people["ada"])] == [False]


async def test_members_end_silences_of_what_they_may_change_alone(people: People) -> None:
    mine = await silences.add(people["root"], "mine", HOUR, Matcher(names=("adas", "shared")), "root")
    both = await silences.add(people["root"], "both", HOUR, Matcher(names=("adas", "bens")), "root")
    every = await silences.add(people["root"], "all", HOUR, Matcher(), "root")
    bens = await silences.add(people["ben"], "bens", HOUR, Matcher(names=("bens",)), "ben")
    mute, other = await people.mute("hook-ada"), await people.mute("hook-ben")
    for silence, error in (
        (both["id"], Forbidden),
        (every["id"], Forbidden),
        (bens["id"], NotFound),
        (other, NotFound),
    ):
        with pytest.raises(error):
            await silences.end(people["ada"], silence)
    may = {one["id"]: one["may_end"] for one in await silences.listed(people["ada"])}
    assert may == {mine["id"]: True, both["id"]: False, every["id"]: False, mute: True}
    assert all(one["may_end"] for one in await silences.listed(people["root"]))
    assert not any(one["may_end"] for one in await silences.listed(people["vic"]))
    for silence in (mine["id"], mute):
        assert (await silences.end(people["ada"], silence))["id"] == silence
    for silence in (both["id"], every["id"], bens["id"], other):
        assert (await silences.end(people["root"], silence))["id"] == silence
