"""The places that settings are written in, the strongest first: the environment, `lastseen.env` in the data folder,
`/etc/lastseen/lastseen.env`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs
from dotenv import dotenv_values
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from lastseen.errors import ConfigurationError

SYSTEM_FILE = Path("/etc/lastseen/lastseen.env")
FILE_NAME = "lastseen.env"


class Place(NamedTuple):
    """What is written there; `name` as people are told of it."""

    name: str
    variables: Mapping[str, str]
    shared: bool = False
    """With programs that are not ours: the environment."""


def places(data_dir: Path | None) -> list[Place]:
    """All of them. `data_dir`: the data folder that was given; None: they say which it is."""
    system = _read_file(SYSTEM_FILE)
    folder = data_dir or os.environ.get("LASTSEEN_DATA_DIR") or system.get("LASTSEEN_DATA_DIR") or default_folder()
    beside = Path(folder).expanduser() / FILE_NAME
    return [
        Place("the environment", os.environ, shared=True),
        Place(str(beside), _read_file(beside)),
        Place(str(SYSTEM_FILE), system),
    ]


def default_folder() -> Path:
    return Path(platformdirs.user_data_dir("lastseen", appauthor=False))


def _read_file(path: Path) -> Mapping[str, str]:
    try:
        with path.open(encoding="utf-8") as stream:
            return {name: value for name, value in dotenv_values(stream=stream).items() if value is not None}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except PermissionError:
        raise ConfigurationError(f"{path} cannot be read: run this as the user that lastseen runs as") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None


class Layer(PydanticBaseSettingsSource):
    """One place, as pydantic asks it."""

    def __init__(self, settings_cls: type[BaseSettings], place: Place) -> None:
        super().__init__(settings_cls)
        self._place = place

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        name, variables = variable_of(field), self._place.variables
        value = variables.get(name)
        path = variables.get(f"{name}_FILE") if may_be_a_file(field) else None
        if value and path:
            raise ConfigurationError(f"{self._place.name} sets both {name} and {name}_FILE: keep one of them")
        if path:
            value = read_secret(f"{name}_FILE", Path(path))
        return value, field_name, False

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields
        found = {name: self.get_field_value(field, name)[0] for name, field in fields.items()}
        return {name: value.strip() for name, value in found.items() if value and value.strip()}


def variable_of(field: FieldInfo) -> str:
    """What a setting is called outside."""
    return field.alias or ""


def may_be_a_file(field: FieldInfo) -> bool:
    """What no repr shows may stand in a file that NAME_FILE names."""
    return not field.repr


def read_secret(name: str, path: Path) -> str:
    """What a file holds, without its last line's end. ConfigurationError names the setting or the option `name`."""
    try:
        text = path.expanduser().read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigurationError(f"{name}: {path} cannot be read: {reason}") from None
    if not text.strip():
        raise ConfigurationError(f"{name}: {path} is empty")
    return text
