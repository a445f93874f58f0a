"""Composes: loads what the templates speak of, for a whole batch at once, and renders each in the sandbox."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy.engine import Connection

from engage.content import RenderError, Template
from engage.content.link_tags import Tagging
from engage.content.sandbox import printable
from engage.content.words import Words
from engage.domain.campaigns import AskStep, Campaign, EventKind, EventTrigger
from engage.domain.decisions import Reason
from engage.domain.deliveries import DeliveryState
from engage.domain.messages import Mailbox, Message
from engage.domain.programs import Program, address_for
from engage.facts import Scope, values
from engage.pipeline import contexts
from engage.pipeline.answering import PATH, answers_offered, asking
from engage.pipeline.coach import address_of_program, evidence_of, is_alert
from engage.pipeline.confirming import code_for
from engage.pipeline.consent import UnsubscribeLink
from engage.pipeline.editions import edition_context
from engage.pipeline.folding import Line, lines_for, shown
from engage.pipeline.gathering import update_contexts
from engage.pipeline.last_periods import last_period_contexts
from engage.pipeline.leading import STANDINGS, Leading, Standings, labelled, leading, standings
from engage.pipeline.library import Library
from engage.pipeline.noting import NOTHING, noted_contexts
from engage.pipeline.page_links import PATH as PAGE_PATH
from engage.pipeline.page_links import page_url
from engage.pipeline.preferences import PATH as PREFERENCES_PATH
from engage.pipeline.preferences import preferences_url
from engage.pipeline.promising import contest_context, promotion_contexts
from engage.pipeline.recheck import subject_of
from engage.pipeline.refer_links import PARTNER, STAFF, refer_url
from engage.pipeline.refer_links import PATH as REFER_PATH
from engage.pipeline.sayings import THERE
from engage.pipeline.senders import Sender, senders
from engage.pipeline.telling import story_context
from engage.signing import Signer
from engage.store.deliveries import Claimed
from engage.store.helping import HelpWanted, help_by_enrollment
from engage.store.people import StaffMember, staff_members
from engage.store.wanted import codes_by_enrollment

SIGNED_PATHS = ("/unsubscribe/", PREFERENCES_PATH, PATH, PAGE_PATH, REFER_PATH)
"""Where links with tokens lead, below the public address."""


@dataclass(frozen=True, slots=True)
class Composed:
    """A delivery with its message, or with the state in which it ends without one and why; PENDING: it waits until the
    files are mended.

    `link` is where its button leads; `tells_of` are the folded deliveries that it is the first to tell of; `evidence`
    is that of an alert, as its reader reads it.
    """

    claimed: Claimed
    message: Message | None
    ends_as: DeliveryState = DeliveryState.DEAD
    problem: str = ""
    link: str = ""
    tells_of: tuple[int, ...] = ()
    evidence: tuple[tuple[str, str], ...] = ()


class Composer:
    """Composes messages. `public_url` is where links to engage itself lead."""

    def __init__(self, signer: Signer, public_url: str) -> None:
        self.signer = signer
        self.public_url = public_url
        self._leading: dict[tuple[int, datetime], Leading] = {}

    def compose(
        self,
        db: Connection,
        library: Library,
        claimed: Sequence[Claimed],
        now: datetime,
        *,
        folding: bool = True,
        given: Mapping[int, Mapping[str, Any]] = MappingProxyType({}),
    ) -> list[Composed]:
        """One result for each delivery. A fixed number of statements for each email, locale and programme.

        Not `folding`: none tells of others, and each says where its button leads, to be told of itself. `given`: by
        delivery, what its template gets in the place of what is found.
        """
        partners = contexts.partner_contexts(db, {one.partner_id for one in claimed if one.partner_id is not None})
        groups: dict[tuple[int, str, str, str], list[Claimed]] = {}
        for one in claimed:
            partner = partners.get(one.partner_id or 0)
            locale = partner["locale"] if partner and one.recipient.startswith("partner:") else None
            groups.setdefault((one.program_id, one.campaign, one.template, locale or ""), []).append(one)
        composed: list[Composed] = []
        for (program_id, name, email, locale), group in groups.items():
            scope, campaign = library.scope(program_id), library.get(program_id, name)
            if scope is None or campaign is None:  # gone for good, or for a mistake in some file, which stops nobody
                ends_as = DeliveryState.PENDING if library.problems else DeliveryState.SKIPPED
                composed += [Composed(one, None, ends_as, Reason.CAMPAIGN_NOT_LIVE) for one in group]
                continue
            own = library.templates.own(email, scope.program.lineage)
            template = library.templates.find(own, locale, scope.program.locale)
            if template is None:
                problem = f"there is no email '{email}'"
                composed += [Composed(one, None, DeliveryState.DEAD, problem) for one in group]
                continue
            ahead = self._leading_of(db, scope, now) if template.needs & {"leaders", "kudos"} else Leading([], [])
            words = library.templates.words_of(template, locale, scope.program)
            material = _Material.load(db, scope, campaign, template, partners, ahead, group, words, now)
            asks = asking(db, library, campaign, group) if "answers" in template.needs else {}
            codes = _codes(db, group, now) if (mails_code := brings_code(campaign)) else {}
            noted = noted_contexts(db, scope.program, group, words) if "noted" in template.needs else {}
            lines: dict[int, list[Line]] = {}
            if folding and "folded" in template.needs:
                lines = lines_for(db, library, group, lambda those: self._heads(db, library, those, now), now)
            for one in group:
                told = lines.get(one.id, [])
                more: dict[str, Any] = {"folded": shown(told), **given.get(one.id, {})}
                if template.story:
                    locale_ = template.locale or scope.program.locale
                    more["story"] = story_context(library.templates, template.story, scope.program, locale_, now)
                if one.id in codes:
                    more["code"] = code_for(self.signer, codes[one.id])
                elif mails_code and "code" not in more:
                    composed.append(Composed(one, None, DeliveryState.EXPIRED, Reason.EXPIRED))
                    continue
                if "noted" in template.needs:
                    more["noted"] = noted.get(one.id, NOTHING)
                if "edition" in template.needs:
                    more["edition"] = edition_context(library, campaign, one.occasion)
                asked = asks.get(one.id)
                made = self._compose_one(template, material, scope.program, one, asked, more, now, not folding)
                news = tuple(line.delivery_id for line in told if not line.taken)
                if is_alert(one):
                    found = material.evidence.get(one.id, [])
                    made = replace(made, evidence=tuple((line["label"], line["value"]) for line in found))
                composed.append(replace(made, tells_of=news) if news else made)
        return composed

    def _heads(
        self, db: Connection, library: Library, claimed: Sequence[Claimed], now: datetime
    ) -> dict[int, tuple[str, str]]:
        """Subject and link of each of these mails, that can be composed."""
        made = self.compose(db, library, claimed, now, folding=False) if claimed else []
        return {one.claimed.id: (one.message.subject, one.link) for one in made if one.message is not None}

    def _leading_of(self, db: Connection, scope: Scope, now: datetime) -> Leading:
        """As of the full hour, so that a newsletter ranks the whole programme once and not for each batch."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        if (scope.program_id, hour) not in self._leading:
            found = leading(db, scope, hour)
            self._leading = {(scope.program_id, hour): found}  # replaced as a whole: other threads may be reading
            return found
        return self._leading[scope.program_id, hour]

    def _compose_one(
        self,
        template: Template,
        material: "_Material",
        program: Program,
        one: Claimed,
        asks: AskStep | None,
        more: Mapping[str, Any],
        now: datetime,
        link: bool,
    ) -> Composed:
        reader = material.partner(one) if one.recipient.startswith("partner:") else None
        context = material.context(one) | {
            "locale": material.words.locale,
            "zone": (reader["zone"] if reader else None) or program.zone,
            "links": self._links(program, material, one, now),
            "answers": answers_offered(asks, one, self.signer, self.public_url, material.words) if asks else [],
            **more,
        }
        return _render(template, context, one, program, material, self._tagging(program, one), link)

    def _tagging(self, program: Program, one: Claimed) -> Tagging | None:
        """How the links of a partner's mail are tagged: never those that lead to engage itself, which are signed."""
        if program.link_tags is None or not one.recipient.startswith("partner:"):
            return None
        own = address_for(program.brand.share_url, one.recipient.removeprefix("partner:"))
        untouched = [self.public_url + path for path in SIGNED_PATHS]
        untouched += [own] if own else []  # which the partner passes on: what of it comes is not of this mail
        values = {"program": program.key, "campaign": one.campaign, "step": one.step, "topic": one.topic}
        return Tagging.of(program.link_tags, values, tuple(untouched))

    def _links(self, program: Program, material: "_Material", one: Claimed, now: datetime) -> dict[str, str | None]:
        referral, about = material.referrals.get(one.referral_id or 0), material.partner(one)
        links = contexts.link_context(
            program.brand, about["external_id"] if about else None, referral["external_id"] if referral else None
        )
        topic = program.topics.get(one.topic)
        reader = material.partner(one) if one.recipient.startswith("partner:") else None
        who, id_ = (PARTNER, one.partner_id) if reader else (STAFF, one.staff_id)
        if id_ is not None:
            links["refer_form"] = refer_url(self.signer, self.public_url, who, one.program_id, id_, now)
        if reader and one.partner_id:
            whose = (one.program_id, one.partner_id, reader["address_id"])
            links["page"] = page_url(self.signer, self.public_url, *whose, now)
        if reader and one.partner_id and reader["address_id"]:
            whose = (one.program_id, one.partner_id, reader["address_id"])
            links["preferences"] = preferences_url(self.signer, self.public_url, *whose)
            if topic and not topic.transactional:
                link = UnsubscribeLink(*whose, one.topic)
                links["unsubscribe"] = f"{self.public_url}/unsubscribe/{link.token(self.signer)}"
        return links


@dataclass(slots=True)
class _Material:
    """What the templates of one group may speak of, by id, in the words of their language."""

    words: Words
    program: Mapping[str, Any]
    partners: dict[int, dict[str, Any]]
    referrals: dict[int, dict[str, Any]]
    rewards: dict[int, dict[str, Any]]
    companies: dict[int, dict[str, Any]]
    tiers: Mapping[int, dict[str, Any] | None]
    last_periods: Mapping[int, dict[str, Any] | None]
    facts: dict[int, dict[str, Any]]
    leaders: list[dict[str, Any]]
    kudos: list[dict[str, Any]]
    standings: Standings
    contest: dict[str, Any] | None
    staff: dict[int, StaffMember]
    addresses: Mapping[str, StaffMember]
    senders: Mapping[int, Sender]
    help: Mapping[int, HelpWanted]
    promotions: dict[int, dict[str, Any]]
    updates: dict[int, list[dict[str, Any]]]
    evidence: dict[int, list[dict[str, str]]]
    recent: dict[int, list[dict[str, Any]]]

    @classmethod
    def load(
        cls,
        db: Connection,
        scope: Scope,
        campaign: Campaign,
        template: Template,
        partners: dict[int, dict[str, Any]],
        ahead: Leading,
        group: Sequence[Claimed],
        words: Words,
        now: datetime,
    ) -> "_Material":
        program, needs, facts = scope.program, template.needs, template.facts
        ids = sorted({one.partner_id for one in group if one.partner_id is not None})
        company_ids = {one.subject_company_id for one in group if one.subject_company_id is not None}
        referral_ids = {one.referral_id for one in group if one.referral_id is not None}
        reward_ids = {one.reward_id for one in group if one.reward_id is not None}
        subjects = {one.id: subject_of(campaign.subject, one) for one in group}
        alerts = any(is_alert(one) for one in group)
        found = (
            values(db, scope, campaign.subject, list(facts.values()), now, {s for s in subjects.values() if s})
            if facts
            else {}
        )
        referrals = contexts.referral_contexts(db, program, referral_ids, words)
        enrolled = {one.enrollment_id: one.id for one in group}
        asked = help_by_enrollment(db, enrolled) if "help" in needs else {}
        wanted = {enrolled[id_]: one for id_, one in asked.items()}
        return cls(
            words=words,
            program=contexts.program_context(program),
            partners=partners,
            referrals=referrals,
            rewards=contexts.reward_contexts(db, reward_ids, referrals, now) if "reward" in needs else {},
            companies=contexts.company_contexts(db, company_ids) if "company" in needs else {},
            tiers=contexts.tier_contexts(db, scope, ids, now, words) if "tier" in needs else {},
            last_periods=last_period_contexts(db, scope, ids, now, words) if "last_period" in needs else {},
            facts={
                id_: {name: found[subject][ref] for name, ref in facts.items()}
                for id_, subject in subjects.items()
                if subject in found
            },
            leaders=labelled(ahead.leaders, words),
            kudos=labelled(ahead.kudos, words),
            standings=standings(db, scope, campaign, now) if needs & STANDINGS else Standings({}),
            contest=contest_context(campaign),
            staff=staff_members(db, {one.staff_id for one in group if one.staff_id is not None}),
            addresses={one.recipient: address_of_program(program, one.recipient) for one in group},
            senders=senders(db, scope, template.sender, group, {id_: one.staff_id for id_, one in wanted.items()}),
            help=wanted,
            promotions=promotion_contexts(db, scope, campaign, ids, now, words) if "promotion" in needs else {},
            updates=update_contexts(db, program, [one.id for one in group], words) if "updates" in needs else {},
            evidence=evidence_of(db, scope, campaign, subjects, now) if "evidence" in needs or alerts else {},
            recent=contexts.recent_contexts(db, program, ids, words) if "recent_referrals" in needs else {},
        )

    def partner(self, one: Claimed) -> dict[str, Any] | None:
        """Who reads the mail, or whom it is about; None of mail to staff about no partner."""
        return self.partners.get(one.partner_id) if one.partner_id is not None else None

    def greeted(self, one: Claimed) -> dict[str, Any] | None:
        """The same with a word to greet them by where they have no name."""
        partner = self.partner(one)
        if partner is None or partner["greeting_name"]:
            return partner
        return partner | {"greeting_name": self.words(THERE)}

    def person(self, one: Claimed) -> StaffMember:
        return self.staff.get(one.staff_id or 0) or self.addresses[one.recipient]

    def context(self, one: Claimed) -> dict[str, Any]:
        context: dict[str, Any] = {
            "program": self.program,
            "partner": self.greeted(one),
            "company": self.companies.get(one.subject_company_id or 0),
            "referral": self.referrals.get(one.referral_id) if one.referral_id is not None else None,
            "reward": self.rewards.get(one.reward_id) if one.reward_id is not None else None,
            "tier": self.tiers.get(one.partner_id or 0),
            "last_period": self.last_periods.get(one.partner_id or 0),
            "facts": self.facts.get(one.id, {}),
            "leaders": self.leaders,
            "kudos": self.kudos,
            "promotion": self.contest or self.promotions.get(one.partner_id or 0),
            "updates": self.updates.get(one.id, []),
            "sender": self.senders[one.id].context(self.words),
            "help": contexts.help_context(self.help.get(one.id)),
        }
        if one.recipient.startswith("staff:"):
            person = self.person(one)
            context["staff"] = {
                "name": person.name,
                "first_name": person.first_name,
                "email": person.email,
            }
            context["evidence"] = self.evidence.get(one.id, [])
            context["recent_referrals"] = self.recent.get(one.partner_id or 0, [])
            context |= self.standings.context(one.subject_staff_id)
        return context


def brings_code(campaign: Campaign) -> bool:
    """Whether its mails bring the code that a partner asked for: others may call something of their own `code`."""
    return isinstance(campaign.trigger, EventTrigger) and campaign.trigger.event is EventKind.CODE_WANTED


def _codes(db: Connection, group: Sequence[Claimed], now: datetime) -> dict[int, str]:
    """The confirmation whose code each of these mails brings, by delivery; those are missing whose code has expired."""
    found = codes_by_enrollment(db, {one.enrollment_id for one in group}, now)
    return {one.id: found[one.enrollment_id] for one in group if one.enrollment_id in found}


def _render(
    template: Template,
    context: Mapping[str, Any],
    one: Claimed,
    program: Program,
    material: _Material,
    tagging: Tagging | None,
    link: bool,
) -> Composed:
    try:
        rendered = template.render(context, words=material.words, link=link)
    except RenderError as error:
        return Composed(one, None, DeliveryState.DEAD, f"email '{one.template}': {error}")
    if tagging is not None:
        rendered = tagging.mail(rendered)
    headers = {}
    unsubscribe = context["links"]["unsubscribe"]
    if unsubscribe:
        headers = {"List-Unsubscribe": f"<{unsubscribe}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    if one.recipient.startswith("staff:"):
        person = material.person(one)
        email, name = person.email, person.name
    else:
        partner = context["partner"]
        email, name = partner["email"], f"{partner['first_name'] or ''} {partner['last_name'] or ''}"
    message = Message(
        id=one.public_id,
        sender=material.senders[one.id].mailbox,
        to=Mailbox(email, " ".join(printable(name).split())),  # a header is one line, whatever a CRM has in a name
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        reply_to=material.senders[one.id].reply_to,
        headers=headers,
        custom_args={"engage_delivery": one.public_id, "engage_attempt": str(one.attempts + 1)},
        category=one.campaign,
        locale=template.locale or program.locale,
    )
    return Composed(one, message, link=rendered.link or program.brand.portal_url)
