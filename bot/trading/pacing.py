"""Rules that keep trades apart, in market time. None of them wakes anybody: the refusal says when to ask again."""

from decimal import Decimal

from msgspec import Struct, json

from bot.domain.money import ZERO
from bot.domain.records import RiskState, Row
from bot.trading.limits import CorePlan
from bot.trading.rule import Ask, Refusal, Rule, Standing

SECOND_MS = 1_000


class LastEntry(Struct, frozen=True, gc=False):
    """When the last entry on any symbol was decided."""

    at_ms: int


class LastTrip(Struct, frozen=True, gc=False):
    """When a symbol's last round trip ended, and whether it won."""

    at_ms: int
    won: bool


class GlobalTradeSpacing(Rule):
    """Keeps two entries, on whatever symbols, a minimum time apart.

    Why: symbols move together, so that one shock gives many signals at once; and a runaway loop of a strategy is
    slowed down to one order a minute. Counted from the decision, not from the fill: an order still on its way counts.
    Tune: raise it on few correlated symbols, lower it (0 = off) when many independent ones wait for each other.
    """

    reason = "global_trade_spacing"
    setting = "pacing.min_seconds_between_trades"

    def __init__(self, plan: CorePlan) -> None:
        super().__init__(plan)
        self._spacing_ms = plan.pacing.min_seconds_between_trades * SECOND_MS
        self._last: LastEntry | None = None

    def check(self, ask: Ask, standing: Standing) -> Refusal | None:
        if self._last is None:
            return None
        until_ms = self._last.at_ms + self._spacing_ms
        if standing.now_ms >= until_ms:
            return None
        passed_ms = standing.now_ms - self._last.at_ms
        detail = f"last entry {passed_ms / SECOND_MS:g} s ago on any symbol, {self._spacing_ms / SECOND_MS:g} s wanted"
        return Refusal(self.reason, f"{detail} before {ask.symbol}", until_ms)

    def entry_taken(self, symbol: str, at_ms: int) -> list[Row]:  # noqa: ARG002 - counts for every symbol
        self._last = LastEntry(at_ms)
        return self.remember(self._last, at_ms)

    def restore(self, row: RiskState) -> None:
        self._last = json.decode(row.value, type=LastEntry)


class SymbolCooldown(Rule):
    """Keeps a symbol quiet after a round trip, longer after one that did not win.

    Why: the move that just stopped us out is usually not over, and a mean that was just reached has nothing left to
    revert to. Tune: shorten the pause after a loss only with a backtest that shows the re-entries earn money.
    """

    reason = "symbol_cooldown_active"
    setting = "pacing.cooldown_after_loss_seconds"

    def __init__(self, plan: CorePlan) -> None:
        super().__init__(plan)
        self._after_win_ms = plan.pacing.cooldown_after_win_seconds * SECOND_MS
        self._after_loss_ms = plan.pacing.cooldown_after_loss_seconds * SECOND_MS
        self._trips: dict[str, LastTrip] = {}

    def check(self, ask: Ask, standing: Standing) -> Refusal | None:
        trip = self._trips.get(ask.symbol)
        if trip is None:
            return None
        until_ms = trip.at_ms + (self._after_win_ms if trip.won else self._after_loss_ms)
        if standing.now_ms >= until_ms:
            return None
        left = (until_ms - standing.now_ms) / SECOND_MS
        result = "win" if trip.won else "loss"
        return Refusal(self.reason, f"{ask.symbol} rests {left:g} s more after a {result}", until_ms)

    def trip_ended(self, symbol: str, pnl: Decimal, at_ms: int) -> list[Row]:
        trip = LastTrip(at_ms, won=pnl > ZERO)
        self._trips[symbol] = trip
        return self.remember(trip, at_ms, symbol)

    def restore(self, row: RiskState) -> None:
        self._trips[row.symbol] = json.decode(row.value, type=LastTrip)
