"""All pages for people who are logged in, and the files that they load."""

from __future__ import annotations

from fastapi import APIRouter

from lastseen.web.dashboard.adding import adding_routes
from lastseen.web.dashboard.again import again_routes
from lastseen.web.dashboard.assets import asset_routes
from lastseen.web.dashboard.changing import changing_routes
from lastseen.web.dashboard.channel_secret import secret_routes
from lastseen.web.dashboard.channel_whose import whose_routes
from lastseen.web.dashboard.channels import channel_routes
from lastseen.web.dashboard.happenings import event_routes
from lastseen.web.dashboard.inviting import invite_routes
from lastseen.web.dashboard.keys import key_routes
from lastseen.web.dashboard.kinds import kind_routes
from lastseen.web.dashboard.machine import machine_routes
from lastseen.web.dashboard.overview import overview_routes
from lastseen.web.dashboard.people import people_routes
from lastseen.web.dashboard.shown import shown_routes
from lastseen.web.dashboard.silences import silence_routes
from lastseen.web.dashboard.sources import source_routes
from lastseen.web.dashboard.system import system_routes
from lastseen.web.dashboard.wishes import wish_routes

PARTS = (
    asset_routes, overview_routes, adding_routes, changing_routes, machine_routes, event_routes,
    again_routes, invite_routes, secret_routes, whose_routes, wish_routes, channel_routes,
    silence_routes, key_routes, people_routes, source_routes, system_routes, shown_routes, kind_routes,
)  # fmt: skip
"""In their order: `/machines/new` comes before `/machines/{slug}`, `/channels/given-up` before `/channels/{ref}`."""


def dashboard_routes() -> list[APIRouter]:
    return [part() for part in PARTS]
