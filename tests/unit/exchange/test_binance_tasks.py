"""The adapter's background tasks end in the order in which they began."""

import asyncio

from bot.exchange.binance.tasks import Tasks


async def test_tasks_are_ended_in_the_order_in_which_they_began():
    tasks, ended = Tasks(), []

    async def work(number):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    for number in range(20):
        tasks.spawn(str(number), work(number))
    await asyncio.sleep(0)
    await tasks.close()
    assert ended == list(range(20))
