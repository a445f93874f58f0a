"""The preference centre: what a partner gets, how often, in which language, and until when they take a break.

A link is bound to a program, a partner and the address that it was mailed to, and works for ever. A no said through it
holds wherever the partner is mailed, a yes where it was said; so a link to an address that the partner has left can
still end mail, and changes nothing else. Looking changes nothing: what stands is read, and only `save`, `pause` and
`end_pause` write, each in one transaction under the locks that sending takes, with what is pending against it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection

from engage.content.wording import language_of
from engage.domain.errors import InputError
from engage.domain.local_time import instant_of
from engage.domain.programs import Program, Rhythm, Topic
from engage.facts import Scope
from engage.pipeline.contexts import partner_contexts
from engage.pipeline.library import Library
from engage.signing import Signer
from engage.store.consent import Place, change_subscription, words_said
from engage.store.deliveries import cancel_pending
from engage.store.languages import change_language
from engage.store.pauses import change_pause
from engage.store.people import PartnerStanding, email_at, lock_recipients, partner_standings, survivor_of
from engage.store.rhythms import change_rhythm
from engage.store.visitors import door_of

PURPOSE = "preferences"
PATH = "/preferences/"
"""Where the links lead, below the public address; the web application serves it."""
HOW = "preference centre"
"""How a change that was made there is recorded."""
BREAKS = (30, 60, 90)
"""For how many days a partner can take a break from marketing mail."""


@dataclass(frozen=True, slots=True)
class PreferencesLink:
    """What the token in the link to a partner's email settings stands for: opaque ids."""

    program_id: int
    partner_id: int
    address_id: int

    def token(self, signer: Signer) -> str:
        return signer.token(PURPOSE, [self.program_id, self.partner_id, self.address_id])


def preferences_url(signer: Signer, public_url: str, program_id: int, partner_id: int, address_id: int) -> str:
    """The link to a partner's email settings, for mails to this address."""
    return f"{public_url}{PATH}{PreferencesLink(program_id, partner_id, address_id).token(signer)}"


def read_preferences_token(signer: Signer, token: str) -> PreferencesLink | None:
    """What a token says; None for anything that was not signed here for this purpose."""
    payload = signer.read(PURPOSE, token)
    if payload is None or len(payload) != 3:
        return None
    program_id, partner_id, address_id = payload
    return PreferencesLink(int(program_id), int(partner_id), int(address_id))


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom a link means, by what stands of them now: of somebody who was merged into another, the survivor.

    `email` is the address that the link was mailed to; `moved`: the partner is mailed elsewhere now.
    """

    scope: Scope
    partner: PartnerStanding
    address_id: int
    email: str
    locale: str

    @property
    def program(self) -> Program:
        return self.scope.program

    @property
    def moved(self) -> bool:
        return self.partner.address_id != self.address_id

    @property
    def zone(self) -> str:
        return self.partner.zone or self.program.zone

    @property
    def addresses(self) -> tuple[int, ...]:
        """Where the link was mailed to, and where the partner is mailed now."""
        now = self.partner.address_id
        return (self.address_id,) if now is None or not self.moved else (self.address_id, now)


def addressee(db: Connection, library: Library, program_id: int, partner_id: int, address_id: int) -> Addressee | None:
    """None once the partner, the address or the program is gone: a link then stands for nobody."""
    scope, email, door = library.scope(program_id), email_at(db, address_id), door_of(db, partner_id)
    if scope is None or email is None or door is None or door.program_id != program_id:
        return None
    partner = partner_standings(db, [door.partner_id])[door.partner_id]
    locale = partner_contexts(db, [door.partner_id])[door.partner_id]["locale"]
    return Addressee(scope, partner, address_id, email, locale or scope.program.locale)


@dataclass(frozen=True, slots=True)
class Choice:
    """A topic that a partner gets or does not. `often` is how often they want its updates, one of `rhythms`; where
    those are empty, it is not theirs to choose.
    """

    topic: Topic
    on: bool
    often: Rhythm = Rhythm.INSTANT
    rhythms: tuple[Rhythm, ...] = ()


@dataclass(frozen=True, slots=True)
class Preferences:
    """What stands. `asked`: topics that a partner takes or leaves; `timed`: those whose rhythm is theirs to choose;
    `certain`: what comes as long as anything does. `locale` is the one of `locales` that the partner reads in.

    Through a link to an address that they have left, topics can only be ended, and nothing else is theirs to choose.
    """

    asked: tuple[Choice, ...]
    timed: tuple[Choice, ...]
    certain: tuple[Topic, ...]
    locale: str
    locales: tuple[str, ...]
    paused_until: datetime | None


def preferences_of(db: Connection, who: Addressee, now: datetime) -> Preferences:
    """What is theirs to choose, and how it stands where they are mailed now."""
    partner, topics = who.partner, who.program.topics.values()
    place = Place(who.scope.program_id, partner.address_id if partner.address_id is not None else who.address_id)
    said = words_said(db, {partner.partner_id: place}).get(partner.partner_id)
    asked, timed, certain = [], [], []
    for topic in topics:
        often = partner.rhythms.get(topic.key, Rhythm.INSTANT)
        if not topic.transactional:
            agreed = said is not None and topic.key in said.agreed
            on = (agreed or not topic.opt_in) and (said is None or topic.key not in said.refused)
            asked.append(Choice(topic, on and often is not Rhythm.OFF))
        rhythms = _rhythms(topic, often)
        if rhythms:
            timed.append(Choice(topic, often is not Rhythm.OFF, often if often in rhythms else rhythms[0], rhythms))
        elif topic.transactional:
            certain.append(topic)
    taken = partner.pause
    return Preferences(
        asked=tuple(asked),
        timed=() if who.moved else tuple(timed),
        certain=tuple(certain),
        locale=_spoken(who.locale, who.program),
        locales=() if who.moved else _locales(who.program),
        paused_until=taken.until if taken is not None and taken.lasts(now) else None,
    )


def _rhythms(topic: Topic, often: Rhythm) -> tuple[Rhythm, ...]:
    """Those that a partner can choose; none where a topic just comes.

    Marketing topics are ended as topics. One without a daily mail that somebody ended for them, they can have back.
    """
    daily = (Rhythm.DAILY,) if topic.gather is not None else ()
    if not topic.transactional:
        return (Rhythm.INSTANT, *daily) if daily else ()
    return (Rhythm.INSTANT, *daily, Rhythm.OFF) if daily or often is Rhythm.OFF else ()


def _locales(program: Program) -> tuple[str, ...]:
    """Those among which there is something to choose."""
    return program.locales if len(program.locales) > 1 else ()


def _spoken(locale: str, program: Program) -> str:
    """The one of the program's locales in which a partner of this locale reads."""
    known = {one.replace("-", "_"): one for one in program.locales}
    same = next((one for one in program.locales if language_of(one) == language_of(locale)), program.locale)
    return known.get(locale.replace("-", "_"), same)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a partner wants from now on: of each topic that they were asked for, whether they get it; how often; and in
    which locale, None if they were not asked.
    """

    topics: Mapping[str, bool]
    rhythms: Mapping[str, Rhythm]
    locale: str | None = None


def save(db: Connection, library: Library, link: PreferencesLink, wish: Wish, now: datetime, source: str) -> bool:
    """Makes what stands what is wished, and says whether that changed anything; what is pending against it is
    cancelled. `source`: where the wish came from. False also where the link stands for nobody.

    Raises InputError, and changes nothing, where the wish is for what is not theirs to choose.
    """
    who = locked(db, library, link)
    if who is None:
        return False
    stands = preferences_of(db, who, now)
    _check(who, stands, wish)
    asked = [(one, wish.topics[one.topic.key]) for one in stands.asked if one.topic.key in wish.topics]
    changed = [_take_or_leave(db, who, one, on, now, source) for one, on in asked]
    timed = {key: rhythm for key, rhythm in wish.rhythms.items() if wish.topics.get(key, True)}
    changed += [_set_rhythm(db, who, key, rhythm, now, source) for key, rhythm in timed.items()]
    if wish.locale not in (None, stands.locale):
        changed.append(change_language(db, *_whose(who), wish.locale, now, HOW, source))
    return any(changed)


def pause(db: Connection, library: Library, link: PreferencesLink, days: int, now: datetime, source: str) -> bool:
    """No marketing mail for so many days from today, as the partner's calendar counts them; False if that stands
    already. Raises InputError for a number that is not offered.
    """
    if days not in BREAKS:
        raise InputError(f"a break of {days} days is not offered", f"offered are {BREAKS}")
    who = locked(db, library, link)
    if who is None or who.moved:
        return False
    last = now.astimezone(ZoneInfo(who.zone)).date() + timedelta(days=days)
    until = instant_of(datetime.combine(last, time()), who.zone)
    changed = change_pause(db, *_whose(who), until, now, HOW, source)
    for topic in who.program.topics.values() if changed else ():
        if not topic.transactional:
            cancel_pending(db, [who.partner.partner_id], topic.key, now, "paused_by_partner")
    return changed


def end_pause(db: Connection, library: Library, link: PreferencesLink, now: datetime, source: str) -> bool:
    """Marketing mail may come again; False if there was no pause."""
    who = locked(db, library, link)
    return who is not None and not who.moved and change_pause(db, *_whose(who), None, now, HOW, source)


def locked(db: Connection, library: Library, link: PreferencesLink) -> Addressee | None:
    """Whom the link means, under the locks that sending takes: no `sending` commit follows with what stood before."""
    lock_recipients(db, {link.partner_id, survivor_of(db, link.partner_id)}, [link.address_id])
    return addressee(db, library, link.program_id, link.partner_id, link.address_id)


def _whose(who: Addressee) -> tuple[int, int]:
    return who.scope.program_id, who.partner.partner_id


def _check(who: Addressee, stands: Preferences, wish: Wish) -> None:
    asked = {one.topic.key: one.on or not who.moved for one in stands.asked}
    timed = {one.topic.key: one.rhythms for one in stands.timed}
    fits = (
        all(topic in asked and (asked[topic] or not on) for topic, on in wish.topics.items())
        and all(rhythm in timed.get(topic, ()) for topic, rhythm in wish.rhythms.items())
        and (wish.locale is None or wish.locale in stands.locales)
    )
    if not fits:
        raise InputError("this cannot be chosen", "open the page again: the programme may have changed")


def _take_or_leave(db: Connection, who: Addressee, choice: Choice, on: bool, now: datetime, source: str) -> bool:
    if choice.on == on:
        return False
    topic = choice.topic.key
    changed = change_subscription(
        db, *_whose(who), who.address_id, topic, subscribed=on, now=now, how=HOW, source=source
    )
    if not on:
        cancel_pending(db, [who.partner.partner_id], topic, now)
    elif who.partner.rhythms.get(topic) is Rhythm.OFF:
        changed |= change_rhythm(db, *_whose(who), topic, Rhythm.INSTANT, now, HOW, source)
    return changed


def _set_rhythm(db: Connection, who: Addressee, topic: str, rhythm: Rhythm, now: datetime, source: str) -> bool:
    changed = change_rhythm(db, *_whose(who), topic, rhythm, now, HOW, source)
    if changed and rhythm is Rhythm.OFF:
        cancel_pending(db, [who.partner.partner_id], topic, now, "opted_out_of_updates")
    return changed
