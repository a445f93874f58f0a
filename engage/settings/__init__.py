"""What an operator may set: read once from ENGAGE_* variables and `.env`, checked, and said clearly when wrong."""

from engage.settings.kept import kept_secret, secret_keys
from engage.settings.model import LogFormat, Provider, Settings
from engage.settings.reading import PREFIX, SettingsError, environment
from engage.settings.send_to import SendTo

__all__ = [
    "PREFIX",
    "LogFormat",
    "Provider",
    "SendTo",
    "Settings",
    "SettingsError",
    "environment",
    "kept_secret",
    "secret_keys",
]
