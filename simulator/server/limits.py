"""The exchange's patience: request weight per minute and IP, orders per 10 s and per minute and account, 429 and 418.

Windows are whole minutes and whole ten seconds of wall time, as the published counters behave. Whoever goes on asking
after a 429 is banned (418). Limits come from the exchangeInfo answer in use.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from simulator.venue.errors import VenueError

_MINUTE_MS = 60_000
_TEN_SECONDS_MS = 10_000
_PATIENCE = 10
_BAN_MS = 120_000
_INTERVAL_MS = {"SECOND": 1_000, "MINUTE": 60_000, "HOUR": 3_600_000, "DAY": 86_400_000}


class TooManyError(VenueError):
    """A refusal that says when to come back."""

    def __init__(self, code: int, message: str, http_status: int, retry_after_s: int) -> None:
        super().__init__(code, message, http_status)
        self.retry_after_s = retry_after_s


class Window:
    """A counter that starts anew with every whole `length_ms` of wall time."""

    def __init__(self, length_ms: int, limit: int) -> None:
        self.length_ms = length_ms
        self.limit = limit
        self._since_ms = 0
        self._count = 0

    def count(self, wall_ms: int) -> int:
        """Return what was used in the window of `wall_ms`."""
        if wall_ms - self._since_ms >= self.length_ms:
            self._since_ms = wall_ms - wall_ms % self.length_ms
            self._count = 0
        return self._count

    def use(self, amount: int, wall_ms: int) -> None:
        """Count `amount`."""
        self._count = self.count(wall_ms) + amount

    def seconds_left(self, wall_ms: int) -> int:
        """Whole seconds until the window ends, at least 1."""
        return max(1, -(-(self.length_ms - wall_ms % self.length_ms) // 1_000))


class Limits:
    """All counters of the one account and the one IP address that a loopback simulator has."""

    def __init__(self, rate_limits: Sequence[Mapping[str, Any]]) -> None:
        lengths = {
            (row["rateLimitType"], _INTERVAL_MS[row["interval"]] * row["intervalNum"]): row["limit"]
            for row in rate_limits
        }
        self.weight = Window(_MINUTE_MS, lengths.get(("REQUEST_WEIGHT", _MINUTE_MS), 2_400))
        self.orders_10s = Window(_TEN_SECONDS_MS, lengths.get(("ORDERS", _TEN_SECONDS_MS), 300))
        self.orders_1m = Window(_MINUTE_MS, lengths.get(("ORDERS", _MINUTE_MS), 1_200))
        self.funding = Window(300_000, 500)
        self.banned_until_ms = 0
        self._ignored = 0

    def use_weight(self, weight: int, wall_ms: int) -> None:
        """Count a request, or refuse it: -1003 with 429, with 418 for those who do not listen."""
        if wall_ms < self.banned_until_ms:
            raise self._banned(wall_ms)
        if self.weight.count(wall_ms) + weight <= self.weight.limit:
            self._ignored = 0
            self.weight.use(weight, wall_ms)
            return
        self._ignored += 1
        if self._ignored > _PATIENCE:
            self.banned_until_ms = wall_ms + _BAN_MS
            raise self._banned(wall_ms)
        message = (
            f"Too many requests; current limit of IP(127.0.0.1) is {self.weight.limit} requests per minute. "
            "Please use the websocket for live updates to avoid polling the API."
        )
        raise TooManyError(-1003, message, 429, self.weight.seconds_left(wall_ms))

    def use_orders(self, orders: int, wall_ms: int) -> None:
        """Count new orders, or refuse them: -1015."""
        for window, name in ((self.orders_10s, "10 SECOND"), (self.orders_1m, "1 MINUTE")):
            if window.count(wall_ms) + orders > window.limit:
                message = f"Too many new orders; current limit is {window.limit} orders per {name}."
                raise TooManyError(-1015, message, 429, window.seconds_left(wall_ms))
        self.orders_10s.use(orders, wall_ms)
        self.orders_1m.use(orders, wall_ms)

    def use_funding(self, wall_ms: int) -> None:
        """Count a request of the pool that funding history and funding info have of their own."""
        if self.funding.count(wall_ms) >= self.funding.limit:
            message = "Too many requests; current limit is 500 requests per 5 minutes."
            raise TooManyError(-1003, message, 429, self.funding.seconds_left(wall_ms))
        self.funding.use(1, wall_ms)

    def headers(self, wall_ms: int, *, with_orders: bool) -> dict[str, str]:
        """Build the headers of an answer."""
        found = {"X-MBX-USED-WEIGHT-1M": str(self.weight.count(wall_ms))}
        if with_orders:
            found["X-MBX-ORDER-COUNT-10S"] = str(self.orders_10s.count(wall_ms))
            found["X-MBX-ORDER-COUNT-1M"] = str(self.orders_1m.count(wall_ms))
        return found

    def rows(self, wall_ms: int, *, with_orders: bool) -> list[dict[str, Any]]:
        """Build the `rateLimits` list of a WebSocket API answer."""
        found = [_row("REQUEST_WEIGHT", "MINUTE", 1, self.weight, wall_ms)]
        if with_orders:
            found.append(_row("ORDERS", "SECOND", 10, self.orders_10s, wall_ms))
            found.append(_row("ORDERS", "MINUTE", 1, self.orders_1m, wall_ms))
        return found

    def _banned(self, wall_ms: int) -> TooManyError:
        until = self.banned_until_ms
        message = (
            f"Way too many requests; IP(127.0.0.1) banned until {until}. Please use the websocket for live updates."
        )
        return TooManyError(-1003, message, 418, max(1, -(-(until - wall_ms) // 1_000)))


def _row(kind: str, interval: str, number: int, window: Window, wall_ms: int) -> dict[str, Any]:
    return {
        "rateLimitType": kind,
        "interval": interval,
        "intervalNum": number,
        "limit": window.limit,
        "count": window.count(wall_ms),
    }
