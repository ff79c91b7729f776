"""Carrying out a plan: each row in one transaction, in an order in which what follows from another comes after it.

What was brought before is known by its mark and left as it is, so that a move may be repeated: it goes on where it was
interrupted, and a second one changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from lastseen.clock import Clock
from lastseen.compose import Notifiers
from lastseen.errors import ConfigurationError, Conflict, InvalidInput
from lastseen.imports.past import as_it_stood
from lastseen.imports.plan import Coming, Hears, Plan
from lastseen.manage.deeds import Doing, do
from lastseen.manage.who import OPERATOR
from lastseen.model import Channel, Matcher, Preferences
from lastseen.model import replace as replaced
from lastseen.model.arrival import Arrived, Arriving, ArrivingChannel, ArrivingKey, ArrivingMachine, ArrivingSilence
from lastseen.monitor.deadline import Rules
from lastseen.plugins import check_config, load_notifier, split_secrets
from lastseen.protocols import Decide

NODE = "import"
"""Who listened until now, where nobody ever did: the time until `serve` begins is nobody's silence."""

LONGEST = 200
"""Characters of a name."""

Named = TypeVar("Named", ArrivingMachine, ArrivingChannel)

BROUGHT, WOULD, HERE, GONE = "brought", "would be brought", "here", "removed here"
CONFLICT, CANNOT = "conflict", "cannot move"


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of one thing. `name` is what it is called there, `here` what it is here."""

    kind: str
    name: str
    result: str
    here: str = ""
    id: int | None = None
    why: str = ""
    notes: tuple[str, ...] = ()


class Mover:
    """Carries out one plan on one store. `dry`: only says what would become of it, and writes nothing. `rename`: what
    has a name that is taken here comes under another."""

    def __init__(
        self,
        store: Any,
        clock: Clock,
        rules: Rules,
        notifiers: Notifiers,
        *,
        dry: bool = False,
        rename: bool = False,
        on_step: Callable[[], None] = lambda: None,
    ) -> None:
        self._store, self._clock, self._rules, self._notifiers = store, clock, rules, notifiers
        self._dry, self._rename, self._step = dry, rename, on_step
        self._slugs: dict[str, str] = {}  # of the machines that come or are here, by mark
        self._coming: set[str] = set()  # marks of those that are not here yet
        self._done: list[Moved] = []
        self._program = ""

    async def move(self, plan: Plan) -> list[Moved]:
        """Raises StoreUnavailable and SecretsLocked: what was brought until then stays."""
        self._program = plan.program
        alone = await self._look(plan)
        if not self._dry:
            await self._somebody_listened()
        channels = [await self._channel(one, alone, plan.program) for one in plan.channels]
        decide = await self._as_it_stood(plan.program, channels)
        for machine in plan.machines:
            what, notes = await self._free(machine.what, machine.notes, plan.program)
            await self._bring("machine", machine.name, what, notes, decide)
        for key in plan.keys:
            await self._bring("key", key.name, replace(key.what, slugs=self._called_otherwise(key)), key.notes, decide)
        for silence in plan.silences:
            matcher = self._matcher(silence.hears, alone=False)
            if matcher is None:
                self._put("silence", silence.name, CANNOT, why="none of its machines came")
                continue
            span = replace(silence.what, silence=replace(silence.what.silence, matcher=matcher))
            await self._bring("silence", silence.name, span, silence.notes, decide)
        self._done += [Moved(left.kind, left.name, CANNOT, why=left.why) for left in plan.left]
        return self._done

    async def _look(self, plan: Plan) -> bool:
        """Which machines come. True: there are no others here."""
        here: set[int] = set()
        for machine in plan.machines:
            what, _ = await self._free(machine.what, (), plan.program)
            try:
                found = await self._store.arrived(what)
            except Conflict:
                continue
            if not found.gone:
                self._slugs[what.mark] = found.name or what.slug
            if found.id is None:
                self._coming.add(what.mark)
            else:
                here.add(found.id)
        page, after = await self._store.machines(0, 1000), 0
        while page:
            if any(standing.machine.id not in here for standing in page):
                return False
            after = page[-1].machine.id
            page = await self._store.machines(after, 1000)
        return True

    async def _somebody_listened(self) -> None:
        if await self._store.newest_mark() is None:
            now = self._clock.now()
            source, _ = await self._store.listen("http", NODE, now)
            await self._store.leave(source, NODE, now)

    async def _as_it_stood(self, program: str, brought: list[Arrived | None]) -> Decide:
        ids = {one.id for one in brought if one is not None}
        uids = frozenset(channel.uid for channel in await self._store.channels() if channel.id in ids)
        return as_it_stood(self._rules, uids, program)

    # -- one of them

    async def _bring(
        self, kind: str, name: str, what: Arriving, notes: tuple[str, ...], decide: Decide
    ) -> Arrived | None:
        """None: it is not here."""
        self._step()
        try:
            found: Arrived = await self._store.arrived(what)
            result = BROUGHT
            if found.id is not None:
                result, notes = (GONE if found.gone else HERE), ()
            elif self._dry:
                found, result = Arrived(None, _called(what)), WOULD
            else:
                found = await self._brought(kind, name, what, decide)
        except Conflict as error:
            self._put(kind, name, CONFLICT, why=str(error))
            return None
        except InvalidInput as error:
            self._put(kind, name, CANNOT, why=str(error))
            return None
        wanted = getattr(what, "id", None)
        if result == BROUGHT and wanted is not None and found.id != wanted:
            notes = (*notes, f"its id {wanted} is another machine's here: it is {found.id} now")
        self._put(kind, name, result, found.name, found.id, notes=notes)
        return found

    async def _brought(self, kind: str, name: str, what: Arriving, decide: Decide) -> Arrived:
        """With a line of the audit log."""

        def subject(found: Arrived) -> str:
            return f"{kind} {found.name if kind in ('machine', 'channel') else found.id}"

        now, said = self._clock.now(), {"from": self._program, "name": name}
        doing = Doing[Arrived](OPERATOR, "import", subject, said, now)
        return await do(self._store, doing, self._store.bring(what, decide, now))

    def _put(self, kind: str, name: str, result: str, *rest: Any, **more: Any) -> None:
        self._done.append(Moved(kind, name, result, *rest, **more))

    async def _free(self, what: Named, notes: tuple[str, ...], program: str) -> tuple[Named, tuple[str, ...]]:
        """Under another name where its own is taken, if that is wanted; and a note of it."""
        if not self._rename:
            return what, notes
        try:
            await self._store.arrived(what)
        except Conflict:
            other = f"{_called(what)[: LONGEST - len(program) - 1]}-{program}"
            renamed: Any = {"slug" if isinstance(what, ArrivingMachine) else "name": other}
            return replace(what, **renamed), (*notes, f"{_called(what)} is taken: here it is {other}")
        return what, notes

    async def _channel(self, channel: Coming[ArrivingChannel], alone: bool, program: str) -> Arrived | None:
        matcher = self._matcher(channel.hears, alone=alone)
        off = channel.what.off or ("none of its machines came" if matcher is None else None)
        try:
            what = await self._checked(replace(channel.what, off=off))
        except (InvalidInput, ConfigurationError) as error:
            self._step()
            self._put("channel", channel.name, CANNOT, why=str(error))
            return None
        notes = channel.notes if off is None else (*channel.notes, f"it is switched off: {off}")
        what, notes = await self._free(replace(what, prefs=Preferences(machines=matcher or Matcher())), notes, program)
        found = await self._bring("channel", channel.name, what, notes, as_it_stood(self._rules, frozenset(), ""))
        if found is not None and self._done[-1].result == HERE:
            await self._hears_of_more(found, channel)
        return found

    async def _hears_of_more(self, found: Arrived, channel: Coming[ArrivingChannel]) -> None:
        """One that was brought before and hears of machines by their names hears of those that come now, too."""
        more = {self._slugs[mark] for mark in channel.hears.marks & self._coming}
        row = next((row for row in await self._store.channels() if row.id == found.id), None)
        if row is None or not row.prefs.machines.names or more <= set(row.prefs.machines.names):
            return
        self._done[-1] = replace(self._done[-1], notes=(f"it hears of {', '.join(sorted(more))} from now on",))
        if not self._dry:
            names = tuple(sorted({*row.prefs.machines.names, *more}))
            wishes = replaced(row.prefs, machines=replaced(row.prefs.machines, names=names))
            now = self._clock.now()
            preferring = self._store.prefer(row.uid, wishes, row.fallback, now)
            said = {"from": self._program, "machines": sorted(more)}
            await do(self._store, Doing[Channel](OPERATOR, "import", f"channel {row.name}", said, now), preferring)

    async def _checked(self, what: ArrivingChannel) -> ArrivingChannel:
        """With its secrets apart, and its lane. Raises InvalidInput and PluginError, with no value in them."""
        config = check_config(what.type, what.config)
        if what.type == "apprise":
            await load_notifier("apprise")(config).start()
        plain, secrets = split_secrets(what.type, what.config)
        lane = await self._notifiers.lane(what.type, what.name, plain, secrets)
        return replace(what, config=plain, secrets=secrets, lane=lane)

    # -- what follows from which machines come

    def _matcher(self, hears: Hears, *, alone: bool) -> Matcher | None:
        """None: no machine of its comes. `alone`: nobody else's machines are here."""
        if hears.everything and alone:
            return Matcher()
        if hears.groups:
            return Matcher(groups=hears.groups)
        slugs = sorted(self._slugs[mark] for mark in hears.marks if mark in self._slugs)
        return Matcher(names=tuple(slugs)) if slugs else None

    def _called_otherwise(self, key: Coming[ArrivingKey]) -> Mapping[str, str]:
        """The machines that this key calls by a slug that is another's here."""
        return {slug: mark for slug, mark in key.reaches.items() if self._slugs.get(mark) != slug}


def _called(what: Arriving) -> str:
    """What it will be called here."""
    if isinstance(what, ArrivingMachine):
        return what.slug
    if isinstance(what, ArrivingSilence):
        return what.silence.name
    return what.label if isinstance(what, ArrivingKey) else what.name
