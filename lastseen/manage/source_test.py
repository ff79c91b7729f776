"""Looking in at a source's broker, now: whether it is there, takes the password, and what is heard of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lastseen.errors import Conflict
from lastseen.faults import Faults
from lastseen.ingest.mqtt import MqttSource
from lastseen.ingest.mqtt.visit import visit
from lastseen.manage import sources
from lastseen.manage.office import Office
from lastseen.words import say

SHOWN = 50
"""Topics that are named, those with the most messages first."""


async def test(office: Office, name: str) -> dict[str, Any]:
    """Of one that is there, with its own password. Raises NotFound, Forbidden, Conflict, InvalidInput."""
    office.who.must_be_admin()
    row = await sources.find(office, name)
    if row.kind != sources.MQTT:
        raise Conflict(say("{name} has no broker that could be asked", name=row.name))
    secrets = await office.store.source_secrets(row.name)
    found = await _looked(MqttSource.from_config(row.name, row.config, secrets))
    await office.note("sources.test", f"source {row.name}", {"ok": found["ok"]})
    return found


async def test_of(office: Office, name: str | None, said: Mapping[str, Any]) -> dict[str, Any]:
    """Of one that is to be made or changed so; `said` as for `sources.said_anew`. Nothing is kept. Raises NotFound,
    Forbidden, InvalidInput."""
    office.who.must_be_admin()
    faults = Faults()
    if name is None:
        config, secrets = sources.said_anew({}, {}, said, faults)
    else:
        row = await sources.find(office, name)
        known = {} if said.get("password") is not None else await office.store.source_secrets(row.name)
        config, secrets = sources.said_anew(row.config, known, said, faults)
    with faults.noted():
        source = MqttSource.from_config(name or "new", config, secrets)
    faults.tell()
    found = await _looked(source)
    await office.note("sources.test", f"source {name or config.get('url')}", {"ok": found["ok"]})
    return found


async def _looked(source: MqttSource) -> dict[str, Any]:
    """`{ok, detail, topics, heard}`."""
    seen = await visit(source)
    most = sorted(seen.heard.items(), key=lambda one: (-one[1], one[0]))
    return {
        "ok": not seen.trouble,
        "detail": seen.trouble,
        "topics": len(most),
        "heard": [{"topic": topic, "messages": count} for topic, count in most[:SHOWN]],
    }
