"""`/api/v1/status-pages` and `/api/v1/badges`: what everybody may look at."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi import Query as InQuery

from lastseen.manage import badges, statuspages
from lastseen.web.api import public_models as models
from lastseen.web.api.asked import PREFIX, Asked, Number, Paged, answer
from lastseen.web.api.models import Page

router = APIRouter(prefix=PREFIX)

Slug = Annotated[str, Path(alias="id", description="its slug", examples=["shop"])]


@router.get(
    "/status-pages", tags=["status pages"], response_model=Page[models.StatusPage], operation_id="status_pages_list"
)
async def all_pages(office: Asked, query: Annotated[Paged, InQuery()]) -> Response:
    """List status pages, by slug"""
    return answer(await statuspages.page(office, limit=query.limit, cursor=query.cursor))


@router.post(
    "/status-pages",
    tags=["status pages"],
    status_code=201,
    response_model=models.StatusPage,
    operation_id="status_pages_add",
)
async def add_page(office: Asked, new: models.NewPage) -> Response:
    """Make a status page

    Everybody who has its address sees it, unless `public` is false."""
    said = new.wanted()
    made = await statuspages.add(office, said.pop("slug"), said)
    return answer(made, 201, Location=f"{PREFIX}/status-pages/{made['slug']}")


@router.get(
    "/status-pages/{id}", tags=["status pages"], response_model=models.StatusPage, operation_id="status_pages_show"
)
async def show_page(office: Asked, slug: Slug) -> Response:
    """Show a status page: what is on it, and by which name"""
    return answer(await statuspages.show(office, slug))


@router.patch(
    "/status-pages/{id}", tags=["status pages"], response_model=models.StatusPage, operation_id="status_pages_change"
)
async def change_page(office: Asked, slug: Slug, changes: models.PageChanges) -> Response:
    """Change a status page"""
    return answer(await statuspages.change(office, slug, changes.wanted()))


@router.delete(
    "/status-pages/{id}", tags=["status pages"], response_model=models.RemovedPage, operation_id="status_pages_remove"
)
async def remove_page(office: Asked, slug: Slug) -> Response:
    """Remove a status page

    Its machines stay."""
    return answer(await statuspages.remove(office, slug))


@router.get("/badges", tags=["badges"], response_model=Page[models.Badge], operation_id="badges_list")
async def all_badges(office: Asked, query: Annotated[Paged, InQuery()]) -> Response:
    """List badges with their addresses"""
    return answer(await badges.page(office, limit=query.limit, cursor=query.cursor))


@router.post("/badges", tags=["badges"], status_code=201, response_model=models.Badge, operation_id="badges_add")
async def add_badge(office: Asked, new: models.NewBadge) -> Response:
    """Make a badge

    Whoever has its address sees it."""
    return answer(await badges.add(office, new.said()), 201)


@router.delete("/badges/{id}", tags=["badges"], response_model=models.RemovedBadge, operation_id="badges_remove")
async def remove_badge(office: Asked, badge: Number) -> Response:
    """Remove a badge

    Its address shows nothing any more."""
    return answer(await badges.remove(office, badge))
