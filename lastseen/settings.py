"""What can be set, and what is said when it is wrong. Where it is written: `lastseen.variables`.

What has `repr=False` is a secret, and may also be in a file that `<NAME>_FILE` names. Nothing but the server's
root and the command line reads settings: the library takes arguments.
"""

from __future__ import annotations

import difflib
import ipaddress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from lastseen import values
from lastseen.errors import ConfigurationError
from lastseen.ingest.limits import Rate
from lastseen.model.retention import Keep
from lastseen.variables import Layer, default_folder, may_be_a_file, places, variable_of

DATABASE_NAME = "lastseen.db"

OTHER_VARIABLES = {
    *("LASTSEEN_SERVER", "LASTSEEN_KEY", "LASTSEEN_KEY_FILE", "LASTSEEN_INTERVAL", "LASTSEEN_PING_URL"),
    "LASTSEEN_API_KEY_FILE",
}
"""Variables of the agent and the command line, which are no settings of the server."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


Address = Annotated[str, AfterValidator(values.address)]
Kept = Annotated[timedelta | None, BeforeValidator(values.kept)]
Several = Annotated[tuple[str, ...], BeforeValidator(values.several)]


class Settings(BaseSettings):
    """Everything that can be set. `Settings.load()` is how it is made."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", case_sensitive=True, populate_by_name=True, validate_default=True
    )

    data_dir: Annotated[Path, AfterValidator(Path.expanduser)] = Field(
        default_factory=default_folder,
        alias="LASTSEEN_DATA_DIR",
        description="where the database, the key file and `lastseen.env` are",
    )
    database_url: str | None = Field(
        None,
        alias="LASTSEEN_DATABASE_URL",
        repr=False,
        description="the database; by default a SQLite file in the data folder",
    )
    redis_url: SecretStr | None = Field(
        None,
        alias="LASTSEEN_REDIS_URL",
        repr=False,
        description="a Valkey or Redis server for copies of what is read often, as `redis://:password@host:6379/0`, "
        "`rediss://…` or `unix:///path/to/socket`; without it there are none",
    )
    redis_parts: Annotated[frozenset[str], BeforeValidator(values.parts)] = Field(
        values.as_written("cache,keys,limits"),
        alias="LASTSEEN_REDIS_PARTS",
        description="what it is used for: answers about the status of machines (`cache`), keys for other programs "
        "(`keys`), rates that several nodes count together (`limits`)",
    )
    host: Annotated[str, AfterValidator(values.host)] = Field(
        "127.0.0.1", alias="LASTSEEN_HOST", description="the address `serve` listens on"
    )
    port: Annotated[int, BeforeValidator(values.port)] = Field(
        8383, alias="LASTSEEN_PORT", description="its port; 0 takes a free one"
    )
    uplink_check_url: Address | None = Field(
        None,
        alias="LASTSEEN_UPLINK_CHECK_URL",
        description="asked when many machines fall silent at once; no answer: our own line is cut, and they are held",
    )
    proof_of_life_url: Annotated[SecretStr, AfterValidator(values.secret_address)] | None = Field(
        None,
        alias="LASTSEEN_PROOF_OF_LIFE_URL",
        repr=False,
        description="called as long as this server does what it is there for, so that somebody else notices when it "
        "does not",
    )
    proof_of_life_every: Annotated[timedelta, BeforeValidator(values.duration)] = Field(
        values.as_written("60s"), alias="LASTSEEN_PROOF_OF_LIFE_EVERY", description="how often it is called"
    )
    public_url: Address | None = Field(
        None,
        alias="LASTSEEN_PUBLIC_URL",
        description="how the server is reached from elsewhere: the ping and push addresses of machines begin with it",
    )
    metrics: Literal["off", "key", "local", "public"] = Field(
        "local",
        alias="LASTSEEN_METRICS",
        description="who may read `/metrics`: nobody (`off`), who has an `lsa_` key (`key`), also programs on this "
        "computer (`local`), everybody (`public`)",
    )
    timezone: Annotated[ZoneInfo | None, BeforeValidator(values.zone)] = Field(
        None,
        alias="LASTSEEN_TIMEZONE",
        description="the time zone of messages, and of times that commands read and print, by default the computer's; "
        "also of schedules that are added without one, by default UTC",
    )
    locale_dir: Path | None = Field(
        None, alias="LASTSEEN_LOCALE_DIR", description="a folder with translations of the pages"
    )
    log_format: Literal["console", "json"] = Field(
        "console", alias="LASTSEEN_LOG_FORMAT", description="`console` for people, `json` for programs"
    )
    secret_key: SecretStr | None = Field(
        None,
        alias="LASTSEEN_SECRET_KEY",
        repr=False,
        description="encrypts what must be read back: secrets of channels, passwords of brokers, addresses of "
        "machines; several, separated by commas: the first encrypts; by default the file "
        "`lastseen.db.key` beside the database, made once",
    )
    webhook_allow_networks: Annotated[tuple[Network, ...], BeforeValidator(values.networks)] = Field(
        (),
        alias="LASTSEEN_WEBHOOK_ALLOW_NETWORKS",
        description="private networks that channels may send to that are somebody's own",
    )
    telegram_api_url: Address = Field(
        "https://api.telegram.org", alias="LASTSEEN_TELEGRAM_API_URL", description="another Bot API server"
    )
    telegram_commands: bool = Field(
        values.as_written("true"),
        alias="LASTSEEN_TELEGRAM_COMMANDS",
        description="whether `serve` reads what people write to its bots; `false` where another program reads them",
    )
    goodbye_grace: Annotated[timedelta, BeforeValidator(values.grace)] = Field(
        values.as_written("10s"),
        alias="LASTSEEN_GOODBYE_GRACE",
        description="how long after a goodbye a machine may come back unnoticed; 0 is allowed",
    )
    flapping: Annotated[str, AfterValidator(values.often)] = Field(
        "6/30m",
        alias="LASTSEEN_FLAPPING",
        description="how many changes in how long are told of by one message, and how long it is then quiet until a "
        "machine holds still; `off` is allowed",
    )
    check_interval: Annotated[timedelta, BeforeValidator(values.duration)] = Field(
        values.as_written("30s"),
        alias="MACHINE_HEARTBEAT_CHECK_INTERVAL",
        description="the longest time between two looks; deadlines are met to the moment anyway",
    )
    rate_limit: Annotated[Rate | None, BeforeValidator(values.rate)] = Field(
        values.as_written("120/minute"),
        alias="LASTSEEN_RATE_LIMIT",
        description="how often one key may be used, as `120/minute` or `5/second`, and how often an address may send "
        "wrong keys; `off` is allowed",
    )
    trusted_proxies: Annotated[tuple[Network, ...], BeforeValidator(values.networks)] = Field(
        (),
        alias="LASTSEEN_TRUSTED_PROXIES",
        description="networks of reverse proxies whose `X-Forwarded-For`, `-Proto` and `-Host` are believed",
    )
    login_header: Annotated[str, AfterValidator(values.header)] | None = Field(
        None,
        alias="LASTSEEN_LOGIN_HEADER",
        description="the header in which those proxies say who is logged in, as `Remote-User`; by default none is "
        "believed",
    )
    login_header_role: Literal["admin", "member", "viewer"] | None = Field(
        None,
        alias="LASTSEEN_LOGIN_HEADER_ROLE",
        description="the role of people whom it names for the first time; by default they are not let in",
    )
    offline_threshold: Annotated[timedelta, BeforeValidator(values.threshold)] = Field(
        values.as_written("2m"),
        alias="MACHINE_OFFLINE_THRESHOLD",
        description="how long a machine may be silent, where neither it nor its kind says; `never` is allowed",
    )
    keep_events: Annotated[timedelta | None, BeforeValidator(values.kept_for_uptime)] = Field(
        values.as_written("400d"),
        alias="LASTSEEN_KEEP_EVENTS",
        description="how long events, outages and who was told of them are kept; at least 91 days, `never` is for ever",
    )
    keep_attempts: Kept = Field(
        values.as_written("90d"),
        alias="LASTSEEN_KEEP_ATTEMPTS",
        description="how long the single attempts to deliver are kept",
    )
    keep_runs: Kept = Field(
        values.as_written("90d"),
        alias="LASTSEEN_KEEP_RUNS",
        description="how long runs of jobs are kept, with their output",
    )
    keep_reports: Kept = Field(
        values.as_written("30d"),
        alias="LASTSEEN_KEEP_REPORTS",
        description="how long what machines said beside being alive is kept; the newest report stays",
    )
    mqtt_url: SecretStr | None = Field(
        None,
        alias="LASTSEEN_MQTT_URL",
        repr=False,
        description="a broker that machines report through, as `mqtt://user:password@host:1883` or `mqtts://host`: the "
        "source `mqtt`",
    )
    mqtt_presets: Several = Field(
        (), alias="LASTSEEN_MQTT_PRESETS", description="what is listened to there: presets, separated by commas"
    )
    mqtt_bind: Several = Field(
        (),
        alias="LASTSEEN_MQTT_BIND",
        description="topics of one's own, as `plant/{machine}/alive=heartbeat`, separated by commas",
    )
    mqtt_offline_after: Annotated[str, AfterValidator(values.limit)] | None = Field(
        None,
        alias="LASTSEEN_MQTT_OFFLINE_AFTER",
        description="how long machines that are added from there may be silent; by default what the preset says",
    )
    mqtt_auto_add: bool = Field(
        False, alias="LASTSEEN_MQTT_AUTO_ADD", description="whether machines that are heard there are added (`true`)"
    )
    mqtt_goodbye_grace: str | None = Field(
        None,
        alias="LASTSEEN_MQTT_GOODBYE_GRACE",
        description="how long after a goodbye machines that are added from there may come back unnoticed",
    )
    mqtt_kind: str | None = Field(
        None, alias="LASTSEEN_MQTT_KIND", description="the kind of machines that are added from there"
    )
    mqtt_base: str | None = Field(
        None, alias="LASTSEEN_MQTT_BASE", description="the first part of the presets' topics, where it is not theirs"
    )
    mqtt_ca: Path | None = Field(
        None, alias="LASTSEEN_MQTT_CA", description="for `mqtts://`: the file with who may have signed its certificate"
    )
    mqtt_cert: Path | None = Field(
        None, alias="LASTSEEN_MQTT_CERT", description="for `mqtts://`: the file with our own certificate"
    )
    mqtt_key: Path | None = Field(
        None, alias="LASTSEEN_MQTT_KEY", description="the file with the key of our own certificate"
    )
    mqtt_share: str | None = Field(
        None, alias="LASTSEEN_MQTT_SHARE", description="heartbeat topics by a shared subscription of this group"
    )
    mqtt_publish: str | None = Field(
        None, alias="LASTSEEN_MQTT_PUBLISH", description="publish how the machines stand below this topic"
    )
    mqtt_discovery: str | None = Field(
        None,
        alias="LASTSEEN_MQTT_DISCOVERY",
        description="where Home Assistant looks for devices, if not below `homeassistant`; `off`: it is told nothing",
    )
    telegram_bot_token: Annotated[SecretStr, AfterValidator(values.token)] | None = Field(
        None, alias="TELEGRAM_BOT_TOKEN", repr=False, description="the bot that new Telegram channels use"
    )

    @property
    def database(self) -> str:
        """The URL of the database that is used."""
        return self.database_url or f"sqlite:///{self.data_dir / DATABASE_NAME}"

    @property
    def keep(self) -> Keep:
        """How long rows are kept."""
        return Keep(self.keep_events, self.keep_attempts, self.keep_runs, self.keep_reports)

    def check_together(self) -> None:
        """Raises ConfigurationError for settings that are right alone and wrong together."""
        if self.login_header is None:
            if self.login_header_role is not None:
                raise ConfigurationError("LASTSEEN_LOGIN_HEADER_ROLE means nothing without LASTSEEN_LOGIN_HEADER")
            return
        if not self.trusted_proxies:
            raise ConfigurationError(
                "LASTSEEN_LOGIN_HEADER is believed from LASTSEEN_TRUSTED_PROXIES alone: set that too, as 127.0.0.1/32"
            )
        if any(network.prefixlen == 0 for network in self.trusted_proxies):
            raise ConfigurationError(
                "with LASTSEEN_LOGIN_HEADER a network of everybody in LASTSEEN_TRUSTED_PROXIES would let anybody be "
                "anybody: name the proxy's address"
            )

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Read all sources; `given` (by field name, None is not given) wins over them. Raises ConfigurationError."""
        try:
            return cls(**{name: value for name, value in given.items() if value is not None})
        except ValidationError as error:
            raise ConfigurationError(_explain(cls, error)) from None

    @classmethod
    def describe(cls) -> list[tuple[str, str, str]]:
        """Name, default and meaning of every setting, in order: what the documentation is built from."""
        fields = cls.model_fields.values()
        return [(variable_of(field), _default_text(field), field.description or "") for field in fields]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        given = init_settings()
        return (init_settings, *(Layer(settings_cls, place) for place in places(given.get("data_dir"))))


def unknown_variables(data_dir: Path) -> list[str]:
    """A sentence for each variable that looks like a setting and is none, with what may have been meant."""
    fields = Settings.model_fields.values()
    known = {variable_of(field) for field in fields} | OTHER_VARIABLES
    known |= {f"{variable_of(field)}_FILE" for field in fields if may_be_a_file(field)}
    sentences = []
    for place in places(data_dir):
        for variable in sorted(place.variables):
            ours = not place.shared or variable.startswith(("LASTSEEN_", "MACHINE_HEARTBEAT_", "MACHINE_OFFLINE_"))
            if variable in known or not ours:
                continue
            close = difflib.get_close_matches(variable, sorted(known), n=1)
            hint = f", did you mean {close[0]}?" if close else ""
            sentences.append(f"{place.name} sets {variable}, which is no setting{hint}")
    return sentences


def _default_text(field: FieldInfo) -> str:
    if field.default_factory is default_folder:
        return "the platform's user data folder"
    if field.default is False:
        return "false"
    return "" if field.default in (None, ()) else str(field.default)


def _explain(cls: type[BaseSettings], error: ValidationError) -> str:
    """Every wrong variable with what to write instead. Never its value: it may be a secret."""
    sentences = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        name = str(problem["loc"][0]) if problem["loc"] else ""
        field = cls.model_fields.get(name)
        sentences.append(f"{variable_of(field) if field else name}: {_instead(problem['type'], problem['msg'])}")
    return "; ".join(dict.fromkeys(sentences))


def _instead(problem: str, message: str) -> str:
    match problem:
        case "bool_parsing":
            return "must be true or false"
        case "literal_error":
            return message.replace("Input should be", "must be").replace("'", "")
    return message.removeprefix("Value error, ")
