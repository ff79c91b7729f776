"""`/api/v1/channels`: who is told, and whether that works."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Body, Response

from lastseen.durations import parse_duration
from lastseen.manage import channel_setup, channel_test, invites
from lastseen.manage import channels as verbs
from lastseen.model import Preferences
from lastseen.web.api import channel_models as models
from lastseen.web.api.asked import PREFIX, Asked, Name, Number, answer, everything
from lastseen.web.api.models import Page

router = APIRouter(prefix=f"{PREFIX}/channels", tags=["channels"])


@router.get("", response_model=Page[models.Channel], operation_id="channels_list")
async def listed(office: Asked) -> Response:
    """List channels"""
    return everything(await verbs.listed(office))


@router.get("/types", response_model=Page[models.ChannelType], operation_id="channels_types")
async def types(office: Asked) -> Response:
    """What channels there can be, and what each must be told"""
    return everything(channel_setup.types())


@router.post("", status_code=201, response_model=models.MadeChannel, operation_id="channels_add")
async def add(office: Asked, new: models.NewChannel) -> Response:
    """Add a channel

    Only admins make channels that everybody shares, and such that nothing guards: those may use any address."""
    shared = new.shared if "shared" in new.model_fields_set else None
    with channel_setup.within("config", "name", "type", "shared", "body"):
        made = await channel_setup.add(office, new.type, new.name, new.config, shared=shared)
    return answer(made, 201, Location=f"{PREFIX}/channels/{made['id']}")


@router.post("/invites", status_code=201, response_model=models.Invite, operation_id="channels_invite")
async def invite(office: Asked, new: models.NewInvite) -> Response:
    """Make a link that connects a Telegram chat or group

    Good once. The channel that comes of it is everybody's, or of who asks; only admins make shared ones."""
    shared = new.shared if "shared" in new.model_fields_set else None
    lasting = parse_duration(new.lasting, "lasting")
    made = await invites.invite(office, new.name, new.wishes(), lasting, new.token, shared=shared)
    return answer(made.described(), 201, Location=f"{PREFIX}/channels/invites/{made.id}")


@router.get("/invites/{id}", response_model=models.Used, operation_id="channels_invited")
async def invited(office: Asked, number: Number) -> Response:
    """Whether a link was used

    Who is no admin asks of their own links."""
    return answer(await invites.state(office, number))


@router.get("/{id}", response_model=models.Channel, operation_id="channels_show")
async def show(office: Asked, ref: Name) -> Response:
    """Show a channel"""
    return answer(await verbs.show(office, ref))


@router.patch("/{id}", response_model=models.Channel, operation_id="channels_change")
async def change(office: Asked, ref: Name, changes: models.ChannelChanges) -> Response:
    """Change a channel

    What is not named stays; of two who change the same, the later is heard. Where a channel that everybody shares sends
    to is for admins to change."""
    ref = await _checked(office, ref, changes)
    change, fallback, owner = _wished(changes)
    after = owner != verbs.KEEP and fallback not in (None, verbs.KEEP)  # who may stand in goes by whose it is then
    if changes.config is not None:
        with channel_setup.within("config"):
            await channel_setup.configure(office, ref, changes.config, to_everybody=owner is None)
    if changes.wishes is not None or fallback != verbs.KEEP:
        await verbs.prefer(office, ref, change, None if after else fallback)
    if changes.name is not None:
        await verbs.rename(office, ref, changes.name)
    if owner != verbs.KEEP:
        await verbs.give(office, ref, owner)
    if after:
        await verbs.prefer(office, ref, lambda wishes: wishes, fallback)
    return answer(await verbs.show(office, ref))


async def _checked(office: Asked, ref: str, changes: models.ChannelChanges) -> str:
    """By its id, which stays. Wishes, a name or an owner that cannot be, with the others as they are asked for, are
    refused before anything is changed."""
    change, fallback, owner = _wished(changes)
    if changes.wishes is not None or fallback != verbs.KEEP:
        with channel_setup.within("wishes", "fallback", "owner"):
            await verbs.may_prefer(office, ref, change, fallback, owner)
    if changes.name is not None:
        await verbs.may_be_called(office, ref, changes.name)
    if owner != verbs.KEEP:
        with channel_setup.within("config", "owner"):
            await verbs.may_be_of(office, ref, owner, fallback, changes.config)
    return str((await verbs.find(office, ref)).id)


def _wished(
    changes: models.ChannelChanges,
) -> tuple[Callable[[Preferences], Preferences], str | None, str | None]:
    """What is asked for of wishes, who stands in, and whose it is."""
    said = changes.model_fields_set
    fallback = changes.fallback if "fallback" in said else verbs.KEEP
    owner = changes.owner if "owner" in said else verbs.KEEP
    return partial(verbs.merged, said=changes.wishes or {}), fallback, owner


@router.delete("/{id}", response_model=models.RemovedChannel, operation_id="channels_remove")
async def remove(office: Asked, ref: Name) -> Response:
    """Remove a channel and its secrets

    What was told through it stays in the history."""
    return answer(await verbs.remove(office, ref))


@router.post("/{id}/test", response_model=models.Tried, operation_id="channels_test")
async def test(office: Asked, ref: Name) -> Response:
    """Send a test message, now

    `ok` false says why it did not get there."""
    return answer(await channel_test.test(office, ref))


@router.post("/{id}/enable", response_model=models.Channel, operation_id="channels_enable")
async def enable(office: Asked, ref: Name) -> Response:
    """Tell it again, and forget its failures"""
    return answer(await verbs.switch(office, ref, True))


@router.post("/{id}/disable", response_model=models.Channel, operation_id="channels_disable")
async def disable(office: Asked, ref: Name, why: Annotated[models.Disabling | None, Body()] = None) -> Response:
    """Tell it nothing

    What waits for it is cancelled."""
    return answer(await verbs.switch(office, ref, False, why.reason if why else None))


@router.post("/{id}/rotate-secret", response_model=models.MadeChannel, operation_id="channels_rotate_secret")
async def rotate(office: Asked, ref: Name, how: Annotated[models.Rotating | None, Body()] = None) -> Response:
    """Give a webhook a new secret

    Shown this once. Until the old one ends, requests carry a signature by each."""
    keep = parse_duration((how or models.Rotating()).keep, "keep")
    return answer(await verbs.rotate_secret(office, ref, keep))
