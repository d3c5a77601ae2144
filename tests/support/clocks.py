"""A clock that only moves when it is told to, or when somebody sleeps on it."""

import asyncio


class TestClock:
    __test__ = False

    def __init__(self, seconds: float = 1_000.0) -> None:
        self.seconds = seconds

    def wall_ms(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)

    def random(self) -> float:
        return 0.5

    def token(self, length: int) -> str:
        return "a" * length
