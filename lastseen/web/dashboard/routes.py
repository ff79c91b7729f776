"""All pages of machines, and the files that they load."""

from __future__ import annotations

from fastapi import APIRouter

from lastseen.web.dashboard.adding import adding_routes
from lastseen.web.dashboard.assets import asset_routes
from lastseen.web.dashboard.changing import changing_routes
from lastseen.web.dashboard.channels import channel_routes
from lastseen.web.dashboard.happenings import event_routes
from lastseen.web.dashboard.machine import machine_routes
from lastseen.web.dashboard.overview import overview_routes


def dashboard_routes() -> APIRouter:
    router = APIRouter()
    for part in (
        asset_routes,
        overview_routes,
        adding_routes,
        changing_routes,
        machine_routes,
        event_routes,
        channel_routes,
    ):
        router.include_router(part())
    return router
