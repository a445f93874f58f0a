"""Emails are found by name and locale, and can be loaded again from what was kept."""

import pytest

from engage.content import RenderError, Templates
from engage.domain.errors import InputError
from tests.content.samples import PARSE_FACT, context, one_email, program, shared_sources

ENGLISH = "---\nsubject: Hello\nfacts: {won: wins}\n---\nHello {{ partner.greeting_name }}"
GERMAN = "---\nsubject: Hallo\nfacts: {open_now: open}\n---\nHallo {{ partner.greeting_name }}, {{ tier.next }}"


def two_languages() -> Templates:
    sources = {**shared_sources(), "a/x.md": ENGLISH, "a/x.de.md": GERMAN}
    templates, problems = Templates.from_sources(sources, PARSE_FACT)
    assert problems == ()
    return templates


@pytest.mark.parametrize(
    ("locale", "subject"),
    [("", "Hello"), ("en_US", "Hello"), ("de", "Hallo"), ("de_AT", "Hallo"), ("de-DE", "Hallo"), ("fr", "Hello")],
)
def test_an_email_is_found_in_the_recipients_language_or_else_the_default(locale: str, subject: str) -> None:
    assert two_languages().get("a/x", locale).render(context()).subject == subject


def test_what_any_language_needs_is_known_for_all() -> None:
    templates = two_languages()
    assert sorted(templates.facts("a/x")) == ["open_now", "won"]
    assert "tier" in templates.get("a/x", "en").needs
    assert "a/x" in templates
    assert "a/y" not in templates


def test_an_email_renders_in_a_locale_of_its_own_language() -> None:
    templates = two_languages()
    assert templates.get("a/x", "en_GB").locale_for("en_GB", "en_US") == "en_GB"
    assert templates.get("a/x", "fr_FR").locale_for("fr_FR", "en_US") == "en_US"
    assert templates.get("a/x", "de_AT").locale_for("de_AT", "en_US") == "de_AT"


def test_an_unknown_email_is_an_error_with_a_way_out() -> None:
    assert two_languages().find("a/z") is None
    with pytest.raises(InputError, match=r"there is no email 'a/z'; did you mean 'a/x'\?"):
        two_languages().get("a/z")


def test_needs_name_what_a_render_reads() -> None:
    needs = one_email("{{ blocks.tier_progress(tier) }}{% for one in leaders %}\n- x\n{% endfor %}").get("x").needs
    assert {"tier", "leaders", "program", "links", "locale", "zone"} <= needs
    assert not {"company", "referral", "reward", "evidence", "blocks", "range"} & needs


def test_emails_load_again_from_their_kept_sources() -> None:
    first = two_languages()
    again, problems = Templates.from_sources(first.sources, PARSE_FACT)
    assert problems == ()
    assert {one.path: one.source_hash for one in again} == {one.path: one.source_hash for one in first}


def test_the_hash_covers_layout_and_blocks() -> None:
    sources = {**shared_sources(), "x.md": "---\nsubject: S\n---\nx"}
    before = Templates.from_sources(sources, PARSE_FACT)[0].get("x").source_hash
    sources["_layout.txt"] += "\n"
    assert Templates.from_sources(sources, PARSE_FACT)[0].get("x").source_hash != before


def test_a_context_without_locale_is_named() -> None:
    incomplete = context()
    del incomplete["locale"]
    with pytest.raises(RenderError, match="the context has no 'locale'"):
        one_email("x").get("x").render(incomplete)


def test_a_designers_own_mjml_takes_the_layouts_place() -> None:
    own = """<mjml><mj-head><mj-title>{{ subject }}</mj-title></mj-head><mj-body><mj-section><mj-column>
      <mj-text>Own frame: {{ content }} {{ program.name }}, {{ program.postal_address }}</mj-text>
      <mj-text>{% if links.unsubscribe %}<a href="{{ links.unsubscribe }}">Stop</a>{% endif %}</mj-text>
      </mj-column></mj-section></mj-body></mjml>"""
    sources = {**shared_sources(), "x.md": "---\nsubject: S\n---\nHi {{ partner.greeting_name }}", "x.mjml": own}
    templates, problems = Templates.from_sources(sources, PARSE_FACT)
    assert problems == ()
    rendered = templates.get("x").render(context(program=program(name="A & B")))
    assert "Own frame:" in rendered.html
    assert "Hi Dana</p>" in rendered.html
    assert "A &amp; B" in rendered.html
    assert rendered.text.startswith("Hi Dana\n")
