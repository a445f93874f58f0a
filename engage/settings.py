"""What an operator may set: read once from ENGAGE_* variables and `.env`, checked, and said clearly when wrong."""

import difflib
import fnmatch
import hashlib
import ipaddress
import os
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import SplitResult, urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "ENGAGE_"
_HOST = re.compile(r"\*|(\*\.)?[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:.]+\]")
_BY_VALIDATOR: Any = None  # the default depends on other settings
_TEST_PREFIX = "ENGAGE_TEST_"  # read by the test suite, which runs engage with its own environment
_SEND_TO_CHOICES = (
    "choose who may get mail: 'nobody' (compose and keep, send nothing), 'list:ann@example.com,*@example.org', "
    "'10%' (a stable share of addresses), or 'everybody'"
)
_DATABASES = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


class SettingsError(Exception):
    """Variables are wrong: `message` has one line for each, `hint` says where they are explained."""

    hint = "docs/settings.md explains every setting"

    def __init__(self, problems: Iterable[str]) -> None:
        self.message = "\n".join(problems)
        super().__init__(f"{self.message}; {self.hint}")


class Provider(StrEnum):
    MAILBOX = "mailbox"
    SENDGRID = "sendgrid"
    SMTP = "smtp"


class LogFormat(StrEnum):
    CONSOLE = "console"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class SendTo:
    """Whom a real provider may mail. `share` is the percentage of all addresses, `patterns` are let through besides."""

    patterns: tuple[str, ...] = ()
    share: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `nobody`, `list:a@x.com,*@y.com`, `10%` or `everybody`; raises ValueError that explains the choices."""
        said = text.strip().lower()
        if said == "nobody":
            return cls()
        if said == "everybody":
            return cls(share=100.0)
        if said.startswith("list:"):
            return cls(patterns=_patterns(said.removeprefix("list:")))
        if said.endswith("%"):
            return cls(share=_percentage(said.removesuffix("%")))
        raise ValueError(f"{text!r} is none of the four choices; {_SEND_TO_CHOICES}")

    def allows(self, address: str) -> bool:
        """Whether `address` may get mail. A share is stable: who is in 10 % is in 20 % too, on every machine."""
        address = address.strip().lower()
        if any(fnmatch.fnmatchcase(address, pattern) for pattern in self.patterns):
            return True
        position = int.from_bytes(hashlib.sha256(address.encode()).digest()[:8], "big") / 2**64
        return position < self.share / 100

    def __str__(self) -> str:
        if self.patterns:
            return "list:" + ",".join(self.patterns)
        return {0.0: "nobody", 100.0: "everybody"}.get(self.share, f"{self.share:g}%")


def _patterns(text: str) -> tuple[str, ...]:
    patterns = tuple(part.strip() for part in text.split(",") if part.strip())
    if not patterns:
        raise ValueError("the list is empty; write 'list:ann@example.com,*@example.org', or 'nobody'")
    for pattern in patterns:
        if "@" not in pattern:
            raise ValueError(f"{pattern!r} matches no address; for a whole domain write '*@{pattern}'")
    return patterns


def _percentage(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 < share <= 100:
        raise ValueError(f"'{text}%' is not a percentage above 0 and up to 100; {_SEND_TO_CHOICES}")
    return share


class Settings(BaseSettings):
    """The settings of one installation. Make them with `Settings.load()`."""

    # The order matters: a default may depend on the settings above it.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, validate_default=True
    )

    data_dir: Path = Field(Path("var"), description="Where engage keeps what it writes itself.")
    host: str = Field("127.0.0.1", description="The address on which `engage web` and `engage up` listen.")
    port: int = Field(8000, ge=1, le=65535, description="The port on which they listen.")
    public_url: str = Field("", description="The address under which partners reach engage: links in emails use it.")
    allowed_hosts: str = Field(
        "",
        description="Other host names that requests may name, separated by commas; `*.example.com` is every subdomain.",
    )
    trusted_proxies: str = Field(
        "127.0.0.1,::1",
        description="Addresses or networks of proxies, separated by commas, that are believed whom they pass on "
        "(`X-Forwarded-For`).",
    )
    database_url: str = Field(
        "", repr=False, description="`postgresql://user:password@host/name` or `sqlite:///path/to/file`."
    )
    redis_url: str | None = Field(
        None, repr=False, description="`redis://host:6379/0`. Unset: `engage up` starts a Valkey server of its own."
    )
    campaigns_dir: Path = Field(Path("campaigns"), description="The folder of `program.yaml` and the campaigns.")
    templates_dir: Path = Field(Path("email_templates"), description="The folder of the emails.")
    sources: Path = Field(
        Path("sources.yaml"), description="The file of watched databases and folders, and systems that push, if any."
    )
    provider: Provider = Field(
        Provider.MAILBOX,
        description="Who carries the mail: `mailbox` (kept on a local page), `sendgrid` or `smtp`.",
    )
    mailbox_url: str = Field("", description="Where the mailbox listens; `engage up` serves it on its own port.")
    sendgrid_host: str = Field("https://api.sendgrid.com", description="Another host that speaks SendGrid's v3 API.")
    sendgrid_api_key: SecretStr | None = Field(None, description="The key for `provider` `sendgrid`.")
    sendgrid_webhook_key: str | None = Field(
        None,
        description="The key with which SendGrid signs its event webhook: docs/feedback.md. Several, separated by "
        "commas: all are accepted.",
    )
    webhook_max_age: float = Field(25, gt=0, le=8760, description="How many hours old a webhook may be.")
    smtp_url: str | None = Field(
        None, repr=False, description="`smtp://user:password@host:587` (STARTTLS) or `smtps://…:465`, for `smtp`."
    )
    send_to: Annotated[SendTo, NoDecode] = Field(
        _BY_VALIDATOR,
        description="Whom a real provider may mail: `nobody`, `list:ann@example.com,*@example.org`, `10%` or "
        "`everybody`. Must be said when mail would leave the machine.",
    )
    provider_rate: float | None = Field(
        None,
        ge=0.001,
        allow_inf_nan=False,
        description="How many messages a second the provider is handed, by all workers. Unset: any number.",
    )
    alarm_url: SecretStr | None = Field(
        None, description="Where alarms go, apart from the log: a Slack webhook, or another address that takes JSON."
    )
    intake_backlog: int = Field(
        50_000,
        ge=1,
        description="How many events may wait to be matched before the API answers 503 until fewer do.",
    )
    key_rate: float = Field(
        100,
        ge=0.001,
        le=1_000_000,
        allow_inf_nan=False,
        description="How many requests a second one API key may make; ten seconds' worth may come at once.",
    )
    page_rate: float = Field(
        5,
        ge=0.001,
        le=1_000_000,
        allow_inf_nan=False,
        description="How many pages a second one address, or one link of a mail, may ask for; ten seconds' worth may "
        "come at once.",
    )
    secret_key: SecretStr | None = Field(
        None,
        description="Signs links in emails. Several, separated by commas: the first signs, all are accepted. "
        "Unset: one is made once and kept in `DATA_DIR/secret_key`.",
    )
    log_format: LogFormat = Field(LogFormat.CONSOLE, description="`console` for people, `json` for log collectors.")

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Reads the environment and `.env` of the working folder; `given` wins over both.

        Raises SettingsError that names every wrong or unknown variable.
        """
        problems = _unknown_variables(cls.model_fields)
        try:
            settings = cls(**given)
        except ValidationError as error:
            raise SettingsError([*problems, *_explained(error)]) from None
        if problems:
            raise SettingsError(problems)
        return settings

    @property
    def carrier(self) -> str:
        """The provider and its host, such as `sendgrid api.sendgrid.com`: what all workers share a gate to."""
        urls = {
            Provider.MAILBOX: self.mailbox_url,
            Provider.SENDGRID: self.sendgrid_host,
            Provider.SMTP: self.smtp_url or "",
        }
        parts = urlsplit(urls[self.provider])
        return f"{self.provider} {parts.hostname}" + (f":{parts.port}" if parts.port else "")

    @property
    def further_hosts(self) -> tuple[str, ...]:
        """Of `allowed_hosts`, one by one."""
        return tuple(host.strip() for host in self.allowed_hosts.split(",") if host.strip())

    @property
    def mails_the_world(self) -> bool:
        """Whether mail leaves this machine."""
        return _leaves_the_machine(self.provider, self.sendgrid_host)

    @property
    def leads_nowhere(self) -> bool:
        """Whether mail leaves this machine with links that lead back to it, where no partner gets."""
        return self.mails_the_world and _is_loopback(self.public_url)

    @field_validator("public_url", "mailbox_url", "sendgrid_host", mode="before")
    @classmethod
    def _web_address(cls, url: str, info: ValidationInfo) -> str:
        if not url:
            return f"http://127.0.0.1:{info.data.get('port', 8000)}"
        parts = _split_url(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not a web address; write https://host")
        if parts.username or parts.query or parts.fragment:
            raise ValueError("a web address without user, '?' and '#' is wanted; write https://host")
        return url.rstrip("/")

    @field_validator("allowed_hosts")
    @classmethod
    def _host_names(cls, said: str) -> str:
        for host in filter(None, (part.strip() for part in said.split(","))):
            if not _HOST.fullmatch(host):
                raise ValueError(f"{host!r} is no host name; write engage.example.com, *.example.com or *")
        return said

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, said: str) -> str:
        networks = [part.strip() for part in said.split(",") if part.strip()]
        for network in networks:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise ValueError(f"{network!r} is no address and no network; write 10.0.0.7 or 10.0.0.0/8") from None
        return ",".join(networks)

    @field_validator("database_url", mode="before")
    @classmethod
    def _database(cls, url: str, info: ValidationInfo) -> str:
        if not url:
            return f"sqlite:///{Path(info.data['data_dir']).resolve() / 'engage.db'}"
        scheme, found, rest = url.partition("://")
        if not found or scheme not in _DATABASES:
            raise ValueError(
                "not a database engage knows; write postgresql://user:password@host/name or sqlite:///path"
            )
        if scheme == "sqlite" and rest in ("", "/", "/:memory:"):
            raise ValueError("a database in memory is seen by one process only; write sqlite:///path/to/file")
        return f"{_DATABASES[scheme]}://{rest}"

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("not a Redis address; write redis://host:6379/0, rediss:// for TLS, or unix:///path")
        _split_url(url or "")
        return url

    @field_validator("sendgrid_api_key")
    @classmethod
    def _key_for_sendgrid(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if key is None and info.data.get("provider") is Provider.SENDGRID:
            raise ValueError("missing; the provider sendgrid needs an API key with the permission Mail Send")
        return key

    @field_validator("smtp_url")
    @classmethod
    def _server_for_smtp(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is None and info.data.get("provider") is Provider.SMTP:
            raise ValueError("missing; the provider smtp needs smtp://user:password@host:587")
        if url is not None and _split_url(url).scheme not in ("smtp", "smtps"):
            raise ValueError(
                "not a mail server; write smtp://user:password@host:587, or smtps:// for TLS from the start"
            )
        return url

    @field_validator("send_to", mode="before")
    @classmethod
    def _recipients(cls, said: str | SendTo | None, info: ValidationInfo) -> SendTo:
        if isinstance(said, SendTo):
            return said
        if said:
            return SendTo.parse(said)
        if _leaves_the_machine(info.data.get("provider"), info.data.get("sendgrid_host", "")):
            raise ValueError(f"missing, and {info.data['provider']} mails real people; {_SEND_TO_CHOICES}")
        return SendTo(share=100.0)

    @field_validator("alarm_url")
    @classmethod
    def _alarm_channel(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            said = url.get_secret_value()
            parts = _split_url(said)
            safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(said))
            if not safe or not parts.hostname:  # the value itself is a secret: it is not repeated
                raise ValueError("not an address that alarms can be sent to; write https://…, as Slack shows it")
        return url

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and any(len(part) < 16 for part in _split(key)):
            raise ValueError("a key shorter than 16 characters can be guessed; leave it unset and engage makes one")
        return key


def environment() -> dict[str, str]:
    """All variables that are set, in the environment or in `.env`: where sources.yaml finds those that it names.

    Raises SettingsError when `.env` cannot be read.
    """
    return {name: value for name, value in dict(_dotenv()).items() if value is not None} | dict(os.environ)


def secret_keys(settings: Settings) -> tuple[str, ...]:
    """The keys that sign links: the first signs, all are accepted. Makes one and keeps it when none is set.

    Safe when several processes start at once: they all end with the same key.
    Raises SettingsError when the data folder cannot be written.
    """
    if settings.secret_key is not None:
        return tuple(_split(settings.secret_key))
    return (kept_secret(settings, "secret_key", lambda: secrets.token_urlsafe(32), "SECRET_KEY"),)


def kept_secret(settings: Settings, name: str, make: Callable[[], str], variable: str) -> str:
    """The secret in the file `name` of the data folder, made once; the setting `variable` would spare it.

    Safe when several processes start at once: they all end with the same one.
    Raises SettingsError when the data folder cannot be written.
    """
    path = settings.data_dir / name
    try:
        if not path.exists():
            _keep(path, make())
        return path.read_text().strip()
    except OSError as error:
        problem = f"{PREFIX}DATA_DIR: cannot keep a secret key in {path}: {error.strerror}; set {PREFIX}{variable}"
        raise SettingsError([problem]) from None


def _keep(path: Path, secret: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secret)
    try:
        os.link(draft, path)  # fails when another process was first: then its secret counts
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _split_url(url: str) -> SplitResult:
    """As urlsplit, but a port that is no number is an error now and not at first use."""
    parts = urlsplit(url)
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("the port is not a number up to 65535") from None
    return parts


def _split(key: SecretStr) -> list[str]:
    return [part.strip() for part in key.get_secret_value().split(",") if part.strip()]


def _leaves_the_machine(provider: Provider | None, sendgrid_host: str) -> bool:
    # SMTP always does: a relay on loopback delivers to the world too.
    return provider is Provider.SMTP or (provider is Provider.SENDGRID and not _is_loopback(sendgrid_host))


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unknown_variables(fields: Iterable[str]) -> list[str]:
    known = [name.upper() for name in fields]
    problems = []
    for variable in sorted({name.upper() for name in (*os.environ, *_dotenv())}):
        name = variable.removeprefix(PREFIX)
        if variable.startswith(PREFIX) and not variable.startswith(_TEST_PREFIX) and name not in known:
            # Compared without the prefix: with it, all names look alike.
            close = difflib.get_close_matches(name, known, n=1)
            problems.append(f"{variable}: no such setting" + (f"; did you mean {PREFIX}{close[0]}?" if close else ""))
    return problems


def _dotenv() -> dict[str, str | None]:
    try:
        return dotenv_values(".env")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f".env: cannot be read: {error}; write it as UTF-8 text"]) from None


def _explained(error: ValidationError) -> list[str]:
    return [f"{PREFIX}{str(one['loc'][0]).upper()}: {_reason(one)}" for one in error.errors()]


def _reason(one: ErrorDetails) -> str:
    message = one["msg"]
    if message.startswith("Input should be"):
        return f"{message.replace('Input should be', 'must be').partition(', unable')[0]}, not {one['input']!r}"
    return message.removeprefix("Value error, ")
