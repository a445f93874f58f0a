"""Secrets that sign: as they are set, or made once and kept in the data folder."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from engage.settings.model import Settings
from engage.settings.reading import PREFIX, SettingsError


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


def _split(key: SecretStr) -> list[str]:
    return [part.strip() for part in key.get_secret_value().split(",") if part.strip()]
