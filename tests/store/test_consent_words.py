"""Which word counts: `partner_standings` against the rule recomputed in plain Python, and its cost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engage.domain.records import PartnerRecord
from engage.store.people import partner_standings
from engage.store.tables import address_refusals, addresses, partners, subscriptions
from tests.support.intake import Store

T0 = datetime(2026, 1, 1, tzinfo=UTC)
PARTNERS = {"ann": "a@example.com", "bob": "a@example.com", "cat": "b@example.com", "dan": None}
ADDRESSES = ("a@example.com", "b@example.com", "c@example.com")
TOPICS = ("news", "tips")


@dataclass(frozen=True)
class Word:
    """What was said; `partner` None: noted at the address before engage."""

    partner: str | None
    address: str
    topic: str
    yes: bool
    at: datetime


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    made = Store(database_url)
    made.take(*[[PartnerRecord(name, email=email)] for name, email in PARTNERS.items()])
    made.take(*[[PartnerRecord("eve", email=ADDRESSES[2])]])
    yield made
    made.close()


def _one_each(words: Sequence[Word]) -> list[Word]:
    """One word for each partner, address and topic, as the tables hold them."""
    return list({(word.partner, word.address, word.topic): word for word in words}.values())


_TIMES = st.integers(0, 5).map(lambda days: T0 + timedelta(days=days))
_SAID = st.builds(
    Word, st.sampled_from(list(PARTNERS)), st.sampled_from(ADDRESSES), st.sampled_from(TOPICS), st.booleans(), _TIMES
)
_NOTED = st.builds(Word, st.none(), st.sampled_from(ADDRESSES), st.sampled_from(TOPICS), st.just(False), _TIMES)
_WORDS = st.lists(st.one_of(_SAID, _NOTED), max_size=10).map(_one_each)


def refused_by_the_rule(words: Sequence[Word], partner: str, topic: str, as_of: datetime | None) -> bool:
    """The docstring of `refused_topics`, read aloud."""
    heard = [word for word in words if word.topic == topic and (as_of is None or word.at <= as_of)]
    here = PARTNERS[partner]
    noes = [word.at for word in heard if not word.yes and (word.partner == partner or word.address == here)]
    own_yes = [word.at for word in heard if word.yes and word.partner == partner and word.address == here]
    return bool(noes) and not any(at > max(noes) for at in own_yes)


def say(store: Store, words: Sequence[Word]) -> None:
    with store.database.write() as db:
        ids = {email: id_ for email, id_ in db.execute(sa.select(addresses.c.email, addresses.c.id))}
        people = {name: id_ for name, id_ in db.execute(sa.select(partners.c.external_id, partners.c.id))}
        for table in (subscriptions, address_refusals):
            db.execute(sa.delete(table))
        for word in words:
            key = {"program_id": store.program_id, "address_id": ids[word.address], "topic": word.topic, "how": "test"}
            if word.partner is None:
                db.execute(sa.insert(address_refusals).values(**key, refused_at=word.at))
            else:
                said = {"partner_id": people[word.partner], "subscribed": word.yes, "changed_at": word.at}
                db.execute(sa.insert(subscriptions).values(**key, **said))


def refused(store: Store, as_of: datetime | None = None) -> dict[str, frozenset[str]]:
    with store.database.read() as db:
        ids = list(db.execute(sa.select(partners.c.id).where(partners.c.external_id.in_(PARTNERS))).scalars())
        return {one.external_id: one.refused for one in partner_standings(db, ids, as_of).values()}


def test_standings_follow_the_rule_whatever_was_said(store: Store) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(words=_WORDS, days=st.none() | st.integers(-1, 6))
    def run(words: list[Word], days: int | None) -> None:
        as_of = None if days is None else T0 + timedelta(days=days)
        say(store, words)
        expected = {
            name: frozenset(topic for topic in TOPICS if refused_by_the_rule(words, name, topic, as_of))
            for name in PARTNERS
        }
        assert refused(store, as_of) == expected

    run()


def test_a_yes_undoes_older_noes_at_its_address_only(store: Store) -> None:
    noted = Word(None, ADDRESSES[0], "news", False, T0)
    own = Word("ann", ADDRESSES[0], "news", True, T0 + timedelta(days=1))
    say(store, [noted, own])
    assert refused(store) | {"dan": frozenset()} == {
        "ann": frozenset(),
        "bob": frozenset({"news"}),
        "cat": frozenset(),
        "dan": frozenset(),
    }
    say(store, [noted, own, Word("ann", ADDRESSES[1], "news", False, T0 + timedelta(days=2))])
    assert refused(store)["ann"] == frozenset({"news"})


def test_a_topic_of_one_program_is_not_refused_in_another(store: Store) -> None:
    say(store, [Word(None, ADDRESSES[0], "news", False, T0), Word("bob", ADDRESSES[0], "tips", False, T0)])
    with store.database.write() as db:
        other = db.execute(sa.text("INSERT INTO programs (key) VALUES ('other') RETURNING id")).scalar_one()
        for table in (subscriptions, address_refusals):
            db.execute(sa.update(table).values(program_id=other))
    assert refused(store)["ann"] == frozenset()
    assert refused(store)["bob"] == frozenset({"tips"}), "a person's own word is of their own program"


@pytest.mark.parametrize("as_of", [None, datetime(2030, 1, 1, tzinfo=UTC)])
def test_five_statements_however_many_partners(store: Store, as_of: datetime | None) -> None:
    store.take(*[[PartnerRecord(f"p{n}", email=f"p{n}@example.com")] for n in range(50)])
    statements: list[str] = []
    sa.event.listen(store.database.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    with store.database.read() as db:
        ids = list(db.execute(sa.select(partners.c.id)).scalars())
        statements.clear()
        assert len(partner_standings(db, ids, as_of)) >= 50
    assert len(statements) == 5
