"""A success story, and a newsletter that is written month by month."""

STORY = """\
---
title: Payroll in an afternoon
partner: p-001
partner_name: Jane Doe
customer: Ardent Foods
quote: We closed on a Tuesday.
quote_by: Head of Finance
consent:
  partner: {given: 2026-01-01, until: 2027-09-01}
  customer: {given: 2026-01-15, until: 2026-04-15}
approved: {by: Dana Reed, on: 2026-02-01}
---
It began with a sigh over lunch.
"""
MONTHLY = """\
campaign: monthly-newsletter
state: live
topic: newsletter
for: partner
when: {every: "1st 09:00"}
again: each slot
send_within: 5d
steps:
  - send: {edition: newsletter}
"""
