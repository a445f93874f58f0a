"""Reads `link_tags:` of a program: the parameters that links in mails to partners get, and on which hosts."""

import re

from engage.authoring.reader import Fields, did_you_mean
from engage.domain.programs import LINK_TAG_VALUES, LinkTags

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_HOST = re.compile(r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def read_link_tags(fields: Fields) -> LinkTags | None:
    """`link_tags: {hosts: [partners.example.com], utm_source: engage, utm_campaign: "{campaign}"}`."""
    if "link_tags" not in fields:
        return None
    reader, node = fields.reader, fields["link_tags"]
    tags: list[tuple[str, str]] = []
    hosts: tuple[str, ...] | None = None
    for key, value in fields.entries("link_tags"):
        if key.text == "hosts":
            hosts = tuple(reader.parsed(item, "a host", _host, "") for item in reader.one_or_more(value, "'hosts'"))
            continue
        if not _NAME.fullmatch(key.text):
            reader.problem(key, f"'{key.text}' cannot be the name of a parameter", "write one such as utm_source")
        tags.append((key.text, reader.parsed(value, f"'{key.text}'", _value, "")))
    if hosts is None:
        reader.problem(
            node, "link_tags has no 'hosts'", "add those whose links are tagged: hosts: [partners.example.com]"
        )
    if hosts is not None and not tags:
        reader.problem(node, "link_tags adds nothing", "add a parameter such as utm_source: engage")
    return LinkTags(tuple(tags), hosts or ())


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError(f"'{text}' is not a host; write its name only, such as partners.example.com")
    return text


def _value(text: str) -> str:
    for name in _PLACEHOLDER.findall(text):
        if name not in LINK_TAG_VALUES:
            raise ValueError(f"unknown value '{{{name}}}'; {did_you_mean(name, LINK_TAG_VALUES)}")
    if "{" in _PLACEHOLDER.sub("", text) or "}" in _PLACEHOLDER.sub("", text):
        raise ValueError(f"a brace in '{text}' has no other half; write {{campaign}}")
    return text
