"""The examples of the language that the pages of docs/ show, completed to whole files."""

import re
from pathlib import Path

import pytest

from engage.authoring.document import Mapping, read_document
from tests.authoring.texts import PARTS

ROOT = Path(__file__).resolve().parents[2]
OTHER_LANGUAGES = ("connect.md", "consent.md", "identity.md", "import.md")
"""Pages whose YAML is that of mappings and sources."""

PAGES = [
    ROOT / "README.md",
    *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.name not in OTHER_LANGUAGES),
]
TEXTS = [
    (f"{page.name}:{page.read_text()[: match.start()].count(chr(10)) + 1}", match[1])
    for page in PAGES
    for match in re.finditer(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
]
EXAMPLES = [pytest.param(source, id=place) for place, source in TEXTS]


def top_keys(source: str) -> list[str]:
    """The keys of the outermost mapping."""
    node = read_document(source, "example.yaml")
    assert isinstance(node, Mapping)
    return [key.text for key, _ in node.entries]


def is_further(source: str) -> bool:
    """Whether it is the file of a further program."""
    return {"program", "brand"} <= set(top_keys(source))


def completed_campaign(source: str) -> str:
    """An excerpt of a campaign with the keys that it does not show."""
    keys = top_keys(source)
    rest = [text for name, text in PARTS.items() if name.rstrip("_") not in keys]
    if "event:" in source:
        rest = [text for text in rest if not text.startswith("again")]
    return "\n".join([*rest, source])


def completed_program(source: str) -> str:
    """An excerpt of a program in the place of the same keys of the whole one that the guide shows."""
    whole = next(text for _, text in TEXTS if top_keys(text) == ["programs"])
    lines = whole[whole.index("programs:") :].split("\n")
    head, sections = lines[:2], re.split(r"\n(?=    \w)", "\n".join(lines[2:]))
    kept = [section for section in sections if section.split(":")[0].strip() not in top_keys(source)]
    return "\n".join([*head, *kept, *(f"    {line}" for line in source.split("\n"))])
