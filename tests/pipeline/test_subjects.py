"""For whom: schedules ask referrals, rewards, companies and staff; each is entered, mailed and remembered by itself."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from engage.domain.facts import Feed
from engage.domain.messages import Message
from engage.domain.records import AliasRecord, CompanyRecord, PartnerRecord, ReferralRecord, RewardRecord, StaffRecord
from engage.pipeline.explaining import explain
from engage.pipeline.plan import plan
from engage.pipeline.previewing import preview
from engage.store import tables
from engage.store.intake import hear
from engage.store.runs import Run
from engage.web.app import build_app
from tests.support.engage import Engage
from tests.support.journeys import TRIAL, rereads, states, why, write_trial

STUCK = "[{days_in_status: {at_least: 14}}, {referral_status: {in: [accepted, qualified]}}]"
DAY = timedelta(days=1)


def write_stuck(engage: Engage, steps: str = "{send: stuck}", **keys: str | None) -> None:
    """A nudge about each deal that is stuck."""
    write_mail(engage, "stuck", "{{ referral.lead_company }} of {{ partner.name }}")
    write_mail(engage, "alerts/stuck", "Call {{ partner.name }} about {{ referral.lead_company }}, {{ staff.name }}")
    write_trial(engage, steps, emails=(), **{"for_": "referral", "where": STUCK, "again": "each episode", **keys})


def write_mail(engage: Engage, name: str, subject: str, facts: str = "") -> None:
    head = f'---\nsubject: "{subject}"\npreview: "x"\nfrom: program\n{facts}---\nHello.\n'
    (engage.services.settings.templates_dir / f"{name}.md").write_text(head)


def accepted(engage: Engage, partner: str, *referrals: str, days_ago: float = 20) -> None:
    for referral in referrals:
        engage.refers(partner, referral, days_ago=days_ago + 1)
        engage.takes(
            ReferralRecord(referral, partner, status="accepted", status_at=engage.now - timedelta(days=days_ago)),
            news=False,
        )


def moves(engage: Engage, partner: str, referral: str, status: str) -> None:
    engage.takes(ReferralRecord(referral, partner, status=status, status_at=engage.now), news=False)


def hears(engage: Engage) -> None:
    """Every feed is read, with no news."""
    with engage.services.database.write() as db:
        for feed in Feed:
            hear(db, 1, feed, engage.now)


def runs_without_sending(engage: Engage) -> Run:
    hears(engage)
    return engage.services.run_now(engage.services.library().find(TRIAL))[0]


def runs(engage: Engage) -> list[Message]:
    runs_without_sending(engage)
    return engage.work()


def goes_on(engage: Engage) -> list[Message]:
    """Takes the steps that are due."""
    hears(engage)
    engage.services.sweep()
    return engage.work()


def told(mails: list[Message]) -> list[tuple[str, str]]:
    return sorted((mail.to.email, mail.subject) for mail in mails)


def tomorrow(engage: Engage, days: int = 1) -> None:
    engage.now += days * DAY


def reasons(engage: Engage) -> list[str | None]:
    return [reason for _, reason in engage.decisions()]


# --- referrals and rewards --------------------------------------------------------------------------------------------


def test_each_stuck_deal_is_asked_about_once_and_again_when_it_is_stuck_again(engage: Engage) -> None:
    engage.partner("ann")
    engage.partner("bob")
    accepted(engage, "ann", "acme", "bolt")
    accepted(engage, "bob", "cord")
    accepted(engage, "bob", "dash", days_ago=3)
    write_stuck(engage)
    assert told(runs(engage)) == [
        ("ann@example.com", "Acme Ltd of Ann"),
        ("ann@example.com", "Bolt Ltd of Ann"),
        ("bob@example.com", "Cord Ltd of Bob"),
    ]
    tomorrow(engage)
    assert runs(engage) == []
    moves(engage, "ann", "acme", "qualified")
    tomorrow(engage)
    runs(engage)  # seen to move: its episode is over
    tomorrow(engage, 14)
    assert told(runs(engage)) == [("ann@example.com", "Acme Ltd of Ann"), ("bob@example.com", "Dash Ltd of Bob")]


@pytest.mark.parametrize(
    ("again", "mails"), [("never", [2, 0, 0, 0]), ("each slot", [2, 2, 2, 2]), ("after 3d", [2, 0, 2, 0])]
)
def test_again_is_asked_of_each_referral(engage: Engage, again: str, mails: list[int]) -> None:
    engage.partner("ann")
    accepted(engage, "ann", "acme", "bolt")
    write_stuck(engage, again=again)
    found = []
    for days in (1, 2, 2, 1):
        found.append(len(runs(engage)))
        tomorrow(engage, days)
    assert found == mails


def test_a_referral_that_comes_later_is_not_kept_out_by_its_partners_other_ones(engage: Engage) -> None:
    engage.partner("ann")
    accepted(engage, "ann", "acme")
    write_stuck(engage, again="after 60d")
    assert len(runs(engage)) == 1
    tomorrow(engage)
    accepted(engage, "ann", "bolt")
    assert told(runs(engage)) == [("ann@example.com", "Bolt Ltd of Ann")]


def test_partners_who_share_an_address_are_each_asked_about_their_own_deals(engage: Engage) -> None:
    engage.partner("ann", email="office@example.com")
    engage.partner("bob", email="office@example.com")
    accepted(engage, "ann", "acme")
    accepted(engage, "bob", "bolt")
    write_stuck(engage)
    assert [subject for _, subject in told(runs(engage))] == ["Acme Ltd of Ann", "Bolt Ltd of Bob"]


def test_owners_are_alerted_about_each_deal(engage: Engage) -> None:
    engage.salesperson("sam")
    engage.partner("ann", owner="sam")
    accepted(engage, "ann", "acme", "bolt")
    write_stuck(engage, "{alert: {to: owner, say: stuck}}")
    assert told(runs(engage)) == [
        ("sam@example.com", "Call Ann about Acme Ltd, Sam"),
        ("sam@example.com", "Call Ann about Bolt Ltd, Sam"),
    ]


def test_a_deal_that_moves_before_sending_is_not_asked_about(engage: Engage) -> None:
    engage.partner("ann")
    accepted(engage, "ann", "acme", "bolt")
    write_stuck(engage)
    runs_without_sending(engage)
    moves(engage, "ann", "acme", "qualified")
    assert told(engage.work()) == [("ann@example.com", "Bolt Ltd of Ann")]
    assert reasons(engage)[-1] == "condition_no_longer_holds"


def test_a_journey_of_a_referral_ends_when_its_own_stop_when_holds(engage: Engage) -> None:
    engage.partner("ann")
    accepted(engage, "ann", "acme", "bolt")
    write_stuck(
        engage, "{send: stuck}, {wait: 5d}, {send: stuck, id: again}", stop_when="[{referral_status: {is: won}}]"
    )
    assert len(runs(engage)) == 2
    moves(engage, "ann", "acme", "won")
    tomorrow(engage, 6)
    assert told(goes_on(engage)) == [("ann@example.com", "Bolt Ltd of Ann")]
    assert sorted(states(engage)) == ["done", "stopped"]


def test_max_audience_counts_referrals(engage: Engage) -> None:
    engage.partner("ann")
    accepted(engage, "ann", "acme", "bolt", "cord")
    write_stuck(engage, max_audience="2")
    run = runs_without_sending(engage)
    assert run.state == "held"
    assert "3 referrals would enter, and max_audience is 2" in (run.reason or "")


def test_rewards_are_asked_with_their_referrals(engage: Engage) -> None:
    engage.partner("ann")
    accepted(engage, "ann", "acme")
    moves(engage, "ann", "acme", "won")
    for reward, referral in (("r1", "acme"), ("r2", None)):
        engage.takes(RewardRecord(reward, "ann", 5000, referral, label=reward, earned_at=engage.now), news=False)
    write_mail(
        engage,
        "paid",
        "{{ reward.label | default(reward.external_id) }}{% if referral %} for {{ referral.lead_company }}{% endif %}",
    )
    write_trial(engage, "{send: paid}", emails=(), for_="reward", where="[{rewards: {at_least: 1}}]", again="never")
    assert [subject for _, subject in told(runs(engage))] == ["r1 for Acme Ltd", "r2"]
    tomorrow(engage)
    assert runs(engage) == []


def test_what_a_merged_referral_has_entered_the_survivor_does_not_enter_again(engage: Engage) -> None:
    engage.partner("ann")
    accepted(engage, "ann", "acme", "bolt")
    write_stuck(engage, again="never")
    moves(engage, "ann", "acme", "demo")  # so it is bolt's time only
    assert told(runs(engage)) == [("ann@example.com", "Bolt Ltd of Ann")]
    engage.takes(AliasRecord("referral", "bolt", "acme"), news=False)
    moves(engage, "ann", "acme", "accepted")
    tomorrow(engage, 15)
    assert runs(engage) == []


def test_an_edited_for_begins_with_no_episode_open(engage: Engage) -> None:
    """The ids of a partner and of a referral may be the same number."""
    engage.partner("ann")
    accepted(engage, "ann", "acme")
    write_stuck(engage)
    runs(engage)
    write_mail(engage, "hello", "Hello {{ partner.name }}")
    write_trial(engage, "{send: hello}", emails=(), where="[{referrals: {at_least: 1}}]", again="each episode")
    tomorrow(engage)
    assert [subject for _, subject in told(runs(engage))] == ["Hello Ann"]
    tomorrow(engage)
    assert runs(engage) == []
    with engage.services.database.read() as db:
        e = tables.episodes.c
        assert db.execute(sa.select(e.subject).where(e.closed_at.is_(None))).scalars().all() == ["partner"]


# --- companies --------------------------------------------------------------------------------------------------------


def a_company(engage: Engage, name: str = "firm", contact: str | None = "ann", manager: str | None = "max") -> None:
    """A company of two partners, Ann and Bob, who have referred one won deal each."""
    if manager:
        engage.salesperson(manager)
    for partner in ("ann", "bob"):
        engage.partner(partner, company=name)
        engage.refers(partner, f"{partner}-1")
        moves(engage, partner, f"{partner}-1", "won")
    engage.takes(CompanyRecord(name, name=f"{name.title()} Inc.", contact=contact, manager=manager), news=False)


def write_company(engage: Engage, steps: str = "{send: firm}", **keys: str | None) -> None:
    write_mail(engage, "firm", "{{ company.name }}: {{ facts.wins }}", "facts: {wins: wins}\n")
    write_mail(engage, "alerts/firm", "{{ staff.name }}: call {{ company.contact_name | default('nobody') }}")
    where = "[{wins: {at_least: 2}}]"
    write_trial(engage, steps, emails=(), **{"for_": "company", "where": where, "again": "each slot", **keys})


def test_a_company_is_mailed_at_its_contact_about_all_its_partners(engage: Engage) -> None:
    a_company(engage)
    write_company(engage)
    (mail,) = runs(engage)
    assert (mail.to.email, mail.subject) == ("ann@example.com", "Firm Inc.: 2")
    assert "List-Unsubscribe" in mail.headers
    with engage.services.database.read() as db:
        entered = db.execute(sa.select(tables.enrollments)).mappings().one()
        delivery = db.execute(sa.select(tables.deliveries)).mappings().one()
    assert (entered["partner_id"], entered["key"]) == (None, f"{_slot(engage)}|company:firm")
    assert entered["company_id"] is not None
    assert delivery["partner_id"] is not None


def _slot(engage: Engage) -> str:
    with engage.services.database.read() as db:
        return str(db.execute(sa.select(tables.runs.c.slot).order_by(tables.runs.c.id.desc())).scalars().first())


def test_who_speaks_for_two_companies_hears_of_each(engage: Engage) -> None:
    a_company(engage)
    engage.partner("cy", company="shop")
    for number in (1, 2):
        engage.refers("cy", f"cy-{number}")
        moves(engage, "cy", f"cy-{number}", "won")
    engage.takes(CompanyRecord("shop", name="Shop", contact="ann"), news=False)
    write_company(engage)
    assert told(runs(engage)) == [("ann@example.com", "Firm Inc.: 2"), ("ann@example.com", "Shop: 2")]


def test_a_contact_who_unsubscribed_or_left_is_not_mailed_for_the_company(engage: Engage) -> None:
    a_company(engage)
    write_company(engage)
    (mail,) = runs(engage)
    link = re.sub(r"^https?://[^/]+", "", mail.headers["List-Unsubscribe"].strip("<>"))
    TestClient(build_app(engage.services)).post(link)
    tomorrow(engage)
    assert runs(engage) == []
    assert reasons(engage)[-1] == "unsubscribed"
    engage.takes(CompanyRecord("firm", contact="bob"), PartnerRecord("bob", status="inactive"), news=False)
    tomorrow(engage)
    assert runs(engage) == []
    assert reasons(engage)[-1] == "not_active"


def test_a_company_without_a_contact_has_nobody_to_be_mailed(engage: Engage) -> None:
    a_company(engage, contact=None)
    write_company(engage)
    assert runs(engage) == []
    assert reasons(engage) == ["no_address"]


def test_what_was_meant_for_a_contact_goes_to_no_other(engage: Engage) -> None:
    a_company(engage)
    write_company(engage)
    runs_without_sending(engage)
    engage.takes(CompanyRecord("firm", contact="bob"), news=False)
    assert engage.work() == []
    assert reasons(engage)[-1] == "no_address"


def test_the_channel_manager_may_be_told_instead_without_asking_any_partners_consent(engage: Engage) -> None:
    a_company(engage)
    engage.takes(PartnerRecord("ann", status="inactive"), news=False)
    write_company(engage, to="channel manager")
    (mail,) = runs(engage)
    assert (mail.to.email, mail.subject) == ("max@example.com", "Firm Inc.: 2")
    assert "List-Unsubscribe" not in mail.headers
    with engage.services.database.read() as db:
        delivery = db.execute(sa.select(tables.deliveries)).mappings().one()
    assert (delivery["partner_id"], delivery["recipient"]) == (None, "staff:max")


def test_a_company_without_a_channel_manager_has_no_owner(engage: Engage) -> None:
    a_company(engage, manager=None)
    write_company(engage, to="channel manager")
    assert runs(engage) == []
    assert reasons(engage) == ["no_owner"]


def test_an_alert_about_a_company_goes_to_its_channel_manager_or_the_partner_desk(engage: Engage) -> None:
    a_company(engage)
    write_company(engage, "{alert: {to: owner, say: firm}}")
    assert told(runs(engage)) == [("max@example.com", "Max: call Ann")]
    engage.takes(StaffRecord("mia", name="Mia"), CompanyRecord("firm", manager="mia"), news=False)  # without address
    tomorrow(engage)
    assert told(runs(engage)) == [("partner-desk@example.com", "Northwind Partners: call Ann")]


def test_a_companys_episode_opens_and_closes_by_what_its_partners_do(engage: Engage) -> None:
    a_company(engage)
    engage.logs_in("ann", days_ago=40)
    engage.logs_in("bob", days_ago=35)
    engage.partner("lively")
    engage.logs_in("lively")
    write_company(engage, where="[{days_since_login: {at_least: 30}}]", again="each episode")
    assert len(runs(engage)) == 1
    tomorrow(engage)
    assert runs(engage) == []
    engage.logs_in("bob")
    tomorrow(engage)
    runs(engage)  # somebody of it is back
    tomorrow(engage, 31)
    engage.logs_in("lively")
    assert len(runs(engage)) == 1


def test_a_journey_of_a_company_branches_on_its_own_facts(engage: Engage) -> None:
    a_company(engage)
    write_mail(engage, "more", "More of {{ company.name }}")
    branch = "{branch: {if: [{wins: {at_least: 3}}], then: [{send: more}], else: [{send: firm, id: second}]}}"
    write_company(engage, f"{{send: firm}}, {{wait: 2d}}, {branch}")
    assert len(runs(engage)) == 1
    engage.refers("bob", "bob-2")
    moves(engage, "bob", "bob-2", "won")
    tomorrow(engage, 3)
    assert told(goes_on(engage)) == [("ann@example.com", "More of Firm Inc.")]
    assert states(engage) == ["done"]


def test_a_company_that_was_merged_is_mailed_no_more_than_once(engage: Engage) -> None:
    a_company(engage)
    write_company(engage, again="never")
    assert len(runs(engage)) == 1
    engage.takes(CompanyRecord("firm-2", name="Firm again", contact="bob"), news=False)
    engage.takes(AliasRecord("company", "firm", "firm-2"), news=False)
    tomorrow(engage)
    assert runs(engage) == []


# --- staff ------------------------------------------------------------------------------------------------------------


def write_staff(engage: Engage, steps: str = "{send: goals}", **keys: str | None) -> None:
    write_mail(engage, "goals", "{{ staff.first_name }}: {{ facts.wins }}", "facts: {wins: wins}\n")
    write_mail(engage, "alerts/goals", "{{ staff.first_name }}: help")
    where = "[{wins: {at_least: 1}}]"
    write_trial(engage, steps, emails=(), **{"for_": "staff", "where": where, "again": "each slot", **keys})


def wins(engage: Engage, salesperson: str, *referrals: str) -> None:
    for referral in referrals:
        engage.refers("ann", referral, salesperson=salesperson)
        moves(engage, "ann", referral, "won")


def test_staff_are_mailed_about_the_referrals_that_they_work(engage: Engage) -> None:
    for name in ("sam", "sue", "zoe"):
        engage.salesperson(name)
    engage.partner("ann", owner="zoe")
    wins(engage, "sam", "one", "two")
    wins(engage, "sue", "three")
    write_staff(engage)
    mails = runs(engage)
    assert told(mails) == [("sam@example.com", "Sam: 2"), ("sue@example.com", "Sue: 1")]
    assert all("List-Unsubscribe" not in mail.headers for mail in mails)
    assert engage.states() == [("staff:sam", "accepted"), ("staff:sue", "accepted")]


def test_what_partners_have_refused_is_not_asked_of_staff(engage: Engage) -> None:
    engage.salesperson("sam")
    engage.partner("ann", email="sam@example.com", status="inactive")  # even at the same address
    wins(engage, "sam", "one")
    write_staff(engage)
    assert told(runs(engage)) == [("sam@example.com", "Sam: 1")]


def test_staff_without_an_address_are_not_mailed_and_their_manager_may_be_alerted(engage: Engage) -> None:
    engage.salesperson("max")
    engage.salesperson("sam", manager="max", email=None)
    engage.partner("ann")
    wins(engage, "sam", "one")
    write_staff(engage, "{send: goals}, {alert: {to: owner, say: goals}}")
    assert told(runs(engage)) == [("max@example.com", "Max: help")]
    assert "no_owner" in reasons(engage)


def test_staff_enter_again_as_again_says(engage: Engage) -> None:
    engage.salesperson("sam")
    engage.partner("ann")
    wins(engage, "sam", "one")
    write_staff(engage, where="[{wins: {last: 5d, at_least: 1}}]", again="each episode")
    assert len(runs(engage)) == 1
    tomorrow(engage)
    assert runs(engage) == []
    tomorrow(engage, 5)
    assert runs(engage) == []  # seen to have ceased
    wins(engage, "sam", "two")
    tomorrow(engage)
    assert len(runs(engage)) == 1


def test_a_journey_of_staff_waits_and_is_stopped_by_its_own_facts(engage: Engage) -> None:
    for name in ("sam", "sue"):
        engage.salesperson(name)
    engage.partner("ann")
    wins(engage, "sam", "one")
    wins(engage, "sue", "two")
    steps = "{send: goals}, {wait: {until: next weekday 09:00}}, {send: goals, id: second}"
    write_staff(engage, steps, stop_when="[{wins: {at_least: 2}}]")
    assert len(runs(engage)) == 2
    wins(engage, "sue", "three")
    tomorrow(engage)
    assert told(goes_on(engage)) == [("sam@example.com", "Sam: 1")]
    assert sorted(states(engage)) == ["done", "stopped"]


def test_a_member_of_staff_who_was_merged_goes_on_as_one(engage: Engage) -> None:
    for name in ("sam", "sam-2"):
        engage.salesperson(name)
    engage.partner("ann")
    wins(engage, "sam", "one")
    wins(engage, "sam-2", "two")
    write_staff(engage, "{send: goals}, {wait: 2d}, {send: goals, id: second}", again="never")
    assert len(runs(engage)) == 2
    engage.takes(AliasRecord("staff", "sam-2", "sam"), news=False)
    tomorrow(engage, 3)
    assert told(goes_on(engage)) == [("sam@example.com", "Sam: 2")]
    assert runs(engage) == []
    assert sorted(states(engage)) == ["done", "stopped"]
    assert "merged into another" in why(engage)


# --- before it happens ------------------------------------------------------------------------------------------------


def test_plans_name_each_subject_and_whom_it_is_mailed_to(engage: Engage) -> None:
    a_company(engage)
    accepted(engage, "bob", "acme", "bolt")
    for write, expected in (
        (write_stuck, [("bob", "acme", "bob@example.com"), ("bob", "bolt", "bob@example.com")]),
        (write_company, [(None, "firm", "ann@example.com")]),
    ):
        write(engage)
        campaign, scope = _campaign(engage)
        with engage.services.database.read() as db:
            found = plan(db, scope, campaign, engage.now)
        assert [(one.partner, one.subject, one.steps[0].email) for one in found.decisions] == expected
        assert (found.matched, found.entering) == (len(expected), len(expected))
        runs(engage)
        with engage.services.database.read() as db:
            assert plan(db, scope, campaign, engage.now).entering == 0
        tomorrow(engage)  # another slot


def test_a_company_and_a_member_of_staff_are_explained_by_name(engage: Engage) -> None:
    a_company(engage)
    write_company(engage)
    campaign, scope = _campaign(engage)
    with engage.services.database.read() as db:
        found = explain(db, scope, campaign, "firm", engage.now)
    assert (found.whom, found.decision.kind, found.steps[0].to) == ("firm", "send", "partner:ann")
    assert [node.truth for _, node in found.conditions] == [True]
    write_staff(engage, where="[{wins: {at_least: 1}}]")
    campaign, scope = _campaign(engage)
    with engage.services.database.read() as db:
        found = explain(db, scope, campaign, "MAX@example.com", engage.now)
    assert (found.whom, [node.truth for _, node in found.conditions]) == ("max", [False])


def test_previews_show_what_each_subject_would_read(engage: Engage) -> None:
    a_company(engage)
    write_company(engage, "{send: firm}, {alert: {to: owner, say: firm}}")
    assert [mail.subject for mail in _preview(engage, "firm")] == ["Firm Inc.: 2", "Max: call Ann"]
    write_staff(engage)
    assert [(mail.to.email, mail.subject) for mail in _preview(engage, "max")] == [("max@example.com", "Max: 0")]


def _campaign(engage: Engage):  # type: ignore[no-untyped-def]
    rereads(engage)
    library = engage.services.library()
    assert library.problems == ()
    campaign = library.find(TRIAL)
    return campaign, library.scope_of(campaign)


def _preview(engage: Engage, name: str) -> list[Message]:
    campaign, _ = _campaign(engage)
    library = engage.services.library()
    with engage.services.database.read() as db:
        return [one.message for one in preview(db, library, campaign, name, "https://engage.example.com", engage.now)]
