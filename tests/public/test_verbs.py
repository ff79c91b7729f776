"""Who may make status pages and badges, of what, and what is refused by which name."""

from __future__ import annotations

from typing import Any

import pytest

from lastseen.errors import Conflict, Forbidden, InvalidInput, NotFound
from lastseen.manage import badges, statuspages
from tests.public.conftest import Shop

pytestmark = pytest.mark.anyio


async def test_a_page_is_described_as_it_was_given(shop: Shop) -> None:
    await shop.machine("pump")
    lines = [{"machine": "pump", "alias": "Water"}, {"group": "web"}, {"tag": "t"}, {"all": True}]
    made = await statuspages.add(shop.office, "s", {"title": " S ", "text": "hello", "lines": lines})
    assert made["lines"] == [
        {"machine": "pump", "alias": "Water"},
        {"group": "web", "alias": None},
        {"tag": "t", "alias": None},
        {"all": True, "alias": None},
    ]
    assert (made["title"], made["text"], made["public"], made["listed"]) == ("S", "hello", True, False)
    assert made["url"] == "http://here/status/s"
    assert await statuspages.listed(shop.office) == [made] == [await statuspages.show(shop.office, "s")]
    changed = await statuspages.change(shop.office, "s", {"text": "", "slug": "t", "lines": made["lines"][:1]})
    assert (changed["slug"], changed["title"], changed["text"]) == ("t", "S", "")
    assert changed["lines"] == made["lines"][:1]
    assert await statuspages.remove(shop.office, "t") == {"id": made["id"], "slug": "t", "removed": True}
    assert await statuspages.listed(shop.office) == []


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"slug": "Up"}, "slug"),
        ({"slug": "a.b"}, "slug"),
        ({"slug": "-a"}, "slug"),
        ({"slug": ""}, "slug"),
        ({"slug": "a" * 101}, "slug"),
        ({"title": "  "}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "a\0"}, "title"),
        ({"text": "x" * 2001}, "text"),
        ({"lines": [{"all": True}] * 201}, "lines"),
        ({"lines": [{}]}, "lines.0.machine"),
        ({"lines": [{"all": True}, {"group": "a", "tag": "b"}]}, "lines.1.group"),
        ({"lines": [{"machine": "nobody"}]}, "lines.0.machine"),
        ({"lines": [{"group": " "}]}, "lines.0.group"),
        ({"lines": [{"tag": "x" * 201}]}, "lines.0.tag"),
        ({"lines": [{"all": True, "alias": "x" * 201}]}, "lines.0.alias"),
    ],
)
async def test_bad_input_is_named_and_changes_nothing(shop: Shop, said: dict[str, Any], field: str) -> None:
    await statuspages.add(shop.office, "s", {"title": "S"})
    before = await statuspages.listed(shop.office)
    with pytest.raises(InvalidInput) as caught:
        await statuspages.change(shop.office, "s", said)
    assert caught.value.field == field
    with pytest.raises(InvalidInput):
        await statuspages.add(shop.office, said.get("slug", "other"), {"title": "T", **said})
    assert await statuspages.listed(shop.office) == before


async def test_a_slug_that_is_taken_is_a_conflict(shop: Shop) -> None:
    for slug in ("s", "t"):
        await statuspages.add(shop.office, slug, {"title": "S"})
    with pytest.raises(Conflict):
        await statuspages.add(shop.office, "s", {"title": "S"})
    with pytest.raises(Conflict):
        await statuspages.change(shop.office, "s", {"slug": "t"})


async def test_viewers_change_nothing_and_what_is_somebody_elses_is_not_there(shop: Shop) -> None:
    ada, bob = [(await shop.site.person(name, "member", None)).id for name in ("ada", "bob")]
    await shop.machine("of-bob", owner=bob)
    await shop.machine("shared")
    mine, theirs, viewer = shop.of("member", ada), shop.of("member", bob), shop.of("viewer", 99)
    page = await statuspages.add(mine, "ada", {"title": "A", "lines": [{"machine": "shared"}]})
    badge = await badges.add(mine, {"machine": "shared"})
    assert page["owner"] == badge["owner"] == "ada"
    shared = await statuspages.add(mine, "shared", {"title": "A", "shared": True})
    assert shared["owner"] is None
    for other in (theirs, viewer):
        assert [one["slug"] for one in await statuspages.listed(other)] == ["shared"]
        assert await badges.listed(other) == []
        with pytest.raises(NotFound):
            await statuspages.change(other, "ada", {"title": "B"})
        with pytest.raises(NotFound):
            await statuspages.remove(other, "ada")
        with pytest.raises(NotFound):
            await badges.remove(other, badge["id"])
    for attempt in (
        statuspages.add(viewer, "v", {"title": "V"}),
        statuspages.change(viewer, "shared", {"title": "V"}),
        statuspages.remove(viewer, "shared"),
        badges.add(viewer, {"all": True}),
    ):
        with pytest.raises(Forbidden):
            await attempt
    for office, owner in ((mine, "ada"), (shop.office, None)):
        with pytest.raises(InvalidInput) as caught:
            await statuspages.change(office, "ada" if owner else "shared", {"lines": [{"machine": "of-bob"}]})
        assert caught.value.field == "lines.0.machine"
    assert [one["slug"] for one in await statuspages.listed(shop.office)] == ["ada", "shared"], "an admin sees all"


async def test_what_is_done_is_written_down_without_a_badges_address(shop: Shop) -> None:
    await statuspages.add(shop.office, "s", {"title": "S"})
    badge = await badges.add(shop.office, {"all": True, "label": "L"})
    await badges.remove(shop.office, badge["id"])
    deeds = await shop.store.deeds()
    assert [deed.verb for deed in deeds] == ["badges.remove", "badges.add", "status-pages.add"]
    assert badge["key"] not in repr(deeds)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "machine"),
        ({"machine": "nobody"}, "machine"),
        ({"all": True, "shows": "mood"}, "shows"),
        ({"all": True, "label": "x" * 61}, "label"),
        ({"all": True, "label": "a\0"}, "label"),
        ({"group": "a\0"}, "group"),
    ],
)
async def test_a_badge_of_nothing_is_refused_by_name(shop: Shop, said: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await badges.add(shop.office, said)
    assert caught.value.field == field
    assert await badges.listed(shop.office) == []
