"""Success stories: told once, used by any email, and shown only while partner and customer agree and it is approved.

A story is a Markdown file below `stories/`, in paragraphs; `x.de.md` beside `x.md` is the same in German. Nothing in it
is a template: what somebody said about a customer cannot become markup.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from engage.authoring.reader import Fields, Reader
from engage.content.forms import TextForm
from engage.content.frontmatter import read_head
from engage.content.layout import TEXT
from engage.content.lifting import lift
from engage.content.markdown import parse_markdown
from engage.content.words import file_locales
from engage.domain.errors import AuthoringError, Problem

FOLDER = "stories/"
_NAME = re.compile(r"stories/(?P<name>[a-z0-9][a-z0-9_-]*)(?:\.(?P<locale>[a-z]{2,3}(?:-[A-Z]{2})?))?\.md")
_TOLD = ("title", "quote", "quote_by")
_REQUIRED = ("title", "partner", "partner_name", "customer")
PARTIES = ("partner", "customer")
"""Who must have agreed that their story is told."""


@dataclass(frozen=True, slots=True)
class Consent:
    """Both days are included."""

    given: date
    until: date


@dataclass(frozen=True, slots=True)
class Told:
    """A story in one language. `quote` and `quote_by` may be empty."""

    title: str
    paragraphs: tuple[str, ...]
    quote: str = ""
    quote_by: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """`partner` is the partner's external id. `consents` are by party, of PARTIES; `told` by locale, "" the first."""

    name: str
    path: str
    partner: str
    partner_name: str
    customer: str
    consents: Mapping[str, Consent]
    approved_by: str
    approved_on: date | None
    told: Mapping[str, Told]

    def lacks(self, day: date | None) -> tuple[str, ...]:
        """Why it may not be told on this day; empty: it may. `day` None: on no day at all."""
        found = [why for party in PARTIES if (why := _objection(party, self.consents.get(party), day))]
        if self.approved_on is None:
            found.append("nobody has approved it")
        return tuple(found)

    @property
    def until(self) -> date | None:
        """The last day on which both still agree; None while one of them has not."""
        ends = [self.consents[party].until for party in PARTIES if party in self.consents]
        return min(ends) if len(ends) == len(PARTIES) else None

    def context(self, locale: str) -> dict[str, Any]:
        """What emails can say of it, in this locale, its language, or as it was told first."""
        told = next((self.told[one] for one in (*file_locales(locale), "") if one in self.told), self.told[""])
        return {
            "title": told.title,
            "text": "\n\n".join(told.paragraphs),
            "paragraphs": [{"text": text} for text in told.paragraphs],
            "quote": told.quote or self.told[""].quote,
            "quote_by": told.quote_by or self.told[""].quote_by,
            "customer": self.customer,
            "partner_name": self.partner_name,
        }


def _objection(party: str, consent: Consent | None, day: date | None) -> str:
    if consent is None:
        return f"the {party} has not agreed to it"
    if day is None:
        return ""
    if day > consent.until:
        return f"the {party}'s consent ended on {consent.until}"
    return f"the {party}'s consent begins on {consent.given}" if day < consent.given else ""


def read_stories(sources: Mapping[str, str], root: str) -> tuple[dict[str, Story], tuple[Problem, ...]]:
    """The stories among files' texts by path, by name, and what is wrong with them."""
    stories: dict[str, Story] = {}
    problems: list[Problem] = []
    for path in sorted((path for path in sources if is_story(path)), key=lambda path: (path.count("."), path)):
        found = _NAME.fullmatch(path)
        if found is None:
            hint = "name it like stories/first_win.md or stories/first_win.de.md, in small letters"
            problems.append(Problem(root + path, 1, 1, "this cannot be the name of a story", hint))
            continue
        name, locale = found["name"], found["locale"] or ""
        reader = Reader(root + path)
        if not locale:
            story = _story(reader, name, path, sources[path])
            if story is not None and not reader.problems:
                stories[name] = story
        else:
            told = _translated(reader, sources[path])
            if told is not None and not reader.problems and name in stories:
                stories[name] = replace(stories[name], told={**stories[name].told, locale: told})
            elif f"{FOLDER}{name}.md" not in sources:
                hint = f"write {FOLDER}{name}.md, which says whose story it is"
                problems.append(Problem(root + path, 1, 1, f"there is no story '{name}' to translate", hint))
        problems += reader.problems
    return stories, tuple(sorted(problems))


def is_story(path: str) -> bool:
    return path.startswith(FOLDER) and path.endswith(".md")


def _story(reader: Reader, name: str, path: str, source: str) -> Story | None:
    head = _head(reader, source, _REQUIRED, ("quote", "quote_by", "consent", "approved"))
    if head is None:
        return None
    fields, body, line = head
    approved_by, approved_on = _approved(reader, fields)
    return Story(
        name=name,
        path=path,
        partner=fields.text("partner"),
        partner_name=fields.text("partner_name"),
        customer=fields.text("customer"),
        consents=_consents(reader, fields),
        approved_by=approved_by,
        approved_on=approved_on,
        told={"": _told(reader, fields, body, line)},
    )


def _translated(reader: Reader, source: str) -> Told | None:
    head = _head(reader, source, ("title",), _TOLD[1:])
    return _told(reader, *head) if head else None


def _head(
    reader: Reader, source: str, required: tuple[str, ...], optional: tuple[str, ...]
) -> tuple[Fields, str, int] | None:
    try:
        node, body, line = read_head(source, reader.path, "title: …")
    except AuthoringError as error:
        reader.problems += error.problems
        return None
    return reader.fields(node, "the front matter", required, optional), body, line


def _told(reader: Reader, fields: Fields, body: str, line: int) -> Told:
    return Told(fields.text("title"), _paragraphs(reader, body, line), fields.text("quote"), fields.text("quote_by"))


def _paragraphs(reader: Reader, body: str, line: int) -> tuple[str, ...]:
    lifted, problems = lift(TEXT, body, reader.path, line)
    reader.problems += problems
    if lifted.tags:
        tag = lifted.tags[0]
        reader.problems.append(Problem(reader.path, tag.line, tag.column, "a story has no tags", "write the words"))
        return ()
    blocks, _ = parse_markdown(lifted, reader.path)
    others = [block for block in blocks if block.kind != "paragraph"]
    linked = any(token.type == "link_open" for block in blocks for token in block.inline)
    if not blocks or others or linked:
        message = "a story is made of paragraphs" if blocks else "the story has no text"
        reader.problems.append(Problem(reader.path, line, 1, message, "write some, without headings, lists and links"))
        return ()
    form = TextForm(lifted)
    return tuple(" ".join(form.inline(block.inline).split()) for block in blocks)


def _consents(reader: Reader, fields: Fields) -> dict[str, Consent]:
    if "consent" not in fields:
        return {}
    parties = reader.fields(fields["consent"], "consent", (), PARTIES)
    found: dict[str, Consent] = {}
    for party in PARTIES:
        if party not in parties:
            continue
        days = reader.fields(parties[party], f"the {party}'s consent", ("given", "until"))
        given, until = days.day("given"), days.day("until")
        if given and until:
            found[party] = Consent(given, until)
            if until < given:
                reader.problem(days["until"], f"the {party}'s consent ends before it begins", "swap the two")
    return found


def _approved(reader: Reader, fields: Fields) -> tuple[str, date | None]:
    if "approved" not in fields:
        return "", None
    approved = reader.fields(fields["approved"], "approved", ("by", "on"))
    return approved.text("by"), approved.day("on")
