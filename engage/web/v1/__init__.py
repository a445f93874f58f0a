"""The intake API `/v1`: what machines tell of partners, companies, staff, referrals, logins, rewards and events.

Taken in means committed: 202 says that it is in the database. In a batch the good is taken, and the bad is answered
record by record.
"""

from engage.web.v1.routes import build_router

__all__ = ["build_router"]
