"""Settings: where they come from, and what is said when they are wrong."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from lastseen import variables as module
from lastseen.durations import NEVER
from lastseen.errors import ConfigurationError
from lastseen.settings import Settings, unknown_variables

TOKEN = "123456:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing of the computer's own: an empty environment, a folder, and a file for the whole system."""
    for name in list(os.environ):
        if name.startswith(("LASTSEEN_", "MACHINE_", "TELEGRAM_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LASTSEEN_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(module, "SYSTEM_FILE", tmp_path / "etc.env")
    return tmp_path


def test_nothing_needs_to_be_set(places: Path) -> None:
    settings = Settings.load()
    assert (settings.host, settings.port) == ("127.0.0.1", 8383)
    assert settings.database == f"sqlite:///{places}/lastseen.db"
    assert (settings.check_interval, settings.offline_threshold) == (timedelta(seconds=30), timedelta(minutes=2))


def test_the_environment_wins_over_the_folders_file_and_that_over_the_systems(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (places / "etc.env").write_text("LASTSEEN_PORT=1\nLASTSEEN_HOST=::1\nLASTSEEN_TIMEZONE=Europe/Vienna\n")
    (places / "lastseen.env").write_text("# ours\nexport LASTSEEN_PORT=2\nLASTSEEN_HOST='0.0.0.0'\n")
    monkeypatch.setenv("LASTSEEN_PORT", "3")
    settings = Settings.load()
    assert (settings.port, settings.host, settings.timezone) == (3, "0.0.0.0", ZoneInfo("Europe/Vienna"))
    assert Settings.load(port=4).port == 4
    assert Settings.load(port=None).port == 3


def test_the_system_file_may_say_where_the_folder_is(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LASTSEEN_DATA_DIR")
    (places / "there").mkdir()
    (places / "there" / "lastseen.env").write_text("LASTSEEN_PORT=7\n")
    (places / "etc.env").write_text(f"LASTSEEN_DATA_DIR={places}/there\n")
    settings = Settings.load()
    assert (settings.data_dir, settings.port) == (places / "there", 7)


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTSEEN_PORT", "")
    monkeypatch.setenv("LASTSEEN_PUBLIC_URL", " ")
    assert (Settings.load().port, Settings.load().public_url) == (8383, None)


def test_a_secret_may_be_in_a_file_and_shows_nowhere(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (places / "token").write_text(f"{TOKEN}\n")
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN_FILE", str(places / "token"))
    settings = Settings.load()
    assert settings.telegram_bot_token is not None
    assert settings.telegram_bot_token.get_secret_value() == TOKEN
    assert TOKEN not in repr(settings) + str(settings.model_dump())


def test_a_secret_is_given_once(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (places / "token").write_text(TOKEN)
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN_FILE", str(places / "token"))
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    with pytest.raises(ConfigurationError, match="keep one"):
        Settings.load()


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_secrets_file_that_is_missing_or_empty_is_told(
    places: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    if content is not None:
        (places / "key").write_text(content)
    monkeypatch.setenv("LASTSEEN_SECRET_KEY_FILE", str(places / "key"))
    with pytest.raises(ConfigurationError, match="LASTSEEN_SECRET_KEY_FILE"):
        Settings.load()


@pytest.mark.parametrize(
    ("variable", "value", "instead"),
    [
        ("LASTSEEN_PORT", "http", "0 to 65535"),
        ("LASTSEEN_PORT", "65536", "0 to 65535"),
        ("LASTSEEN_LOG_FORMAT", "xml", "must be console or json"),
        ("LASTSEEN_METRICS", "some", "must be off, key, local or public"),
        ("LASTSEEN_MQTT_AUTO_ADD", "maybe", "must be true or false"),
        ("LASTSEEN_TIMEZONE", "Mars/Base", "Europe/Vienna"),
        ("LASTSEEN_TIMEZONE", "../../etc/passwd", "Europe/Vienna"),
        ("LASTSEEN_PUBLIC_URL", "lastseen.example.org", "https://"),
        ("LASTSEEN_TELEGRAM_API_URL", "telegram", "https://"),
        ("LASTSEEN_WEBHOOK_ALLOW_NETWORKS", "10.0.0.0/8 nonsense", "10.0.0.0/8"),
        ("LASTSEEN_GOODBYE_GRACE", "-1s", "90s"),
        ("LASTSEEN_GOODBYE_GRACE", "never", "90s"),
        ("MACHINE_HEARTBEAT_CHECK_INTERVAL", "0", "more than 0"),
        ("MACHINE_HEARTBEAT_CHECK_INTERVAL", "often", "90s"),
        ("MACHINE_OFFLINE_THRESHOLD", "2 years", "90s"),
        ("TELEGRAM_BOT_TOKEN", "hunter2hunter2", "@BotFather"),
    ],
)
def test_a_wrong_value_is_told_by_its_variable_and_with_what_to_write_instead(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, instead: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as caught:
        Settings.load()
    assert str(caught.value).startswith(f"{variable}: ")
    assert instead in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_all_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTSEEN_PORT", "x")
    monkeypatch.setenv("LASTSEEN_LOG_FORMAT", "x")
    with pytest.raises(ConfigurationError, match=r"LASTSEEN_PORT: .*; LASTSEEN_LOG_FORMAT: "):
        Settings.load()


@pytest.mark.parametrize("nothing", ["0", "0s", "0m"])
def test_durations_never_and_zero_are_understood(monkeypatch: pytest.MonkeyPatch, nothing: str) -> None:
    monkeypatch.setenv("MACHINE_OFFLINE_THRESHOLD", "never")
    monkeypatch.setenv("MACHINE_HEARTBEAT_CHECK_INTERVAL", "1m30s")
    monkeypatch.setenv("LASTSEEN_GOODBYE_GRACE", nothing)
    settings = Settings.load()
    assert settings.offline_threshold == NEVER
    assert settings.check_interval == timedelta(seconds=90)
    assert settings.goodbye_grace == timedelta(0)


def test_a_misspelt_variable_is_told_with_what_was_meant(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTSEEN_PROT", "1")
    monkeypatch.setenv("LASTSEEN_SECRET_KEY_FILES", "x")
    monkeypatch.setenv("LASTSEEN_QQQQQQQQQQQQQQ", "x")
    (places / "lastseen.env").write_text("TELEGRAM_BOTTOKEN=x\nLASTSEEN_HOST=::1\n")
    first, second, third, fourth = unknown_variables(places)
    assert "did you mean LASTSEEN_PORT?" in first
    assert "did you mean" not in second
    assert "did you mean LASTSEEN_SECRET_KEY_FILE?" in third
    assert "did you mean TELEGRAM_BOT_TOKEN?" in fourth
    assert str(places / "lastseen.env") in fourth


def test_every_setting_is_described() -> None:
    rows = Settings.describe()
    assert len({name for name, _, _ in rows}) == len(rows) == len(Settings.model_fields)
    assert all(name.isupper() and meaning for name, _, meaning in rows)
    assert ("LASTSEEN_PORT", "8383", "its port; 0 takes a free one") in rows
