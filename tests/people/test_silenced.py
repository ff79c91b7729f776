"""How many machines a silence names is counted without looking at each, and is what looking at each would say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lastseen.manage import machines, silenced, silences
from lastseen.manage.office import Office
from lastseen.manage.silenced import at_a_glance, named_now
from lastseen.manage.who import OPERATOR, Who
from lastseen.model import Matcher
from lastseen.model.directory import Sought
from lastseen.monitor.deadline import Threshold
from lastseen.monitor.snapshot import of_machine
from tests.api.conftest import Api, an_api

HOUR = timedelta(hours=1)
MACHINES: list[dict[str, Any]] = [
    {"slug": "cam-1", "name": "Front door", "group": "house", "tags": ["cam", "urgent"], "kind": "device"},
    {"slug": "cam-2", "name": "cam-1", "group": "house", "tags": ["cam"]},  # called as another's slug
    {"slug": "CAM-3", "name": "Größe 100%", "group": "House", "tags": ["Cam"]},
    {"slug": "nas", "name": "nas_[1]", "group": "rack"},
    {"slug": "nas.2", "name": "NAS", "group": "rack", "tags": ["urgent"], "kind": "device"},
    {"slug": "w", "name": "*", "group": "rack"},
]
WORDS = [
    "cam-1",
    "cam-2",
    "CAM-3",
    "Front door",
    "Größe 100%",
    "größe",
    "nas",
    "NAS",
    "nas_[1]",
    "*",
    "w",
    "nobody",
    "",
]
PATTERNS = [
    "*",
    "**",
    "cam-*",
    "c?m-*",
    "CAM*",
    "[cC]am-?",
    "*a*",
    "nas[.]2",
    "nas_[[]1]",
    "*%",
    "?",
    "[*]",
    "x*y",
    "[",
]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as made:
        owners = [
            None,
            None,
            None,
            (await made.app.office.store.add_user("ada", "member", None, made.clock.now())).name,
        ]
        for at, one in enumerate(MACHINES):
            said = {name: value for name, value in one.items() if name != "slug"}
            owner = owners[at % len(owners)]
            await machines.add(made.app.office.of(OPERATOR), one["slug"], said | ({"owner": owner} if owner else {}))
        yield made


async def looked_at(office: Office, matcher: Matcher) -> int:
    """Each machine, by what decides whether it is told."""
    found = 0
    for standing in await office.store.machines():
        one = standing.machine
        snapshot = of_machine(one, Threshold(None, "never"), standing.liveness, None)
        found += office.who.sees(one.owner) and matcher.misses(snapshot) is None
    return found


def some(words: list[str], most: int) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(words), max_size=most).map(tuple)


MATCHERS = st.builds(
    Matcher,
    groups=some(["house", "House", "rack", "nowhere"], 2),
    tags=some(["cam", "Cam", "urgent"], 2),
    kinds=some(["device", "default"], 1),
    names=some([*WORDS, *PATTERNS], 4),
    channels=some(["uid"], 1),
    ids=st.lists(st.sampled_from([1, 4, 99]), max_size=2).map(tuple),
)


async def test_what_is_counted_is_what_looking_at_each_machine_says(site: Api) -> None:
    loop = asyncio.get_running_loop()
    offices = [site.app.office.of(who) for who in (OPERATOR, Who("ada", "member", 1), Who("vic", "viewer", 9))]

    async def holds(matchers: list[Matcher], searches: int) -> None:
        for office in offices:
            expected = [await looked_at(office, one) for one in matchers]
            assert await named_now(office, matchers) == expected
            quick = await silenced._quickly(office, matchers, searches)
            assert all(many in (None, right) for many, right in zip(quick, expected, strict=True))

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
    @given(st.lists(MATCHERS, max_size=4), st.integers(0, 4))
    @example([Matcher(names=tuple(WORDS) * 2)], 3)
    @example([Matcher(names=("cam-1",)), Matcher(names=("cam-1",), channels=("uid",)), Matcher()], 1)
    def check(matchers: list[Matcher], searches: int) -> None:
        asyncio.run_coroutine_threadsafe(holds(matchers, searches), loop).result(60)

    await asyncio.to_thread(check)


async def test_only_what_could_be_anything_is_looked_for_among_all_machines(
    site: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, walks = site.app.office.of(OPERATOR), []

    async def machines_of(*given: Any) -> Any:
        walks.append(given)
        return await type(office.store).machines(office.store, *given)

    monkeypatch.setattr(office.store, "machines", machines_of, raising=False)
    for matcher in (
        Matcher(),
        Matcher(groups=("house",), tags=("cam",)),
        Matcher(names=("cam-1", "nas")),
        Matcher(names=("*",)),
        Matcher(names=("cam-*",)),
    ):
        await named_now(office, [matcher])
        await silences.listed(office)
        assert not walks, matcher
    many = Matcher(names=tuple(f"m{n}" for n in range(500)))
    await named_now(office, [Matcher(names=("?",)), Matcher(names=("[ab]*",)), many])
    assert len(walks) == 2, "one walk for all of them: a page, and the end"


async def test_what_is_found_by_too_many_is_walked_through_and_no_pattern_is_too_long(
    site: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, cams, long = site.app.office.of(OPERATOR), Matcher(names=("*cam-*",)), Matcher(names=("x" * 60_000 + "*",))
    assert await at_a_glance(office, [cams, long]) == [2, 0]
    monkeypatch.setattr(silenced, "FITTING", 2)
    assert await at_a_glance(office, [cams]) == [None], "another has it in its name, in capital letters"
    assert await named_now(office, [cams]) == [2]


async def test_at_a_glance_names_are_looked_up_and_nothing_is_walked_through(site: Api) -> None:
    office = site.app.office.of(OPERATOR)
    many = Matcher(names=("cam-1", "NAS", "CAM-3", "nobody", "Front door"))
    found = await at_a_glance(office, [many, Matcher(), Matcher(names=("?",)), Matcher(groups=("rack",))])
    assert found == [4, 6, None, 3]
    assert await at_a_glance(site.app.office.of(Who("vic", "viewer", 9)), [many]) == [4]
    assert await at_a_glance(office, []) == []


async def test_what_is_on_is_told_however_its_machines_are_called_and_for_a_few_queries(
    site: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, viewer = site.app.office.of(OPERATOR), site.app.office.of(Who("vic", "viewer", 9))
    called = ("Front door", "Größe 100%", "NAS", "cam-1", "nas", "nobody")
    await silences.add(office, "called", HOUR, Matcher(names=called), "eva")
    await silences.add(office, "one of them", HOUR, Matcher(names=("Front door",)), "eva")
    await silences.add(office, "none", HOUR, Matcher(names=("nobody",)), "eva")
    assert [(one.name, one.machines) for one in await silences.on_now(office)] == [("called", 5), ("one of them", 1)]
    shown = await silences.listed(viewer)
    assert [(one["name"], one["machines_now"]) for one in shown] == [("called", 4), ("one of them", 1)]
    assert shown[0]["matcher"] == {"names": list(called[:4])}
    assert [one.name for one in await silences.on_now(viewer)] == ["called", "one of them"]
    for n in range(60):
        await silences.add(office, f"s{n}", 2 * HOUR, Matcher(groups=("rack",), tags=(f"t{n}", "urgent")), "eva")
    asked = []

    async def census(sought: Sought) -> Any:
        asked.append(sought)
        return await type(office.store).census(office.store, sought)

    monkeypatch.setattr(office.store, "census", census, raising=False)
    found = await silences.on_now(office)
    assert len(asked) <= silenced.GLANCES
    assert len(found) == 62
    assert {one.machines for one in found} == {5, 1, None}, "beyond a few a number is not worth waiting for"


async def test_which_names_are_known_is_found_however_many_are_called_alike(
    site: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = [*WORDS, *(f"m{n}" for n in range(9))]
    for page, of_one in ((1, 1000), (2, 3), (1000, 1)):
        monkeypatch.setattr(silenced, "PAGE", page)
        monkeypatch.setattr(silenced, "LISTED", of_one)
        assert await silenced.known(site.app.office.of(OPERATOR), every) == {*WORDS} - {"größe", "nobody", ""}
        seen = await silenced.known(site.app.office.of(Who("vic", "viewer", 9)), every)
        assert seen == {*WORDS} - {"größe", "nobody", "", "nas", "nas_[1]"}
