"""The shipped programme is there in English and German, down to the last word of frame, blocks and pages."""

from engage.pipeline.judging import judge
from engage.pipeline.saying import left_over, unworded
from engage.pipeline.translating import untranslated
from tests.support.command import ROOT

SHIPPED = judge(ROOT / "campaigns", ROOT / "email_templates")


def test_every_email_and_every_word_is_there_in_each_locale_of_its_program() -> None:
    assert {"en_US", "de"} <= set(SHIPPED.programs["northwind-partners"].locales)
    assert untranslated(SHIPPED.programs, SHIPPED.campaigns.values(), SHIPPED.templates) == []
    assert unworded(SHIPPED.programs, SHIPPED.campaigns, SHIPPED.templates) == []


def test_no_word_is_translated_that_nobody_says() -> None:
    assert list(left_over(SHIPPED.programs, SHIPPED.campaigns, SHIPPED.templates)) == []


def test_the_alliance_signs_in_its_own_words_in_both_languages() -> None:
    alliance = SHIPPED.programs["northwind-contoso"]
    team = {locale: SHIPPED.templates.words(locale, alliance)("The {program} team") for locale in ("en_US", "de_AT")}
    assert team == {"en_US": "Your Northwind and Contoso team", "de_AT": "Ihr Team von Northwind und Contoso"}
