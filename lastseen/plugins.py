"""Stores and notifiers by their entry points, `lastseen.stores` and `lastseen.notifiers`.

Each is loaded when it is asked for, once. A plugin that does not load harms itself alone: the others are found, and it
is listed with what went wrong.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, get_args

from pydantic import BaseModel, SecretStr, ValidationError

from lastseen.errors import InvalidInput, LastseenError, PluginError
from lastseen.protocols import Notifier, Store

NOTIFIERS = "lastseen.notifiers"
STORES = "lastseen.stores"


@dataclass(frozen=True, slots=True)
class Found:
    """A notifier that some installed package offers. `notifier` is None, and `error` says why, where it did not load.
    `distribution`: the package and its version."""

    name: str
    distribution: str
    notifier: type[Any] | None = None
    error: str | None = None

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return ((self.notifier and self.notifier.__doc__) or "").strip().partition("\n")[0]


def notifier_types() -> dict[str, Found]:
    """All that are installed, by name, those that do not load too."""
    found = {}
    for name, entry in sorted(_entries(NOTIFIERS).items()):
        notifier, error = _loaded(NOTIFIERS, name)
        found[name] = Found(name, _distribution(entry), notifier, error)
    return found


def load_notifier(type_: str) -> type[Any]:
    """The class of this type. PluginError says what to do where there is none, or it does not load."""
    notifier: type[Any] = _load(NOTIFIERS, type_, "notifier")
    if not isinstance(getattr(notifier, "Config", None), type) or not issubclass(notifier.Config, BaseModel):
        raise PluginError(f"notifier {type_!r} has no pydantic model Config: ask the makers of {_made_by(type_)}")
    return notifier


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
    """The values as the notifier's own Config. InvalidInput names the field, and never repeats a value."""
    model: type[BaseModel] = load_notifier(type_).Config
    if model.model_config.get("extra") != "allow":
        _check_names(type_, model, values)
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise InvalidInput(_spoken(first["msg"], first["type"]), ".".join(map(str, first["loc"]))) from None


def make_notifier(type_: str, config: Mapping[str, Any], secrets: Mapping[str, str], tools: Any) -> Notifier:
    """The notifier of a channel. InvalidInput where its config is wrong, PluginError where it cannot be made."""
    checked = check_config(type_, {**config, **secrets})
    try:
        notifier: Notifier = load_notifier(type_)(checked, tools)
    except LastseenError:
        raise
    except Exception as error:  # noqa: BLE001  (its text might quote a secret: neither it nor its trace goes on)
        raise PluginError(f"notifier {type_!r} cannot be made: {type(error).__name__} in {_made_by(type_)}") from None
    return notifier


def forget() -> None:
    """Look at what is installed anew."""
    _entries.cache_clear()
    _loaded.cache_clear()


# -- loading


@cache
def _entries(group: str) -> Mapping[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=group)}


@cache
def _loaded(group: str, name: str) -> tuple[Any, str | None]:
    """What an entry point names, or why it does not load. Asked once: importing a broken package again is no cure."""
    try:
        return _entries(group)[name].load(), None
    except PluginError as error:
        return None, str(error)
    except Exception as error:  # noqa: BLE001  (somebody else's module: whatever it raises harms it alone, and is told)
        return None, f"{type(error).__name__}: {error}"


def _load(group: str, name: str, what: str) -> Any:
    known = _entries(group)
    if name not in known:
        raise PluginError(f"there is no {what} {name!r}{suggest(name, known)}; installed are: {_listed(known)}")
    loaded, error = _loaded(group, name)
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


# -- configs


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or SecretStr in get_args(annotation)


def _plain(value: Any) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _check_names(type_: str, model: type[BaseModel], values: Mapping[str, Any]) -> None:
    known = set(model.model_fields) | {field.alias for field in model.model_fields.values() if field.alias}
    for name in values:
        if name not in known:
            raise InvalidInput(f"{type_} has no such option{suggest(name, known)}", name)


def _spoken(message: str, kind: str) -> str:
    if kind == "missing":
        return "is required"
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:] if message.startswith("Input ") else message
