"""In whose name a mail is: the program's, or a person's whom the partner can answer."""

from datetime import timedelta

import pytest

from engage.domain.messages import Message
from engage.domain.records import CompanyRecord, PartnerRecord, StaffRecord
from tests.pipeline.test_subjects import runs
from tests.support.engage import Engage
from tests.support.journeys import rereads, write_trial

BODY = "{% if sender.person %}{{ sender.first_name }}{% else %}we{% endif %}|{{ sender.name }}|{{ sender.email }}"


def write_from(engage: Engage, sender: str, **keys: str | None) -> None:
    write_trial(engage, "{send: a}", emails=(), **keys)
    text = f'---\nsubject: "A"\npreview: "A"\nfrom: {sender}\n---\n{BODY}|{{{{ sender.role | default("-") }}}}|\n'
    (engage.services.settings.templates_dir / "a.md").write_text(text)
    rereads(engage)


def dana(engage: Engage, id_: str = "dana", **fields: str | None) -> str:
    values = {"name": "Dana Reed", "email": f"{id_}@example.com", "role": "Partner manager"}
    engage.takes(StaffRecord(id_, **(values | fields)), news=False)
    return id_


def said(mail: Message) -> list[str]:
    return mail.text.split("|")[:4]


def test_the_owner_signs_and_gets_the_answers(engage: Engage) -> None:
    engage.partner("ann", owner=dana(engage))
    write_from(engage, "owner")

    (mail,) = runs(engage)

    assert (mail.sender.name, mail.sender.email) == ("Dana Reed, Northwind Partners", "partners@example.com")
    assert mail.reply_to == "dana@example.com"
    assert said(mail) == ["Dana", "Dana Reed", "dana@example.com", "Partner manager"]


def test_an_invited_partner_has_an_owner_too(engage: Engage) -> None:
    engage.partner("ann", owner=dana(engage), status="invited", joined_at=None)
    write_from(engage, "owner", where="[{status: {is: invited}}]")

    assert [mail.reply_to for mail in runs(engage)] == ["dana@example.com"]


@pytest.mark.parametrize("sender", ["program", "owner", "manager", "salesperson"])
def test_where_nobody_is_known_it_is_the_program(engage: Engage, sender: str) -> None:
    engage.partner("ann")
    write_from(engage, sender)

    (mail,) = runs(engage)

    assert (mail.sender.name, mail.reply_to) == ("Northwind Partners", "partner-desk@example.com")
    assert said(mail) == ["we", "Northwind Partners", "partner-desk@example.com", "-"]


@pytest.mark.parametrize("missing", ["name", "email"])
def test_nobody_signs_of_whom_no_name_or_address_is_known(engage: Engage, missing: str) -> None:
    engage.partner("ann", owner=dana(engage, "dana", **{missing: None}))
    write_from(engage, "owner")

    assert [mail.sender.name for mail in runs(engage)] == ["Northwind Partners"]


def test_the_salesperson_of_the_referral_signs_else_the_owner(engage: Engage) -> None:
    engage.partner("ann", owner=dana(engage))
    engage.refers("ann", "acme", salesperson=dana(engage, "sam", name="Sam Hill"))
    engage.refers("ann", "bolt")
    write_from(engage, "salesperson", for_="referral", where=None)

    assert sorted(mail.reply_to for mail in runs(engage)) == ["dana@example.com", "sam@example.com"]


def test_the_channel_manager_of_the_company_signs(engage: Engage) -> None:
    engage.partner("ann", owner=dana(engage))
    engage.takes(CompanyRecord("firm", name="Firm", contact="ann", manager=dana(engage, "max", name="Max")), news=False)
    engage.takes(PartnerRecord("ann", company="firm"), news=False)
    for subject in ("company", "partner"):
        write_from(engage, "manager", for_=subject, where=None)
        assert [mail.reply_to for mail in runs(engage)] == ["max@example.com"], subject
        engage.now += timedelta(days=1)


def test_names_in_a_header_are_one_line(engage: Engage) -> None:
    engage.partner("ann", owner=dana(engage, name='Dana\r\nBcc: all@example.com "Reed"'))
    write_from(engage, "owner")

    (mail,) = runs(engage)

    assert mail.sender.name == 'Dana Bcc: all@example.com "Reed", Northwind Partners'
