"""What the tables are made of."""

import sqlalchemy as sa

from engage.store.types import BigId

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def key() -> sa.Column[int]:
    return sa.Column("id", BigId, primary_key=True)


def program() -> sa.Column[int]:
    return sa.Column("program_id", BigId, sa.ForeignKey("programs.id"), nullable=False)


def copied(name: str) -> sa.Column[int]:
    """An id copied from the row's parent, which vouches for it: checking it again would cost more than the insert."""
    return sa.Column(name, BigId, nullable=name in ("partner_id", "company_id", "staff_id", "address_id"))


def ref(name: str, target: str, nullable: bool = True) -> sa.Column[int]:
    return sa.Column(name, BigId, sa.ForeignKey(f"{target}.id"), nullable=nullable)
