"""How often somebody came, counted in Redis for all nodes: one number a caller, until when its bucket fills again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from lastseen.protocols import Store
from lastseen.storage.redis_link import Away, Link, run_script
from lastseen.storage.redis_names import name_of

if TYPE_CHECKING:
    from redis.asyncio import Redis

CHUNK = 500
"""Callers that one script counts."""

WITHIN = 1.0
"""Seconds that one may take."""

SPEND: Final = """
local prefix, each, span = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now, levels = time[1] * 1000000 + time[2], {}
for i = 4, #ARGV, 2 do
  local key = prefix .. ARGV[i]
  local full = redis.pcall('GET', key)
  full = type(full) == 'string' and tonumber(full) or now
  if not (full >= now and full <= now + 2 * span) then full = now end
  full = math.min(full + ARGV[i + 1] * each, now + 2 * span)
  redis.call('SET', key, string.format('%.0f', full), 'PX', math.max(1, math.ceil((full - now) / 1000)))
  levels[#levels + 1] = math.floor(full - now)
end
return levels
"""
"""By the server's own clock, in microseconds. A level is how long a bucket takes to be full; one that nodes took more
from than there was, because each knew its own part, is empty for a second span at most."""


class Rates:
    """On one link, whose server it also asks for when it is away."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._prefix = ""

    async def open(self, store: Store) -> None:
        """For the nodes on this store, which is open."""
        self._prefix = f"lastseen:{await name_of(store)}:rate:"

    async def spend(self, name: str, each: float, span: float, counts: Mapping[str, int]) -> Mapping[str, float]:
        """So many of each caller came, who may come every `each` seconds, and as often at once as fills `span`: how
        many seconds their buckets take to be full, by everybody's count. Empty where the server is away."""
        levels: dict[str, float] = {}
        if not self._link.there:
            await self._link.probe(self._knock)
        callers = list(counts)
        try:
            for begin in range(0, len(callers), CHUNK):
                chunk = callers[begin : begin + CHUNK]
                arguments: list[str | bytes] = [f"{self._prefix}{name}:", str(each * 1e6), str(span * 1e6)]
                arguments += [part for caller in chunk for part in (caller, str(counts[caller]))]
                found: Any = await self._link.ask(partial(run_script, text=SPEND, arguments=arguments), WITHIN)
                levels.update({caller: level / 1e6 for caller, level in zip(chunk, found, strict=True)})
                await asyncio.sleep(0)
        except Away:
            return {}
        return levels

    async def _knock(self, client: Redis) -> Any:
        return await client.set(f"{self._prefix}probe", "1", ex=3600)
