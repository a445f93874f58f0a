"""Adds a program's parameters, such as utm_source, to the links of a mail that has been rendered, HTML and text alike.

A link keeps every character that it had: parameters are put behind its own and before its fragment, one that it has
already is not added again, and links that are signed, where a character more breaks the signature, are let be.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote, urlsplit

from engage.content.hrefs import with_hrefs
from engage.content.template import Rendered
from engage.domain.programs import LinkTags

_ADDRESS = re.compile(r"https://[^\s<>\"]+")
_ENDS = ".,;:!?'"
_BRACKETS = {")": "(", "]": "[", "}": "{"}
_SIGNATURES = ("signature", "sig", "x-amz-signature", "x-goog-signature")
"""Parameters whose presence says that the link is signed as a whole."""


@dataclass(frozen=True, slots=True)
class Tagging:
    """The parameters of one mail. Links that begin with one of `untouched` stay as they are."""

    tags: tuple[tuple[str, str], ...]
    hosts: tuple[str, ...]
    untouched: tuple[str, ...] = ()

    @classmethod
    def of(cls, rule: LinkTags, values: Mapping[str, str], untouched: tuple[str, ...] = ()) -> "Tagging":
        """`values` has each of LINK_TAG_VALUES."""
        return cls(tuple((name, _filled(text, values)) for name, text in rule.tags), rule.hosts, untouched)

    def mail(self, mail: Rendered) -> Rendered:
        """The mail with its links tagged."""
        return replace(
            mail,
            html=with_hrefs(mail.html, self.link),
            text=_ADDRESS.sub(lambda found: self._in_text(found[0]), mail.text),
        )

    def link(self, url: str) -> str:
        """The link with what it lacks; as it is if it is none of ours to tag."""
        if not url.startswith("https://") or url.startswith(self.untouched):
            return url
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:  # no address at all, whoever wrote it
            return url
        if not any(host == own or host.endswith("." + own) for own in self.hosts):
            return url
        has = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
        if any(name.lower() in _SIGNATURES for name in has):
            return url
        added = "&".join(f"{name}={quote(value, safe='')}" for name, value in self.tags if name not in has)
        if not added:
            return url
        address, mark, fragment = url.partition("#")
        between = "?" if "?" not in address else "" if address.endswith(("?", "&")) else "&"
        return f"{address}{between}{added}{mark}{fragment}"

    def _in_text(self, found: str) -> str:
        """As `link`, of an address in a text: what closes the sentence or its brackets is not part of it."""
        end = len(found)
        while found[end - 1] in _ENDS or _closes(found[:end]):
            end -= 1
        return self.link(found[:end]) + found[end:]


def _closes(text: str) -> bool:
    """Whether the text ends with a bracket that was not opened in it."""
    opening = _BRACKETS.get(text[-1])
    return opening is not None and text.count(text[-1]) > text.count(opening)


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text
