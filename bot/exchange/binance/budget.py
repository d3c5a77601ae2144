"""What the exchange still lets us send: request weight, order counts, and bans (docs/wire.md B.4).

We stay below 80 % of every published limit; routine reads stop at 70 % and entries at 60 % of the order counts, so
that exits, cancels and look-ups always keep a share. While banned nothing is sent at all.
"""

import re
from collections.abc import Iterable, Mapping

from bot.exchange.binance.public_answers import WireRateLimit
from bot.ports import Clock

_WEIGHT_HEADER = re.compile(r"x-mbx-used-weight-(\d+)([smhd])", re.IGNORECASE)
_COUNT_HEADER = re.compile(r"x-mbx-order-count-(\d+)([smhd])", re.IGNORECASE)
_SECONDS = {"S": 1, "M": 60, "H": 3_600, "D": 86_400}
_ROUTINE_SHARE = 0.7
_ENTRY_SHARE = 0.6
_ESSENTIAL_SHARE = 0.8
_DEFAULT_WEIGHT_LIMIT = 2_400
_DEFAULT_ORDER_LIMITS = {10: 300, 60: 1_200}
_UNNAMED_BAN_SECONDS = 20.0
"""Within 30 s of the last fault all must be well again (I11): silence leaves a third of that to read the account."""


class _Window:
    """A counter of the exchange that starts anew with each whole interval of its wall time."""

    def __init__(self, seconds: int, limit: int) -> None:
        self.seconds = seconds
        self.limit = limit
        self._count = 0
        self._number = -1

    def note(self, count: int, wall_ms: int) -> None:
        number = wall_ms // (self.seconds * 1_000)
        if number == self._number - 1:
            return  # overtaken by an answer of the interval after
        self._count = max(count, self._count) if number == self._number else count
        self._number = number

    def used(self, wall_ms: int) -> int:
        return self._count if wall_ms // (self.seconds * 1_000) == self._number else 0

    def seconds_left(self, wall_ms: int) -> float:
        length = self.seconds * 1_000
        return (length - wall_ms % length) / 1_000


class Budget:
    """Counts by what the exchange says it has counted, never by our own guess.

    `offset_ms` is what the exchange's clock is ahead of ours: its intervals start by its own.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset_ms = 0
        self._weight = _Window(60, _DEFAULT_WEIGHT_LIMIT)
        self._orders = {seconds: _Window(seconds, limit) for seconds, limit in _DEFAULT_ORDER_LIMITS.items()}
        self._silent_until = 0.0
        self._entries_silent_until = 0.0

    @property
    def used_weight(self) -> int:
        """Return the request weight of the current minute as the exchange last told it."""
        return self._weight.used(self.now_ms())

    @property
    def weight_limit(self) -> int:
        """Return the published request weight per minute."""
        return self._weight.limit

    def learn(self, limits: Iterable[WireRateLimit]) -> None:
        """Take the limits that exchangeInfo publishes."""
        for limit in limits:
            seconds = limit.interval_num * _SECONDS[limit.interval[0]]
            if limit.rate_limit_type == "REQUEST_WEIGHT" and seconds == self._weight.seconds and limit.limit > 0:
                self._weight.limit = limit.limit
            if limit.rate_limit_type == "ORDERS" and limit.limit > 0:
                self._orders.setdefault(seconds, _Window(seconds, limit.limit)).limit = limit.limit

    def now_ms(self) -> int:
        """Return the exchange's wall time."""
        return self._clock.wall_ms() + self.offset_ms

    def note_headers(self, headers: Mapping[str, str], asked_ms: int | None = None) -> None:
        """Take the counts out of the headers of a REST answer.

        They belong to the interval in which was asked (exchange's time, None = now): an answer that comes in the next
        one would pass off its count as that one's.
        """
        wall_ms = self.now_ms() if asked_ms is None else asked_ms
        for name, value in headers.items():
            if (found := _WEIGHT_HEADER.fullmatch(name)) and _seconds(found) == self._weight.seconds:
                self._weight.note(int(value), wall_ms)
            elif found := _COUNT_HEADER.fullmatch(name):
                self._note_orders(_seconds(found), int(value), wall_ms)

    def note_counts(self, counts: Iterable[WireRateLimit]) -> None:
        """Take the counts that came with a WebSocket answer; a count of -1 says nothing."""
        wall_ms = self.now_ms()
        for counted in counts:
            seconds = counted.interval_num * _SECONDS[counted.interval[0]]
            if counted.count < 0:
                continue
            if counted.rate_limit_type == "REQUEST_WEIGHT" and seconds == self._weight.seconds:
                self._weight.note(counted.count, wall_ms)
            elif counted.rate_limit_type == "ORDERS":
                self._note_orders(seconds, counted.count, wall_ms)

    def ban(self, seconds: float) -> None:
        """Be silent for so long (429 or 418); 0 = the exchange did not say how long."""
        self._silent_until = max(self._silent_until, self._clock.monotonic() + (seconds or _UNNAMED_BAN_SECONDS))

    def pause_entries(self, seconds: float) -> None:
        """Place no entries for so long (-1015); exits and cancels go on."""
        self._entries_silent_until = max(self._entries_silent_until, self._clock.monotonic() + seconds)

    def banned_seconds(self) -> float:
        """Return how much longer nothing may be sent, 0 = not banned."""
        return max(0.0, self._silent_until - self._clock.monotonic())

    def banned_until_ms(self) -> int:
        """Return the wall time at which the ban ends, 0 = not banned."""
        left = self.banned_seconds()
        return self._clock.wall_ms() + round(left * 1_000) if left else 0

    def read_delay(self, *, essential: bool) -> float:
        """Return how many seconds a read must wait: for the end of a ban, or for the next minute's weight."""
        if left := self.banned_seconds():
            return left
        wall_ms = self.now_ms()
        share = _ESSENTIAL_SHARE if essential else _ROUTINE_SHARE
        if self._weight.used(wall_ms) < share * self._weight.limit:
            return 0.0
        return self._weight.seconds_left(wall_ms)

    def order_delay(self, *, reducing: bool) -> float:
        """Return how many seconds an order must wait for the order counts (or a ban) to let it through."""
        waits = [self.banned_seconds()]
        if not reducing:
            waits.append(max(0.0, self._entries_silent_until - self._clock.monotonic()))
        wall_ms = self.now_ms()
        share = _ESSENTIAL_SHARE if reducing else _ENTRY_SHARE
        waits += [
            window.seconds_left(wall_ms)
            for window in self._orders.values()
            if window.used(wall_ms) >= share * window.limit
        ]
        return max(waits)

    def _note_orders(self, seconds: int, count: int, wall_ms: int) -> None:
        if window := self._orders.get(seconds):
            window.note(count, wall_ms)


def _seconds(found: re.Match[str]) -> int:
    return int(found.group(1)) * _SECONDS[found.group(2).upper()]
