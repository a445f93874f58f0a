"""Fifteen months of the real export, replayed with every feature of the language: the auditor finds no rule broken.

That it would find one is shown by breaking each rule in the log, and by campaigns that leave a rule out.
"""

import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from ruamel.yaml import YAML

from engage.store.database import Database
from engage.store.tables import consent_changes, partners, rhythms, subscriptions
from tests.audit import world as worlds
from tests.audit.auditor import Auditor, Log, Mail, NotSent, Rules, read_mails, read_not_sent
from tests.audit.world import World
from tests.support.command import ROOT, EngageCommand
from tests.support.installation import SHARED, Installation

pytestmark = pytest.mark.slow

DATA = ROOT / "tests" / "data" / "audit"
KEY = "maven-partners"
BEFORE_ALL = datetime(2016, 1, 1, tzinfo=UTC)


def rules_of(folder: Path) -> tuple[Rules, dict[str, Rules]]:
    read = YAML(typ="safe")
    files = [read.load(path.read_text()) for path in sorted(folder.rglob("*.yaml")) if path.name != "program.yaml"]
    program = read.load((folder / "program.yaml").read_text())["programs"][KEY]
    return program, {rules["campaign"]: rules for rules in files}


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
    """What partners said of being mailed, at the time when they did."""
    database = Database(database_url)
    p = partners.c
    with database.write() as db:
        ids = {row.external_id: row for row in db.execute(sa.select(p.id, p.external_id, p.address_id, p.program_id))}
        said = [(name, "promotions", True, BEFORE_ALL) for name in sorted(world.opted_in)]
        said += [(one.partner, one.topic, False, one.at) for one in world.refusals]
        for name, topic, yes, at in said:
            row = ids[name]
            word = {"program_id": row.program_id, "partner_id": row.id, "address_id": row.address_id, "topic": topic}
            word |= {"subscribed": yes, "changed_at": at, "how": "audit"}
            db.execute(sa.insert(consent_changes), word)
            db.execute(sa.insert(subscriptions), word)
        for name, rhythm in world.rhythms.items():
            row = ids[name]
            word = {"program_id": row.program_id, "partner_id": row.id, "topic": "referral-status", "rhythm": rhythm}
            db.execute(sa.insert(rhythms), word | {"changed_at": BEFORE_ALL, "how": "audit"})
    database.close()


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory, crm_dir: Path) -> Auditor:
    """The auditor of one replay of all fifteen months."""
    folder = tmp_path_factory.mktemp("audit")
    url = f"sqlite:///{folder}/engage.db"
    made = installed(EngageCommand(folder), url)
    world = worlds.read(crm_dir)
    export = folder / "crm"
    export.mkdir()
    worlds.write_files(world, crm_dir, export)
    taken = made.run("import", export, "--mapping", DATA / "mapping.yaml", timeout=600)
    assert taken.code == 0, taken.out + taken.err
    say(url, world)
    out = folder / "out"
    ran = made.run("replay", "--from", worlds.FIRST, "--to", worlds.LAST, "--out", out, timeout=1800)
    assert ran.code == 0, ran.err
    return Auditor(KEY, *rules_of(DATA / "campaigns"), world, log_of(out))


def log_of(out: Path) -> Log:
    with (out / "mails.csv").open() as mails, (out / "not_sent.csv").open() as not_sent:
        return Log(read_mails(csv.DictReader(mails)), read_not_sent(csv.DictReader(not_sent)))


def test_no_rule_is_broken(audited: Auditor) -> None:
    found = audited.breaches()
    assert not found, f"{len(found)} breaches, such as:\n" + "\n".join(found[:40])


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


def a_week_later(slot: str) -> str:
    return (datetime.fromisoformat(slot) + timedelta(weeks=1)).isoformat(timespec="minutes")


BROKEN: dict[str, Callable[[Auditor], list[Mail]]] = {
    "once": lambda a: [a_mail(a, "won")],
    "caps": lambda a: [moved(replace(a_mail(a, "weekly-tip"), occasion=f"more-{n}"), n / 60) for n in range(4)],
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
    "sunset": lambda a: [moved(a_mail(a, "monthly"), 24 * 900)],
}


@pytest.mark.parametrize("rule", BROKEN)
def test_the_auditor_notices_when_a_rule_is_broken(audited: Auditor, rule: str) -> None:
    log = Log([*audited.log.mails, *BROKEN[rule](audited)], audited.log.not_sent)
    assert list(getattr(replace(audited, log=log, _holidays={}), rule)())


def test_the_auditor_notices_a_worse_rank_that_won(audited: Auditor) -> None:
    winner = next(
        mail
        for mail in audited.log.of("weekly-tip")
        if not any(
            other.partner == mail.partner and timedelta(0) < mail.at - other.at < timedelta(days=8)
            for other in audited.log.mails
        )
    )
    lost = NotSent("near-tier", "send", winner.partner, "", "skip", "frequency_cap", winner.at)
    assert list(replace(audited, log=Log(audited.log.mails, [lost]), _holidays={}).arbitration())
