"""The range of the mid price over the last few seconds, in constant time a tick."""

from collections import deque


class MidRange:
    """Highest and lowest mid price within a time window, kept in two monotonic queues.

    Times are ms and may repeat; one that goes back counts as the latest seen. Values must be above 0.
    """

    __slots__ = ("_falling", "_latest_ms", "_rising", "_window_ms")

    def __init__(self, window_ms: int) -> None:
        self._window_ms = window_ms
        self._latest_ms = 0
        self._rising: deque[tuple[int, float]] = deque()
        self._falling: deque[tuple[int, float]] = deque()

    def add(self, at_ms: int, value: float) -> float:
        """Take a value and return (max - min) / min x 100 over the values of the last `window_ms`, ends included."""
        now_ms = at_ms if at_ms > self._latest_ms else self._latest_ms  # noqa: FURB136 - a call costs more
        self._latest_ms = now_ms
        rising, falling = self._rising, self._falling
        entry = (now_ms, value)
        if rising and rising[-1][1] == value:
            rising[-1] = falling[-1] = entry  # the latest value ends both queues
        else:
            while rising and rising[-1][1] >= value:
                rising.pop()
            while falling and falling[-1][1] <= value:
                falling.pop()
            rising.append(entry)
            falling.append(entry)
        oldest_ms = now_ms - self._window_ms
        while rising[0][0] < oldest_ms:
            rising.popleft()
        while falling[0][0] < oldest_ms:
            falling.popleft()
        lowest = rising[0][1]
        return (falling[0][1] - lowest) / lowest * 100.0

    def clear(self) -> None:
        """Forget all values, after a gap in the data."""
        self._rising.clear()
        self._falling.clear()
