"""One sync serves all who wait, and never one that began before they asked."""

import asyncio
import threading

import pytest

from engage.web.mailbox.syncing import GroupSync


class Disk:
    """Syncs when it is let; notes how much had been written when each sync began."""

    def __init__(self) -> None:
        self.written = 0
        self.synced: list[int] = []
        self.let = threading.Semaphore(0)
        self.begun = threading.Event()

    def sync(self) -> None:
        begun = self.written
        self.begun.set()
        assert self.let.acquire(timeout=60)
        self.synced.append(begun)


def test_thirty_two_at_once_share_one_sync_and_latecomers_the_next() -> None:
    async def run() -> list[int]:
        disk = Disk()
        group = GroupSync(disk.sync)

        async def write() -> int:
            disk.written += 1
            mine = disk.written
            await group.synced()
            assert disk.synced[-1] >= mine
            return mine

        first = [asyncio.create_task(write()) for _ in range(32)]
        await asyncio.to_thread(disk.begun.wait)  # the sync of these has begun, and is not let end
        late = [asyncio.create_task(write()) for _ in range(5)]
        await asyncio.sleep(0)
        disk.let.release(2)
        await asyncio.gather(*first, *late)
        return disk.synced

    assert asyncio.run(run()) == [32, 37]


def test_a_sync_that_fails_fails_for_those_who_waited_for_it_and_no_others() -> None:
    async def run() -> None:
        troubles = [OSError("full")]

        def sync() -> None:
            if troubles:
                raise troubles.pop()

        group = GroupSync(sync)
        failed = await asyncio.gather(group.synced(), group.synced(), return_exceptions=True)
        assert [type(error) for error in failed] == [OSError, OSError]
        await group.synced()

    asyncio.run(run())


def test_one_who_gives_up_does_not_end_the_sync_of_the_others() -> None:
    async def run() -> None:
        disk = Disk()
        group = GroupSync(disk.sync)
        leaving, staying = asyncio.create_task(group.synced()), asyncio.create_task(group.synced())
        await asyncio.to_thread(disk.begun.wait)
        leaving.cancel()
        disk.let.release()
        await staying
        with pytest.raises(asyncio.CancelledError):
            await leaving

    asyncio.run(run())
