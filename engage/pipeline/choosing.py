"""Which of a step's texts each recipient gets: always the same variant, or of a rotation each text once.

One statement, however many are asked about; none where no step rotates its texts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection

from engage.domain.campaigns import Campaign, Choice, MailStep, SendStep, Text, texts_of
from engage.domain.decisions import Decision, Reason, Skip
from engage.domain.experiments import Arm, arm_of, in_control_group, variant_of, withheld
from engage.domain.programs import Program
from engage.facts import Scope
from engage.store.experiments import lock_steps, words_used

Wanted = tuple[int | None, str, MailStep]
"""A partner's id (None of mail to staff about none, which never rotates), a campaign's name and one of its steps."""


@dataclass(frozen=True, slots=True)
class Words:
    """What has been said: templates by (partner, campaign, step), of steps that rotate."""

    program: str
    _used: dict[tuple[int, str, str], set[str]] = field(default_factory=dict)

    @classmethod
    def load(cls, db: Connection, scope: Scope, wanted: Iterable[Wanted], *, dry: bool = False) -> "Words":
        """What of these was said before. Nobody else chooses for the same steps until the end of the transaction,
        unless `dry`.
        """
        rotating = [(who, campaign, step.id) for who, campaign, step in wanted if who is not None and _rotates(step)]
        if not rotating:
            return cls(scope.program.key)
        steps = {(campaign, step) for _, campaign, step in rotating}
        if not dry:
            lock_steps(db, scope.program_id, steps)
        return cls(scope.program.key, words_used(db, scope.program_id, steps, {who for who, _, _ in rotating}))

    def of(self, partner_id: int | None, unit: str, campaign: str, step: MailStep) -> Text | None:
        """The text for this partner; None: each of a rotation has been used. `unit` is the partner's external id."""
        if isinstance(step, SendStep) and step.choice is Choice.VARIANTS:
            return variant_of(self.program, campaign, step, unit)
        if not _rotates(step):
            return texts_of(step)[0]
        used = self._used.get((partner_id, campaign, step.id), ()) if partner_id is not None else ()
        return next((text for text in texts_of(step) if text.template not in used), None)

    def use(self, partner_id: int | None, campaign: str, step: MailStep, text: Text) -> None:
        """The text goes out to the partner: the next occasion gets another."""
        if partner_id is not None and _rotates(step):
            self._used.setdefault((partner_id, campaign, step.id), set()).add(text.template)


def arm_in(program: Program, campaign: Campaign, entered: Arm | None, partner: str | None) -> Arm:
    """The arm in which a mail finds its recipient: the one in which they entered, but the control group gets nothing,
    whoever is in it and whenever it was made.

    `partner` is the external id of the partner whom the mail is to or about, such as a company's contact. None for mail
    to staff about no partner, who are in no comparison.
    """
    if partner is None:
        return Arm.TREATED
    if in_control_group(program, campaign, partner):
        return Arm.CONTROL
    return entered or arm_of(program, campaign, partner)


def drawn(decision: Decision, arm: Arm, text: Text | None) -> Decision:
    """What the guards decided, unless the recipient is held out or there are no words left.

    Chance is asked after the guards: only who would be mailed is held out, and the groups are alike.
    """
    if isinstance(decision, Skip):
        return decision
    return withheld(arm) or (decision if text else Skip(Reason.WORDS_USED_UP))


def _rotates(step: MailStep) -> bool:
    return isinstance(step, SendStep) and step.choice is Choice.ROTATE
