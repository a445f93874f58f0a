"""A client of the intake API, for whatever pushes from Python. It knows nothing of the rest of engage.

Each request has an idempotency key, so it may be sent again; it is, when engage is busy or does not answer.
"""

from engage.client.answers import (
    Answer,
    Busy,
    ClientError,
    KeyReused,
    NotAllowed,
    NotTaken,
    Problem,
    Refusal,
    Unreachable,
)
from engage.client.clients import AsyncBatch, AsyncClient, Batch, Client
from engage.client.records import (
    Company,
    Event,
    HelpWanted,
    LoggedIn,
    Login,
    Partner,
    Referral,
    Reward,
    RewardEvent,
    Staff,
    StatusChanged,
)

__all__ = [
    "Answer",
    "AsyncBatch",
    "AsyncClient",
    "Batch",
    "Busy",
    "Client",
    "ClientError",
    "Company",
    "Event",
    "HelpWanted",
    "KeyReused",
    "LoggedIn",
    "Login",
    "NotAllowed",
    "NotTaken",
    "Partner",
    "Problem",
    "Referral",
    "Refusal",
    "Reward",
    "RewardEvent",
    "Staff",
    "StatusChanged",
    "Unreachable",
]
