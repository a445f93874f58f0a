"""What a mail about a referral that was noted by the form says of it; to our own staff, what it looks like, too.

Others' referrals are never shown to a partner: only sales is told, to look before two people call the same company.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import Connection

from engage.content.words import Words
from engage.domain.programs import Program
from engage.pipeline.referring import LIKELY_WITHIN
from engage.store.deliveries import Claimed
from engage.store.noted import Noted, noted_referrals, partners_alike, referrals_alike

NOTHING: dict[str, Any] = {"contact": "", "note": "", "by_name": "", "alike": [], "partners_alike": []}


def noted_contexts(
    db: Connection, program: Program, mails: Sequence[Claimed], words: Words
) -> dict[int, dict[str, Any]]:
    """`noted`, by delivery. What looks alike is looked for mail by mail: such mails come one by one."""
    found = noted_referrals(db, {one.referral_id for one in mails if one.referral_id is not None})
    contexts = {}
    for one in mails:
        noted = found.get(one.referral_id or 0)
        if noted is None:
            continue
        said = {"contact": noted.contact, "note": noted.note, "by_name": noted.by_name}
        alike = _alike(db, program, one.program_id, noted, words) if one.recipient.startswith("staff:") else {}
        contexts[one.id] = NOTHING | said | alike
    return contexts


def _alike(db: Connection, program: Program, program_id: int, noted: Noted, words: Words) -> dict[str, Any]:
    since = noted.noted_at - LIKELY_WITHIN
    referrals = referrals_alike(db, program_id, noted.company, noted.contact, since, but=noted.referral_id)
    partners = []
    if noted.partner_is_new:
        name, email, phone = noted.partner_name, noted.partner_email, noted.partner_phone
        partners = partners_alike(db, program_id, name, email, phone, but=noted.partner_id)
    return {
        "alike": [
            {
                "external_id": one.external_id,
                "lead_company": one.company,
                "status_label": words(program.status(one.status).label),
                "submitted_at": one.submitted_at,
                "partner_name": one.partner_name or one.partner_external_id,
                "salesperson_name": one.salesperson_name,
                "same_partner": one.partner_id == noted.partner_id,
            }
            for one in referrals
        ],
        "partners_alike": [
            {"external_id": one.external_id, "name": one.name or one.external_id, "company": one.company}
            for one in partners
        ],
    }
