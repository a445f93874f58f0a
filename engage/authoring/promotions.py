"""Reads `promotion:` of a campaign: an offer to partners that stands for some days, or a contest among our staff; and
the `at:` steps that follow its dates.
"""

from engage.authoring.reader import Fields
from engage.domain.campaigns import AgainKind, AtStep, BranchStep, Campaign, Conversion, Promotion, Step
from engage.domain.facts import Subject
from engage.domain.journeys import every_step
from engage.domain.programs import Program
from engage.domain.promotions import at_of, is_over_at

_KEYS = ("from", "through", "counts")
OFFERED = ("bonus", "paid_when")
"""What is said of a promotion to partners only."""
CONTESTED = ("prize",)
"""What is said of a contest only."""
COUNTED = (Conversion.LOGIN, Conversion.REFERRAL, Conversion.WIN)
"""What a bonus can be paid for, each time."""
_WORKED = (Conversion.REFERRAL, Conversion.WIN)
"""What salespeople can compete in: they do not log in."""


def read_promotion(fields: Fields, program: Program, subject: Subject | None) -> Promotion | None:
    """`promotion: {from: 2026-11-01, through: 2026-11-30, counts: win, bonus: 100, paid_when: in December}`.

    For staff `{…, prize: a dinner for two}` in the place of bonus and paid_when.
    """
    if "promotion" not in fields:
        return None
    reader, node = fields.reader, fields["promotion"]
    if subject not in (Subject.PARTNER, Subject.STAFF, None):
        message = f"a promotion counts what a partner does, and this campaign is for a {subject}"
        reader.problem(fields["for"], message, "write for: partner")
    contest = subject is Subject.STAFF
    needed, odd = (CONTESTED, OFFERED) if contest else (OFFERED, CONTESTED)
    written = reader.fields(node, "promotion", (*_KEYS, *needed), odd)
    _check_terms(fields, written, odd, contest)
    first, last = written.day("from"), written.day("through")
    countable = _WORKED if contest else COUNTED
    counts = reader.choice(written["counts"], "thing to count", countable) if "counts" in written else ""
    bonus = reader.number(written["bonus"], "'bonus'", program.minor_digits) if "bonus" in written else 0
    if bonus < 0:
        reader.problem(written["bonus"], "'bonus' is below 0", "write an amount such as 100")
    paid_when = written.text("paid_when")
    if first is None or last is None or counts not in countable:
        return None
    if last < first:
        reader.problem(written["through"], "the promotion is over before it begins", "swap 'from' and 'through'")
    amount = int(bonus * 10**program.minor_digits)
    return Promotion(first, last, Conversion(counts), amount, paid_when, written.text("prize"))


def _check_terms(fields: Fields, written: Fields, odd: tuple[str, ...], contest: bool) -> None:
    """Reports what does not go together with whom the promotion is for."""
    reader = fields.reader
    for key in odd:
        if key in written and contest:
            message = f"'{key}' is of what partners are paid, and this campaign is for staff"
            reader.problem(written[key], message, "take it out, and write prize: what the best gets")
        elif key in written:
            message = "a prize is for the best of our staff, and this campaign is for partners"
            reader.problem(written[key], message, "take it out, or write for: staff")
    if contest and "again" in fields and reader.text(fields["again"], "'again'") != AgainKind.NEVER:
        message = "a contest is entered once, and goes from its first day to its last by itself"
        reader.problem(fields["again"], message, "write again: never")


def check_dates(fields: Fields, campaign: Campaign, program: Program) -> None:
    """That `at:` steps have a promotion whose dates they follow, and stand in the order of these."""
    reader, steps, promotion = fields.reader, campaign.steps, campaign.promotion
    for branch in (step for step in steps if isinstance(step, BranchStep)):
        if _ats(tuple(every_step([branch]))):
            message = f"an 'at' stands within '{branch.id}', where nobody could join in"
            reader.problem(fields["steps"], message, "put it after the branch, or wait: some days there")
    if promotion is None:
        if _ats(steps) and fields.lack("promotion"):
            hint = "add promotion: {from: 2026-11-01, through: 2026-11-30, counts: win, bonus: 100, paid_when: …}"
            reader.problem(fields["steps"], "'at' is an instant of a promotion, and the campaign has none", hint)
        return
    try:
        is_over_at(promotion, program.zone)
        instants = [at_of(step, promotion, program.zone) for step in _ats(steps)]
    except OverflowError:
        reader.problem(fields["promotion"], "an instant of the promotion is beyond the calendar", "write nearer days")
        return
    if instants != sorted(instants):
        reader.problem(fields["steps"], "an 'at' comes before the one above it", "put them in the order of their dates")


def _ats(steps: tuple[Step, ...]) -> list[AtStep]:
    return [step for step in steps if isinstance(step, AtStep)]
