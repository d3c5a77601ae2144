"""The real clock: wall time, ages, waiting and chance."""

import asyncio
import string
import time
from secrets import SystemRandom

_LETTERS = string.ascii_lowercase + string.digits
_chance = SystemRandom()


class SystemClock:
    """The `Clock` of a running process. The only place that asks the machine for time or chance."""

    def wall_ms(self) -> int:
        """Return UTC now in ms, by the local clock."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait; zero yields to the loop."""
        await asyncio.sleep(seconds)

    def random(self) -> float:
        """Return a number in [0, 1)."""
        return _chance.random()

    def token(self, length: int) -> str:
        """Return random characters of [a-z0-9]."""
        return "".join(_chance.choices(_LETTERS, k=length))
