"""The form for referrals by word of mouth, as partners and salespeople use it: by keyboard alone, on a phone."""

from datetime import timedelta

import pytest

from engage.pipeline import referring
from engage.pipeline.refer_links import PARTNER, STAFF
from tests.pipeline.test_referring import LEAD, TOLD, stored
from tests.support.engage import Engage
from tests.support.pages import Pages, Visitor
from tests.support.refer_form import Form

pytestmark = [pytest.mark.chromium, pytest.mark.slow]

SECONDS_A_KEY, SECONDS_A_DECISION = 0.28, 1.35
"""Of somebody who types now and then: Card, Moran and Newell, The Keystroke-Level Model, CACM 23 (7), 1980."""

# Counts the keys that reach the page, over all pages of a visit.
_COUNT = "addEventListener('keydown', () => sessionStorage.setItem('keys', +(sessionStorage.getItem('keys') || 0) + 1))"


def opens_form(visitor: Visitor, engage: Engage, who: str, name: str) -> Visitor:
    visitor.page.add_init_script(_COUNT)
    return visitor.opens(Form(engage, who, name).path)


def sends(visitor: Visitor, fields: dict[str, str], button: str = "Send it") -> None:
    for field, text in fields.items():
        visitor.writes(field, text)
    visitor.submits(button)


def sends_and_counts(visitor: Visitor, fields: dict[str, str]) -> tuple[int, int]:
    """The keys pressed until the next page is there, and how many of them wrote a letter. The form must be empty."""
    before = keys(visitor)
    for field, text in fields.items():
        visitor.tabs_to(field)
        visitor.page.keyboard.type(text, delay=1)
    visitor.submits("Send it")
    return keys(visitor) - before, sum(map(len, fields.values()))


def keys(visitor: Visitor) -> int:
    return int(visitor.page.evaluate("sessionStorage.getItem('keys') || 0"))


def focused(visitor: Visitor) -> str:
    """The field that is being written."""
    return str(visitor.page.evaluate("document.activeElement.id"))


def follows(visitor: Visitor, problem: str, field: str) -> None:
    """Goes from what is said on top to its field, where it is said again."""
    visitor.tabs_to(problem, "a")
    visitor.presses("Enter")
    assert focused(visitor) == field
    said = visitor.page.get_attribute(f"#{field}", "aria-describedby") or ""
    assert visitor.page.inner_text(f"#{said}").startswith(problem)


def test_a_partner_tells_of_a_company_in_less_than_half_a_minute(engage: Engage, ann: Visitor) -> None:
    engage.partner("ann")
    opens_form(ann, engage, PARTNER, "ann")
    ann.finds_it_fine("refer-partner")
    pressed, letters = sends_and_counts(ann, LEAD)
    assert "Harborline Logistics is noted." in ann.reads
    ann.finds_it_fine("refer-partner-done")

    assert pressed - letters == len(LEAD) + len(["Tab to the button", "Enter"])
    assert pressed * SECONDS_A_KEY + (len(LEAD) + 1) * SECONDS_A_DECISION < 30

    ann.submits("Tell us of another one")
    ann.tabs_to("Send it")
    ann.presses("Enter")
    assert focused(ann) == "company"  # the browser itself goes to what is missing, and sends nothing
    sends(ann, {"company": " ", "contact": "Max Bolt", "reach": "tomorrow"})
    ann.finds_it_fine("refer-partner-wrong")
    ann.finds_it_fine("refer-partner-wrong", width=1200)
    follows(ann, "Which company is it?", "company")
    ann.page.keyboard.type("Bolt GmbH")
    assert ann.page.input_value("#contact") == "Max Bolt"
    sends(ann, {"reach": "tomorrow again"})
    assert "Please look at this again" in ann.reads
    follows(ann, "That is neither an email address", "reach")
    sends(ann, {"reach": "+49 170 1234567"})
    assert "Bolt GmbH is noted." in ann.reads
    assert [row["lead_company"] for row in stored(engage)] == [LEAD["company"], "Bolt GmbH"]


def test_a_partner_chooses_what_of_theirs_it_is(engage: Engage, ann: Visitor) -> None:
    engage.partner("ann")
    engage.refers("ann", "R-1", lead_company="HARBORLINE Logistics, Inc.", lead_name="Marcus O.")
    opens_form(ann, engage, PARTNER, "ann")
    sends(ann, LEAD)
    ann.finds_it_fine("refer-partner-same")
    ann.submits("Change what I wrote")
    assert {name: ann.page.input_value(f"#{name}") for name in LEAD} == LEAD
    ann.submits("Send it")
    ann.submits("It is this one")
    assert "We have HARBORLINE Logistics, Inc. already" in ann.reads
    ann.finds_it_fine("refer-partner-known")
    assert stored(engage) == []
    ann.submits("No, a different one")
    assert "Harborline Logistics is noted." in ann.reads

    ann.submits("Tell us of another one")
    sends(ann, LEAD)
    ann.finds_it_fine("refer-partner-same-two")
    ann.finds_it_fine("refer-partner-same-two", width=1200)
    ann.submits("No, a different one")
    assert len(stored(engage)) == 2


def test_a_salesperson_notes_who_told_of_whom_in_less_than_half_a_minute(engage: Engage, pages: Pages) -> None:
    engage.salesperson("sam")
    sam = opens_form(pages.visitor(), engage, STAFF, "sam")
    sam.finds_it_fine("refer-staff")
    pressed, letters = sends_and_counts(sam, TOLD)
    assert "Eve Stone is no partner yet: the invitation goes to them in your name." in sam.reads
    sam.finds_it_fine("refer-staff-invited")

    assert pressed - letters == len(TOLD) + len(["Tab to the button", "Enter"])
    assert pressed * SECONDS_A_KEY + (len(TOLD) + 1) * SECONDS_A_DECISION < 30

    sam.submits("Tell us of another one")
    sends(sam, {"advocate": " ", "advocate_reach": "12 34", "company": "Reed Ltd"})
    sam.finds_it_fine("refer-staff-wrong")
    follows(sam, "Who told you?", "advocate")
    sam.page.keyboard.type("Tom Reed")
    sends(sam, {"advocate_reach": "+1 617 555 0142"})
    assert "we have no email address of them" in sam.reads
    sam.finds_it_fine("refer-staff-number-only")


def test_a_salesperson_chooses_the_referral_and_the_partner(engage: Engage, pages: Pages) -> None:
    engage.salesperson("sam")
    for name, last_name in (("ann", "Fox"), ("bob", "Reed")):
        engage.partner(name, last_name=last_name)
    engage.partner("eve", first_name="Ann", last_name="Fox-Miller", email="ann@elsewhere.example", status="invited")
    engage.refers("bob", "R-2", lead_company="Bolt", lead_name="Max B.", salesperson="sam")
    told = TOLD | {"advocate": "Ann Fox", "advocate_reach": "ann@example.com"}

    sam = opens_form(pages.visitor(), engage, STAFF, "sam")
    sends(sam, told)
    sam.finds_it_fine("refer-staff-same")
    sam.submits("It is this one")
    assert "Bob Reed told us of it, and Sam works on it." in sam.reads
    sam.finds_it_fine("refer-staff-known")
    sam.submits("No, a different one")
    sam.finds_it_fine("refer-staff-who")
    sam.submits("Change what I wrote")
    assert sam.page.input_value("#advocate") == "Ann Fox"
    sam.submits("Send it")
    sam.submits("No, a different one")
    sam.submits("It is them")
    assert "Ann Fox is a partner already" in sam.reads
    sam.finds_it_fine("refer-staff-partner")

    sam.submits("Tell us of another one")
    sends(sam, told | {"company": "Bluewater Clinics", "advocate_reach": "ann.fox@example.org"})
    sam.submits("No, somebody else")
    assert "Ann Fox is no partner yet" in sam.reads
    assert len(stored(engage)) == 2


def test_a_partner_reads_the_form_in_german(engage: Engage, pages: Pages) -> None:
    engage.partner("ute", locale="de")
    engage.refers("ute", "R-1", lead_company="Harborline Logistics")
    ute = opens_form(pages.visitor("de-DE"), engage, PARTNER, "ute")
    assert ute.page.get_attribute("html", "lang") == "de"
    sends(ute, LEAD | {"reach": "morgen"}, "Abschicken")
    ute.finds_it_fine("refer-partner-wrong-de")
    sends(ute, {"reach": LEAD["reach"]}, "Abschicken")
    ute.finds_it_fine("refer-partner-same-de")
    ute.submits("Es ist dieses")
    ute.finds_it_fine("refer-partner-known-de")
    ute.submits("Nein, ein anderes")
    assert "Harborline Logistics ist notiert." in ute.reads


def test_who_has_sent_too_many_or_comes_too_late_reads_what_to_do(
    engage: Engage, ann: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    engage.partner("ann")
    monkeypatch.setattr(referring, "MOST_A_DAY", 0)
    opens_form(ann, engage, PARTNER, "ann")
    sends(ann, LEAD)
    assert "That is a lot for one day" in ann.reads
    ann.finds_it_fine("refer-partner-many")

    link = Form(engage, PARTNER, "ann").path
    engage.now += timedelta(days=91)
    ann.opens(link)
    assert "This link has run out" in ann.reads
    ann.finds_it_fine("refer-expired")
    ann.tabs_to("", "a")
    assert stored(engage) == []
