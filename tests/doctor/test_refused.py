"""What doctor says of keys that are refused."""

from __future__ import annotations

from datetime import timedelta

from lastseen.ingest.auth import new_key
from lastseen.model.story import RefusedCount
from tests.doctor.conftest import NOW, Ward
from tests.secrecy import secret


def refused(digest: str | None, count: int = 1, address: str = "", **ago: float) -> RefusedCount:
    at = NOW - timedelta(**ago)
    return RefusedCount(digest, at.replace(minute=0, second=0), count, at, at, address=address)


async def revoked(ward: Ward, **whose: int) -> str:
    key = new_key("machine" if whose else "fleet")
    secret(key.text)
    made = await ward.store.add_key(
        "machine" if whose else "fleet", key.digest, "lsx_abc", NOW, label="" if whose else "site", **whose
    )
    await ward.store.revoke_key(made.id, NOW - timedelta(hours=3))
    return key.digest


async def test_a_revoked_key_that_is_tried_names_its_machine_and_what_to_do(ward: Ward) -> None:
    digest = await revoked(ward, machine_id=1)
    await ward.store.keep_refusals([refused(digest, 412, minutes=3)], NOW)
    finding = await ward.only("keys")
    assert (finding.code, finding.severity.value) == ("keys.refused", "warning")
    assert finding.what.startswith(
        "db-01: 412 requests refused within the last day, the last 3 min ago: key lsx_abc… was"
    )
    assert finding.do == "`lastseen machines rotate-key db-01` makes a new one"


async def test_the_key_of_a_fleet_goes_by_its_label(ward: Ward) -> None:
    await ward.store.keep_refusals([refused(await revoked(ward), hours=1)], NOW)
    assert (await ward.only("keys")).what.startswith('fleet key "site": 1 request refused')


async def test_keys_that_nobody_knows_are_counted_with_where_they_came_from(ward: Ward) -> None:
    await ward.store.keep_refusals([refused("ab" * 32, 7, "192.0.2.7", minutes=10)], NOW)
    finding = await ward.only("keys")
    assert finding.code == "keys.unknown"
    assert finding.what == (
        "7 requests with a key that nobody knows within the last day, the last 10 min ago from 192.0.2.7"
    )


async def test_what_was_refused_days_ago_is_no_news(ward: Ward) -> None:
    digest = await revoked(ward, machine_id=1)
    await ward.store.keep_refusals([refused(digest, days=3), refused(None, days=3)], NOW)
    assert (await ward.look("keys")).findings == ()


async def test_many_refused_keys_are_a_few_findings(ward: Ward) -> None:
    digests = [await revoked(ward, machine_id=1) for _ in range(8)]
    await ward.store.keep_refusals([refused(digest, minutes=1) for digest in digests], NOW)
    findings = (await ward.look("keys")).findings
    assert len(findings) == 6
    assert findings[-1].what == "3 further keys refused within the last day"


async def test_a_removed_machines_key_says_so(ward: Ward) -> None:
    digest = await revoked(ward, machine_id=1)
    ward.sql("UPDATE machines SET deleted_at = created_at WHERE id = 1")
    await ward.store.keep_refusals([refused(digest, minutes=1)], NOW)
    finding = await ward.only("keys")
    assert "its machine was removed" in finding.what
    assert "lastseen machines add db-01" in finding.do
