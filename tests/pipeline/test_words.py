"""Labels, answers, promises and pages are said in the language of the email and of the partner."""

import html
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from engage.domain.records import ReferralRecord
from engage.pipeline.judging import judge
from engage.web.app import build_app
from tests.support.engage import Engage
from tests.support.journeys import TRIAL, rereads, write_trial

WORDS = """\
there: zusammen
Your referral: Ihre Empfehlung
"a partner in {region}": "jemand in {region}"
"in {year}": "im Jahr {year}"
"in {month}": "im {month}"
"in quarter {quarter} of {year}": "im {quarter}. Quartal {year}"
so far: bisher
wins: Abschlüsse
win: Abschluss
Won: Gewonnen
Accepted: Angenommen
We work out your reward.: Wir berechnen Ihre Prämie.
Silver: Silber
12% of the first year's revenue and a named contact in sales: 12 % vom ersten Jahr
in May: im Mai
All is fine: Alles bestens
I am stuck: Ich komme nicht weiter
Send this answer: Diese Antwort senden
"{program} has your answer: “{answer}”.": "{program} hat Ihre Antwort: „{answer}“."
"It takes the place of “{before}”.": "Sie ersetzt „{before}“."
Tips for referring: Tipps zum Empfehlen
How to refer more and win more. Now and then.: Ab und zu.
"No more “{topic}” from {program}?": "Nichts mehr zu „{topic}“ von {program}?"
Unsubscribe: Abbestellen
"""


@pytest.fixture
def authored(authored: tuple[Path, Path]) -> tuple[Path, Path]:
    (authored[1] / "_words.de.yaml").write_text(WORDS)
    return authored


def says(engage: Engage, text: str, steps: str = "{send: a}", **keys: str | None) -> None:
    """The trial's email `a` has this text, in English and in German."""
    write_trial(engage, steps, (), **keys)
    for locale in ("", ".de"):
        file = engage.services.settings.templates_dir / f"a{locale}.md"
        file.write_text(f'---\nsubject: "S{locale}"\n---\n{text}')
    rereads(engage)
    settings = engage.services.settings
    assert judge(settings.campaigns_dir, settings.templates_dir).problems == ()


def first_line(engage: Engage, locale: str, **fields: object) -> str:
    """What the mail to a partner of this locale begins with."""
    engage.partner(locale=locale, **fields)
    (mail,) = engage.runs(TRIAL)
    return mail.text.splitlines()[0]


@pytest.mark.parametrize(("locale", "name"), [("de_AT", "zusammen"), ("en", "there"), ("fr", "there")])
def test_somebody_without_a_name_is_greeted_in_the_language_of_the_email(
    engage: Engage, locale: str, name: str
) -> None:
    says(engage, "{{ partner.greeting_name }}")
    assert first_line(engage, locale, first_name=None) == name


def test_tiers_are_called_by_what_they_are_called_there(engage: Engage) -> None:
    says(
        engage,
        "{% if tier and tier.next and tier.to_next and tier.next_benefit %}{{ tier.next }}: {{ tier.next_benefit }}, "
        "noch {{ tier.to_next | metric(tier.metric) }} {{ tier.period_label }}{% endif %}",
    )
    assert first_line(engage, "de") == "Silber: 12 % vom ersten Jahr, noch 3 Abschlüsse im Jahr 2026"


@pytest.mark.parametrize(
    ("period", "said"),
    [("month", "im März 2026"), ("quarter", "im 1. Quartal 2026"), ("year", "im Jahr 2026"), ("always", "bisher")],
)
def test_each_period_of_tiers_has_words(engage: Engage, authored: tuple[Path, Path], period: str, said: str) -> None:
    program = authored[0] / "program.yaml"
    program.write_text(program.read_text().replace("      period: year", f"      period: {period}"))
    (authored[0] / "nudges" / "near_next_tier.yaml").unlink()  # it asks for a period that ends
    program.write_text(program.read_text().replace("      - near-next-tier\n", ""))
    says(engage, "{% if tier %}{{ tier.period_label }}{% endif %}")
    assert first_line(engage, "de") == said


def test_statuses_are_called_by_what_they_are_called_there(engage: Engage) -> None:
    says(
        engage,
        "{{ referral.lead_company }}: {{ referral.status_label }}. {{ referral.status_next | default('') }}"
        "{% for rung in referral.ladder %}{% if rung.state == 'done' and rung.key == 'accepted' %} {{ rung.label }}"
        "{% endif %}{% endfor %}",
        for_="referral",
        when="{event: referral.status_changed, to: won}",
        again=None,
        topic="referral-status",
    )
    engage.partner(locale="de")
    engage.takes(ReferralRecord("r1", "ann", status="won", status_at=engage.now))
    (mail,) = (mail for mail in engage.work() if mail.subject == "S.de")
    assert mail.text.splitlines()[0] == "Ihre Empfehlung: Gewonnen. Wir berechnen Ihre Prämie. Angenommen"


def test_who_leads_is_called_in_each_readers_language_though_all_are_ranked_once(engage: Engage) -> None:
    says(engage, "{% for one in leaders %}{{ one.label }}{% endfor %}")
    engage.partner("ann", locale="de", region="Texas")
    engage.partner("bob", locale="en", region="Utah")
    engage.refers("ann", "acme")
    engage.becomes("ann", "acme", "won")
    engage.now = engage.now.replace(hour=engage.now.hour + 2)
    engage.queue.waiting.clear()
    found = {mail.to.email: mail.text.splitlines()[0] for mail in engage.runs(TRIAL)}
    assert found == {"ann@example.com": "jemand in Texas", "bob@example.com": "a partner in Texas"}


def test_a_promotion_promises_in_the_language_of_the_email(engage: Engage) -> None:
    promotion = "{from: 2026-03-02, through: 2026-12-31, counts: win, bonus: 100, paid_when: in May}"
    says(engage, "{{ promotion.paid_when }}", "{at: start}, {send: a}", again="never", promotion=promotion)
    assert first_line(engage, "de") == "im Mai"


def test_an_email_that_is_there_in_english_only_says_everything_in_english(engage: Engage) -> None:
    says(engage, "{% if tier and tier.next %}{{ tier.next }} {{ tier.period_label }}{% endif %}")
    (engage.services.settings.templates_dir / "a.de.md").unlink()
    rereads(engage)
    engage.partner(locale="de")
    (mail,) = engage.runs(TRIAL)
    assert mail.text.startswith("Silver in 2026\n")
    assert "Unsubscribe: http" in mail.text


def test_answers_and_the_pages_behind_them_are_in_the_partners_language(engage: Engage) -> None:
    ask = '{ask: {question: mood, send: a, answers: {fine: "All is fine", stuck: "I am stuck"}}}'
    says(engage, "{{ blocks.answers(answers) }}", ask)
    engage.partner(locale="de")
    (mail,) = engage.runs(TRIAL)
    assert re.findall(r"^(.*): http\S+/answer/", mail.text, re.MULTILINE) == ["Alles bestens", "Ich komme nicht weiter"]
    fine, stuck = (re.sub(r"^https?://[^/]+", "", link) for link in re.findall(r"http\S+/answer/\S+", mail.text))
    web = TestClient(build_app(engage.services))
    asked = web.get(fine).text
    assert '<html lang="de">' in asked
    assert "<button>Diese Antwort senden</button>" in asked
    web.post(fine)
    thanks = html.unescape(web.post(stuck).text)
    assert "Northwind Partners hat Ihre Antwort: „Ich komme nicht weiter“. Sie ersetzt „Alles bestens“." in thanks


@pytest.mark.parametrize(
    ("locale", "language", "question", "button"),
    [
        ("de_AT", "de", "Nichts mehr zu „Tipps zum Empfehlen“ von Northwind Partners?", "Abbestellen"),
        ("fr", "en", "No more “Tips for referring” from Northwind Partners?", "Unsubscribe"),
    ],
)
def test_the_page_to_unsubscribe_is_in_the_partners_language_as_far_as_there_are_words(
    engage: Engage, locale: str, language: str, question: str, button: str
) -> None:
    says(engage, "Hello")
    engage.partner(locale=locale)
    (mail,) = engage.runs(TRIAL)
    link = re.sub(r"^https?://[^/]+", "", mail.headers["List-Unsubscribe"].strip("<>"))
    page = TestClient(build_app(engage.services)).get(link).text
    assert f'<html lang="{language}">' in page
    assert question in page
    assert f"<button>{button}</button>" in page


def test_a_program_says_its_own_words_instead_of_labels_and_of_the_frame(
    engage: Engage, authored: tuple[Path, Path]
) -> None:
    program = authored[0] / "program.yaml"
    words = '    words: {Silver: Sterling, Partner portal: Our portal, "The {program} team": Your two teams}\n'
    program.write_text(program.read_text().replace("    locale: en_US\n", "    locale: en_US\n" + words))
    says(engage, "{% if tier and tier.next %}{{ tier.next }}{% endif %}\n\n{{ blocks.sign_off() }}")
    engage.partner()
    (mail,) = engage.runs(TRIAL)
    assert mail.text.startswith("Sterling\n\nYour two teams\n")
    assert "Our portal: https://" in mail.text


def test_words_that_change_are_said_at_once_and_broken_ones_leave_those_before(
    engage: Engage, authored: tuple[Path, Path]
) -> None:
    says(engage, "{{ partner.greeting_name }}", again="each slot")
    assert first_line(engage, "de", first_name=None) == "zusammen"
    for text, said in (("there: Sie", "Sie"), ("there: {x", "Sie")):
        (authored[1] / "_words.de.yaml").write_text(text)
        engage.now = engage.now.replace(day=engage.now.day + 1)
        (mail,) = engage.runs(TRIAL)
        assert mail.text.splitlines()[0] == said
