"""What doctor says of who may come in."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from lastseen.doctor import Serving, Severity
from tests.doctor.conftest import NOW, Ward

NOBODY = "DELETE FROM users"


async def test_nobody_is_an_admin_while_pages_are_served(ward: Ward) -> None:
    ward.sql(NOBODY)
    found = await ward.only("people")
    assert (found.severity, found.code) == (Severity.HINT, "people.none")
    assert "lastseen setup-link" in found.do
    await ward.store.add_user("vic", "viewer", None, NOW)
    assert (await ward.only("people")).code == "people.none", "a viewer sets nothing up"
    assert (await ward.look("people", serving=Serving(held=False))).findings == ()
    await ward.store.add_user("eva", "admin", None, NOW)
    assert (await ward.look("people")).findings == ()


@pytest.mark.parametrize(
    ("networks", "wide"),
    [
        (["192.0.2.10/32", "2001:db8::/64", "10.0.0.0/24"], []),
        (["10.0.0.0/8", "192.0.2.10/32"], ["10.0.0.0/8"]),
        (["2001:db8::/32"], ["2001:db8::/32"]),
    ],
)
async def test_a_header_that_is_believed_from_a_wide_network_is_told(
    ward: Ward, networks: list[str], wide: list[str]
) -> None:
    found = (await ward.look("people", vouching=tuple(map(ip_network, networks)))).findings
    assert [one.code for one in found] == ["people.header_wide"] * len(wide)
    assert all(network in one.what for network, one in zip(wide, found, strict=True))
