"""Who may come in by the pages: nobody yet, or whoever a proxy's network holds."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from lastseen.doctor.finding import Checked, Finding, Severity, counted
from lastseen.doctor.subject import Subject
from lastseen.protocols import People

WIDEST: Final = {4: 24, 6: 64}
"""The shortest prefix of a network, by version, in which a proxy of one's own is looked for."""


async def people(subject: Subject) -> Checked:
    """A header is believed from a network as a whole."""
    findings = list(_wide(subject.site.vouching))
    if not isinstance(subject.store, People):
        return Checked("this store knows no users", tuple(findings))
    users = await subject.store.users()
    if not any(user.role == "admin" for user in users) and subject.site.serving.held is not False:
        what = "the pages are served, and nobody is an admin: whoever has the set-up link becomes the first"
        do = "`lastseen setup-link` prints one; the server's log has another"
        findings.append(Finding(Severity.HINT, "people.none", what, do))
    return Checked(counted(len(users), "user"), tuple(findings))


def _wide(networks: tuple[IPv4Network | IPv6Network, ...]) -> Iterator[Finding]:
    for network in networks:
        if network.prefixlen < WIDEST[network.version]:
            what = f"whoever reaches the server from {network} may say in a header who they are, an admin too"
            do = "name the addresses of the proxy alone in LASTSEEN_TRUSTED_PROXIES (192.0.2.10/32)"
            yield Finding(Severity.WARNING, "people.header_wide", what, do)
