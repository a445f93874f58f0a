"""What frame and blocks say in other languages: files of words, the filter `t`, and a program's own words."""

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engage.content import RenderError, Templates
from engage.content.words import PLAIN, Lexicon, Words, filled, read_words
from engage.domain.facts import Subject
from engage.domain.programs import Program
from engage.pipeline.sayings import IN_MAILS, ON_PAGES
from tests.content.samples import PARSE_FACT, PROGRAM, ROOT, context, sender, shared_sources

GERMAN = """\
Partner portal: Partnerportal
Unsubscribe: Abbestellen
"{tier} at {value}": "{value} für {tier}"
"The {program} team": "Ihr Team von {program}"
win: Abschluss
wins: Abschlüsse
"""
HEAD = '---\nsubject: "s"\n---\n'


def templates(body: str, words: Mapping[str, str] | None = None) -> Templates:
    """An email `x` in English and German, and files of words by locale."""
    files = {f"_words.{locale}.yaml": text for locale, text in (words or {"de": GERMAN}).items()}
    written = {"x.md": HEAD + body, "x.de.md": HEAD + body}
    found, problems = Templates.from_sources({**shared_sources(), **files, **written}, PARSE_FACT)
    assert problems == (), "\n".join(map(str, problems))
    return found


def problems_of(words: str, name: str = "_words.de.yaml") -> list[str]:
    _, problems = Templates.from_sources({**shared_sources(), name: words}, PARSE_FACT)
    return [str(problem) for problem in problems]


def text_of(emails: Templates, locale: str, program: Program = PROGRAM) -> str:
    template = emails.get("x", locale, program.locale)
    words = emails.words_of(template, locale, program)
    return template.render(context(sender=sender(person=False), locale=words.locale), words=words).text


def test_frame_and_blocks_follow_the_language_of_the_email() -> None:
    emails = templates("{{ blocks.sign_off() }}")
    german, english = text_of(emails, "de_AT"), text_of(emails, "en_GB")
    assert "Ihr Team von Northwind Partners" in german
    assert "Partnerportal: https://" in german
    assert "The Northwind Partners team" in english
    assert "Partner portal: https://" in english


def test_an_email_that_is_there_in_english_only_is_english_throughout() -> None:
    emails, _ = Templates.from_sources(
        {**shared_sources(), "_words.de.yaml": GERMAN, "x.md": HEAD + "{{ blocks.sign_off() }}"}, PARSE_FACT
    )
    assert "The Northwind Partners team" in text_of(emails, "de")


def test_values_stand_where_the_translation_wants_them_and_are_text_whatever_they_say() -> None:
    emails = templates('{{ "{tier} at {value}" | t(tier="<b>{value}</b>", value=3 | number) }}')
    assert text_of(emails, "en").startswith("<b>{value}</b> at 3")
    assert text_of(emails, "de").startswith("3 für <b>{value}</b>")
    template = emails.get("x", "de")
    html = template.render(context(), words=emails.words("de", PROGRAM)).html
    assert "3 für &lt;b&gt;{value}&lt;/b&gt;" in html


def test_words_that_are_counted_are_translated_and_take_the_form_of_the_language() -> None:
    emails = templates('{{ 2 | plural("win", "wins") }}, {{ 1 | metric("wins") }}, {{ 2500 | metric("referrals") }}')
    assert text_of(emails, "de").startswith("2 Abschlüsse, 1 Abschluss, 2.500 referrals")


@pytest.mark.parametrize(
    ("locale", "said"),
    [("de_AT", "Ade"), ("de_CH", "Tschüss"), ("fr", "Goodbye!"), ("en_GB", "Bye"), ("en_US", "Bye")],
)
def test_a_text_is_looked_for_in_the_locale_then_in_the_language_then_in_those_of_the_program(
    locale: str, said: str
) -> None:
    lexicon = Lexicon(
        {
            name: read_words(f"Bye: {text}", name)[0]
            for name, text in {"de-AT": "Ade", "de": "Tschüss", "en-US": "Goodbye!", "nl": "Dag"}.items()
        }
    )
    program = replace(PROGRAM, locale="en_US")
    assert lexicon.words(locale, program)("Bye") == (said if locale != "en_US" else "Goodbye!")


def test_english_is_never_said_in_the_language_of_the_program_instead() -> None:
    lexicon = Lexicon({"de": read_words("Bye: Tschüss", "de")[0]})
    words = lexicon.words("en", replace(PROGRAM, locale="de_DE"))
    assert (words("Bye"), words.language) == ("Bye", "en")
    french = lexicon.words("fr", replace(PROGRAM, locale="de_DE"))
    assert (french("Bye"), french.language, french.locale) == ("Tschüss", "de", "fr")


def test_what_a_program_says_in_its_own_words_is_translated_in_turn() -> None:
    own = replace(PROGRAM, words={"The {program} team": "Your two teams", "Partner portal": "Our portal"})
    words = {"de": GERMAN + "Our portal: Unser Portal\n"}
    emails = templates("{{ blocks.sign_off() }}", words)
    assert "Your two teams" in text_of(emails, "en", own)
    german = text_of(emails, "de", own)
    assert "Unser Portal: https://" in german
    assert "Your two teams" in german, "nobody has translated it"


def test_emails_ask_for_a_program_and_a_locale_again_and_again_and_it_is_worked_out_once() -> None:
    emails = templates("x")
    assert emails.words("de", PROGRAM) is emails.words("de", PROGRAM)
    assert emails.words("de", PROGRAM) is not emails.words("de", replace(PROGRAM, words={"win": "deal"}))


def test_a_file_of_words_says_where_it_is_wrong() -> None:
    assert problems_of('"{tier} at {value}": "{tier} ab {valu}"') == [
        "_words.de.yaml:1:22: unknown placeholder '{valu}'; did you mean '{value}'?"
    ]
    assert problems_of('"{tier} at {value}": "ab {value}"')[0].endswith(
        "1:22: the placeholder '{tier}' is lost; write {tier} where it belongs"
    )
    assert problems_of("Tip: '{a}'")[0].endswith("'{a}'; take it out: the text on the left has none")
    assert ":1:6: the translation of 'Tip' must be a text; " in problems_of("Tip: [a]")[0]
    assert ":2:1:" in problems_of("Tip: Tipp\nTip: Rat")[0]
    assert problems_of("- a")[0].endswith("a file of words must be keys with values; write 'key: value' lines")
    assert problems_of("Tip: Tipp", "_words.german.yaml")[0].endswith(
        "this cannot be the name of a file of words; name it by its language, like _words.de.yaml or _words.de-AT.yaml"
    )
    assert problems_of("") == []


def test_the_example_of_the_docs_can_be_read() -> None:
    page = (ROOT / "docs" / "templates.md").read_text()
    (example,) = re.findall(r"```yml\n(Partner portal.*?)```", page, re.DOTALL)
    entries, problems = read_words(example, "docs/templates.md")
    assert (len(entries), problems) == (5, ())


def test_one_slip_does_not_take_the_other_words_away() -> None:
    found, problems = Templates.from_sources(
        {**shared_sources(), "_words.de.yaml": "Tip: '{tip}'\nUnsubscribe: Abbestellen", "x.de.md": HEAD + "a"},
        PARSE_FACT,
    )
    assert len(problems) == 1
    assert "x" in found
    words = found.words("de", PROGRAM)
    assert (words("Tip"), words("Unsubscribe")) == ("Tip", "Abbestellen")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{{ partner.name | t }}", "'t' translates a text that is written out"),
        ('{{ "{a} and {b}" | t(a="x") }}', "'{b}' gets no value; write t(b=…)"),
        ('{{ "{tier}" | t(teir="x") }}', "'teir' has no place in the text; did you mean 'tier'?"),
        ('{{ "A text" | t("x") }}', "values of 't' have names"),
        ('{{ "{a}" | t(a=partner.first_name) }}', "'partner.first_name' may be empty"),
        ('{{ "{a}" | t(a=tier.share) }}', "'tier.share' would show a ratio raw"),
    ],
)
def test_lint_looks_at_what_is_to_be_translated(body: str, said: str) -> None:
    found, problems = Templates.from_sources({**shared_sources(), "x.md": HEAD + body}, PARSE_FACT)
    if not problems:
        (template,) = found
        problems = template.lint(Subject.PARTNER, "partner")
    assert any(said in str(problem) for problem in problems), problems


@pytest.mark.parametrize("value", ["none", "1.5", "[1]", "true"])
def test_a_value_that_nobody_would_want_to_read_is_refused(value: str) -> None:
    emails = templates(f'{{{{ "{{a}}" | t(a={value}) }}}}')
    with pytest.raises(RenderError, match="'a' of the filter 't' must be a text"):
        text_of(emails, "en")


@given(st.text(), st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True), st.text(), max_size=3))
def test_filling_leaves_alone_what_is_no_placeholder_and_never_fills_twice(text: str, values: dict[str, str]) -> None:
    expected = re.sub(r"\{([a-z][a-z0-9_]*)\}", lambda found: values.get(found[1], found[0]), text)
    assert filled(text, values) == expected


def test_nothing_is_said_otherwise_without_words() -> None:
    assert PLAIN("{tier} at {value}", tier="Gold") == "Gold at {value}"
    assert Words("de", "de", {"a": "b"})("c") == "c"


def test_the_pages_say_what_translators_are_told_and_nothing_else() -> None:
    pages = (ROOT / "engage" / "web" / "templates").glob("*.html")
    said = {text for page in pages for text in re.findall(r'\bt\("([^"]*)"', page.read_text())}
    assert said == set(ON_PAGES)


def test_every_text_that_contexts_make_up_is_told_to_translators() -> None:
    sources = [path.read_text() for path in (ROOT / "engage" / "pipeline").glob("*.py")]
    spelled = {text for source in sources for text in re.findall(r'\bwords\(\s*"([^"]*)"', source)}
    assert spelled <= set(IN_MAILS)
