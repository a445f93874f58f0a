"""program.yaml: what it reads as, and what is said of mistakes in it."""

from datetime import timedelta

import pytest

from engage.authoring import parse_programs
from engage.domain.errors import AuthoringError
from engage.domain.facts import FactType, Feed
from engage.domain.programs import Brand, Desk, Status, StatusKind, Tier, TierPeriod, Topic, TopicKind
from tests.authoring.texts import PROGRAM, programs


def problems(source: str) -> list[str]:
    with pytest.raises(AuthoringError) as caught:
        parse_programs(source, "program.yaml")
    return [str(problem).removeprefix("program.yaml:") for problem in caught.value.problems]


def test_every_part_of_a_program_is_read() -> None:
    acme = programs()["acme"]

    assert (acme.key, acme.zone, acme.locale) == ("acme", "Europe/Berlin", "de_AT")
    assert (acme.currency, acme.minor_digits) == ("EUR", 2)
    assert acme.brand == Brand(
        name="Acme Partners",
        from_name="Acme Partners",
        from_email="partners@example.com",
        reply_to="partners@example.com",
        postal_address="1 Main Street, Springfield",
        portal_url="https://partners.example.com",
        refer_url="https://partners.example.com/refer",
    )
    assert acme.status("demo") == Status("demo", StatusKind.OPPORTUNITY, "Demo")
    assert acme.status("won").kind is StatusKind.WON
    assert acme.tiers is not None
    assert (acme.tiers.metric, acme.tiers.period) == ("wins", TierPeriod.QUARTER)
    assert acme.tiers.steps[1] == Tier("gold", "Gold", 5, "a dinner")
    assert acme.topics["tips"] == Topic("tips", "Tips", TopicKind.MARKETING)
    assert acme.topics["status"].send_within == timedelta(days=1)
    assert acme.feeds == {Feed.REFERRALS: timedelta(days=7), Feed.LOGINS: timedelta(hours=36)}
    assert acme.attributes == {
        "sector": FactType.TEXT,
        "employees": FactType.NUMBER,
        "reseller": FactType.BOOLEAN,
    }


def test_a_program_that_says_nothing_of_limits_has_one() -> None:
    limited = programs(PROGRAM + "    limits: {status_changes_per_hour: 250}\n")["acme"]

    assert (programs()["acme"].status_changes_per_hour, limited.status_changes_per_hour) == (1000, 250)


@pytest.mark.parametrize(
    ("currency", "written", "stored"), [("EUR", "2500.50", 250_050), ("JPY", "2500", 2500), ("KWD", "1.234", 1234)]
)
def test_thresholds_of_revenue_are_stored_in_minor_units(currency: str, written: str, stored: int) -> None:
    source = PROGRAM.replace("EUR", currency).replace("metric: wins", "metric: revenue")
    source = source.replace("threshold: 2,", "threshold: 0,").replace("threshold: 5,", f"threshold: {written},")

    tiers = programs(source)["acme"].tiers

    assert tiers is not None
    assert [tier.threshold for tier in tiers.steps] == [0, stored]


def test_a_brand_of_two_has_marks_and_addresses_of_each_partner() -> None:
    more = """\
      mark: "3M"
      ally: Contoso
      ally_mark: C
      register_url: https://partners.example.com/join?id={partner}
      share_url: https://partners.example.com/r/{partner}
    ladder:
"""

    brand = programs(PROGRAM.replace("    ladder:\n", more))["acme"].brand

    assert (brand.mark, brand.ally, brand.ally_mark) == ("3M", "Contoso", "C")
    assert brand.register_url == "https://partners.example.com/join?id={partner}"
    assert brand.share_url == "https://partners.example.com/r/{partner}"


@pytest.mark.parametrize("written", ["'Acme, Inc. <partners@example.com>'", "'\"Acme, Inc.\" <partners@example.com>'"])
def test_the_senders_name_may_hold_a_comma(written: str) -> None:
    brand = programs(PROGRAM.replace("from: Acme Partners <partners@example.com>", f"from: {written}"))["acme"].brand

    assert (brand.from_name, brand.from_email) == ("Acme, Inc.", "partners@example.com")


def test_desks_are_an_address_or_a_person_with_one() -> None:
    desks = "    desks: {marketing: m@example.com, channel-chief: {email: c@example.com, name: Maria Okafor}}\n"

    found = programs(PROGRAM + desks)["acme"].desks

    assert found["marketing"] == Desk("marketing", "m@example.com")
    assert found["channel-chief"] == Desk("channel-chief", "c@example.com", "Maria Okafor")
    assert [desk.label for desk in found.values()] == ["Marketing", "Maria Okafor"]


def test_links_to_this_machine_may_do_without_https() -> None:
    source = PROGRAM.replace("https://partners.example.com/refer", "http://localhost:8000/refer")

    assert programs(source)["acme"].brand.refer_url == "http://localhost:8000/refer"


@pytest.mark.parametrize(
    ("written", "instead", "problem"),
    [
        ("Europe/Berlin", "Europe/Berln", "4:11: unknown zone 'Europe/Berln'; did you mean 'Europe/Berlin'?"),
        ("Europe/Berlin", "localtime", "4:11: unknown zone 'localtime'; write one such as Europe/Berlin"),
        ("Europe/Berlin", "Middle Earth", "4:11: unknown zone 'Middle Earth'; write one such as Europe/Berlin"),
        ("de-AT", "xx", "5:13: unknown locale 'xx'; write one such as en, de or en_GB"),
        ("de-AT", "de_AT_and_more", "5:13: unknown locale 'de_AT_and_more'; write one such as en, de or en_GB"),
        ("currency: EUR", "currency: euro",
         "6:15: unknown currency 'euro'; write its ISO 4217 code, such as USD or EUR"),
        ("    zone: Europe/Berlin\n", "", "3:5: program 'acme' has no 'zone'; add it"),
        ("    zone:", "    zones:\n    zone:", "4:5: unknown key 'zones' in program 'acme'; did you mean 'zone'?"),
        ("from: Acme Partners <partners@example.com>", "from: partners",
         "8:13: 'partners' is not an email address; write one such as partners@example.com"),
        ("from: Acme Partners <partners@example.com>", "from: Acme <>",
         "8:13: 'Acme <>' is not a sender; write an address, or Northwind Partners <partners@example.com>"),
        ("from: Acme Partners <partners@example.com>", "from: Acme <partners@example.com",
         "8:13: 'Acme <partners@example.com' is not a sender; write an address, or Northwind Partners "
         "<partners@example.com>"),
        ("portal_url: https:", "portal_url: http:",
         "10:19: 'http://partners.example.com' is not an https URL; write one such as https://partners.example.com"),
        ("portal_url: https://partners.example.com", "portal_url: partners.example.com",
         "10:19: 'partners.example.com' is not an https URL; write one such as https://partners.example.com"),
        ("    ladder:\n", '      color: "#1f4b9"\n    ladder:\n',
         "12:14: '#1f4b9' is not a colour; write it in quotes such as \"#1f4b99\""),
        ("    ladder:\n", "      color: #1f4b99\n    ladder:\n",
         "12:7: 'color' has no value; put it in quotes, color: \"#1f4b99\": a bare # begins a comment"),
        ("    ladder:\n", "      mark: Acme\n    ladder:\n",
         "12:13: 'Acme' is no mark; write one to three letters, such as N"),
        ("    ladder:\n", "      ally_mark: C\n    ladder:\n",
         "12:18: 'ally_mark' stands beside the name of an ally; add ally: …"),
        ("    ladder:\n", "      share_url: https://example.com/{id}\n    ladder:\n",
         "12:18: '{id}' is not known here; write {partner} where the partner's id is to stand"),
        ("    ladder:\n", "      share_url: example.com/{partner}\n    ladder:\n",
         "12:18: 'example.com/x' is not an https URL; write one such as https://partners.example.com"),
        ("    topics:", "    desks: {owner: a@example.com}\n    topics:",
         "23:13: 'owner' is whoever looks after the partner; call the desk otherwise"),
        ("    topics:", "    desks: {salesperson: a@example.com}\n    topics:",
         "23:13: 'salesperson' is whoever works the referral, or else looks after its partner; "
         "call the desk otherwise"),
        ("    topics:", "    desks: {marketing: {name: Maria}}\n    topics:",
         "23:24: desk 'marketing' has no 'email'; add it"),
        ("    topics:", "    desks: {marketing: maria}\n    topics:",
         "23:24: 'maria' is not an email address; write one such as partners@example.com"),
        ("kind: opportunity, ", "",
         "14:18: status 'demo' needs a kind; "
         "add kind: one of submitted, accepted, qualified, opportunity, won, lost, reopened"),
        ("kind: opportunity", "kind: oportunity", "14:30: unknown kind 'oportunity'; did you mean 'opportunity'?"),
        ("status: lost", "status: won", "16:18: status 'won' stands here twice; remove one"),
        ("      - {status: won, label: Won}\n", "",
         "13:7: no status of the ladder is of kind won; add one, or say kind: won"),
        ("label: Submitted}", "label: Submitted, or so}",
         "13:47: unknown key 'or so' in a status; inside { } a text with a comma needs quotes"),
        ("metric: wins", "metric: winnings", "18:15: unknown metric 'winnings'; did you mean 'wins'?"),
        ("period: quarter", "period: weekly", "19:15: unknown period 'weekly'; known are month, quarter, year, always"),
        ("threshold: 5", "threshold: 2",
         "22:48: tier 'gold' is not above 'silver'; write tiers with rising thresholds"),
        ("threshold: 5", "threshold: five",
         "22:48: 'threshold' must be a number, not 'five'; write digits only, such as 10 or 2500.50"),
        ("tier: gold", "tier: silver", "22:18: tier 'silver' stands here twice; remove one"),
        (", benefit: a dinner", "", "22:11: a tier has no 'benefit'; add it"),
        ("kind: transactional", "kind: transaction",
         "24:22: unknown kind 'transaction'; did you mean 'transactional'?"),
        ("send_within: 1d", "send_within: soon",
         "24:73: 'soon' is not a duration; write a number and w, d, h or m, such as 90d or 12h"),
        ("logins: 36h", "login: 36h", "26:28: unknown key 'login' in feeds; did you mean 'logins'?"),
        ("sector: text", "sector: string", "27:26: unknown type 'string'; known are text, number, boolean"),
        ("    topics:", "    order: [a, a]\n    topics:", "23:16: 'a' stands in the order twice; remove one"),
        ("    topics:", "    limits: {status_changes_per_hour: 0}\n    topics:",
         "23:39: 'status_changes_per_hour' must be at least 1; write one such as 500"),
        ("    topics:", "    limits: {status_changes: 10}\n    topics:",
         "23:14: unknown key 'status_changes' in limits; did you mean 'status_changes_per_hour'?"),
        ("    topics:", "    default_owner: desk\n    topics:",
         "23:20: 'desk' is not an email address; write one such as partners@example.com"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_place_and_the_way_out(written: str, instead: str, problem: str) -> None:
    assert written in PROGRAM
    assert problems(PROGRAM.replace(written, instead, 1)) == [problem]


def test_a_file_without_programs() -> None:
    assert problems("") == ["1:1: program.yaml must be keys with values; the keys are programs"]
    assert problems("programs: {}") == ["1:11: there is no program; add one: its key, and what it is"]
    assert problems("programs: []") == ["1:11: 'programs' must be keys with values; write 'key: value' lines"]


def test_a_topic_names_its_group_at_sendgrid() -> None:
    source = PROGRAM.replace("label: Tips}", "label: Tips, sendgrid_group: 12345}")
    assert [topic.sendgrid_group for topic in programs(source)["acme"].topics.values()] == [None, 12345]


@pytest.mark.parametrize(
    ("topics", "said"),
    [
        (
            "tips: {kind: marketing, label: Tips, sendgrid_group: 7}\n"
            "      news: {kind: marketing, label: News, sendgrid_group: 7}",
            "SendGrid's group 7 is topic 'tips' already; name each group at one topic",
        ),
        (
            "tips: {kind: transactional, label: Tips, sendgrid_group: 7}",
            "topic 'tips' is transactional: partners cannot refuse it",
        ),
        ("tips: {kind: marketing, label: Tips, sendgrid_group: seven}", "'sendgrid_group' must be a number"),
        ("tips: {kind: marketing, label: Tips, sendgrid_group: 0}", "'sendgrid_group' must be at least 1"),
    ],
)
def test_a_group_at_sendgrid_is_one_marketing_topic(topics: str, said: str) -> None:
    (problem,) = problems(PROGRAM.replace("tips: {kind: marketing, label: Tips}", topics))
    assert said in problem


@pytest.mark.parametrize(
    ("named_with", "problem"),
    [
        ("resseller", "'resseller' is no attribute of the program; did you mean 'reseller'?"),
        ("sector", "'sector' is not a boolean; known are reseller"),
    ],
)
def test_partners_are_named_with_a_boolean_that_is_declared(named_with: str, problem: str) -> None:
    assert parse_programs(PROGRAM + "    named_with: reseller\n", "p.yaml")["acme"].named_with == "reseller"
    assert problem in "\n".join(problems(PROGRAM + f"    named_with: {named_with}\n"))
