"""Real processes under faults: workers, schedulers, feeders, Valkey, PostgreSQL, the mailbox. `make faults` runs all.

Each scenario breaks something again and again while mail is on its way, lets everything settle, and then compares what
was fed in with the deliveries and with what the mailbox has on disk. See `ledger` for what must hold.
"""
