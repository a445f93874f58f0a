"""What an operator sets is read, or told to be wrong in a line that says what to write."""

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.settings import LogFormat, Provider, SendTo, Settings, SettingsError, secret_keys

ADDRESSES = st.emails()


@pytest.fixture(autouse=True)
def _away_from_any_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def settings_of(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(f"ENGAGE_{name}", value)
    return Settings.load()


def problems_of(monkeypatch: pytest.MonkeyPatch, **variables: str) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        settings_of(monkeypatch, **variables)
    return raised.value.message.splitlines()


def test_nothing_needs_to_be_set_to_start_locally() -> None:
    settings = Settings.load()
    assert settings.database_url == f"sqlite:///{Path('var').resolve()}/engage.db"
    assert settings.redis_url is None
    assert settings.provider is Provider.MAILBOX
    assert settings.public_url == settings.mailbox_url == "http://127.0.0.1:8000"
    assert settings.send_to == SendTo.parse("everybody")
    assert settings.log_format is LogFormat.CONSOLE


def test_addresses_follow_the_port_and_the_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(monkeypatch, PORT="9001", DATA_DIR="/srv/engage data")
    assert settings.public_url == "http://127.0.0.1:9001"
    assert settings.database_url == "sqlite:////srv/engage data/engage.db"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_is_taken(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    settings = settings_of(monkeypatch, DATABASE_URL=f"{scheme}://ann:hunter2@db/engage")
    assert settings.database_url == "postgresql+psycopg://ann:hunter2@db/engage"
    assert "hunter2" not in repr(settings)


def test_dotenv_is_read_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("ENGAGE_PORT=9001\nENGAGE_HOST=0.0.0.0\nPOSTGRES_PASSWORD=not-ours\n")
    settings = settings_of(monkeypatch, PORT="9002")
    assert (settings.port, settings.host) == (9002, "0.0.0.0")


def test_what_a_command_is_given_wins_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGAGE_PORT", "9002")
    assert Settings.load(port=9003).port == 9003


def test_a_variable_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_of(monkeypatch, REDIS_URL="", SEND_TO="", PORT="").port == 8000


def test_every_wrong_variable_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    problems = problems_of(
        monkeypatch,
        PORT="abc",
        PROVIDER="sendgird",
        DATABASE_URL="mysql://db",
        REDIS_URL="db:6379",
        PUBLIC_URL="me",
    )
    assert problems == [
        "ENGAGE_PORT: must be a valid integer, not 'abc'",
        "ENGAGE_PUBLIC_URL: 'me' is not a web address; write https://host",
        "ENGAGE_DATABASE_URL: not a database engage knows; write postgresql://user:password@host/name "
        "or sqlite:///path",
        "ENGAGE_REDIS_URL: not a Redis address; write redis://host:6379/0, rediss:// for TLS, or unix:///path",
        "ENGAGE_PROVIDER: must be 'mailbox', 'sendgrid' or 'smtp', not 'sendgird'",
    ]


def test_an_unknown_variable_is_told_with_the_one_that_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("ENGAGE_SENDTO=nobody\n")
    assert problems_of(monkeypatch, DATABSE_URL="x", FLAVOUR="x") == [
        "ENGAGE_DATABSE_URL: no such setting; did you mean ENGAGE_DATABASE_URL?",
        "ENGAGE_FLAVOUR: no such setting",
        "ENGAGE_SENDTO: no such setting; did you mean ENGAGE_SEND_TO?",
    ]


def test_a_dotenv_that_is_no_text_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_bytes("ENGAGE_HOST=caf\xe9".encode("latin-1"))
    assert problems_of(monkeypatch)[0].startswith(".env: cannot be read")


def test_a_database_in_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "one process only" in problems_of(monkeypatch, DATABASE_URL="sqlite://")[0]


# -- whom a real provider may mail -------------------------------------------------------------------------------------


def test_a_real_provider_must_be_told_whom_to_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    (problem,) = problems_of(monkeypatch, PROVIDER="sendgrid", SENDGRID_API_KEY="SG.key")
    assert problem.startswith("ENGAGE_SEND_TO: missing, and sendgrid mails real people")
    assert all(choice in problem for choice in ("'nobody'", "'list:", "'10%'", "'everybody'"))


def test_smtp_must_be_told_too_even_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    (problem,) = problems_of(monkeypatch, PROVIDER="smtp", SMTP_URL="smtp://127.0.0.1:25")
    assert problem.startswith("ENGAGE_SEND_TO: missing, and smtp mails real people")


@pytest.mark.parametrize("host", ["http://127.0.0.1:8000", "http://localhost:8000/", "http://[::1]:8000"])
def test_sendgrid_on_loopback_is_not_real(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    settings = settings_of(monkeypatch, PROVIDER="sendgrid", SENDGRID_API_KEY="SG.key", SENDGRID_HOST=host)
    assert settings.send_to.allows("ann@example.com")
    assert settings.sendgrid_host == host.rstrip("/")


@pytest.mark.parametrize("rate", ["0", "-1", "inf", "nan", "1e-300", "fast"])
def test_a_rate_is_a_number_of_messages_a_second(monkeypatch: pytest.MonkeyPatch, rate: str) -> None:
    [problem] = problems_of(monkeypatch, PROVIDER_RATE=rate)
    assert problem.startswith("ENGAGE_PROVIDER_RATE: must be")


@pytest.mark.parametrize("name", ["KEY_RATE", "PAGE_RATE"])
@pytest.mark.parametrize("rate", ["0", "-1", "inf", "nan", "1e9", "fast"])
def test_a_limit_is_a_number_of_requests_a_second(monkeypatch: pytest.MonkeyPatch, name: str, rate: str) -> None:
    [problem] = problems_of(monkeypatch, **{name: rate})
    assert problem.startswith(f"ENGAGE_{name}: must be")


def test_proxies_are_addresses_and_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    said = settings_of(monkeypatch, TRUSTED_PROXIES=" 10.0.0.0/8 , 192.0.2.7,fd00::/8,")
    assert said.trusted_proxies == "10.0.0.0/8,192.0.2.7,fd00::/8"


@pytest.mark.parametrize("proxies", ["*", "proxy.example.com", "10.0.0.1/8", "10.0.0", "10.0.0.1 10.0.0.2"])
def test_nobody_is_believed_by_accident_whom_they_pass_on(monkeypatch: pytest.MonkeyPatch, proxies: str) -> None:
    [problem] = problems_of(monkeypatch, TRUSTED_PROXIES=proxies)
    assert problem.startswith("ENGAGE_TRUSTED_PROXIES: ")
    assert problem.endswith("write 10.0.0.7 or 10.0.0.0/8")


@pytest.mark.parametrize("url", ["http://example.com/secret-1", "ftp://example.com/secret-1", "secret-1", "https://"])
def test_alarms_go_over_https_or_stay_on_this_machine(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    [problem] = problems_of(monkeypatch, ALARM_URL=url)
    assert problem.startswith("ENGAGE_ALARM_URL: ")
    assert "secret-1" not in problem
    assert settings_of(monkeypatch, ALARM_URL="http://127.0.0.1:9/x").alarm_url is not None


@pytest.mark.parametrize(
    ("variables", "carrier"),
    [
        ({}, "mailbox 127.0.0.1:8000"),
        ({"PROVIDER": "sendgrid", "SENDGRID_API_KEY": "SG.x", "SEND_TO": "nobody"}, "sendgrid api.sendgrid.com"),
        (
            {"PROVIDER": "smtp", "SMTP_URL": "smtp://me:secret@mx.example.com:25", "SEND_TO": "nobody"},
            "smtp mx.example.com:25",
        ),
    ],
)
def test_a_carrier_is_the_provider_and_its_host_without_credentials(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], carrier: str
) -> None:
    assert settings_of(monkeypatch, **variables).carrier == carrier


def test_a_provider_without_its_credentials_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert problems_of(monkeypatch, PROVIDER="sendgrid", SEND_TO="nobody") == [
        "ENGAGE_SENDGRID_API_KEY: missing; the provider sendgrid needs an API key with the permission Mail Send"
    ]
    assert problems_of(monkeypatch, PROVIDER="smtp", SEND_TO="nobody") == [
        "ENGAGE_SMTP_URL: missing; the provider smtp needs smtp://user:password@host:587"
    ]


@given(ADDRESSES)
def test_nobody_is_nobody_and_everybody_is_everybody(address: str) -> None:
    assert not SendTo.parse("nobody").allows(address)
    assert SendTo.parse("Everybody").allows(address)


def test_a_list_takes_addresses_and_patterns_in_any_case() -> None:
    listed = SendTo.parse("list: Ann@Example.com, *@example.org")
    assert listed.allows("ann@EXAMPLE.com")
    assert listed.allows("Bob@example.ORG")
    assert not listed.allows("bob@example.com")
    assert not listed.allows("ann@example.com.example.net")


@given(ADDRESSES, st.floats(min_value=0.1, max_value=99), st.floats(min_value=0.1, max_value=1))
def test_who_is_in_a_share_is_in_every_greater_one(address: str, share: float, more: float) -> None:
    if SendTo(share=share).allows(address):
        assert SendTo(share=share + more).allows(address.upper())


def test_a_share_is_the_same_on_every_machine_and_about_as_large_as_said() -> None:
    tenth = SendTo.parse("10%")
    addresses = [f"partner{number}@example.com" for number in range(5000)]
    allowed = [address for address in addresses if tenth.allows(address)]
    assert 400 < len(allowed) < 600
    assert all(hashlib.sha256(address.encode()).digest()[0] <= 25 for address in allowed)


@pytest.mark.parametrize("text", ["10", "0%", "101%", "nan%", "list:", "all", "-5%", "x%"])
def test_what_is_none_of_the_four_choices_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="nobody"):
        SendTo.parse(text)


def test_a_domain_in_a_list_is_told_how_to_be_written() -> None:
    with pytest.raises(ValueError, match=r"for a whole domain write '\*@example.com'"):
        SendTo.parse("list:example.com")


@pytest.mark.parametrize("text", ["nobody", "everybody", "10%", "0.5%", "list:ann@example.com,*@example.org"])
def test_a_choice_reads_as_it_was_written(text: str) -> None:
    assert str(SendTo.parse(text)) == text


# -- the key that signs links ------------------------------------------------------------------------------------------


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path / "new" / "var")
    first = secret_keys(settings)
    assert secret_keys(settings) == first
    assert len(first[0]) >= 40
    assert stat.S_IMODE((tmp_path / "new" / "var" / "secret_key").stat().st_mode) == 0o600
    assert os.listdir(tmp_path / "new" / "var") == ["secret_key"]


@pytest.mark.slow
def test_processes_that_start_together_end_with_one_key(tmp_path: Path) -> None:
    code = f"from engage.settings import *; print(secret_keys(Settings.load(data_dir={str(tmp_path)!r})))"
    together = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert len({process.communicate()[0] for process in together}) == 1


def test_several_keys_are_a_rotation(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(monkeypatch, SECRET_KEY="new-key-0123456789, old-key-0123456789")
    assert secret_keys(settings) == ("new-key-0123456789", "old-key-0123456789")


def test_a_key_that_can_be_guessed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    (problem,) = problems_of(monkeypatch, SECRET_KEY="hunter2")
    assert "shorter than 16 characters" in problem
    assert "hunter2" not in problem


def test_a_data_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"cannot keep a secret key in .*; set ENGAGE_SECRET_KEY"):
        secret_keys(Settings.load(data_dir=tmp_path / "file"))
