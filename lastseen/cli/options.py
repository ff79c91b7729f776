"""Options that several commands have in common: the fields of one dataclass."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

import typer

from lastseen.errors import InvalidInput


class UsageError(typer.BadParameter):
    """A command line that asks for nothing, or for things that do not go together: exit code 2."""

    def format_message(self) -> str:
        return self.message


NOT_ITS_OWN = ("none", "default", "")


def own(value: str) -> str | None:
    """What was given; None for the words that take it back."""
    return None if value in NOT_ITS_OWN else value


def group_typed(text: str | None) -> str | None:
    """What pages call no group is the group of whom nothing was said."""
    from lastseen.model.names import group_meant

    return None if text is None else group_meant(text)


def group_given(text: str | None) -> str | None:
    """Where a machine is said to stand: nothing, `none` and what pages call no group take back what was said."""
    from lastseen.model.names import NO_GROUP

    return NO_GROUP if text is not None and text.strip().casefold() in ("", "none") else group_typed(text)


def groups_typed(texts: list[str] | None) -> list[str | None] | None:
    return None if texts is None else [group_typed(text) for text in texts]


@contextmanager
def naming(flag_of: Callable[[str], str]) -> Iterator[None]:
    """What is wrong is called by the option that it was given by, not by its field."""
    try:
        yield
    except InvalidInput as error:
        raise error.called(flag_of) from None


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """The command as typer wants it: in the place of its parameter that is a dataclass, an option for each field."""
    name, group, parameters = "", None, []
    hints = get_type_hints(command, include_extras=True)
    for parameter in inspect.signature(command).parameters.values():
        hint = hints[parameter.name]
        if isinstance(hint, type) and is_dataclass(hint):
            name, group = parameter.name, hint
            parameters += _options(hint)
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hint))
    if group is None:
        raise TypeError(f"{command.__name__} has no parameter that is a dataclass")
    own = {field.name for field in fields(group)}

    def spread_out(**given: Any) -> None:
        options = {field: given.pop(field) for field in own}
        command(**given, **{name: group(**options)})

    spread_out.__name__, spread_out.__doc__ = command.__name__, command.__doc__
    spread_out.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    spread_out.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return spread_out


def _options(group: type) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(group)
    ]
