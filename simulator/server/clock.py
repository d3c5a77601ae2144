"""The two times of the simulator: wall time as it comes in, market time `speed` times faster, standing while held."""


class MarketClock:
    """Turn wall time into market time; both in ms UTC."""

    def __init__(self, start_ms: int, speed: float, wall_ms: int) -> None:
        self.speed = speed
        self._market_ms = float(start_ms)
        self._since_wall_ms = wall_ms
        self.held = False

    def market_ms(self, wall_ms: int) -> int:
        """Market time at `wall_ms`."""
        if self.held:
            return int(self._market_ms)
        return int(self._market_ms + max(0, wall_ms - self._since_wall_ms) * self.speed)

    def wall_ms_of(self, market_ms: int) -> int | None:
        """First wall ms at which market time has reached `market_ms`; None while held."""
        if self.held:
            return None
        ahead = (market_ms - self._market_ms) / self.speed
        whole = int(ahead)
        return self._since_wall_ms + (whole if whole == ahead else whole + 1)

    def hold(self, wall_ms: int) -> None:
        """Let market time stand still from `wall_ms` on."""
        self._market_ms = self.market_ms(wall_ms)
        self.held = True

    def release(self, wall_ms: int) -> None:
        """Let market time run again from `wall_ms` on."""
        if not self.held:
            return
        self.held = False
        self._since_wall_ms = wall_ms
