import asyncio

from bot.runtime.supervisor import RESTARTS, Supervisor
from support.clocks import TestClock


class Watched:
    def __init__(self, step: float = 0.0) -> None:
        self.clock = TestClock()
        self.deaths: list[str] = []
        self.given_up: list[str] = []
        self.starts = 0
        self.supervisor = Supervisor(
            self.clock, lambda _name, why: self.deaths.append(why), lambda _name, why: self.given_up.append(why)
        )

    async def turn(self, times: int) -> None:
        running = asyncio.create_task(self.supervisor.run())
        for _ in range(times):
            await asyncio.sleep(0)
        running.cancel()
        await self.supervisor.stop()


async def test_a_dying_task_is_restarted_and_its_error_named():
    watched = Watched()

    async def dies_once(beat):
        watched.starts += 1
        if watched.starts == 1:
            raise ValueError("out of ink")
        while True:
            beat()
            await asyncio.sleep(0)

    watched.supervisor.watch("pen", dies_once, limit_seconds=5)
    await watched.turn(20)
    assert watched.starts == 2
    assert watched.deaths == ["ValueError: out of ink"]
    assert watched.given_up == []


async def test_a_task_that_keeps_dying_is_given_up_once():
    watched = Watched()

    async def dies(_beat):
        watched.starts += 1
        raise ValueError("again")

    watched.supervisor.watch("pen", dies, limit_seconds=5)
    await watched.turn(100)
    assert watched.starts == RESTARTS + 1
    assert watched.given_up == ["ValueError: again"]
    assert watched.supervisor.failed() == ("pen",)


async def test_a_hanging_task_is_noticed_and_restarted():
    watched = Watched()

    async def hangs(_beat):
        watched.starts += 1
        await asyncio.Event().wait()

    watched.supervisor.watch("pen", hangs, limit_seconds=5)
    await watched.turn(30)
    assert watched.starts >= 2
    assert "no sign of life" in watched.deaths[0]


async def test_a_task_that_ends_by_itself_is_a_death():
    watched = Watched()

    async def ends(_beat):
        watched.starts += 1

    watched.supervisor.watch("pen", ends, limit_seconds=5)
    await watched.turn(6)
    assert watched.deaths[0] == "ended although it must not"


async def test_time_in_which_the_whole_process_stood_still_is_held_against_nobody():
    watched = Watched()

    async def waits(_beat):
        watched.starts += 1
        await asyncio.Event().wait()

    watched.supervisor.watch("pen", waits, limit_seconds=5)
    running = asyncio.create_task(watched.supervisor.run())
    for stopped_seconds in (0, 100, 0):
        watched.clock.seconds += stopped_seconds
        for _ in range(3):
            await asyncio.sleep(0)
    assert watched.deaths == []
    for _ in range(10):
        await asyncio.sleep(0)
    assert watched.deaths == ["gave no sign of life for 5 s"]
    running.cancel()
    await watched.supervisor.stop()
