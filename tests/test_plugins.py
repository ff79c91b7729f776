"""Plugins by their entry points; a broken one harms itself alone."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from lastseen import plugins
from lastseen.errors import InvalidInput, PluginError
from lastseen.notifiers.tools import Tools
from lastseen.notifiers.webhook import Webhook
from lastseen.storage import open_store
from tests.cli.conftest import Cli
from tests.installing import install, site

__all__ = ["site"]  # the fixture

BROKEN = """
raise RuntimeError("no gotify today")
"""
WORKING = """
from pydantic import BaseModel, SecretStr

class Good:
    '''Says it well.'''
    class Config(BaseModel):
        url: str
        token: SecretStr
        level: int = 3
    def __init__(self, config, tools):
        if config.level > 9:
            raise RuntimeError(config.token.get_secret_value())
        self.config = config
    async def send(self, message):
        return None

class Bare:
    pass
"""


@pytest.fixture
def installed(site: Path) -> None:
    """Two packages with notifiers, one of them broken, beside our own."""
    install(site, "broken_plugin", BROKEN, "[lastseen.notifiers]\nbroken = broken_plugin:Broken\n")
    good = "[lastseen.notifiers]\ngood = working_plugin:Good\nbare = working_plugin:Bare\n"
    install(site, "working_plugin", WORKING, good)


HEAD = "from pydantic import BaseModel, SecretStr\n"
CONFIG = "    class Config(BaseModel):\n        url: str = ''\n"
INIT = "    def __init__(self, config, tools): pass\n"
SEND = "    async def send(self, message): pass\n"

WRONG = {
    "raise ImportError('no module named gotify')": "ImportError: no module named gotify",
    "import no_such_module_at_all": "ModuleNotFoundError: No module named 'no_such_module_at_all'",
    "def (": "SyntaxError: .*",
    "import sys; sys.exit('not today')": "SystemExit: not today",
    "class Harsh(BaseException): pass\nraise Harsh": "Harsh: ",
    "other = 1": "AttributeError: module 'wrong_plugin' has no attribute 'Wrong'",
    "Wrong = 7": "is no class",
    f"class Wrong:\n{INIT}{SEND}": "has no pydantic model Config",
    f"class Wrong:\n    class Config: pass\n{INIT}{SEND}": "has no pydantic model Config",
    f"class Wrong:\n{CONFIG}{INIT}": "has no method `async def send",
    f"class Wrong:\n{CONFIG}{INIT}    def send(self, message): pass\n": "has a send that is not async",
    f"class Wrong:\n{CONFIG}{INIT}{SEND}    blocking = True\n": "is blocking, .* write `def send`",
    f"class Wrong:\n{CONFIG}    def __init__(self): pass\n{SEND}": r"is not made as Class\(config, tools\)",
    "class Odd: pass\nclass Wrong:\n    class Config(BaseModel, arbitrary_types_allowed=True):\n"
    f"        odd: Odd\n{INIT}{SEND}": "has a Config without a JSON schema",
}


@pytest.mark.parametrize(("source", "words"), WRONG.items())
def test_what_is_wrong_with_a_plugin_is_said_and_harms_no_other(site: Path, source: str, words: str) -> None:
    install(site, "wrong_plugin", HEAD + source, "[lastseen.notifiers]\nwrong = wrong_plugin:Wrong\n", "0.7")
    wrong = plugins.notifier_types()["wrong"]
    assert (wrong.distribution, wrong.notifier) == ("wrong_plugin 0.7", None)
    assert re.match(words, wrong.error or "")
    with pytest.raises(PluginError, match=f"'wrong' .*{words}|{words}"):
        plugins.make_notifier("wrong", {}, {}, tools())
    assert plugins.notifier_types()["webhook"].error is None


@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        ("max_batch = 'many'", "max_batch"),
        ("max_batch = 0", "max_batch"),
        ("timeout = None", "timeout"),
        ("timeout = 1e9", "timeout"),
        ("schedule = 'hourly'", "schedule"),
        ("lane = 7", "a lane that is no text"),
        ("lane = property(lambda self: 1 / 0)", "cannot be made: ZeroDivisionError"),
        ("__init__ = lambda self, config, tools: exit(3)", "cannot be made: SystemExit"),
    ],
)
def test_attributes_that_make_no_sense_are_found_when_it_is_made(site: Path, attribute: str, words: str) -> None:
    source = f"{HEAD}class Odd:\n{CONFIG}{INIT}{SEND}    {attribute}\n"
    install(site, "odd_plugin", source, "[lastseen.notifiers]\nodd = odd_plugin:Odd\n")
    with pytest.raises(PluginError, match=words):
        plugins.make_notifier("odd", {}, {}, tools())


def test_a_name_belongs_to_the_first_and_never_to_a_stranger_if_it_is_ours(site: Path) -> None:
    good = f"{HEAD}class Good:\n{CONFIG}{INIT}{SEND}"
    for name in ("a_plugin", "b_plugin"):
        install(site, name, good, f"[lastseen.notifiers]\nwebhook = {name}:Good\npager = {name}:Good\n")
    assert plugins.load_notifier("webhook") is Webhook
    assert plugins.load_notifier("pager").__module__ == "a_plugin"
    taken = {(one.name, one.distribution) for one in plugins.installed() if "the name is taken by" in (one.error or "")}
    assert taken == {("pager", "b_plugin 1.2"), ("webhook", "a_plugin 1.2"), ("webhook", "b_plugin 1.2")}


def test_a_list_of_entry_points_that_cannot_be_read_hides_no_other(site: Path) -> None:
    install(site, "torn_plugin", "", "[lastseen.notifiers]\nthis is no entry point\n")
    assert plugins.load_notifier("webhook") is Webhook


def test_the_command_lists_both_kinds_with_the_package_and_what_is_wrong(site: Path, tmp_path: Path) -> None:
    install(site, "wrong_plugin", "import no_such_thing", "[lastseen.notifiers]\nwrong = wrong_plugin:Wrong\n")
    install(site, "a_store", "redis = print", "[lastseen.stores]\nredis = a_store:redis\nother = a_store:no\n", "3.0")
    cli = Cli(tmp_path / "data")
    listed = {(one["kind"], one["type"]): one for one in cli.json("plugins")}
    wrong = listed["notifier", "wrong"]
    assert (wrong["ok"], wrong["package"]) == (False, "wrong_plugin 1.2")
    assert wrong["error"] == "ModuleNotFoundError: No module named 'no_such_thing'"
    assert (listed["store", "redis"]["ok"], listed["store", "redis"]["package"]) == (True, "a_store 3.0")
    assert "has no attribute 'no'" in listed["store", "other"]["error"]
    assert listed["notifier", "webhook"]["ok"]
    assert "No module named 'no_such_thing'" in cli("plugins").out


STORE = """
from lastseen.storage.memory import MemoryStore

class Redis(MemoryStore):
    def __init__(self, url, **options):
        super().__init__()
        self.url, self.options = url, options
"""


def test_a_store_of_an_installed_package_opens_by_its_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "redis_plugin.py").write_text(STORE)
    info = tmp_path / "redis_plugin-0.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: redis_plugin\nVersion: 0.3\n")
    (info / "entry_points.txt").write_text("[lastseen.stores]\nredis = redis_plugin:Redis\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.forget()
    try:
        store: Any = open_store("redis://here/1", fast=True)
        assert (type(store).__name__, store.url, store.options) == ("Redis", "redis://here/1", {"fast": True})
        with pytest.raises(PluginError, match="no store 'redsi', did you mean 'redis'"):
            open_store("redsi://here/1")
    finally:
        sys.modules.pop("redis_plugin", None)
        plugins.forget()


def tools() -> Tools:
    return Tools(httpx.AsyncClient())


def test_our_own_are_found_by_their_entry_points() -> None:
    found = plugins.notifier_types()
    assert {"console", "telegram", "webhook"} <= set(found)
    assert found["webhook"].notifier is Webhook
    assert found["webhook"].distribution.startswith("lastseen ")
    assert found["webhook"].summary
    assert plugins.load_notifier("webhook") is Webhook


@pytest.mark.usefixtures("installed")
def test_a_broken_plugin_is_listed_with_what_is_wrong_and_harms_nobody() -> None:
    found = plugins.notifier_types()
    assert found["broken"].error == "RuntimeError: no gotify today"
    assert found["broken"].distribution == "broken_plugin 1.2"
    assert found["good"].error is None
    assert found["good"].summary == "Says it well."
    with pytest.raises(
        PluginError, match=r"'broken' of broken_plugin 1\.2 does not load: RuntimeError: no gotify today"
    ):
        plugins.load_notifier("broken")
    assert plugins.load_notifier("webhook") is Webhook


def test_an_unknown_type_gets_a_suggestion_and_the_list() -> None:
    with pytest.raises(PluginError, match=r"no notifier 'webhok', did you mean 'webhook'\?; installed are: .*telegram"):
        plugins.load_notifier("webhok")


def test_a_store_is_found_by_its_scheme() -> None:
    assert callable(plugins.load_store("memory"))
    with pytest.raises(PluginError, match="no store 'sqlit', did you mean 'sqlite'"):
        plugins.load_store("sqlit")


@pytest.mark.usefixtures("installed")
def test_a_plugin_without_a_config_is_told_apart() -> None:
    with pytest.raises(PluginError, match="no pydantic model Config"):
        plugins.load_notifier("bare")


@pytest.mark.usefixtures("installed")
def test_secrets_are_what_the_config_declares_as_such() -> None:
    values: dict[str, Any] = {"url": "u", "token": "t0p-s3cret", "level": None}
    assert plugins.split_secrets("good", values) == ({"url": "u"}, {"token": "t0p-s3cret"})
    assert plugins.split_secrets("webhook", {"url": "u", "previous_secret": "x"})[1] == {"previous_secret": "x"}


@pytest.mark.usefixtures("installed")
def test_a_notifier_is_made_from_its_config_and_its_secrets() -> None:
    made: Any = plugins.make_notifier("good", {"url": "u", "level": "4"}, {"token": "t0p-s3cret"}, tools())
    assert (made.config.level, made.config.token.get_secret_value()) == (4, "t0p-s3cret")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("config", "field", "words"),
    [
        ({"level": 1}, "url", "url: is required"),
        ({"url": "u", "level": "high"}, "level", "level: must be a whole number"),
        ({"url": "u", "levle": 1}, "levle", "did you mean 'level'"),
    ],
)
def test_a_wrong_config_names_the_field(config: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        plugins.make_notifier("good", config, {"token": "t0p-s3cret"}, tools())
    assert caught.value.field == field
    assert "t0p-s3cret" not in str(caught.value)


@pytest.mark.usefixtures("installed")
def test_what_a_plugin_raises_while_it_is_made_is_not_quoted() -> None:
    with pytest.raises(PluginError, match=r"'good' cannot be made: RuntimeError in working_plugin 1\.2") as caught:
        plugins.make_notifier("good", {"url": "u", "level": 10}, {"token": "t0p-s3cret"}, tools())
    assert "t0p-s3cret" not in str(caught.value)


def test_every_notifier_of_ours_has_a_described_config() -> None:
    for name in ("console", "telegram", "webhook"):
        model: type[BaseModel] = plugins.load_notifier(name).Config
        assert all(field.description for field in model.model_fields.values()), name
