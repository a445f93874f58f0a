"""From the form to the inbox: the alert to sales, the confirmation to partners, the invitation to others."""

import re

from engage.domain.messages import Message
from engage.domain.records import AliasRecord
from engage.pipeline.refer_links import PARTNER, STAFF
from tests.support.programme import Programme
from tests.support.refer_form import Form, presses

LEAD = {"company": "Acme", "contact": "Mia Stone", "reach": "mia@example.org", "need": "Ten licences by May."}


def sent(programme: Programme) -> dict[str, Message]:
    """What goes out at once, by address."""
    mails = programme.work()
    assert len({mail.to.email for mail in mails}) == len(mails)
    return {mail.to.email: mail for mail in mails}


def link_in(mail: Message) -> str:
    """The path of the form in a mail."""
    (link, *_) = re.findall(r"https?://[^/\s]+(/refer/[\w.-]+)", mail.text)
    return str(link)


def test_a_partner_is_thanked_once_and_their_salesperson_has_it_to_bring_into_the_crm(programme: Programme) -> None:
    programme.is_now("2026-03-10 10:00")
    programme.salesperson("sam")
    programme.joined("ann", 300, owner="sam")
    assert "Acme is noted." in Form(programme, PARTNER, "ann").tells(**LEAD).text
    mails = sent(programme)

    assert mails.keys() == {"ann@example.com", "sam@example.com"}
    thanks, alert = mails["ann@example.com"], mails["sam@example.com"]
    assert thanks.subject == "Acme: your referral is noted"
    assert "Acme and Mia Stone. It is noted as your referral." in " ".join(thanks.text.split())
    assert "[>] Submitted" in thanks.text
    assert alert.subject == "Ann Fox told us of Acme: please bring it into the CRM"
    for known in LEAD.values():
        assert known in alert.text
    assert "Look at these first" not in alert.text
    assert re.search(r"engage alias referral ID-OF-THE-CRM --of form-[0-9a-f]{16}", alert.text)
    assert (
        "is noted"
        in Form.at(programme, link_in(alert))
        .tells(advocate="Ann Fox", advocate_reach="0555 0001234", company="Zebra Works", contact="", known_as="new")
        .text
    )  # the link is sam's own
    programme.work()


def test_what_looks_alike_is_told_to_sales_and_not_to_the_partner(programme: Programme) -> None:
    programme.is_now("2026-03-17 10:00")
    programme.salesperson("tom")
    programme.joined("bea", 300, owner="tom")
    programme.joined("cem", 300)
    programme.refers("cem", "cem-1", lead_company="Bolt Industries Ltd")
    programme.refers("bea", "bea-1", lead_company="BOLT industries")
    form = Form(programme, PARTNER, "bea")
    page = form.tells(**LEAD | {"company": "Bolt Industries", "reach": "0555 1234567"})
    assert "cem" not in page.text.lower()
    presses(form, page, "No, a different one")
    mails = sent(programme)

    alert = " ".join(mails["tom@example.com"].text.split())
    assert "- Bolt Industries Ltd, from Cem Fox, Mar 11, 2026: Submitted" in alert
    assert "- BOLT industries, from Bea Fox, Mar 11, 2026: Submitted. They were shown it, and say" in alert
    assert "Cem" not in mails["bea@example.com"].text


def test_who_told_a_salesperson_and_is_no_partner_is_invited_in_their_name(programme: Programme) -> None:
    programme.is_now("2026-04-07 16:00")  # a Tuesday
    programme.salesperson("uma")
    told = {"advocate": "Dan Fox", "advocate_reach": "dan@example.com", "company": "Crest Ltd", "contact": ""}
    assert "the invitation goes to them in your name" in Form(programme, STAFF, "uma").tells(**told).text
    mails = sent(programme)

    assert mails.keys() == {"uma@example.com"}  # no confirmation: the invitation says it all
    assert "Partner: Dan Fox, dan@example.com, not registered yet" in mails["uma@example.com"].text
    assert "Dan Fox told Uma of Crest Ltd" in mails["uma@example.com"].text

    programme.is_now("2026-04-08 09:30")
    (invitation,) = programme.inbox("invite-verbal-referrer", "dan")
    assert invitation.subject == "Crest Ltd: may we keep you posted, and pay you?"
    assert (invitation.sender.name, invitation.reply_to) == ("Uma, Northwind Partners", "uma@example.com")
    assert "You told me about Crest Ltd on April 7" in invitation.text


def test_a_partner_who_told_a_salesperson_hears_from_that_person_and_keeps_their_owner(programme: Programme) -> None:
    programme.is_now("2026-05-05 10:00")
    for name in ("vic", "wes"):
        programme.salesperson(name)
    programme.joined("eva", 300, owner="wes")
    form = Form(programme, STAFF, "vic")
    told = {"advocate": "Eva Fox", "advocate_reach": "eva@example.com", "company": "Dune Ltd", "contact": "Al"}
    presses(form, form.tells(**told), "It is them")
    mails = sent(programme)

    assert mails.keys() == {"eva@example.com", "vic@example.com"}  # who works it, and not the owner
    thanks = mails["eva@example.com"]
    assert (thanks.sender.name, thanks.reply_to) == ("Vic, Northwind Partners", "vic@example.com")
    assert "thank you for telling me of Dune Ltd and Al" in thanks.text
    assert "Told by: Eva Fox, eva@example.com" in mails["vic@example.com"].text


def test_somebody_new_who_looks_like_a_partner_is_pointed_out_to_sales(programme: Programme) -> None:
    programme.is_now("2026-05-12 10:00")
    programme.salesperson("yan")
    programme.joined("gil", 300)
    form = Form(programme, STAFF, "yan")
    told = {"advocate": "Gil Fox", "advocate_reach": "0555 9876543", "company": "Fern Ltd", "contact": ""}
    assert "we have no email address" in presses(form, form.tells(**told), "No, somebody else").text
    alert = sent(programme)["yan@example.com"]

    assert "Partner: Gil Fox, 0555 9876543, not registered yet" in alert.text
    assert "so no invitation goes out. Please ask for one." in alert.text
    assert "Is Gil Fox somebody we know?" in alert.text
    assert "- Gil Fox, known as `gil`" in alert.text


def test_once_the_crm_has_it_nobody_is_told_twice(programme: Programme) -> None:
    programme.is_now("2026-06-09 10:00")
    programme.salesperson("xia")
    programme.joined("fay", 300, owner="xia")
    Form(programme, PARTNER, "fay").tells(**LEAD | {"company": "Elm Ltd", "reach": "0555 7654321"})
    (name,) = re.findall(r"--of (form-\w+)", sent(programme)["xia@example.com"].text)
    programme.refers("fay", "R-900", days_ago=0, lead_company="Elm Ltd")
    programme.takes(AliasRecord("referral", "R-900", name))
    assert programme.work() == []

    programme.becomes("fay", "R-900", "accepted")
    assert [mail.subject for mail in programme.work() if programme.is_to(mail, "fay")] == [
        "We accepted your referral of Elm Ltd"
    ]
