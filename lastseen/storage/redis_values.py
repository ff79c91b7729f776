"""What stands in Redis for a machine, and the two scripts that write it. docs/redis.md says why it is as it is.

Our own value is a head of digits that the scripts compare, and what the store knew of the machine (msgpack), which only
we read:

    1 | seq, 10 digits | when the store was asked, 17 | last heard, 17 (0: never) | Standing

Times are microseconds since 1970, in store time. A value is replaced by one of a greater seq, or of the same seq that
was asked for later; and, whatever its seq is, by one that was asked for a minute later, which ends what is wrong for a
reason nobody thought of. `gone` is the value of a machine that was removed: it outlives the answers that were on
their way.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from lastseen.clock import rfc3339
from lastseen.model import Standing, Status

TTL = 24 * 3600
"""Seconds that everything stays that is not written again."""

GONE = 3600
"""Seconds that it stays known that a machine was removed."""

SLACK = timedelta(seconds=60)
"""How far apart in time two reads may be that a seq still puts in order: more than any answer is on its way."""

_RACE = timedelta(seconds=10)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST_SEQ = 9_999_999_999
_HEAD = 45

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Standing).decode


class Known(NamedTuple):
    """What the store knew of a machine when it was asked at `asked_at`, with what was heard since."""

    standing: Standing
    asked_at: datetime


def moment(at: datetime | None) -> str:
    """17 digits: microseconds since 1970."""
    return f"{0 if at is None else max(0, (at - _EPOCH) // _MICROSECOND):017d}"


def when(digits: bytes) -> datetime:
    """The moment of 1 to 17 digits. Raises ValueError, OverflowError."""
    return _EPOCH + timedelta(microseconds=int(digits))


def value_of(known: Known, whole: bool) -> bytes:
    """`whole` is False where nobody reads it: then it is the head alone."""
    live = known.standing.liveness
    head = f"1{min(live.seq, _LAST_SEQ - 1):010d}{moment(known.asked_at)}{moment(live.last_seen)}"
    return head.encode() + (_encode(known.standing) if whole else b"")


def known_of(value: bytes | None, machine: int) -> Known | None:
    """The other way round; None: there is none, it is of another machine, or it is no value of ours."""
    if value is None or len(value) <= _HEAD or value[:1] != b"1" or not value[:_HEAD].isdigit():
        return None
    try:
        standing, asked_at, heard = _decode(value[_HEAD:]), when(value[11:28]), when(value[28:45])
    except (msgspec.MsgspecError, ValueError, OverflowError):
        return None
    if standing.machine.id != machine:
        return None
    return Known(heard_at(standing, heard), asked_at)


def heard_at(standing: Standing, at: datetime) -> Standing:
    """After a plain heartbeat: it ends what the machine said of its next one, as in the store."""
    live = standing.liveness
    if (live.last_seen is not None and at <= live.last_seen) or at == _EPOCH:
        return standing
    heard = msgspec.structs.replace(live, last_seen=at, expect_at=None)
    return msgspec.structs.replace(standing, liveness=heard)


def gone(asked_at: datetime) -> bytes:
    return f"1{_LAST_SEQ}{moment(asked_at)}{moment(None)}".encode()


def word(standing: Standing) -> str:
    """`online`, or `offline` for every other status."""
    return "online" if standing.liveness.status is Status.ONLINE else "offline"


def put_arguments(prefix: str, published: bool, whole: bool, now: datetime, what: Iterable[Known]) -> list[str | bytes]:
    """What PUT is called with."""
    arguments: list[str | bytes] = [prefix, "1" if published else "0", moment(now + SLACK), moment(SLACK + _EPOCH)]
    arguments += [moment(_RACE + _EPOCH), str(TTL)]
    for known in what:
        standing = known.standing
        seen = rfc3339(standing.liveness.last_seen) or ""
        arguments += [str(standing.machine.id), value_of(known, whole), word(standing), seen]
    return arguments


def touch_arguments(
    prefix: str, published: bool, asked_after: datetime, heard: Iterable[tuple[int, datetime]]
) -> list[str | bytes]:
    """What TOUCH is called with."""
    arguments: list[str | bytes] = [prefix, "1" if published else "0", moment(asked_after), str(TTL)]
    for machine, at in heard:
        arguments += [str(machine), moment(at), rfc3339(at) or ""]
    return arguments


PUT: Final = """
local prefix, published, latest, slack, race, ttl = ARGV[1], ARGV[2] == '1', ARGV[3], ARGV[4], ARGV[5], ARGV[6]
for i = 7, #ARGV, 4 do
  local id, new, status, seen = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local key, take, merged = prefix .. id, true, false
  local old = redis.pcall('GETRANGE', key, 0, 44)
  if type(old) == 'string' and #old == 45 and not string.find(old, '%D') then
    local asked, was = string.sub(new, 12, 28), string.sub(old, 12, 28)
    if was <= latest and tonumber(asked) <= tonumber(was) + tonumber(slack) then
      local seq, before = string.sub(new, 2, 11), string.sub(old, 2, 11)
      take = seq > before or (seq == before and asked >= was)
    end
    local heard = string.sub(old, 29, 45)
    if take and heard <= latest and heard > string.sub(new, 29, 45)
        and tonumber(heard) >= tonumber(asked) - tonumber(race) then
      new = string.sub(new, 1, 28) .. heard .. string.sub(new, 46)
      merged = true
    end
  end
  if take then
    redis.call('SET', key, new, 'EX', ttl)
    if published then
      redis.call('SET', 'device:status:' .. id, status, 'EX', ttl)
      local name = 'device:lastseen:' .. id
      if merged then redis.call('EXPIRE', name, ttl)
      elseif seen == '' then redis.call('DEL', name)
      else redis.call('SET', name, seen, 'EX', ttl) end
    end
  end
end
return redis.status_reply('OK')
"""
"""Writes what the store knows of machines, each unless what stands there is newer."""

TOUCH: Final = """
local prefix, published, after, ttl, wanting = ARGV[1], ARGV[2] == '1', ARGV[3], ARGV[4], {}
for i = 5, #ARGV, 3 do
  local id, at, seen = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local key, wants = prefix .. id, false
  local old = redis.pcall('GETRANGE', key, 0, 44)
  if type(old) ~= 'string' or #old ~= 45 or string.find(old, '%D') then
    wants = true
  elseif string.sub(old, 2, 11) ~= '9999999999' then
    wants = string.sub(old, 12, 28) < after
    redis.call('EXPIRE', key, ttl)
    if at > string.sub(old, 29, 45) then
      redis.call('SETRANGE', key, 28, at)
      if published then redis.call('SET', 'device:lastseen:' .. id, seen, 'EX', ttl) end
    elseif published then
      redis.call('EXPIRE', 'device:lastseen:' .. id, ttl)
    end
    if published and redis.call('EXPIRE', 'device:status:' .. id, ttl) == 0 then wants = true end
  end
  if wants then wanting[#wanting + 1] = id end
end
return wanting
"""
"""Moves the time on at which machines were heard. Answers whom it knows too little of: the store is to be asked."""

FORGET: Final = """
local prefix, published, ttl = ARGV[1], ARGV[2] == '1', ARGV[3]
for i = 4, #ARGV, 2 do
  redis.call('SET', prefix .. ARGV[i], ARGV[i + 1], 'EX', ttl)
  if published then redis.call('DEL', 'device:status:' .. ARGV[i], 'device:lastseen:' .. ARGV[i]) end
end
return redis.status_reply('OK')
"""
"""Removes machines, and leaves word of it to whoever comes late."""
