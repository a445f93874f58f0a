"""Every email, in every locale, with every sample, as text: nothing of it is lost, nothing of it is nonsense."""

import re
from html import unescape

import pytest

from engage.content.samples import sampled_names
from engage.content.types import Listing, Record
from engage.pipeline.judging import judge
from tests.gallery.reading import read, sentences, words
from tests.gallery.shown import CAMPAIGNS, FAMILIES, TEMPLATES, Shown, family, said, showcase

LARGEST = 100_000
"""Bytes: Gmail shows the first 102 KB of an email and a link to the rest."""
BLUNDER = re.compile(
    r"\bNone\b(?! of)|\bundefined\b|\bnan\b|https%|\bTrue\b|\bFalse\b|\{\{|\}\}|\{%|  |\(\)| [,.](?!\d)"
    r"|(?<!\.)\.\.(?!\.)|[$€]-|^[-:]\s*$",
    re.MULTILINE,
)
LITERAL = "{{ 7 * 7 }} {% if %}"
"""How a company is called in a sample: it is text, and must be shown as it is."""
GREETING = re.compile(r"^((Hello|Hi|Dear|Guten Tag|Hallo) [^\n]*[^\s,]|Guten Tag),$", re.MULTILINE)

every_family = pytest.mark.parametrize("name", FAMILIES)


def test_every_email_is_sent_by_some_campaign_and_shown_here() -> None:
    judged = judge(CAMPAIGNS, TEMPLATES)
    assert {one.name for one in showcase().emails} == {one.name for one in judged.templates}


def test_the_usual_sample_says_all_that_an_email_can_name() -> None:
    usual = showcase().sample("usual").values
    for name, what in sampled_names().items():
        assert name in usual, f"{name} has no value in email_templates/_samples/usual.yaml"
        fields = what.item.fields if isinstance(what, Listing) else what.fields if isinstance(what, Record) else {}
        given = usual[name][0] if isinstance(what, Listing) else usual[name]
        derived = {"ladder", "status_label", "status_next"}
        assert not fields or not fields.keys() - given.keys() - derived, name


@every_family
def test_it_renders_whatever_it_is_given(name: str) -> None:
    assert not family(name)[1], "\n".join(family(name)[1])


@every_family
def test_it_reads_sensibly_whatever_is_missing(name: str) -> None:
    findings = [(one, finding) for one in family(name)[0] for finding in nonsense(one)]
    assert not findings, said(findings)


def nonsense(shown: Shown) -> list[str]:
    mail = shown.message
    found = [] if mail.subject and "\n" not in mail.subject else ["has no subject of one line"]
    for what, text in (("subject", mail.subject), ("text", mail.text)):
        if wrong := BLUNDER.search(text.replace(LITERAL, "")):
            found.append(f"{what} has {text[max(0, wrong.start() - 25) : wrong.end() + 15]!r}")
    if not GREETING.search(mail.text):
        found.append(f"greets nobody: {mail.text[:80]!r}")
    if LITERAL in mail.subject + mail.text and LITERAL not in unescape(mail.html):
        found.append("takes a company's name for a template")
    return found


@every_family
def test_all_that_is_seen_stands_in_the_text_part_too(name: str) -> None:
    findings = [(one, finding) for one in family(name)[0] for finding in lost(one)]
    assert not findings, said(findings)


def lost(shown: Shown) -> list[str]:
    """Sentences and links that only the HTML has."""
    seen, text = read(shown.message.html), shown.message.text
    found = [f"link {link} is not in the text part" for link in dict.fromkeys(seen.links) if not stands(link, text)]
    whole = words(text)
    for link in sorted(seen.links, key=len, reverse=True):
        text = text.replace(link, " ").replace(link.removeprefix("mailto:"), " ")
    plain = words(text)
    return found + [
        f"“{one}” is not in the text part"
        for part in seen.texts
        for one in sentences(part)
        if words(one) not in plain and words(one) not in whole
    ]


def stands(link: str, text: str) -> bool:
    """Whether a reader of the text part can follow the link; a telephone number is one however it is written."""
    if link.startswith("tel:"):
        return link.removeprefix("tel:") in re.sub(r"[^+\d\n]", "", text)
    return link in text or link.removeprefix("mailto:") in text


@every_family
def test_no_mail_client_clips_it(name: str) -> None:
    sizes = [(one, len(one.message.html.encode())) for one in family(name)[0]]
    assert not [f"{one}: {size}" for one, size in sizes if size >= LARGEST]


@every_family
def test_it_has_one_address_to_post_to_and_one_button_at_the_most(name: str) -> None:
    for one in family(name)[0]:
        address = showcase().use(one.email).program.brand.postal_address
        assert address in unescape(one.message.html), str(one)
        assert address in one.message.text, str(one)
