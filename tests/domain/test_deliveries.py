"""The one table of transitions, and the rank of what the provider reports."""

import itertools

import pytest

from engage.domain.deliveries import DUE, ENDS, RANK, TRANSITIONS, By, DeliveryState, Reported, require_legal
from engage.domain.errors import IllegalTransition

S = DeliveryState


def reachable(source: DeliveryState, *, by: set[By]) -> set[DeliveryState]:
    found, waiting = set[DeliveryState](), [source]
    while waiting:
        state = waiting.pop()
        news = {target for one in by for target in TRANSITIONS[one].get(state, ())} - found
        found |= news
        waiting += news
    return found


def test_what_is_in_the_table_is_legal_and_everything_else_is_an_error() -> None:
    for by, source, target in itertools.product(By, DeliveryState, DeliveryState):
        if target in TRANSITIONS[by].get(source, ()):
            require_legal(by, source, target)
        else:
            with pytest.raises(IllegalTransition, match=f"{by} cannot move a delivery from {source} to {target}"):
                require_legal(by, source, target)


def test_a_socket_opens_only_after_sending_and_an_unknown_is_sent_again_by_an_operator_only() -> None:
    before = [(by, source) for by, table in TRANSITIONS.items() for source, to in table.items() if S.SENDING in to]
    assert before == [(By.WORKER, S.CLAIMED)]
    without_operators = set(By) - {By.OPERATOR}
    assert reachable(S.UNKNOWN, by=without_operators) == {S.ACCEPTED}


def test_every_state_leads_to_an_end_and_none_is_left_for_another_but_by_operators_or_proof() -> None:
    for state in DeliveryState:
        assert state in ENDS or reachable(state, by=set(By)) & set(ENDS)
    for end in ENDS:
        assert reachable(end, by=set(By) - {By.OPERATOR, By.EVIDENCE}) == set()
    assert reachable(S.ACCEPTED, by=set(By)) == set()


def test_a_no_reaches_all_that_is_due() -> None:
    assert {source for source in DeliveryState if S.CANCELLED in TRANSITIONS[By.CONSENT].get(source, ())} == set(DUE)


def test_proof_leads_to_accepted_and_nowhere_else() -> None:
    assert set(itertools.chain(*TRANSITIONS[By.EVIDENCE].values())) == {S.ACCEPTED}


def test_what_is_reported_later_outranks_what_comes_before_it_in_the_life_of_a_mail() -> None:
    assert sorted(Reported, key=RANK.__getitem__) == list(Reported)
    for earlier, later in (("processed", "delivered"), ("deferred", "delivered"), ("delivered", "bounced")):
        assert RANK[Reported(earlier)] < RANK[Reported(later)]
    assert max(RANK, key=RANK.__getitem__) is Reported.COMPLAINED
