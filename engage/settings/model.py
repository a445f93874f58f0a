"""The settings of one installation: each with its default, its check and what it is for."""

import ipaddress
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from engage.settings.reading import PREFIX, SettingsError, explained, unknown_variables
from engage.settings.send_to import CHOICES, SendTo

_HOST = re.compile(r"\*|(\*\.)?[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:.]+\]")
_BY_VALIDATOR: Any = None  # the default depends on other settings
_DATABASES = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


class Provider(StrEnum):
    MAILBOX = "mailbox"
    SENDGRID = "sendgrid"
    SMTP = "smtp"


class LogFormat(StrEnum):
    CONSOLE = "console"
    JSON = "json"


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
    keep_raw: int = Field(
        30,
        ge=7,
        le=36_500,
        description="For how many days requests of the provider and kept mails are kept: docs/operations.md#retention.",
    )
    keep_details: int = Field(
        730,
        ge=90,
        le=36_500,
        description="For how many days subjects, attempts and the values behind decisions are kept.",
    )
    secret_key: SecretStr | None = Field(
        None,
        description="Signs links in emails. Several, separated by commas: the first signs, all are accepted. "
        "Unset: one is made once and kept in `DATA_DIR/secret_key`.",
    )
    metrics_port: int | None = Field(
        None, ge=1, le=65535, description="A port of its own on which `engage web` serves `/metrics` to Prometheus."
    )
    metrics_token: SecretStr | None = Field(
        None,
        description="Serves `/metrics` beside the pages too, to who brings `Authorization: Bearer` and this token.",
    )
    oidc_issuer: str = Field(
        "",
        description="Who vouches for users, beside passwords: the address of your OpenID Connect issuer, such as "
        "`https://login.example.com`.",
    )
    oidc_client_id: str = Field("", description="How engage is called there.")
    oidc_client_secret: SecretStr | None = Field(None, description="By what the issuer knows engage.")
    sentry_dsn: SecretStr | None = Field(
        None, description="Where errors are reported, apart from the log: a DSN of Sentry. Needs `engage[sentry]`."
    )
    log_format: LogFormat = Field(LogFormat.CONSOLE, description="`console` for people, `json` for log collectors.")

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Reads the environment and `.env` of the working folder; `given` wins over both.

        Raises SettingsError that names every wrong or unknown variable.
        """
        problems = unknown_variables(cls.model_fields)
        try:
            settings = cls(**given)
        except ValidationError as error:
            raise SettingsError([*problems, *explained(error)]) from None
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
    def heard_by_others(self) -> bool:
        """Whether other machines can reach the port on which it listens."""
        return not _is_loopback(f"http://[{self.host}]" if ":" in self.host else f"http://{self.host}")

    @property
    def has_secret_key(self) -> bool:
        """Whether there is a secret key: one that was set, or one that was made and kept."""
        return self.secret_key is not None or (self.data_dir / "secret_key").exists()

    @property
    def leads_nowhere(self) -> bool:
        """Whether mail leaves this machine with links that lead back to it, where no partner gets."""
        return self.mails_the_world and _is_loopback(self.public_url)

    @property
    def links_unguarded(self) -> bool:
        """Whether links and sessions go over a network that others share, unencrypted."""
        return self.public_url.startswith("http://") and not _is_loopback(self.public_url)

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
            raise ValueError(f"missing, and {info.data['provider']} mails real people; {CHOICES}")
        return SendTo(share=100.0)

    @field_validator("metrics_port")
    @classmethod
    def _port_of_its_own(cls, port: int | None, info: ValidationInfo) -> int | None:
        if port is not None and port == info.data.get("port"):
            raise ValueError("the pages are on this port; choose another")
        return port

    @field_validator("metrics_token")
    @classmethod
    def _not_to_be_guessed(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and (len(said := token.get_secret_value()) < 16 or not said.isascii() or " " in said):
            raise ValueError("a token has 16 visible ASCII characters at least, so that it cannot be guessed")
        return token

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

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, url: str) -> str:
        parts = _split_url(url)
        if (
            url
            and (not parts.hostname or parts.scheme != "https")
            and not (parts.scheme == "http" and _is_loopback(url))
        ):
            raise ValueError("not an issuer that can be believed; write https://…, exactly as it calls itself")
        return url

    @field_validator("oidc_client_id")
    @classmethod
    def _client(cls, name: str, info: ValidationInfo) -> str:
        if bool(name) != bool(info.data.get("oidc_issuer")):
            raise ValueError("set it together with ENGAGE_OIDC_ISSUER and ENGAGE_OIDC_CLIENT_SECRET, or none of them")
        return name

    @field_validator("oidc_client_secret")
    @classmethod
    def _client_secret(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (secret is not None) != bool(info.data.get("oidc_issuer")):
            raise ValueError("set it together with ENGAGE_OIDC_ISSUER and ENGAGE_OIDC_CLIENT_ID, or none of them")
        return secret

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and any(
            len(part.strip()) < 16 for part in key.get_secret_value().split(",") if part.strip()
        ):
            raise ValueError("a key shorter than 16 characters can be guessed; leave it unset and engage makes one")
        return key


def _split_url(url: str) -> SplitResult:
    """As urlsplit, but a port that is no number is an error now and not at first use."""
    parts = urlsplit(url)
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("the port is not a number up to 65535") from None
    return parts


def _leaves_the_machine(provider: Provider | None, sendgrid_host: str) -> bool:
    # SMTP always does: a relay on loopback delivers to the world too.
    return provider is Provider.SMTP or (provider is Provider.SENDGRID and not _is_loopback(sendgrid_host))


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
