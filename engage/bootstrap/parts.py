"""What the services are made of, built from the settings when first asked for."""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cached_property

from sqlalchemy.engine import Connection

from engage.bootstrap.redis_watch import RedisWatch
from engage.clock import utc_now
from engage.domain.records import Record
from engage.facts import Scope
from engage.logs import Outage
from engage.pipeline.compose import Composer
from engage.pipeline.entries import Hints
from engage.pipeline.gating import Gatekeeper
from engage.pipeline.keyring import Keyring
from engage.pipeline.library import Library
from engage.pipeline.observing import observe
from engage.pipeline.outlet import LEASE, Places
from engage.pipeline.shelf import Shelf
from engage.pipeline.tracking import Tracker
from engage.providers.alarm_channel import AlarmChannel
from engage.providers.protocol import Provider
from engage.providers.selection import build_provider, build_records
from engage.providers.sendgrid_activity import SendGridActivity
from engage.providers.webhook_signature import PublicKey, load_private_key, new_private_key, public_keys, shown
from engage.queueing import Lane, Queue
from engage.settings import PREFIX, Settings, SettingsError, environment, kept_secret, secret_keys
from engage.settings import Provider as ProviderName
from engage.signing import Signer
from engage.sources.polling import Poller
from engage.sources.watching import Watcher
from engage.store.database import Database
from engage.store.intake import Intake
from engage.store.journal import Journal
from engage.store.schema import require_schema

SENDING_AT_ONCE = 32
"""How many deliveries a worker process has in `sending` at the most: what a kill leaves unknown."""


def mailbox_webhook_key(settings: Settings) -> str:
    """The private key, as PEM, with which the mailbox signs its webhooks: made once and kept in the data folder."""
    return kept_secret(settings, "mailbox_webhook_key", new_private_key, "SENDGRID_WEBHOOK_KEY")


class Parts:
    """The parts of one process: its database, its files, its provider, its keys."""

    def __init__(
        self,
        settings: Settings,
        queue: Queue,
        clock: Callable[[], datetime] = utc_now,
        *,
        lease: timedelta = LEASE,
    ) -> None:
        """`lease` is how long a worker may hold a delivery before it is taken from it."""
        self.settings = settings
        self.lease = lease
        self.stopping = threading.Event()
        self.outage = Outage("delivering_stopped", "delivering_again")
        self.queue = queue
        self.clock = clock
        self.database = Database(settings.database_url)
        self.shelf = Shelf(self.database, settings.campaigns_dir, settings.templates_dir)
        self.places = Places(SENDING_AT_ONCE)
        poller = Poller(self.database, self._observe, self.match_soon, environment)
        self.watcher = Watcher(settings.sources, poller, clock)

    @cached_property
    def signer(self) -> Signer:
        return Signer(secret_keys(self.settings))

    @cached_property
    def redis(self) -> RedisWatch:
        return RedisWatch(self.settings.redis_url)

    @cached_property
    def keyring(self) -> Keyring:
        return Keyring(self.database)

    @property
    def _sendgrid_key(self) -> str:
        key = self.settings.sendgrid_api_key
        return key.get_secret_value() if key else ""

    @cached_property
    def provider(self) -> Provider:
        s = self.settings
        return build_provider(
            s.provider,
            mailbox_url=s.mailbox_url,
            sendgrid_host=s.sendgrid_host,
            sendgrid_api_key=self._sendgrid_key,
            smtp_url=s.smtp_url or "",
            clock=self.clock,
        )

    @cached_property
    def records(self) -> SendGridActivity | None:
        """The provider's records, which can be asked for mails whose answer was lost; None where it has none."""
        s = self.settings
        return build_records(
            s.provider,
            mailbox_url=s.mailbox_url,
            sendgrid_host=s.sendgrid_host,
            sendgrid_api_key=self._sendgrid_key,
            clock=self.clock,
        )

    @cached_property
    def webhook_keys(self) -> tuple[PublicKey, ...]:
        """The keys whose webhooks are believed; none: no webhook is. Raises SettingsError for one that is no key."""
        text = self.settings.sendgrid_webhook_key
        if text is None and self.settings.provider is ProviderName.MAILBOX:
            text = shown(load_private_key(mailbox_webhook_key(self.settings)))
        try:
            return public_keys(text) if text is not None else ()
        except ValueError as error:
            raise SettingsError([f"{PREFIX}SENDGRID_WEBHOOK_KEY: {error}"]) from None

    @cached_property
    def composer(self) -> Composer:
        return Composer(self.signer, self.settings.public_url)

    @cached_property
    def tracker(self) -> Tracker:
        return Tracker(self.signer, self.settings.public_url)

    @cached_property
    def gate(self) -> Gatekeeper:
        return Gatekeeper(self.settings.carrier, self.settings.provider_rate)

    @cached_property
    def alarm_channel(self) -> AlarmChannel | None:
        url = self.settings.alarm_url
        return AlarmChannel(url.get_secret_value()) if url is not None else None

    @cached_property
    def journal(self) -> Journal:
        return Journal(self.settings.data_dir / "journal")

    def start(self) -> None:
        """Raises ServiceUnreachable unless the database answers and has the schema."""
        require_schema(self.database)

    def close(self) -> None:
        if "provider" in self.__dict__:
            self.provider.close()
        if "journal" in self.__dict__:
            self.journal.close()
        if "redis" in self.__dict__:
            self.redis.close()
        if channel := self.__dict__.get("alarm_channel"):
            channel.close()
        self.database.close()

    def library(self) -> Library:
        """The library as the files say it now; AuthoringError if nothing that ever passed lint is there."""
        return self.shelf.library(self.clock())

    def _observe(
        self,
        db: Connection,
        scope: Scope,
        rows: Sequence[Sequence[Record]],
        *,
        source: str,
        news: bool,
        now: datetime,
        limit: int | None = None,
    ) -> Intake:
        return observe(db, scope, rows, signer=self.signer, source=source, news=news, now=now, limit=limit)

    def match_soon(self, event_ids: Sequence[int]) -> None:
        """Asks a worker to match events."""
        self.queue.enqueue("match", event_ids, Lane.EVENTS)

    def hint(self, hints: Hints) -> None:
        for lane, ids in hints.items():
            self.queue.enqueue("deliver", ids, lane)
