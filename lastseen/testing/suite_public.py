"""What a store does that keeps what everybody may look at."""

from __future__ import annotations

import pytest

from lastseen.errors import Conflict, InvalidInput, NotFound
from lastseen.model import replace
from lastseen.model.public import Badge, Line, StatusPage, Subject
from lastseen.testing.script import at
from lastseen.testing.suite_base import StoreSuiteBase

LINES = (Line(Subject(machine=3), "Pump house"), Line(Subject(group="web")), Line(Subject(tag="a b")), Line(Subject()))
PAGE = StatusPage("water", "Water & <heat>", LINES, "all of it", is_public=False, is_listed=True)


class PublicSuite(StoreSuiteBase):
    async def test_a_status_page_is_kept_as_it_was_given(self) -> None:
        self.needs("public")
        async with self.opened() as store:
            assert await store.status_pages() == []
            made = await store.add_status_page(PAGE, at(0))
            assert made == replace(PAGE, id=made.id, created_at=at(0))
            await store.add_status_page(StatusPage("air", "Air"), at(1))
            assert [page.slug for page in await store.status_pages()] == ["air", "water"]
            assert (await store.status_pages())[1] == made

    async def test_a_slug_is_one_page(self) -> None:
        self.needs("public")
        async with self.opened() as store:
            made = await store.add_status_page(PAGE, at(0))
            other = await store.add_status_page(StatusPage("air", "Air"), at(0))
            with pytest.raises(Conflict):
                await store.add_status_page(PAGE, at(1))
            with pytest.raises(Conflict):
                await store.change_status_page(replace(other, slug="water"))
            assert await store.change_status_page(replace(made, slug="sea", title="Sea", lines=())) == replace(
                made, slug="sea", title="Sea", lines=()
            )
            await store.remove_status_page(made.id)
            assert [page.slug for page in await store.status_pages()] == ["air"]
            for gone in (made.id, 0, 2**40):
                with pytest.raises(NotFound):
                    await store.remove_status_page(gone)
                with pytest.raises(NotFound):
                    await store.change_status_page(replace(made, id=gone, slug="gone"))

    async def test_badges_come_and_go(self) -> None:
        self.needs("public")
        async with self.opened() as store:
            assert await store.badges() == []
            first = await store.add_badge(Badge("k1", Subject(group="web"), "uptime", "Web"), at(0))
            second = await store.add_badge(Badge("k2", Subject()), at(1))
            assert first == Badge("k1", Subject(group="web"), "uptime", "Web", None, at(0), first.id)
            assert await store.badges() == [first, second]
            await store.remove_badge(first.id)
            assert await store.badges() == [second]
            for gone in (first.id, 0, 2**40):
                with pytest.raises(NotFound):
                    await store.remove_badge(gone)

    @pytest.mark.parametrize("field", ["slug", "title", "text", "alias", "group", "tag"])
    async def test_a_text_that_not_every_database_holds_is_refused_by_its_field(self, field: str) -> None:
        self.needs("public")
        async with self.opened() as store:
            if field in ("slug", "title", "text"):
                page = replace(PAGE, **{field: "a\0b"})
            elif field == "alias":
                page = replace(PAGE, lines=(Line(Subject(), "a\0b"),))
            else:
                subject = Subject(group="a\0b") if field == "group" else Subject(tag="a\0b")
                page = replace(PAGE, lines=(Line(subject),))
            with pytest.raises(InvalidInput) as caught:
                await store.add_status_page(page, at(0))
            assert caught.value.field == field
            assert await store.status_pages() == []
