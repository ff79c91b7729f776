"""Stores and notifiers by their entry points, `lastseen.stores` and `lastseen.notifiers`.

Each is loaded when it is asked for, once. A plugin that does not load, or is not what it should be, harms itself alone:
the others are found, and it is listed with what is wrong. A name belongs to the first that has it, ours before others.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, distributions, entry_points
from typing import Any, get_args

from pydantic import BaseModel, SecretStr, ValidationError

from lastseen.errors import InvalidInput, LastseenError, PluginError
from lastseen.faults import Faults
from lastseen.protocols import Notifier, Store
from lastseen.words import Words, say, say_many

NOTIFIERS = "lastseen.notifiers"
STORES = "lastseen.stores"

LONGEST = 300
"""Seconds that a notifier may ask for one send."""


@dataclass(frozen=True, slots=True)
class Found:
    """What some installed package offers: a notifier, or (`kind`) a store. `notifier` is None, and `error` says why,
    where it cannot be used. `distribution`: the package and its version."""

    name: str
    distribution: str
    notifier: Any = None
    error: str | None = None
    kind: str = "notifier"

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return ((self.notifier and self.notifier.__doc__) or "").strip().partition("\n")[0]


def notifier_types() -> dict[str, Found]:
    """All that are installed, by name, those that cannot be used too."""
    return {name: _found(NOTIFIERS, entry) for name, entry in sorted(_entries(NOTIFIERS).items())}


def installed() -> list[Found]:
    """Every notifier and store of every package, also those whose name another has."""
    return [_found(group, entry) for group in (NOTIFIERS, STORES) for entry in _all(group)]


def load_notifier(type_: str) -> type[Any]:
    """The class of this type. PluginError says what to do where there is none, or it cannot be used."""
    loaded = _load(NOTIFIERS, type_, "notifier")
    problem = _wrong(loaded)
    if problem is not None:
        raise PluginError(f"notifier {type_!r} {problem}: ask the makers of {_made_by(type_)}")
    notifier: type[Any] = loaded
    return notifier


def unguarded_in(type_: str, values: Mapping[str, Any]) -> list[str]:
    """Of a notifier's config the fields that are said and lead to where nothing guards: for operators alone."""
    unguarded: frozenset[str] = getattr(load_notifier(type_), "operators_fields", frozenset())
    return sorted(name for name in unguarded if values.get(name) is not None)


def load_store(scheme: str) -> Callable[..., Store]:
    """What opens the stores of this scheme, given the URL. PluginError as for notifiers."""
    opener: Callable[..., Store] = _load(STORES, scheme, "store")
    return opener


def split_secrets(type_: str, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of a notifier's config, apart: what is stored as it is, and what is encrypted (SecretStr fields)."""
    names = {name for name, field in load_notifier(type_).Config.model_fields.items() if _is_secret(field.annotation)}
    given = {name: value for name, value in values.items() if value is not None}
    config = {name: value for name, value in given.items() if name not in names}
    secrets = {name: _plain(value) for name, value in given.items() if name in names}
    return config, secrets


def check_config(type_: str, values: Mapping[str, Any]) -> BaseModel:
    """The values as the notifier's own Config. InvalidInput names the fields, all that are wrong, and never repeats a
    value."""
    model: type[BaseModel] = load_notifier(type_).Config
    unknown = _unknown(model, values)
    faults = Faults()
    for name, near in unknown.items():
        faults.note(InvalidInput(say("{type} has no such option{suggest}", type=type_, suggest=near), name))
    try:
        checked = model.model_validate({name: value for name, value in values.items() if name not in unknown})
    except ValidationError as error:
        for wrong in error.errors(include_url=False, include_input=False):
            faults.note(InvalidInput(spoken(wrong), ".".join(map(str, wrong["loc"]))))
    faults.tell()
    return checked


def make_notifier(type_: str, config: Mapping[str, Any], secrets: Mapping[str, str], tools: Any) -> Notifier:
    """The notifier of a channel. InvalidInput where its config is wrong, PluginError where it cannot be made."""
    checked = check_config(type_, {**config, **secrets})
    try:
        notifier: Notifier = load_notifier(type_)(checked, tools)
        problem = _odd(notifier)
    except (LastseenError, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001  (its text might quote a secret: neither it nor its trace goes on)
        raise PluginError(f"notifier {type_!r} cannot be made: {type(error).__name__} in {_made_by(type_)}") from None
    if problem is not None:
        raise PluginError(f"notifier {type_!r} {problem}: ask the makers of {_made_by(type_)}")
    return notifier


def forget() -> None:
    """Look at what is installed anew."""
    for cached in (_all, _entries, _loaded, _wrong):
        cached.cache_clear()


# -- loading


@cache
def _all(group: str) -> tuple[EntryPoint, ...]:
    """In the order of precedence: ours, then by the name of the package."""
    try:
        found = list(entry_points(group=group))
    except Exception:  # noqa: BLE001  (one package's entry_points.txt cannot be read: that of each other one can)
        found = [entry for distribution in distributions() for entry in _of(distribution, group)]
    return tuple(sorted(found, key=lambda entry: (not _ours(entry), _distribution(entry), entry.name)))


def _of(distribution: Any, group: str) -> Iterable[EntryPoint]:
    try:
        return list(distribution.entry_points.select(group=group))
    except Exception:  # noqa: BLE001  (as above)
        return ()


def _ours(entry: EntryPoint) -> bool:
    return entry.value.partition(".")[0] == "lastseen"


@cache
def _entries(group: str) -> Mapping[str, EntryPoint]:
    return {entry.name: entry for entry in reversed(_all(group))}


@cache
def _loaded(entry: EntryPoint) -> tuple[Any, str | None]:
    """What an entry point names, or why it does not load. Asked once: importing a broken package again is no cure."""
    try:
        return entry.load(), None
    except PluginError as error:
        return None, str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  (somebody else's module: whatever it raises harms it alone)
        return None, f"{type(error).__name__}: {error}"


def _found(group: str, entry: EntryPoint) -> Found:
    kind, made_by = "store" if group == STORES else "notifier", _distribution(entry)
    first = _entries(group)[entry.name]
    if first != entry or _distribution(first) != made_by:
        return Found(entry.name, made_by, None, f"the name is taken by {_distribution(first)}", kind)
    loaded, error = _loaded(entry)
    if error is None and kind == "notifier":
        error = _wrong(loaded)
    elif error is None and not callable(loaded):
        error = "is not callable"
    return Found(entry.name, made_by, loaded if error is None else None, error, kind)


def _load(group: str, name: str, what: str) -> Any:
    known = _entries(group)
    if name not in known:
        raise PluginError(f"there is no {what} {name!r}{suggest(name, known)}; installed are: {_listed(known)}")
    loaded, error = _loaded(known[name])
    if error is not None:
        raise PluginError(f"{what} {name!r} of {_distribution(known[name])} does not load: {error}")
    return loaded


def suggest(name: str, known: Iterable[str]) -> str:
    """`, did you mean …?` where something near is known."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _distribution(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "an unknown package"


def _made_by(type_: str) -> str:
    return _distribution(_entries(NOTIFIERS)[type_])


# -- what a notifier has to be


@cache
def _wrong(notifier: Any) -> str | None:
    """What is wrong with a notifier's class; None: nothing that shows before it is made."""
    if not isinstance(notifier, type):
        return "is no class"
    config, send = getattr(notifier, "Config", None), getattr(notifier, "send", None)
    if not isinstance(config, type) or not issubclass(config, BaseModel):
        return "has no pydantic model Config"
    if not callable(send):
        return "has no method `async def send(self, message)`"
    if getattr(notifier, "blocking", False):
        if inspect.iscoroutinefunction(inspect.unwrap(send)):
            return "is blocking, which runs its send in a thread: write `def send`, without async"
    elif not inspect.iscoroutinefunction(inspect.unwrap(send)):
        return (
            "has a send that is not async: write `async def send`, or say `blocking = True` to have it run in a thread"
        )
    try:
        inspect.signature(notifier).bind(None, None)
    except (TypeError, ValueError):
        return "is not made as Class(config, tools)"
    try:
        config.model_json_schema()
    except Exception as error:  # noqa: BLE001  (pydantic raises many kinds, and a plugin's own code any)
        return f"has a Config without a JSON schema ({type(error).__name__})"
    return None


def _odd(notifier: Any) -> str | None:
    """What is wrong with the attributes of one that was made."""
    batch, timeout = getattr(notifier, "max_batch", 1), getattr(notifier, "timeout", 15.0)
    lane, schedule = getattr(notifier, "lane", None), getattr(notifier, "schedule", "chat")
    if not isinstance(batch, int) or batch < 1:
        return f"has max_batch = {batch!r}, which is no number above 0"
    if not isinstance(timeout, int | float) or not 0 < timeout <= LONGEST:
        return f"has timeout = {timeout!r}, which is no number of seconds up to {LONGEST}"
    if schedule not in ("chat", "webhook"):
        return f"has schedule = {schedule!r}, which is neither 'chat' nor 'webhook'"
    if lane is not None and not isinstance(lane, str):
        return "has a lane that is no text"
    return None


# -- configs


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or SecretStr in get_args(annotation)


def _plain(value: Any) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _unknown(model: type[BaseModel], values: Mapping[str, Any]) -> Mapping[str, str]:
    """The names that it does not know, each with what may have been meant."""
    if model.model_config.get("extra") == "allow":
        return {}
    known = set(model.model_fields) | {field.alias for field in model.model_fields.values() if field.alias}
    return {name: suggest(name, known) for name in values if name not in known}


_WHOLE, _NUMBER, _TICK, _LIST, _MOMENT = (
    say("must be a whole number"),
    say("must be a number"),
    say("must be true or false"),
    say("must be a list"),
    say("must be a time such as 2025-10-10T16:30:00Z"),
)
_PLAINLY: Mapping[str, Words] = {
    "missing": say("is required"),
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float", "int_parsing_size"), _WHOLE),
    **dict.fromkeys(("float_parsing", "float_type", "finite_number"), _NUMBER),
    **dict.fromkeys(("bool_parsing", "bool_type"), _TICK),
    **dict.fromkeys(("list_type", "tuple_type", "set_type"), _LIST),
    **dict.fromkeys(("datetime_parsing", "datetime_from_date_parsing", "datetime_type", "timezone_aware"), _MOMENT),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), say("must be an object")),
    "string_type": say("must be a text"),
    "string_unicode": say("must be Unicode, without halves of characters"),
    "extra_forbidden": say("there is no such field"),
}
"""What pydantic says in the words of programmers, by its kinds."""


def spoken(wrong: Mapping[str, Any]) -> str:
    """`wrong`: as pydantic's `ValidationError.errors` has it. What a validator itself said stays as it is."""
    about: Mapping[str, Any] = wrong.get("ctx", {})
    cause = about.get("error")
    if isinstance(cause, ValueError) and cause.args and isinstance(cause.args[0], Words):
        return cause.args[0]
    match wrong["type"]:
        case kind if kind in _PLAINLY:
            return _PLAINLY[kind]
        case "greater_than_equal":
            return say("must be at least {least}", least=about["ge"])
        case "less_than_equal":
            return say("must be at most {most}", most=about["le"])
        case "less_than":
            return say("must be less than {limit}", limit=about["lt"])
        case "literal_error":
            return say("must be {one_of_them}", one_of_them=str(about["expected"]).replace("'", ""))
        case "string_too_short" | "string_too_long" | "too_short" | "too_long":
            return _of_length(about)
    message = str(wrong["msg"]).removeprefix("Value error, ")
    return re.sub(r"^(Input|String|Value|List) should ", "must ", message)


def _of_length(about: Mapping[str, Any]) -> Words:
    """`about`: `min_length` or `max_length`. Pydantic calls a text a value where somebody else looked at it first."""
    of_texts = about.get("field_type", "Value") == "Value"
    if "min_length" in about:
        least = int(about["min_length"])
        if of_texts:
            return say_many("must have at least {n} character", "must have at least {n} characters", least)
        return say_many("must have at least {n} entry", "must have at least {n} entries", least)
    most = int(about["max_length"])
    if of_texts:
        return say_many("must have at most {n} character", "must have at most {n} characters", most)
    return say_many("must have at most {n} entry", "must have at most {n} entries", most)
