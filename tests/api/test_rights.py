"""What each may do, by the verbs themselves: what is not theirs to see is not there, what they may not change stays."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lastseen.errors import Conflict, Forbidden, InvalidInput, LastseenError, NotFound, UnknownChannel, UnknownMachine
from lastseen.manage import (
    channel_setup,
    channel_test,
    channels,
    events,
    kinds,
    machines,
    notifications,
    silences,
    uptimes,
    why,
)
from lastseen.manage import sources as brokers
from lastseen.manage.office import Office
from lastseen.manage.who import Who
from lastseen.model import Matcher
from lastseen.model.directory import Leaf, Sought
from tests.api.conftest import Api, an_api
from tests.support import eventually

URL = {"url": "https://hooks.example.org/x?secret=word"}


@dataclass
class People:
    """One of each, and what is there: machines and channels that are shared, Ada's and Ben's."""

    api: Api
    offices: Mapping[str, Office]

    def __getitem__(self, name: str) -> Office:
        return self.offices[name]


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[People]:
    async with an_api(tmp_path, public_url="https://status.example.org") as api:
        store, office = api.app.store, api.app.office
        roles = {"root": "admin", "ada": "member", "ben": "member", "vic": "viewer"}
        ids = {name: (await store.add_user(name, role, None, api.clock.now())).id for name, role in roles.items()}
        offices = {n: office.of(Who(n, role, ids[n], through="session")) for n, role in roles.items()}
        offices["reads"] = office.of(Who("key 1", "admin", writes=False, through="key"))
        offices["operator"] = office
        made = People(api, offices)
        for name, owner in (("shared", "root"), ("adas", "ada"), ("bens", "ben")):
            await machines.add(made[owner], name, {})
            await channel_setup.add(made[owner], "webhook", f"hook-{name}", URL)
        yield made


async def refused(work: Awaitable[Any]) -> type[LastseenError] | None:
    try:
        await work
    except LastseenError as error:
        return type(error)
    return None


async def test_what_members_make_is_theirs_unless_they_say_that_it_is_shared(people: People) -> None:
    assert (await machines.show(people["root"], "adas"))["owner"] == "ada"
    assert (await machines.show(people["root"], "shared"))["owner"] is None
    await machines.add(people["ada"], "for-all", {"shared": True})
    assert (await machines.show(people["ben"], "for-all"))["owner"] is None
    assert (await channels.show(people["root"], "hook-adas"))["owner"] == "ada"
    await machines.add(people["root"], "roots", {"shared": False})
    assert await refused(machines.show(people["ada"], "roots")) is UnknownMachine


async def test_only_an_admin_says_whose_something_is(people: People) -> None:
    assert (await machines.change(people["root"], "shared", {"owner": "ben"}))["owner"] == "ben"
    assert await refused(machines.show(people["ada"], "shared")) is UnknownMachine
    assert (await machines.change(people["operator"], "shared", {"owner": None}))["owner"] is None
    await machines.add(people["operator"], "given", {"owner": "ada"})
    assert (await machines.show(people["ada"], "given"))["owner"] == "ada"
    assert await refused(machines.change(people["ada"], "adas", {"owner": "ben"})) is Forbidden
    assert await refused(machines.change(people["root"], "adas", {"owner": "nobody"})) is InvalidInput
    assert await refused(machines.change(people["root"], "adas", {"owner": "ben", "shared": True})) is InvalidInput


async def test_what_is_anothers_is_not_there(people: People) -> None:
    for name in ("ben", "vic"):
        who = people[name]
        reads: list[Callable[[], Awaitable[Any]]] = [
            lambda who=who: machines.show(who, "adas"),
            lambda who=who: machines.status(who, "adas"),
            lambda who=who: machines.change(who, "adas", {"name": "x"}),
            lambda who=who: machines.rotate_key(who, "adas"),
            lambda who=who: machines.order(who, "adas", "pause"),
            lambda who=who: machines.remove(who, "adas"),
            lambda who=who: machines.acknowledge(who, "adas"),
            lambda who=who: events.outages(who, "adas"),
            lambda who=who: uptimes.of_one(who, "adas", timedelta(days=1)),
            lambda who=who: why.told(who, "adas", None),
            lambda who=who: channels.show(who, "hook-adas"),
            lambda who=who: channels.switch(who, "hook-adas", False),
            lambda who=who: channel_test.test(who, "hook-adas"),
            lambda who=who: channel_setup.configure(who, "hook-adas", URL),
            lambda who=who: channels.remove(who, "hook-adas"),
        ]
        for each in reads:
            assert await refused(each()) in (UnknownMachine, UnknownChannel)
        listed = await machines.page(who, Sought())
        assert "adas" not in {one["slug"] for one in listed["items"]}
        assert (await machines.statuses(who, ["adas", "shared"]))["unknown"] == ["adas"]
        assert "hook-adas" not in {one["name"] for one in await channels.listed(who)}
        assert "adas" not in {one["slug"] for one in await machines.listed(who)}
    assert {one["slug"] for one in await machines.listed(people["root"])} == {"shared", "adas", "bens"}


async def test_whoever_may_not_say_where_a_channel_sends_to_is_not_given_its_secret(people: People) -> None:
    assert await refused(channels.rotate_secret(people["ada"], "hook-shared", timedelta(1))) is Forbidden
    for name, channel in (("ada", "hook-adas"), ("root", "hook-shared")):
        assert (await channels.rotate_secret(people[name], channel, timedelta(1)))["secret"].startswith("whsec_")


async def test_what_somebody_leaves_behind_is_for_admins_to_take_over(people: People) -> None:
    """Nothing guards where a shared channel sends to, and it hears of all machines."""
    ben, store = people["ben"], people.api.app.store
    await channel_setup.add(ben, "webhook", "stopped", URL)
    await channels.switch(ben, "stopped", False, "stopped in its chat by ben")
    await store.remove_user(ben.who.user_id, people.api.clock.now())
    for name in ("hook-bens", "stopped"):
        assert (await channels.show(people["root"], name))["disabled_reason"].endswith("is no user any more")
        for each in (
            channels.switch(people["ada"], name, True),
            channels.switch(people["ada"], name, False, "for another reason"),
            channel_test.test(people["ada"], name),
            channels.remove(people["ada"], name),
        ):
            assert await refused(each) is Forbidden
        assert (await channels.switch(people["root"], name, True))["enabled"] is True
        assert (await channels.switch(people["ada"], name, False))["enabled"] is False


async def test_a_viewer_sees_what_is_shared_without_secrets_and_changes_nothing(people: People) -> None:
    who = people["vic"]
    shown = await machines.show(who, "shared")
    assert (shown["slug"], shown["ping_url"], shown["push_url"]) == ("shared", None, None)
    assert (await machines.page(who, Sought(), urls=True))["items"][0]["ping_url"] is None
    hook = await channels.show(who, "hook-shared")
    assert hook["config"] == {}
    for each in (
        machines.change(who, "shared", {"name": "x"}),
        machines.order(who, "shared", "pause"),
        machines.rotate_key(who, "shared"),
        machines.renew_addresses(who, "shared"),
        machines.acknowledge(who, "shared"),
        machines.remove(who, "shared"),
        machines.add(who, "mine", {}),
        channels.switch(who, "hook-shared", False),
        channels.prefer(who, "hook-shared", lambda before: before),
        channels.rotate_secret(who, "hook-shared", timedelta(1)),
        channel_test.test(who, "hook-shared"),
        channel_setup.add(who, "webhook", "mine", URL),
        silences.add(who, "s", timedelta(1), Matcher(), "vic"),
        kinds.put(who, "cam", every="1m"),
        brokers.add(who, "b", {"url": "mqtt://127.0.0.1:9", "presets": ["devices"]}),
    ):
        assert await refused(each) is Forbidden
    assert (await machines.show(people["root"], "shared"))["name"] == "shared"


async def test_a_key_that_may_only_read_changes_nothing_and_sees_no_secret(people: People) -> None:
    who = people["reads"]
    assert {one["slug"] for one in await machines.listed(who)} == {"shared", "adas", "bens"}
    assert (await machines.show(who, "adas"))["ping_url"] is None
    assert (await channels.show(who, "hook-adas"))["config"] == {}
    for each in (
        machines.change(who, "adas", {"name": "x"}),
        machines.add(who, "mine", {}),
        channels.remove(who, "hook-adas"),
        kinds.put(who, "cam", every="1m"),
        silences.end(who, 1),
    ):
        assert await refused(each) is Forbidden


async def test_members_change_what_is_shared_but_not_what_is_everybodys_to_rely_on(people: People) -> None:
    who = people["ada"]
    assert (await machines.change(who, "shared", {"name": "Shared"}))["name"] == "Shared"
    assert (await channels.switch(who, "hook-shared", False))["enabled"] is False
    assert await refused(channel_setup.configure(who, "hook-shared", URL)) is Forbidden
    assert await refused(channel_setup.add(who, "webhook", "for-all", URL, shared=True)) is Forbidden
    assert await refused(kinds.put(who, "cam", every="1m")) is Forbidden
    assert await refused(brokers.remove(who, "http")) is Forbidden
    assert await refused(machines.change(who, "shared", {"shared": False})) is Forbidden
    assert (await machines.change(who, "adas", {"shared": True}))["owner"] is None
    assert (await machines.change(people["root"], "adas", {"shared": False}))["owner"] == "root"
    assert await refused(machines.change(people["operator"], "bens", {"shared": False})) is None
    assert await refused(machines.change(people["operator"], "shared", {"shared": False})) is InvalidInput


PRIVATE = {"url": "http://127.0.0.1:9/"}
KINDS: Mapping[str, Mapping[str, Any]] = {"webhook": {}, "ntfy": {"topic": "some-topic"}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433"])
async def test_a_members_channel_is_not_led_to_where_it_never_gets(people: People, kind: str, host: str) -> None:
    ada, root = people["ada"], people["root"]
    inside = {**KINDS[kind], "url": f"http://{host}:9/"}
    with pytest.raises(InvalidInput, match="LASTSEEN_WEBHOOK_ALLOW_NETWORKS") as wrong:
        await channel_setup.add(ada, kind, "inside", inside)
    assert wrong.value.field == "url"
    assert await refused(channels.show(ada, "inside")) is UnknownChannel
    outside = {**inside, "url": "https://hooks.example.org/"}
    await channel_setup.add(ada, kind, "outside", outside)
    with pytest.raises(InvalidInput, match="LASTSEEN_WEBHOOK_ALLOW_NETWORKS") as wrong:
        await channel_setup.configure(ada, "outside", {"url": inside["url"]})
    assert wrong.value.field == "url"
    to_all = channel_setup.configure(ada, "outside", {"url": inside["url"]}, to_everybody=True)
    assert await refused(to_all) is Forbidden
    assert (await channels.show(ada, "outside"))["config"]["url"].rstrip("/") == "https://hooks.example.org"
    await channel_setup.add(root, kind, "alls", inside)
    with pytest.raises(InvalidInput, match="LASTSEEN_WEBHOOK_ALLOW_NETWORKS") as wrong:
        await channels.give(root, "alls", "ada")
    assert wrong.value.field == "url"
    assert (await channels.show(root, "alls"))["owner"] is None
    await channels.give(root, "outside", None)
    assert await refused(channel_setup.configure(root, "outside", {"url": inside["url"]})) is None


async def test_a_member_is_told_which_field_leads_to_where_a_channel_never_gets(people: People) -> None:
    api = people.api
    key = (await api.post("/keys", json={"scope": "api", "may": "write", "user": "ada"}))["key"]
    said = {"type": "webhook", "name": "inside", "config": PRIVATE}
    problem = await api.refused("POST", "/channels", 422, key=key, json=said)
    assert [one["field"] for one in problem["errors"]] == ["config.url"]
    before = await api.get("/channels/hook-shared")
    changes = {"owner": "ada", "config": PRIVATE}
    problem = await api.refused("PATCH", "/channels/hook-shared", 422, json=changes)
    assert [one["field"] for one in problem["errors"]] == ["config.url"]
    assert await api.get("/channels/hook-shared") == before


async def test_a_members_channel_reaches_no_private_address(people: People) -> None:
    """One that leads there all the same, from before that was refused."""
    ada, store, now = people["ada"], people.api.app.store, people.api.clock.now()
    secret = {"secret": "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    await store.add_channel("webhook", "inside", PRIVATE, secret, "channel:inside", now, ada.who.user_id)
    tried = await channel_test.test(ada, "inside")
    assert tried["ok"] is False
    assert "LASTSEEN_WEBHOOK_ALLOW_NETWORKS" in tried["detail"]
    email = {"host": "127.0.0.1", "port": 9, "sender": "a@example.org", "to": ["b@example.org"]}
    assert await refused(channel_setup.add(ada, "email", "mail", email)) is Forbidden


async def test_who_makes_something_of_a_name_that_is_anothers_is_told_nothing_of_it(people: People) -> None:
    assert await refused(machines.add(people["ben"], "adas", {}, if_missing=True)) is Conflict
    assert await refused(machines.add(people["ben"], "adas", {})) is Conflict


async def test_what_happened_to_anothers_machine_is_not_told(people: People) -> None:
    api = people.api
    for slug in ("shared", "adas"):
        await api.app.monitor.heartbeat(slug)
    await eventually(lambda: both_are(api, "online"))
    await api.clock.advance(130)
    await eventually(lambda: both_are(api, "offline"))
    theirs = {one["machine"] for one in (await events.page(people["ben"], Leaf()))["items"]}
    assert "shared" in theirs
    assert "adas" not in theirs
    told = (await notifications.page(people["ben"]))["items"]
    assert {(one["channel"], one["machine"]) for one in told} <= {
        (f"hook-{channel}", machine) for channel in ("shared", "bens") for machine in ("shared", "bens")
    }
    every = (await notifications.page(people["root"]))["items"]
    hidden = next(one for one in every if one["channel"] == "hook-adas")
    assert await refused(notifications.replay(people["ben"], str(hidden["id"]))) is NotFound
    assert await refused(notifications.replay(people["ada"], str(hidden["id"]))) in (None, Conflict)
    seen = await machines.acknowledge(people["ada"], "adas", by="somebody else")
    assert seen["acknowledged_by"] == "ada"


async def both_are(api: Api, status: str) -> bool:
    found = await machines.statuses(api.app.office, ["shared", "adas"])
    return all(one["status"] == status for one in found["items"])


async def test_what_was_done_is_written_down(people: People) -> None:
    await machines.change(people["ada"], "adas", {"name": "Pump"})
    await machines.order(people["ada"], "adas", "pause")
    deeds = await people.api.app.store.deeds(3)
    assert [(deed.by, deed.verb, deed.subject) for deed in deeds[:2]] == [
        ("ada", "machines.pause", "machine adas"),
        ("ada", "machines.change", "machine adas"),
    ]
    assert deeds[1].changed == {"name": "Pump"}
    assert "secret" not in str(await people.api.app.store.deeds(100))
