"""What stands between us and machines of its own: whether it is there, and whom it knows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from lastseen.ingest.mqtt.bindings import Binding, Heard, bridge_word, members_of
from lastseen.monitor.sources import Port

AWAY_FOR_LONG = 300.0
"""Seconds after which a bridge that is back does not know yet who is there. zigbee2mqtt calls a mains-powered device
offline that it has not heard for ten minutes, its own absence included, and then asks one after the other
(its documentation, "Device-Availability")."""

ASKS_FOR = 120.0
"""Seconds that it has for that. Until then its machines are held as before."""

STRANGERS = 1000
"""Names which are not in its list of which the last word is remembered."""


class Bridge:
    """One bridge, as the source `port`, over all our connections."""

    def __init__(self, binding: Binding, port: Port) -> None:
        self._binding, self.port = binding, port
        self._members: frozenset[str] | None = None
        self._others: dict[str, Heard] = {}
        self._linked, self._there = False, True
        self._away_since: float | None = None
        self._asking: asyncio.Task[None] | None = None

    def owns(self, topic: str) -> bool:
        return topic in (self._binding.bridge, self._binding.members)

    def told(self, topic: str, payload: bytes) -> Sequence[Heard]:
        """It said something of itself. What was said before of machines that it has listed only now is to be heard.
        Raises InvalidInput and MalformedReport."""
        if not payload:
            return ()
        if topic == self._binding.bridge:
            self._is_there(bridge_word(payload))
            return ()
        members = self._members = members_of(payload)
        return [self._others.pop(name) for name in list(self._others) if name in members]

    def knows(self, heard: Heard) -> bool:
        """Whether it is a machine of its own: groups share their topics. A new one may speak before it is listed."""
        if self._members is None or heard.machine in self._members:
            return True
        self._others.pop(heard.machine, None)
        if heard.reports and len(self._others) < STRANGERS:
            self._others[heard.machine] = heard
        return False

    # -- whether it is there

    def link_up(self) -> None:
        """The broker can be heard. What it keeps of the bridge may have come before."""
        self._linked = True
        if self._there:
            self._up()

    def caught_up(self) -> None:
        """The broker was behind with what it had for us, and is not any more."""
        if self._linked and self._there and self._asking is None:
            self.port.up()

    def link_down(self) -> None:
        """What is said of it next is news."""
        self._linked, self._there = False, True
        self._stop_asking()

    def _is_there(self, there: bool) -> None:
        if there is self._there:
            return  # where subscriptions overlap some brokers say everything twice
        self._there = there
        self._stop_asking()
        if there and self._linked:
            self._up()
        elif not there:
            if self._away_since is None:
                self._away_since = self.port.clock.monotonic()
            self.port.down()

    def _up(self) -> None:
        since, self._away_since = self._away_since, None
        if since is None or self.port.clock.monotonic() - since < AWAY_FOR_LONG:
            self.port.up()
        else:
            self._asking = asyncio.create_task(self._let_it_ask())

    async def _let_it_ask(self) -> None:
        await self.port.clock.sleep(ASKS_FOR)
        self.port.up()

    def _stop_asking(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
