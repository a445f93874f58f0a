"""Fifteen months of the real export, replayed with every feature of the language: the auditor finds no rule broken.

That it would find one is shown by breaking each rule in the log, and by campaigns that leave a rule out.
"""

import csv
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from ruamel.yaml import YAML

from engage.store.database import Database
from engage.store.tables import answers, consent_changes, partners, rhythms, subscriptions
from tests.audit import world as worlds
from tests.audit.auditor import Auditor
from tests.audit.log import Log, Mail, NotSent, read_mails, read_not_sent
from tests.audit.words import Rules
from tests.audit.world import World
from tests.support.command import ROOT, EngageCommand
from tests.support.installation import SHARED, Installation

pytestmark = pytest.mark.slow

DATA = ROOT / "tests" / "data" / "audit"
KEY, ALLIES = "maven-partners", "maven-allies"
BEFORE_ALL = datetime(2016, 1, 1, tzinfo=UTC)


def rules_of(folder: Path, key: str = KEY) -> tuple[Rules, dict[str, Rules]]:
    """What program.yaml says of a program, and its campaigns: its own, and those that it inherits."""
    read = YAML(typ="safe")
    files = [read.load(path.read_text()) for path in sorted(folder.rglob("*.yaml")) if path.name != "program.yaml"]
    programs = read.load((folder / "program.yaml").read_text())["programs"]
    own = programs[key]
    if "inherits" not in own:
        return own, {rules["campaign"]: rules for rules in files if rules.get("program", key) == key}
    program, campaigns = rules_of(folder, own["inherits"])
    kept = {name: rules for name, rules in campaigns.items() if name not in own.get("without", ())}
    mine = {rules["campaign"]: rules for rules in files if rules.get("program") == key}
    return merged(program, own), kept | mine


def merged(parent: Rules, own: Rules) -> Rules:
    """The parent's word counts where there is none of its own, at every depth; lists are replaced as a whole."""
    both = parent | own
    for name in parent.keys() & own.keys():
        if isinstance(parent[name], dict):
            both[name] = merged(parent[name], own[name])
    return both


def german_of(folder: Path) -> dict[str, str]:
    """The German subject of each that is written in German too."""
    subject = re.compile(r'^subject: "(.*)"$', re.MULTILINE)
    pairs = [(path, path.with_name(path.name.replace(".de.md", ".md"))) for path in folder.rglob("*.de.md")]
    return {subject.findall(there.read_text())[0]: subject.findall(path.read_text())[0] for path, there in pairs}


def installed(command: EngageCommand, database_url: str) -> Installation:
    made = Installation(command, database_url)
    shutil.rmtree(made.campaigns)
    shutil.rmtree(made.emails)
    shutil.copytree(DATA / "campaigns", made.campaigns)
    shutil.copytree(DATA / "emails", made.emails)
    for name in SHARED:
        shutil.copy(ROOT / "email_templates" / name, made.emails)
    linted = made.run("lint")
    assert linted.code == 0, linted.out + linted.err
    return made


def say(database_url: str, world: World) -> None:
    """What partners said of being mailed, at the time when they did: in each program that they are in."""
    database = Database(database_url)
    p = partners.c
    said = [(name, "promotions", True, BEFORE_ALL) for name in sorted(world.opted_in)]
    said += [(one.partner, one.topic, False, one.at) for one in world.refusals]
    with database.write() as db:
        for id_, name, address_id, program_id in db.execute(sa.select(p.id, p.external_id, p.address_id, p.program_id)):
            mine = {"program_id": program_id, "partner_id": id_}
            for whose, topic, yes, at in said:
                if whose == name:
                    word = mine | {"address_id": address_id, "topic": topic, "subscribed": yes, "changed_at": at}
                    db.execute(sa.insert(consent_changes), word | {"how": "audit"})
                    db.execute(sa.insert(subscriptions), word | {"how": "audit"})
            if name in world.rhythms:
                word = mine | {"topic": "referral-status", "rhythm": world.rhythms[name]}
                db.execute(sa.insert(rhythms), word | {"changed_at": BEFORE_ALL, "how": "audit"})
            if name in world.answers:
                word = {"question": worlds.QUESTION, "answer": world.answers[name], "answered_at": worlds.ANSWERED}
                db.execute(sa.insert(answers), mine | word)
    database.close()


@dataclass(frozen=True, slots=True)
class Audited:
    """One replay of all fifteen months: an auditor of each program."""

    partners: Auditor
    allies: Auditor


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, crm_dir: Path) -> Audited:
    folder = tmp_path_factory.mktemp("audit")
    url = f"sqlite:///{folder}/engage.db"
    made = installed(EngageCommand(folder), url)
    world = worlds.read(crm_dir)
    for known, mapping in ((world, "mapping"), (world.of_allies(), "mapping_allies")):
        export = folder / mapping
        export.mkdir()
        worlds.write_files(known, crm_dir, export)
        taken = made.run("import", export, "--mapping", DATA / f"{mapping}.yaml", timeout=600)
        assert taken.code == 0, taken.out + taken.err
    say(url, world)
    out = folder / "out"
    ran = made.run("replay", "--from", worlds.FIRST, "--to", worlds.LAST, "--out", out, timeout=1800)
    assert ran.code == 0, ran.err
    return auditors(out, world)


def auditors(out: Path, world: World) -> Audited:
    german = german_of(DATA / "emails")
    return Audited(
        Auditor(KEY, *rules_of(DATA / "campaigns"), world, log_of(out, KEY), german),
        Auditor(ALLIES, *rules_of(DATA / "campaigns", ALLIES), world.of_allies(), log_of(out, ALLIES), german),
    )


@pytest.fixture(scope="module")
def audited(both: Audited) -> Auditor:
    return both.partners


def log_of(out: Path, program: str) -> Log:
    with (out / "mails.csv").open() as mails, (out / "not_sent.csv").open() as not_sent:
        return Log(
            read_mails((row for row in csv.DictReader(mails) if row["program"] == program), out),
            read_not_sent(row for row in csv.DictReader(not_sent) if row["program"] == program),
        )


@pytest.mark.parametrize("program", ["partners", "allies"])
def test_no_rule_is_broken(both: Audited, program: str) -> None:
    found = getattr(both, program).breaches()
    assert not found, f"{len(found)} breaches, such as:\n" + "\n".join(found[:40])


def test_the_second_program_has_sent_what_it_inherits_and_what_is_its_own(both: Audited) -> None:
    assert {mail.campaign for mail in both.allies.log.mails} == {*both.allies.campaigns, "referral-status-daily"}
    assert {"frequency_cap", "folded", "in_control_group"} <= {one.reason for one in both.allies.log.not_sent}


def test_every_campaign_has_sent_and_every_reason_that_the_rules_give_has_held_something_back(audited: Auditor) -> None:
    sent = {mail.campaign for mail in audited.log.mails}
    assert sent == {*audited.campaigns, "referral-status-daily"}
    reasons = {one.reason for one in audited.log.not_sent}
    expected = {"frequency_cap", "quiet_hours", "outside_send_window", "holiday", "held_out", "in_control_group"}
    expected |= {"unsubscribed", "not_opted_in", "opted_out_of_updates", "gathered", "collapsed", "folded", "resting"}
    expected |= {"words_used_up", "undone", "nothing_to_correct", "same_address"}
    assert expected <= reasons, expected - reasons


def moved(mail: Mail, hours: float) -> Mail:
    return replace(mail, at=mail.at + timedelta(hours=hours))


def a_mail(audited: Auditor, campaign: str, which: Callable[[Mail], bool] = lambda _: True) -> Mail:
    return next(mail for mail in audited.log.of(campaign) if mail.to_partner and which(mail))


def given(mail: Mail, name: str) -> Mail:
    return replace(mail, partner=name, recipient=f"partner:{name}")


def a_week_later(slot: str) -> str:
    return (datetime.fromisoformat(slot) + timedelta(weeks=1)).isoformat(timespec="minutes")


BROKEN: dict[str, Callable[[Auditor], list[Mail]]] = {
    "once": lambda a: [a_mail(a, "won")],
    "whose": lambda a: [given(a_mail(a, "company-letter"), name) for name in a.world.partners],
    "quiet_hours": lambda a: [moved(a_mail(a, "monthly"), hours) for hours in range(1, 24)],
    "send_windows": lambda a: [moved(a_mail(a, "kudos"), hours) for hours in range(1, 24)],
    "public_holidays": lambda a: [moved(a_mail(a, "monthly"), 24 * day) for day in range(1, 365)],
    "refused_topics": lambda a: [
        replace(a_mail(a, "weekly-tip"), partner=one.partner, recipient=f"partner:{one.partner}", at=one.at)
        for one in a.world.refusals
    ],
    "opt_in": lambda a: [
        replace(a_mail(a, "star-offer"), partner=name) for name in a.world.partners if name not in a.world.opted_in
    ],
    "rhythms": lambda a: [replace(a_mail(a, "won"), partner=name) for name in a.world.rhythms],
    "storms": lambda a: [replace(a_mail(a, "won"), occasion="another")],
    "held_out": lambda a: [replace(a_mail(a, "gone-quiet"), partner=name) for name in a.world.partners],
    "control_group": lambda a: [replace(a_mail(a, "monthly"), partner=name) for name in a.world.partners],
    "only": lambda a: [replace(a_mail(a, "pilot"), partner=name) for name in a.world.partners],
    "variants": lambda a: [replace(a_mail(a, "weekly-tip"), subject="Another")],
    "rotation": lambda a: [replace(a_mail(a, "fresh-words"), occasion="another")],
    "never_again": lambda a: [a_mail(a, "stuck-deal")],
    "again_after": lambda a: [replace(a_mail(a, "pilot"), occasion=a_week_later(a_mail(a, "pilot").occasion))],
    "each_slot": lambda a: [a_mail(a, "monthly")],
    "tier_periods": lambda a: [replace(a_mail(a, "near-tier"), occasion="tier:gold:2016-Q4")],
    "episodes": lambda a: [replace(a_mail(a, "gone-quiet"), occasion="episode:2017-12-18T09:00")],
    "promotion": lambda a: [moved(a_mail(a, "star-offer", lambda m: m.subject == "Offer"), 24 * 60)],
    "journeys": lambda a: [replace(a_mail(a, "gone-quiet"), step="send-quiet_winner")],
    "shared_addresses": lambda a: [
        replace(a_mail(a, "monthly"), partner=name, recipient=f"partner:{name}") for name in worlds.SHARING
    ],
    "conditions": lambda a: [given(a_mail(a, "kudos"), name) for name in a.world.partners],
    "stuck_deals": lambda a: [moved(a_mail(a, "stuck-deal"), 24 * 10)],
    "rewards": lambda a: [moved(a_mail(a, "reward"), 1)],
    "locales": lambda a: [
        replace(a_mail(a, "monthly", lambda m: m.locale == "de"), locale="en_US"),
    ],
    "answers": lambda a: [
        replace(mail, step="alert-leads") for mail in a.log.of("gone-quiet") if mail.step == "alert-quiet"
    ],
    "goals": lambda a: [moved(mail, 24 * 20) for mail in a.log.of("gone-quiet")],
    "sunset": lambda a: [moved(a_mail(a, "monthly"), 24 * 900)],
}


@pytest.mark.parametrize("rule", BROKEN)
def test_the_auditor_notices_when_a_rule_is_broken(audited: Auditor, rule: str) -> None:
    log = Log([*audited.log.mails, *BROKEN[rule](audited)], audited.log.not_sent)
    assert list(getattr(replace(audited, log=log), rule)())


def one_too_many(a: Auditor, cap: str) -> list[Mail]:
    """Mails that break one cap alone, and that only the last of them breaks."""
    tip, offer = a_mail(a, "weekly-tip"), a_mail(a, "star-offer")
    alone = {company: name for name, company in a.world.companies.items()}.values()
    group = [name for name, company in a.world.companies.items() if company == worlds.SHARING[0]]
    made = {
        "3 per partner": [moved(tip, 30 * number) for number in range(4)],
        "1 per partner": [tip, moved(tip, 23)],
        "4 per company": [given(tip, name) for name in group],
        "3 per address": [moved(given(tip, worlds.SHARING[number % 2]), 20 * number) for number in range(4)],
        "60 per program": [given(tip, name) for name in alone][:61],
        "of a topic": [offer, moved(offer, 24 * 13)],
    }
    return made[cap]


@pytest.mark.parametrize(
    "cap", ["3 per partner", "1 per partner", "4 per company", "3 per address", "60 per program", "of a topic"]
)
def test_the_auditor_counts_the_mails_of_each_cap(audited: Auditor, cap: str) -> None:
    mails = one_too_many(audited, cap)
    (said,) = replace(audited, log=Log(mails, [])).caps()
    assert cap in said or "1 per partner in 14d" in said
    assert not list(replace(audited, log=Log(mails[:-1], [])).caps())


def test_a_reward_that_is_told_of_takes_room(audited: Auditor) -> None:
    reward = a_mail(audited, "reward")
    tip = replace(given(a_mail(audited, "weekly-tip"), reward.partner), at=reward.at + timedelta(hours=1))
    assert list(replace(audited, log=Log([reward, tip], [])).caps())


def contested(audited: Auditor) -> tuple[Mail, NotSent]:
    """A mail that won, and one to the same partner that lost to it then."""
    won = {(mail.partner, mail.at): mail for mail in audited.marketing()}
    lost = next(one for one in audited.log.not_sent if one.reason == "folded" and (one.whom, one.at) in won)
    return won[lost.whom, lost.at], lost


def test_the_auditor_notices_a_worse_rank_that_won(audited: Auditor) -> None:
    won, lost = contested(audited)
    mails = [mail for mail in audited.log.mails if mail is not won]
    mails.append(replace(won, campaign=lost.campaign, step=lost.step, occasion=lost.occasion))
    lines = [line for line in audited.log.not_sent if line is not lost]
    lines.append(replace(lost, campaign=won.campaign, step=won.step, occasion=won.occasion, reason="frequency_cap"))
    said = list(replace(audited, log=Log(mails, lines)).arbitration())
    assert any("it lost, and there was room" in one and one.startswith(won.campaign) for one in said)


def test_the_auditor_notices_two_who_won_where_there_was_room_for_one(audited: Auditor) -> None:
    won, lost = contested(audited)
    both = [*audited.log.mails, replace(won, campaign=lost.campaign, step=lost.step, occasion=lost.occasion)]
    said = list(replace(audited, log=Log(both, audited.log.not_sent)).arbitration())
    assert any("it won, and there was no room" in one and one.startswith(lost.campaign) for one in said)


def test_the_auditor_notices_who_lost_with_nobody_in_the_way(audited: Auditor) -> None:
    won, _ = contested(audited)
    mails = [mail for mail in audited.log.mails if mail is not won]
    assert list(replace(audited, log=Log(mails, audited.log.not_sent)).arbitration())


def test_the_auditor_notices_who_lost_because_somebody_held_out_gave_no_room(audited: Auditor) -> None:
    lines = [line for line in audited.log.not_sent if line.phase != "contest" or line.reason != "in_control_group"]
    assert list(replace(audited, log=Log(audited.log.mails, lines)).arbitration())


@pytest.mark.parametrize(
    ("campaign", "became"),
    [
        ("kudos", ("defer", "frequency_cap")),
        ("monthly", ("skip", "folded")),
        ("weekly-tip", ("defer", "frequency_cap")),
    ],
)
def test_the_auditor_notices_a_loser_with_another_lot(audited: Auditor, campaign: str, became: tuple[str, str]) -> None:
    _, lost = contested(audited)
    line = replace(lost, campaign=campaign, decision=became[0], reason=became[1])
    assert list(replace(audited, log=Log([], [line])).outranked())


def test_the_auditor_notices_news_of_what_was_not_folded(audited: Auditor) -> None:
    assert list(replace(audited, log=Log(audited.log.mails, [])).folded())


def test_the_auditor_notices_links_without_their_tags(audited: Auditor) -> None:
    tags = {"link_tags": audited.program["link_tags"] | {"utm_source": "another"}}
    assert list(replace(audited, program=audited.program | tags).link_tags())


def test_the_auditor_notices_a_mail_of_another_programs_partner(both: Audited) -> None:
    assert list(replace(both.allies, log=Log(both.partners.log.of("monthly"), [])).whose())
