"""What the core recorded in a backtest, kept by kind, and made into round trips at the end."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from backtest.lane import Lane
from backtest.results import Trade
from bot.domain.errors import StopTrading
from bot.domain.fill import Fill, Funding, Transfer
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

    def __init__(self, lanes: Mapping[str, Lane], others: list[Row] | None = None) -> None:
        self.fills: list[Fill] = []
        self.fundings: list[Funding] = []
        self.transfers: list[Transfer] = []
        self.risk_events: list[RiskEvent] = []
        self._lanes = lanes
        self._others = others
        self._trades: dict[tuple[str, int], TradeRow] = {}
        self._decided: dict[tuple[str, int], Decided] = {}
        self._keep_by_kind: dict[type, Callable[[Any], None]] = {
            Fill: self.fills.append,
            Funding: self.fundings.append,
            Transfer: self.transfers.append,
            RiskEvent: self.risk_events.append,
            TradeRow: self._keep_trade,
            Incident: _insist_on_equal_books,
        }

    def take(self, row: Row) -> None:
        """Keep a row; raises StopTrading where books and venue disagree, which would make every result worthless."""
        kind = type(row)
        if kind in self._keep_by_kind:
            self._keep_by_kind[kind](row)
        if self._others is not None:
            self._others.append(row)

    def _keep_trade(self, row: TradeRow) -> None:
        lane, key = self._lanes[row.symbol], (row.symbol, row.trip)
        self._trades[key] = row
        if key not in self._decided:
            self._decided[key] = Decided(lane.entry_decision_price, lane.exit_decision_price, lane.stop_price)

    def trades(self, interval_ms: int) -> tuple[Trade, ...]:
        """Return all round trips in the order of their exits."""
        found = [_trade(row, self._decided[key], interval_ms) for key, row in self._trades.items()]
        return tuple(sorted(found, key=lambda trade: (trade.exit_time, trade.symbol, trade.entry_time)))


def _insist_on_equal_books(incident: Incident) -> None:
    if incident.severity == "CRITICAL":
        raise StopTrading(
            f"{incident.code} {incident.symbol}: {incident.detail}. This is a defect of the program: report it."
        )


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
