"""Takes what sources tell: rows of records become companies, staff, partners, referrals, rewards and events.

Set-based: a batch (500 to 1,000 rows) costs a fixed number of statements. Idempotent: what is told again changes
nothing. The result does not depend on how rows are split into batches.
"""

from engage.store.intake.batch import Intake, analyze, hear, lock_intake, take

__all__ = ["Intake", "analyze", "hear", "lock_intake", "take"]
