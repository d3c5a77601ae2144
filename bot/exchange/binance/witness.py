"""Judges the user stream by what it leaves out: an execution that REST knows and it does not bring proves it dead."""

from collections.abc import Callable

from bot.domain.fill import Fill
from bot.ports import Clock, Sink

_DELIVERY_SECONDS = 5.0
_REMEMBERED = 5_000

type _Key = tuple[str, int]


class StreamWitness:
    """Compares executions told by the stream with those read back by REST.

    `life` numbers the stream's present connection, 0 while nothing can be judged. A connection answers only for what
    happens after it was first looked at: gaps before it are recovery's.
    """

    def __init__(self, clock: Clock, sink: Sink, life: Callable[[], int]) -> None:
        self._clock = clock
        self._sink = sink
        self._life_now = life
        self._life = 0
        self._from_ms = 0
        self._told: dict[_Key, None] = {}
        self._overdue: dict[_Key, float] = {}

    def look(self) -> None:
        """Notice a new connection; call it before anything is compared."""
        life = self._life_now()
        if life != self._life:
            self._life = life
            self._from_ms = self._sink.market_ms()
            self._overdue.clear()

    def told(self, fill: Fill) -> None:
        """Note an execution that the stream brought."""
        key = (fill.symbol, fill.trade_id)
        self._overdue.pop(key, None)
        self._told[key] = None
        if len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]

    def read_back(self, fill: Fill) -> None:
        """Note an execution that REST knows: the stream has a few seconds to bring it too."""
        self.look()
        key = (fill.symbol, fill.trade_id)
        if self._life and fill.time_ms > self._from_ms and key not in self._told:
            self._overdue.setdefault(key, self._clock.monotonic())

    def agrees(self) -> bool:
        """Say whether the stream has told everything that REST knows."""
        return bool(self._life) and not self._overdue

    def missing(self) -> int:
        """Return how many executions are overdue, once; 0 = none, or still in time."""
        self.look()
        oldest = min(self._overdue.values(), default=self._clock.monotonic())
        if self._clock.monotonic() - oldest <= _DELIVERY_SECONDS:
            return 0
        count = len(self._overdue)
        self._overdue.clear()
        return count
