"""What is written about settings is what the settings are."""

import re
from pathlib import Path

from pydantic.fields import FieldInfo

from engage.settings import PREFIX, Settings
from tests.support.command import ROOT

# Defaults that depend on other settings, in words.
IN_WORDS = {
    "public_url": "`http://127.0.0.1:PORT`",
    "mailbox_url": "`http://127.0.0.1:PORT`",
    "database_url": "`sqlite:///DATA_DIR/engage.db`",
    "secret_key": "made once",
    "send_to": "`everybody` with the mailbox, else none",
}


def row(name: str, field: FieldInfo) -> str:
    default = IN_WORDS.get(name) or ("" if field.default is None else f"`{field.default}`")
    return f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |"


def test_the_table_of_settings_has_every_setting_as_it_is() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    documented = [line for line in text.splitlines() if line.startswith(f"| `{PREFIX}") and line.count("|") == 4]
    assert documented == [row(name, field) for name, field in Settings.model_fields.items()]


def test_the_example_has_every_setting_and_no_other() -> None:
    assert variables(ROOT / ".env.example") == {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}


def variables(path: Path) -> set[str]:
    return set(re.findall(rf"^#?({PREFIX}\w+)=", path.read_text(), re.MULTILINE))
