"""What every provider keeps to, run against a real server of its kind and against one that misbehaves."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from engage.domain.errors import ServiceUnreachable
from engage.domain.messages import Mailbox, Message, Outcome
from engage.providers.protocol import Provider
from tests.providers.servers import Script, ScriptedServer, closed_port, garbage

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SOON = timedelta(seconds=5)


def a_message(
    number: int = 1, to: str = "", subject: str = "Hooli is now an opportunity", html: str = "<p>Hello Jané</p>"
) -> Message:
    return Message(
        id=f"d-{number}",
        sender=Mailbox("program@example.com", "Acme Partners"),
        to=Mailbox(to or f"jane{number}@example.com", "Jane Doe"),
        subject=subject,
        html=html,
        text="Hello Jané",
        reply_to="help@example.com",
        headers={"List-Unsubscribe": f"<https://example.com/u/{'x' * 150}>"},
        custom_args={"delivery": f"d-{number}"},
        category="opportunity",
    )


class ProviderContract(ABC):
    """Subclass it, name the refused address and say how to reach a server; `inbox` gives the ids that came."""

    refused_address: str
    takes_then_resets: Script
    takes_then_drips: Script

    @abstractmethod
    def provider_for(self, port: int, host: str = "127.0.0.1", tls: bool = False) -> Provider: ...

    @abstractmethod
    def inbox(self) -> list[str]: ...

    @pytest.fixture
    def provider(self, server_port: int) -> Iterator[Provider]:
        with closing(self.provider_for(server_port)) as provider:
            yield provider

    def test_a_message_that_is_taken_arrives_and_has_an_id(self, provider: Provider) -> None:
        (result,) = provider.send([a_message()])
        assert result.outcome is Outcome.ACCEPTED
        assert result.provider_id
        assert result.status in (202, 250)
        assert self.inbox() == ["d-1"]

    def test_results_come_in_the_order_of_the_messages(self, provider: Provider) -> None:
        messages = [a_message(n, to=self.refused_address if n % 3 == 0 else "") for n in range(32)]
        outcomes = [result.outcome for result in provider.send(messages)]
        assert outcomes == [Outcome.DEAD if n % 3 == 0 else Outcome.ACCEPTED for n in range(32)]
        assert sorted(self.inbox()) == sorted(f"d-{n}" for n in range(32) if n % 3)

    def test_a_message_refused_for_good_is_dead_and_its_detail_names_nobody(self, provider: Provider) -> None:
        (result,) = provider.send([a_message(to=self.refused_address)])
        assert result.outcome is Outcome.DEAD
        assert result.detail.startswith(str(result.status))
        assert self.refused_address not in result.detail
        assert "Jane" not in result.detail

    def test_a_message_that_cannot_be_written_is_dead_and_the_others_go(self, provider: Provider) -> None:
        broken = a_message(1, html="half a character: \ud83d")
        outcomes = [result.outcome for result in provider.send([broken, a_message(2)])]
        assert outcomes == [Outcome.DEAD, Outcome.ACCEPTED]

    def test_nobody_listening_proves_the_messages_unsent(self) -> None:
        with closing(self.provider_for(closed_port())) as provider:
            results = provider.send([a_message(1), a_message(2)], SOON)
        assert [result.outcome for result in results] == [Outcome.RETRY] * 2
        assert not results[0].auth_failed

    def test_a_name_without_an_address_proves_the_message_unsent(self) -> None:
        with closing(self.provider_for(587, host="nowhere.invalid")) as provider:
            (result,) = provider.send([a_message()], SOON)
        assert result.outcome is Outcome.RETRY

    def test_no_tls_where_tls_should_be_proves_the_message_unsent(self) -> None:
        with (
            ScriptedServer(garbage) as server,
            closing(self.provider_for(server.port, host="localhost", tls=True)) as provider,
        ):
            (result,) = provider.send([a_message()], SOON)
        assert result.outcome is Outcome.RETRY

    def test_a_connection_lost_after_the_message_leaves_it_unknown_and_is_not_tried_again(self) -> None:
        with (
            ScriptedServer(type(self).takes_then_resets) as server,
            closing(self.provider_for(server.port)) as provider,
        ):
            (result,) = provider.send([a_message()], SOON)
        assert result.outcome is Outcome.UNKNOWN
        assert result.detail
        assert len(server.requests) == 1

    def test_a_server_that_answers_by_the_byte_is_left_at_the_deadline(self) -> None:
        with (
            ScriptedServer(type(self).takes_then_drips) as server,
            closing(self.provider_for(server.port)) as provider,
        ):
            begun = time.monotonic()
            (result,) = provider.send([a_message()], timedelta(seconds=0.6))
            took = time.monotonic() - begun
        assert result.outcome is Outcome.UNKNOWN
        assert took < 30, "the server goes on for minutes"

    def test_several_threads_send_at_once(self, provider: Provider) -> None:
        batches = [[a_message(100 * thread + n) for n in range(8)] for thread in range(4)]
        with ThreadPoolExecutor(4) as threads:
            results = [result for batch in threads.map(provider.send, batches) for result in batch]
        assert {result.outcome for result in results} == {Outcome.ACCEPTED}
        assert sorted(self.inbox()) == sorted(message.id for batch in batches for message in batch)

    def test_nothing_to_send_is_no_error(self, provider: Provider) -> None:
        assert provider.send([]) == []

    def test_a_check_sends_nothing_and_says_who_answered(self, provider: Provider) -> None:
        assert "127.0.0.1" in provider.check()
        assert self.inbox() == []

    def test_a_check_of_a_server_that_is_not_there_says_what_to_do(self) -> None:
        with (
            closing(self.provider_for(closed_port())) as provider,
            pytest.raises(ServiceUnreachable, match="see that ENGAGE_"),
        ):
            provider.check(SOON)

    def test_closed_before_it_was_used_is_no_error(self) -> None:
        self.provider_for(1).close()
