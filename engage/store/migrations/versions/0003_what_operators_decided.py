"""What operators decided about held runs and bursts, in their words"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "runs",
        sa.Column(
            "entering", sa.Integer(), nullable=True, comment="held for max_audience: how many would have entered"
        ),
    )
    op.add_column(
        "runs",
        sa.Column("why", sa.Text(), nullable=True, comment="why it was released or dropped, in the operator's words"),
    )
    op.add_column(
        "held_changes",
        sa.Column(
            "why", sa.Text(), nullable=True, comment="why they were released or dropped, in the operator's words"
        ),
    )
    if op.get_context().dialect.name == "postgresql":  # SQLite has no comments
        op.alter_column(
            "runs",
            "state",
            comment="open, running, done, held or dropped",
            existing_comment="open, running, done or held",
            existing_nullable=False,
        )
