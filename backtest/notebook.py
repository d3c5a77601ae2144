"""What the core recorded in a backtest, kept by kind, and made into round trips at the end."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from msgspec import Struct

from backtest.lane import Lane
from backtest.results import Trade
from bot.domain.errors import StopTrading
from bot.domain.fill import Fill, Funding
from bot.domain.money import ZERO
from bot.domain.records import Incident, RiskEvent, Row, TradeRow

_REASONS: Final = {"flatten": "kill_switch"}
_STOPS: Final = frozenset({"stop", "trailing"})


class Decided(Struct, frozen=True, gc=False):
    """The prices at which a round trip was decided: the closes behind entry and exit, and the stop (0 = none)."""

    entry: Decimal
    exit: Decimal
    stop: Decimal


class Notebook:
    """Keeps what a result is made of; other rows may be kept too by giving `others` (decisions, for parity)."""

    def __init__(self, others: list[Row] | None = None) -> None:
        self.fills: list[Fill] = []
        self.fundings: list[Funding] = []
        self.risk_events: list[RiskEvent] = []
        self._others = others
        self._trades: dict[tuple[str, int], TradeRow] = {}
        self._decided: dict[tuple[str, int], Decided] = {}

    def take(self, row: Row, lanes: Mapping[str, Lane]) -> None:
        """Keep a row; raises StopTrading where books and venue disagree, which would make every result worthless."""
        match row:
            case Fill():
                self.fills.append(row)
            case TradeRow():
                lane = lanes[row.symbol]
                self._trades[row.symbol, row.trip] = row
                decided = Decided(lane.entry_decision_price, lane.exit_decision_price, lane.stop_price)
                self._decided.setdefault((row.symbol, row.trip), decided)
            case Funding():
                self.fundings.append(row)
            case RiskEvent():
                self.risk_events.append(row)
            case Incident(severity="CRITICAL"):
                raise StopTrading(f"{row.code} {row.symbol}: {row.detail}. This is a defect of the program: report it.")
            case _:
                pass
        if self._others is not None:
            self._others.append(row)

    def trades(self, interval_ms: int) -> tuple[Trade, ...]:
        """Return all round trips in the order of their exits."""
        found = [_trade(row, self._decided[key], interval_ms) for key, row in self._trades.items()]
        return tuple(sorted(found, key=lambda trade: (trade.exit_time, trade.symbol, trade.entry_time)))


def _trade(row: TradeRow, decided: Decided, interval_ms: int) -> Trade:
    is_stop = row.exit_reason in _STOPS
    return Trade(
        symbol=row.symbol,
        side=row.side,
        quantity=row.quantity,
        entry_time=row.entry_ms - row.entry_ms % interval_ms,
        entry_price=row.entry_price,
        exit_time=row.exit_ms - row.exit_ms % interval_ms,
        exit_price=row.exit_price,
        fees=row.fees,
        funding=row.funding,
        pnl=row.pnl,
        exit_reason=_REASONS.get(row.exit_reason, row.exit_reason),
        entry_decision_price=decided.entry,
        exit_decision_price=decided.stop if is_stop else decided.exit or ZERO,
    )
