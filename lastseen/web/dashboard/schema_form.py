"""A form from the JSON Schema of a notifier's Config: what a plugin wants to know is asked as it describes it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lastseen.words import Words

How = Literal["text", "secret", "number", "tick", "choice", "lines"]


@dataclass(frozen=True, slots=True)
class Field:
    """`default` as it is typed; `optional`: may be taken back. `label` and `hint` are a translator's to say, where the
    notifier is one of ours."""

    name: str
    label: Words
    hint: Words
    how: How
    choices: tuple[str, ...] = ()
    default: str = ""
    required: bool = False
    optional: bool = False

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Choices as forms have them: value and words."""
        return [(one, one) for one in self.choices]


def fields_of(schema: Mapping[str, Any]) -> list[Field]:
    needed = schema.get("required", ())
    return [_field(name, about, name in needed) for name, about in schema.get("properties", {}).items()]


def _field(name: str, about: Mapping[str, Any], required: bool) -> Field:
    kinds = [one for one in about.get("anyOf", (about,)) if one.get("type") != "null"]
    kind: Mapping[str, Any] = kinds[0] if kinds else {}
    choices = tuple(str(one) for one in kind.get("enum", ()))
    return Field(
        name,
        asked(name),
        Words(_sentence(str(about.get("description", "")), choices)),
        _how(kind),
        choices,
        typed(about.get("default")),
        required,
        len(kinds) < len(about.get("anyOf", ())),
    )


def asked(name: str) -> Words:
    """What a form calls the field of this name."""
    return Words(_sentence(name.replace("_", " ")))


def _how(kind: Mapping[str, Any]) -> How:
    if kind.get("writeOnly") or kind.get("format") == "password":
        return "secret"
    if kind.get("enum"):
        return "choice"
    match kind.get("type"):
        case "boolean":
            return "tick"
        case "integer" | "number":
            return "number"
        case "array":
            return "lines"
    return "text"


def _sentence(text: str, values: Sequence[str] = ()) -> str:
    """Begun with a capital, but where it begins with what is typed as it stands: one of these, or no plain word."""
    first = re.match(r"[^\s,;:.]*", text)
    word = first[0] if first else ""
    return text if word in values or not word.replace("-", "").isalpha() else text[:1].upper() + text[1:]


def typed(value: object) -> str:
    """A value as the form has it."""
    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    if isinstance(value, list | tuple):
        return "\n".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def begun_with(fields: Sequence[Field], config: Mapping[str, Any]) -> dict[str, str]:
    """What the form begins with. A secret is never in it."""
    shown = [one for one in fields if one.how != "secret"]
    return {one.name: typed(config[one.name]) if one.name in config else one.default for one in shown}


def values_in(fields: Sequence[Field], said: Mapping[str, str]) -> dict[str, Any]:
    """What was filled in, as the Config takes it; what is no number is left to it to refuse."""
    return {one.name: _value(one, said.get(one.name, "")) for one in fields if said.get(one.name) or one.how == "tick"}


def changes_in(fields: Sequence[Field], said: Mapping[str, str], was: Mapping[str, str]) -> dict[str, Any]:
    """What differs from what the form began with. An empty secret stays as it is, another field is taken back."""
    found: dict[str, Any] = {}
    for one in fields:
        text = said.get(one.name, "")
        if text == was.get(one.name, ""):
            continue
        found[one.name] = None if not text and one.optional else _value(one, text)
    return found


def _value(field: Field, text: str) -> Any:
    match field.how:
        case "tick":
            return bool(text)
        case "lines":
            return [line.strip() for line in text.splitlines() if line.strip()]
        case "number":
            return _number(text)
    return text


def _number(text: str) -> int | float | str:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text
