"""Every notifier that is installed has its command, with flags from its own Config."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from lastseen import plugins
from tests.cli.conftest import Cli


class Pigeon:
    """Sends pigeons."""

    class Config(BaseModel):
        name: str
        loft_id: int
        feed: SecretStr | None = None
        fast: bool = True
        routes: list[str] = []

    def __init__(self, config: Config, tools: Any) -> None:
        self.config = config

    async def send(self, message: Any) -> None:
        raise ConnectionError("the pigeon ate " + (self.config.feed.get_secret_value() if self.config.feed else "it"))


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Beside our own: a pigeon, and a plugin that does not load."""
    real = plugins.entry_points

    def with_ours(*, group: str) -> list[EntryPoint]:
        found = list(real(group=group))
        if group == plugins.NOTIFIERS:
            found.append(EntryPoint("pigeon", f"{__name__}:Pigeon", group))
            found.append(EntryPoint("broken", "no_such_module:Thing", group))
        return found

    monkeypatch.setattr(plugins, "entry_points", with_ours)
    plugins.forget()
    yield
    monkeypatch.undo()
    plugins.forget()


def test_a_plugins_fields_are_flags_and_its_secrets_may_come_from_files(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "feed").write_text("corn-secret\n")
    made = cli.json(
        *("channels", "add", "pigeon", "--name", "loft", "--pigeon-name", "Hermes", "--loft-id", "7"),
        *("--feed-file", str(tmp_path / "feed"), "--no-fast", "--routes", "north", "--routes", "south"),
    )
    assert made == {"id": 1, "type": "pigeon", "name": "loft"}
    (listed,) = cli.json("channels", "list")
    assert listed["config"]["name"] == "Hermes"
    assert listed["config"]["fast"] is False
    assert listed["config"]["routes"] == ["north", "south"]
    assert "corn-secret" not in str(listed)


def test_its_help_lists_its_flags(cli: Cli) -> None:
    text = cli("channels", "add", "pigeon", "--help").out
    assert "Sends pigeons." in text
    for flag in ("--pigeon-name", "--loft-id", "--feed", "--feed-file", "--no-fast", "--routes"):
        assert flag in text


def test_what_it_refuses_is_named_by_its_flag(cli: Cli) -> None:
    wrong = cli("channels", "add", "pigeon", "--name", "loft", "--pigeon-name", "x", "--loft-id", "many")
    assert wrong.code == 1
    assert "--loft-id" in wrong.err
    assert cli("channels", "add", "pigeon", "--name", "loft").code == 2


def test_a_console_channel_that_is_tried_prints_nothing_between_a_program_and_its_json(cli: Cli) -> None:
    cli.json("channels", "add", "console", "--name", "here")
    tried = cli("channels", "test", "here", "--json")
    assert json.loads(tried.out) == {"ok": True, "detail": "delivered"}
    assert "this channel works" in tried.err


def test_a_plugin_that_does_not_load_is_told_and_harms_no_other(cli: Cli) -> None:
    done = cli("channels", "add", "broken", "--name", "x")
    assert done.code == 1
    assert "no_such_module" in done.err
    listed = {plugin["type"]: plugin for plugin in cli.json("plugins")}
    assert listed["broken"]["ok"] is False
    assert listed["webhook"]["ok"] is True
    assert "pigeon" in cli("channels", "add", "--help").out


def test_an_exception_of_a_plugin_is_the_result_of_a_test_without_its_secret(cli: Cli) -> None:
    feed = ("--feed", "corn-secret")
    cli.json("channels", "add", "pigeon", "--name", "loft", "--pigeon-name", "x", "--loft-id", "1", *feed)
    done = cli("channels", "test", "loft", "--json")
    assert done.code == 1
    assert done.value == {"ok": False, "detail": "ConnectionError: the pigeon ate [secret]"}
