"""The newsletter as most teams write it today: one Celery task an email, ORM rows, Jinja2, the SendGrid SDK.

Nothing is crippled, and where there is a choice it is the faster one: no result backend, no gossip, mingle or events,
templates cached, one SDK client a process, sessions that do not reload rows after a commit, two single processes
(`solo`, which is faster here than `prefork` and `threads`). It does what people who care do: `acks_late`, and a log row
that is committed as queued before the request and as sent after it, so that a task run twice rarely sends twice. The
numbers of the newsletter lie ready in the partner's row, where engage counts them from the referrals.

Read from the environment: BASELINE_DATABASE, BASELINE_BROKER, BASELINE_SENDGRID_HOST.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa
from celery import Celery
from itsdangerous import URLSafeSerializer
from jinja2 import Environment, FileSystemLoader, select_autoescape
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import Header, Mail
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from benchmarks.newsletter import Reader, readers
from benchmarks.support import Standing, Taken, empty, measured, processes, sunk, wait_until

WORKERS = 2
_WORKER = [
    *(sys.executable, "-m", "celery", "-A", "benchmarks.celery_baseline", "--quiet", "worker", "--pool", "solo"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR"),
]
PUBLIC_URL = "http://127.0.0.1:8000"
REFER_URL = "https://partners.example.com/refer"


class Base(DeclarativeBase):
    pass


class Partner(Base):
    __tablename__ = "partners"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    first_name: Mapped[str]
    company: Mapped[str]
    referrals: Mapped[int]
    wins: Mapped[int]
    open: Mapped[int]
    subscribed: Mapped[bool]


class EmailLog(Base):
    __tablename__ = "email_log"
    __table_args__ = (sa.UniqueConstraint("partner_id", "campaign"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    partner_id: Mapped[int] = mapped_column(sa.ForeignKey("partners.id"))
    campaign: Mapped[str]
    status: Mapped[str]
    queued_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    sent_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    message_id: Mapped[str | None]


app = Celery("newsletter", broker=os.environ.get("BASELINE_BROKER"))
app.conf.update(task_ignore_result=True, task_acks_late=True, broker_connection_retry_on_startup=True)


@cache
def sessions() -> sessionmaker[Session]:
    return sessionmaker(sa.create_engine(os.environ["BASELINE_DATABASE"]), expire_on_commit=False)


@cache
def templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "newsletter_celery"),
        autoescape=select_autoescape(["html"]),
        auto_reload=False,
    )


@cache
def signer() -> URLSafeSerializer:
    return URLSafeSerializer("measured-not-secret")


@cache
def sendgrid() -> SendGridAPIClient:
    return SendGridAPIClient("SG.benchmark", host=os.environ["BASELINE_SENDGRID_HOST"])


@app.task(autoretry_for=(Exception,), retry_backoff=True, max_retries=5)
def send_newsletter(partner_id: int, campaign: str) -> None:
    """Sends one newsletter to one partner, once."""
    with sessions()() as session:
        partner = session.get_one(Partner, partner_id)
        if not partner.subscribed:
            return
        log = session.scalar(sa.select(EmailLog).filter_by(partner_id=partner_id, campaign=campaign))
        if log is not None and log.status == "sent":
            return
        if log is None:
            log = EmailLog(partner_id=partner_id, campaign=campaign, status="queued", queued_at=datetime.now(UTC))
            session.add(log)
        session.commit()

        unsubscribe_url = f"{PUBLIC_URL}/unsubscribe/{signer().dumps([partner.id, 'newsletter'])}"
        context = {"partner": partner, "refer_url": REFER_URL, "unsubscribe_url": unsubscribe_url}
        mail = Mail(
            from_email=("partners@example.com", "Northwind Partners"),
            to_emails=(partner.email, partner.first_name),
            subject=f"{partner.first_name}, your month with Northwind Partners",
            html_content=templates().get_template("newsletter.html").render(context),
            plain_text_content=templates().get_template("newsletter.txt").render(context),
        )
        mail.add_header(Header("List-Unsubscribe", f"<{unsubscribe_url}>"))
        mail.add_header(Header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
        response = sendgrid().send(mail)
        log.status = "sent"
        log.sent_at = datetime.now(UTC)
        log.message_id = response.headers["X-Message-Id"]
        session.commit()


@contextmanager
def baseline(standing: Standing) -> Iterator["Baseline"]:
    """Celery workers that are up and warm, over a database of their own on the same PostgreSQL."""
    environment = {
        "BASELINE_DATABASE": standing.databases.create(),
        "BASELINE_BROKER": standing.redis.rsplit("/", 1)[0] + "/1",
        "BASELINE_SENDGRID_HOST": standing.sink,
    }
    os.environ.update(environment)
    app.conf.broker_url = environment["BASELINE_BROKER"]
    with TemporaryDirectory(prefix="engage-benchmark-") as folder:
        with processes(WORKERS, _WORKER, environment, Path(folder) / "log"):
            yield Baseline(standing.sink)
        sessions().kw["bind"].dispose()
        sessions.cache_clear()
        standing.databases.drop(environment["BASELINE_DATABASE"])


def _row(reader: Reader) -> dict[str, Any]:
    return {
        "id": reader.number,
        "email": reader.email,
        "first_name": reader.first_name,
        "company": reader.company,
        "referrals": reader.referrals,
        "wins": reader.wins,
        "open": reader.open,
        "subscribed": True,
    }


class Baseline:
    """Sends newsletters through the workers that `baseline` started."""

    def __init__(self, sink: str) -> None:
        self._sink = sink
        self._runs = 0
        with sessions()() as session:
            Base.metadata.create_all(session.connection())
            session.commit()
        self.send(100)  # opens connections and compiles templates, as in a worker that has run for a while

    def send(self, count: int) -> Taken:
        """Mails `count` partners; what it took from the first task enqueued to the last request settled."""
        self._runs += 1
        campaign = f"newsletter-{self._runs}"
        with sessions()() as session:
            session.execute(sa.delete(EmailLog))
            session.execute(sa.delete(Partner))
            session.execute(sa.insert(Partner), [_row(reader) for reader in readers(1, count)])
            session.commit()
            session.connection(execution_options={"isolation_level": "AUTOCOMMIT"}).exec_driver_sql("ANALYZE")
        empty(self._sink)

        with measured() as taken:
            with sessions()() as session:
                for partner_id in session.scalars(sa.select(Partner.id).where(Partner.subscribed)):
                    send_newsletter.delay(partner_id, campaign)
            wait_until(lambda: sunk(self._sink) >= count, "Celery's emails", seconds=600)
            wait_until(lambda: self._settled(campaign) == count, "Celery's log", seconds=60)
        return taken

    def _settled(self, campaign: str) -> int:
        with sessions()() as session:
            done = sa.select(sa.func.count()).select_from(EmailLog).filter_by(campaign=campaign, status="sent")
            return session.scalar(done) or 0
