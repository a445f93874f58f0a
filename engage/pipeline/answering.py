"""Answers: one click in a mail that asks becomes a fact of the partner, once they have confirmed it.

A link is bound to the partner, the question, the answer and the mail that asked. Giving an answer again changes
nothing; another one given later is the one that counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from engage.content.words import Words
from engage.domain.campaigns import AskStep, Campaign
from engage.domain.journeys import path_of
from engage.domain.programs import Program
from engage.pipeline.library import Library
from engage.signing import Signer
from engage.store.answers import asked_by, latest_answer, store_answer
from engage.store.deliveries import Claimed
from engage.store.people import lock_recipients, survivor_of

PURPOSE = "answer"
PATH = "/answer/"
"""Where the links lead, below the public address; the web application serves it."""


@dataclass(frozen=True, slots=True)
class AnswerLink:
    """What the token in the link of an answer stands for: opaque ids, and the keys of question and answer."""

    partner_id: int
    delivery_id: int
    question: str
    answer: str

    def token(self, signer: Signer) -> str:
        return signer.token(PURPOSE, [self.partner_id, self.delivery_id, self.question, self.answer])


def read_answer_token(signer: Signer, token: str) -> AnswerLink | None:
    """What a token says; None for anything that was not signed here for this purpose."""
    payload = signer.read(PURPOSE, token)
    if payload is None or len(payload) != 4:
        return None
    partner_id, delivery_id, question, answer = payload
    return AnswerLink(int(partner_id), int(delivery_id), str(question), str(answer))


def asking(db: Connection, library: Library, campaign: Campaign, mails: Sequence[Claimed]) -> dict[int, AskStep]:
    """The question of each of these mails that is to ask a partner one, by delivery.

    It is that of the version that was entered; where that cannot be read any more, of the campaign as it is now.
    """
    versions = library.versions(db, {one.version_id for one in mails})
    steps = {one.id: ask_step(versions.get(one.version_id, campaign), one.step) for one in mails if _to_partner(one)}
    return {id_: step for id_, step in steps.items() if step is not None}


def _to_partner(mail: Claimed) -> bool:
    return mail.recipient.startswith("partner:")


def ask_step(campaign: Campaign | None, step: str) -> AskStep | None:
    """The step of the campaign with this id, if it is one that asks."""
    node = path_of(campaign.steps).nodes.get(step) if campaign else None
    return node.step if node and isinstance(node.step, AskStep) else None


def answers_offered(
    step: AskStep, mail: Claimed, signer: Signer, public_url: str, words: Words
) -> list[dict[str, str]]:
    """`answers` in the email of a question: what stands on each button, and where it leads."""
    assert mail.partner_id is not None, "staff are asked nothing: lint says so"
    links = (AnswerLink(mail.partner_id, mail.id, step.question, one.key) for one in step.answers)
    tokens = (link.token(signer) for link in links)
    return [
        {"label": words(answer.label), "url": f"{public_url}{PATH}{token}"}
        for answer, token in zip(step.answers, tokens, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Offered:
    """An answer as its page shows it: what it says, in which program, and the mail that offers it.

    `given`: it is the one that counts. `before` is another one that counts until this one is given, or "".
    """

    program: Program
    mail: Claimed
    label: str
    given: bool = False
    before: str = ""


def offered(db: Connection, library: Library, link: AnswerLink) -> Offered | None:
    """What a link stands for; None if the mail or its program is no longer known.

    Where the version of the campaign that asked can no longer be read, the answer is shown by its key.
    """
    asked = asked_by(db, link.delivery_id)
    scope = library.scope(asked.program_id) if asked else None
    if asked is None or scope is None:
        return None
    label = _label(db, library, link.delivery_id, link.answer)
    latest = latest_answer(db, survivor_of(db, link.partner_id), link.question)
    if latest is None or latest[0] == link.answer:
        return Offered(scope.program, asked, label, given=latest == (link.answer, link.delivery_id))
    answer, delivery_id = latest
    return Offered(scope.program, asked, label, before=_label(db, library, delivery_id, answer))


def _label(db: Connection, library: Library, delivery_id: int | None, answer: str) -> str:
    """What the button said in the mail that offered the answer; the answer's key where that is not known any more."""
    asked = asked_by(db, delivery_id) if delivery_id is not None else None
    if asked is None:
        return answer
    version = library.versions(db, {asked.version_id}).get(asked.version_id)
    step = ask_step(version, asked.step)
    labels = {one.key: one.label for one in step.answers} if step else {}
    return labels.get(answer, answer)


def give_answer(db: Connection, program_id: int, link: AnswerLink, now: datetime) -> bool:
    """Stores the answer; returns whether it is new. That of somebody who was merged into another is the survivor's."""
    lock_recipients(db, {link.partner_id, survivor_of(db, link.partner_id)}, ())
    return store_answer(
        db, program_id, survivor_of(db, link.partner_id), link.question, link.answer, link.delivery_id, now
    )
