"""The form for referrals by word of mouth, as partners and salespeople use it: over HTTP, on both databases."""

import re
from datetime import timedelta
from hashlib import sha256

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from engage.domain.records import AliasRecord
from engage.pipeline.previewing import DEAD_TOKEN, preview
from engage.pipeline.refer_links import PARTNER, STAFF
from engage.pipeline.referring import MOST_A_DAY
from engage.store import tables
from tests.support.at_once import at_once
from tests.support.engage import Engage
from tests.support.journeys import rereads, write_trial
from tests.support.refer_form import Form, buttons, presses

LEAD = {
    "company": "Harborline Logistics",
    "contact": "Marcus Oyelaran",
    "reach": "marcus@example.org",
    "need": "Fleets",
}
TOLD = {"advocate": "Eve Stone", "advocate_reach": "eve@example.org", "company": "Bolt GmbH", "contact": "Max Bolt"}


@pytest.fixture
def told(engage: Engage) -> Engage:
    engage.salesperson("sam")
    engage.partner("ann", last_name="Fox", owner="sam")
    engage.partner("bob", last_name="Reed")
    return engage


def stored(engage: Engage) -> list[dict[str, object]]:
    r, p, s = tables.referrals.c, tables.partners.c, tables.staff.c
    query = (
        sa.select(r.lead_company, r.lead_name, r.lead_contact, r.note, r.method, r.status, p.first_name, s.name)
        .join(tables.partners, p.id == r.partner_id)
        .outerjoin(tables.staff, s.id == r.salesperson_id)
        .where(r.external_id.startswith("form-"))
        .order_by(r.id)
    )
    with engage.services.database.read() as db:
        return [dict(row) for row in db.execute(query).mappings()]


def events(engage: Engage) -> list[str]:
    e = tables.events.c
    with engage.services.database.read() as db:
        return list(db.execute(sa.select(e.kind).where(e.source.startswith("referral form")).order_by(e.id)).scalars())


def test_a_partner_tells_of_a_company_in_four_fields(told: Engage) -> None:
    page = Form(told, PARTNER, "ann").tells(**LEAD)

    assert page.status_code == 200
    assert "Harborline Logistics is noted." in page.text
    (row,) = stored(told)
    assert row == {
        "lead_company": "Harborline Logistics",
        "lead_name": "Marcus Oyelaran",
        "lead_contact": "marcus@example.org",
        "note": "Fleets",
        "method": "verbal",
        "status": "submitted",
        "first_name": "Ann",
        "name": None,
    }
    assert events(told) == ["referral.status_changed", "referral.noted"]


def test_a_form_that_is_sent_twice_is_one_referral(told: Engage) -> None:
    form = Form(told, PARTNER, "ann")
    fields = form.fills(**LEAD)

    first, again = form.sends(fields), form.sends(fields)

    assert first.text == again.text
    assert len(stored(told)) == 1
    assert len(events(told)) == 2


def test_a_form_that_is_sent_many_times_at_once_is_one_referral(told: Engage) -> None:
    form = Form(told, STAFF, "sam")
    fields = form.fills(**TOLD)
    browsers = [TestClient(form.client.app) for _ in range(6)]
    answers = at_once(browsers, lambda browser: browser.post(form.path, data=fields).status_code)

    assert answers == [200] * 6
    assert len(stored(told)) == 1
    assert events(told).count("referral.noted") == 1


def test_who_goes_back_and_writes_something_else_tells_of_another_one(told: Engage) -> None:
    form = Form(told, PARTNER, "ann")
    fields = form.fills(**LEAD)
    form.sends(fields)
    page = form.sends(fields | {"company": "Bluewater Clinics", "reach": "0170 1234567"})

    assert "Bluewater Clinics is noted." in page.text
    assert [row["lead_company"] for row in stored(told)] == ["Harborline Logistics", "Bluewater Clinics"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_at_the_form_stores_nothing(told: Engage, method: str) -> None:
    form = Form(told, PARTNER, "ann")

    assert form.client.request(method, form.path, params=LEAD).status_code == 200
    assert stored(told) == []


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("company", " \t ", "Which company is it? Please write its name."),
        ("contact", "", "Whom should we talk to there? Please write a name."),
        ("reach", "", "How do we reach them?"),
        ("reach", "tomorrow", "That is neither an email address nor a telephone number"),
        ("reach", "marcus@", "That is neither an email address nor a telephone number"),
        ("reach", "12 34", "That is neither an email address nor a telephone number"),
    ],
)
def test_what_is_missing_is_said_at_its_field_and_the_rest_is_kept(
    told: Engage, field: str, value: str, said: str
) -> None:
    page = Form(told, PARTNER, "ann").tells(**LEAD | {field: value})

    assert page.status_code == 422
    assert re.search(f'<span class="wrong" id="{field}-wrong">{re.escape(said)}', page.text)
    assert f'<a href="#{field}">' in page.text  # the summary leads there
    for name, kept in (LEAD | {field: value.strip()}).items():
        assert kept in page.text, name
    assert stored(told) == []


def test_what_is_written_stays_what_it_is_however_it_looks(told: Engage) -> None:
    page = Form(told, PARTNER, "ann").tells(
        **LEAD | {"company": "  <b>Ärger &\r\n\x00 Söhne</b> \u202e", "need": "x" * 5000}
    )

    assert "<b>" not in page.text
    (row,) = stored(told)
    assert row["lead_company"] == "<b>Ärger & Söhne</b>"
    assert row["note"] == "x" * 600


def test_a_partner_is_shown_what_of_their_own_looks_the_same_and_nothing_of_others(told: Engage) -> None:
    told.refers("ann", "R-1", lead_company="HARBORLINE Logistics, Inc.", lead_name="Marcus O.")
    told.refers("bob", "R-2", lead_company="Harborline Logistics")
    form = Form(told, PARTNER, "ann")

    page = form.tells(**LEAD)

    assert "HARBORLINE Logistics, Inc." in page.text
    assert buttons(page.text) == {
        "It is this one": ("same", "R-1"),
        "No, a different one": ("same", "new"),
        "Change what I wrote": ("edit", "1"),
    }
    assert "bob" not in page.text.lower()
    assert stored(told) == []

    known = presses(form, page, "It is this one")
    assert "We have HARBORLINE Logistics, Inc. already" in known.text
    assert "Submitted" in known.text
    again = presses(form, page, "Change what I wrote")
    assert all(f'value="{LEAD[name]}"' in again.text for name in ("company", "contact", "reach"))
    assert stored(told) == []

    assert "Harborline Logistics is noted." in presses(form, page, "No, a different one").text
    assert "Harborline Logistics is noted." in presses(form, known, "No, a different one").text  # the same form
    assert len(stored(told)) == 1


def test_others_referrals_are_not_to_be_pointed_at(told: Engage) -> None:
    told.refers("bob", "R-2", lead_company="Harborline Logistics")
    page = Form(told, PARTNER, "ann").tells(**LEAD | {"same": "R-2"})

    assert "Harborline Logistics is noted." in page.text  # nothing of it is known to ann


def test_a_company_of_last_year_may_be_told_of_again(told: Engage) -> None:
    told.refers("ann", "R-1", days_ago=366, lead_company="Harborline Logistics")

    assert "is noted" in Form(told, PARTNER, "ann").tells(**LEAD).text


def test_a_salesperson_notes_what_somebody_said_who_is_no_partner_yet(told: Engage) -> None:
    page = Form(told, STAFF, "sam@example.com").tells(**TOLD)

    assert "Eve Stone is no partner yet: the invitation goes to them in your name." in page.text
    (row,) = stored(told)
    assert (row["lead_company"], row["lead_name"], row["first_name"], row["name"]) == (
        "Bolt GmbH",
        "Max Bolt",
        "Eve",
        "Sam",
    )
    p, s = tables.partners.c, tables.staff.c
    query = sa.select(p.first_name, p.last_name, p.email, p.status, s.external_id).join(
        tables.staff, s.id == p.owner_id
    )
    with told.services.database.read() as db:
        assert db.execute(query.where(p.first_name == "Eve")).one() == (
            "Eve",
            "Stone",
            "eve@example.org",
            "invited",
            "sam",
        )


def test_somebody_with_a_number_only_is_noted_and_the_salesperson_is_asked_for_more(told: Engage) -> None:
    page = Form(told, STAFF, "sam").tells(**TOLD | {"advocate_reach": "+1 (617) 555-0142", "contact": ""})

    assert "we have no email address of them" in page.text
    with told.services.database.read() as db:
        assert db.execute(sa.select(tables.partners.c.phone).where(tables.partners.c.first_name == "Eve")).scalar_one()


@pytest.mark.parametrize(
    ("name", "reach", "certain"),
    [
        ("Anna Fuchs", "ANN@example.com", True),
        ("Anna Fuchs", "001 617-555 0142", True),
        ("Fox, Ann", "ann@elsewhere.example", False),
    ],
)
def test_a_salesperson_is_shown_partners_who_may_be_meant(told: Engage, name: str, reach: str, certain: bool) -> None:
    told.partner("ann", phone="+1 617 555.0142", last_name="Fox")
    form = Form(told, STAFF, "sam")

    page = form.tells(**TOLD | {"advocate": name, "advocate_reach": reach})

    assert buttons(page.text) == {
        "It is them": ("known_as", "ann"),
        "No, somebody else": ("known_as", "new"),
        "Change what I wrote": ("edit", "1"),
    }
    assert ("same address or number" in page.text) is certain
    assert stored(told) == []

    done = presses(form, page, "It is them")
    assert "Ann Fox is a partner already" in done.text
    (row,) = stored(told)
    assert (row["first_name"], row["note"]) == ("Ann", f"{name}, {reach}")


def test_somebody_else_of_that_name_is_somebody_else(told: Engage) -> None:
    form = Form(told, STAFF, "sam")
    page = form.tells(**TOLD | {"advocate": "Ann Fox"})
    done = presses(form, page, "No, somebody else")

    assert "Ann Fox is no partner yet" in done.text
    with told.services.database.read() as db:
        p = tables.partners.c
        rows = db.execute(sa.select(p.email, p.status).where(p.last_name == "Fox").order_by(p.id)).all()
    assert rows == [("ann@example.com", "active"), ("eve@example.org", "invited")]


def test_a_salesperson_is_shown_the_programs_referrals_first_and_then_its_partners(told: Engage) -> None:
    told.refers("bob", "R-2", lead_company="Bolt", salesperson="sam")
    form = Form(told, STAFF, "sam")

    page = form.tells(**TOLD | {"advocate": "Ann Fox"})
    assert "Bob Reed" in page.text
    assert list(buttons(page.text)) == ["It is this one", "No, a different one", "Change what I wrote"]
    assert "Bob Reed told us of it, and Sam works on it." in presses(form, page, "It is this one").text

    page = presses(form, page, "No, a different one")
    assert list(buttons(page.text)) == ["It is them", "No, somebody else", "Change what I wrote"]
    assert "Ann Fox is a partner already" in presses(form, page, "It is them").text
    assert len(stored(told)) == 1


def test_a_company_is_found_by_its_contact_too(told: Engage) -> None:
    Form(told, PARTNER, "ann").tells(**LEAD | {"reach": "+49 170 1234567"})
    form = Form(told, PARTNER, "ann")

    assert "It is this one" in form.tells(**LEAD | {"company": "HL Holding", "reach": "0170/1234567"}).text


def test_the_second_page_takes_only_what_it_has_shown(told: Engage) -> None:
    told.refers("ann", "R-1", lead_company="Harborline Logistics")
    form = Form(told, PARTNER, "ann")

    page = form.tells(**LEAD | {"same": "R-9"})

    assert "It is this one" in page.text
    assert stored(told) == []


def test_once_the_crm_has_it_under_its_own_id_a_late_reload_changes_nothing(told: Engage) -> None:
    form = Form(told, PARTNER, "ann")
    fields = form.fills(**LEAD)
    form.sends(fields)
    with told.services.database.read() as db:
        name = db.execute(sa.select(tables.referrals.c.external_id)).scalar_one()
    told.refers("ann", "R-7", lead_company="Harborline Logistics")
    told.takes(AliasRecord("referral", name, "R-7"))

    assert "Harborline Logistics is noted." in form.sends(fields).text
    assert events(told).count("referral.noted") == 1


def test_a_merged_partners_link_is_the_survivors(told: Engage) -> None:
    form = Form(told, PARTNER, "bob")
    told.takes(AliasRecord("partner", "bob", "ann"))

    form.tells(**LEAD)

    assert [row["first_name"] for row in stored(told)] == ["Ann"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_bad_link_and_one_of_somebody_who_is_gone_are_answered_alike(told: Engage, method: str) -> None:
    gone, form = Form(told, STAFF, "sam"), Form(told, PARTNER, "ann")
    told.salesperson("eve")
    told.takes(AliasRecord("staff", "sam", "eve"))
    altered = form.path[:-1] + ("A" if form.path[-1] != "A" else "B")
    answers = [
        form.client.request(method, path, data=None if method == "GET" else LEAD) for path in (gone.path, altered)
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert answers[0].content == answers[1].content
    assert stored(told) == []


def test_a_link_runs_out_after_ninety_days(told: Engage) -> None:
    form = Form(told, PARTNER, "ann")
    fields = form.fills(**LEAD)
    told.now += timedelta(days=90)
    assert form.opens().status_code == 200
    told.now += timedelta(days=1)

    for answer in (form.opens(), form.sends(fields)):
        assert answer.status_code == 410
        assert "This link has run out" in answer.text
    assert stored(told) == []


LINKED = """\
---
subject: "Yours"
from: program
---
{% if links.refer_form %}[Tell us]({{ links.refer_form }}){% else %}No form.{% endif %}
"""


def test_each_reader_has_a_link_of_their_own_desks_have_none_and_previews_a_dead_one(told: Engage) -> None:
    steps = "{send: a}, {alert: {to: owner, say: z}}, {alert: {to: marketing, say: y}}"
    program = told.services.settings.campaigns_dir / "program.yaml"
    program.write_text(
        program.read_text().replace("    brand:", "    desks: {marketing: m@example.com}\n    brand:", 1)
    )
    write_trial(told, steps)
    for name in ("a", "alerts/z", "alerts/y"):
        (told.services.settings.templates_dir / f"{name}.md").write_text(LINKED)
    rereads(told)
    told.logs_in("ann")
    told.logs_in("bob")
    texts = {mail.to.email: mail.text for mail in told.runs("trial")}

    links = {email: found[0] for email, text in texts.items() if (found := re.search(r"/refer/[\w.-]+", text))}
    assert links.keys() == texts.keys() - {"m@example.com", "partner-desk@example.com"}
    assert len(set(links.values())) == len({"ann", "bob", "sam"})
    assert "Half a minute, Sam." in Form.at(told, links["sam@example.com"]).opens().text
    assert "Half a minute, and you are done" in Form.at(told, links["ann@example.com"]).opens().text

    library = told.services.library()
    with told.services.database.read() as db:
        (shown, *_) = preview(db, library, library.find("trial"), "ann", "http://engage.test", told.now)
    assert f"http://engage.test/refer/{DEAD_TOKEN}" in shown.message.text
    assert "This link is from a preview" in Form.at(told, f"/refer/{DEAD_TOKEN}").opens().text


def test_a_form_of_somebody_else_is_shown_once_more(told: Engage) -> None:
    theirs = Form(told, PARTNER, "bob").fills(**LEAD)
    form = Form(told, PARTNER, "ann")

    page = form.sends(theirs)

    assert page.status_code == 422
    assert "Harborline Logistics" in page.text
    assert stored(told) == []


def test_a_link_takes_no_more_than_a_day_can_bring(told: Engage) -> None:
    form = Form(told, PARTNER, "ann")
    for number in range(MOST_A_DAY):
        name = sha256(str(number).encode()).hexdigest()[:12]  # nothing looks like it
        lead = LEAD | {"company": name, "reach": f"0555{number:08}"}
        assert "is noted" in form.tells(**lead).text
    page = form.tells(**LEAD)

    assert page.status_code == 429
    assert len(stored(told)) == MOST_A_DAY
    assert "is noted" in Form(told, PARTNER, "bob").tells(**LEAD).text
    told.now += timedelta(days=1, seconds=1)
    assert "is noted" in form.tells(**LEAD).text
