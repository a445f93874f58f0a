"""Mails say where the pace of late leads, what keeps a tier, and what the period was that has ended."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.engage import START, Engage
from tests.support.journeys import TRIAL, rereads, write_trial

BODY = """\
---
subject: "Where you stand"
---
{% if tier %}
pace {% if tier.pace is not none %}{{ tier.pace | metric(tier.metric) }}{% else %}-{% endif %}
previous {{ tier.previous | default("-") }}
keep {% if tier.keep is not none %}{{ tier.keep | metric(tier.metric) }}{% else %}-{% endif %}
{% endif %}
{% if last_period %}last {{ last_period.label }} ({{ last_period.key }}): {{ last_period.referrals }} referrals,
{{ last_period.wins }} wins, {{ last_period.revenue | money }}, {{ last_period.tier | default("-") }}
({{ last_period.benefit | default("-") }}){% endif %}
"""


def says(engage: Engage, partner: str = "ann") -> str:
    write_trial(engage, "{send: a}", ())
    (engage.services.settings.templates_dir / "a.md").write_text(BODY)
    rereads(engage)
    (mail,) = [one for one in engage.runs(TRIAL) if one.to.email == f"{partner}@example.com"]
    return " ".join(mail.text.split("\n--")[0].split())


def wins(engage: Engage, partner: str, referral: str, at: datetime, amount: int = 1000_00) -> None:
    ago = (engage.now - at) / timedelta(days=1)
    engage.refers(partner, referral, days_ago=ago + 1, status="won", status_at=at, amount=amount)


def test_a_mail_says_what_the_pace_brings_and_what_keeps_the_tier(engage: Engage) -> None:
    engage.partner("ann")
    for number in range(3):
        wins(engage, "ann", f"old{number}", datetime(2025, 6, 1 + number, tzinfo=UTC))
    wins(engage, "ann", "new", START - timedelta(days=20))
    assert "pace 3 wins previous Silver keep 2 wins" in says(engage)  # one win in 90 days, and 305 of them left


def test_a_mail_looks_back_at_the_period_that_has_ended(engage: Engage) -> None:
    engage.partner("ann")
    for number in range(3):
        wins(engage, "ann", f"old{number}", datetime(2025, 6, 1 + number, tzinfo=UTC))
    # The last hour of the year where the program is; it was submitted the day before.
    wins(engage, "ann", "last", datetime(2026, 1, 1, 4, 59, tzinfo=UTC), amount=50)
    wins(engage, "ann", "next", datetime(2026, 1, 1, 5, 0, tzinfo=UTC))
    found = says(engage)
    assert "last in 2025 (2025): 5 referrals, 4 wins, $3,000.50, Silver (12%" in found


def test_who_did_nothing_in_the_last_period_reads_so(engage: Engage) -> None:
    engage.partner("ann")
    assert "last in 2025 (2025): 0 referrals, 0 wins, $0, Registered" in says(engage)


def test_where_tiers_count_all_time_nothing_ends(engage: Engage, authored: tuple[Path, Path]) -> None:
    program = authored[0] / "program.yaml"
    program.write_text(program.read_text().replace("period: year", "period: always"))
    near = authored[0] / "nudges" / "near_next_tier.yaml"
    near.write_text(near.read_text().replace("again: each tier period", "again: never"))
    engage.partner("ann")
    found = says(engage)
    assert "pace - previous - keep -" in found
    assert "last" not in found
