"""Everything the venue remembers, in one place that the rules around it change."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from simulator.venue.account import Account, Position
from simulator.venue.costs import CandleCosts
from simulator.venue.decimals import ZERO
from simulator.venue.errors import held, refusal
from simulator.venue.fees import Fees
from simulator.venue.funding import FundingSchedule
from simulator.venue.latency import Latency
from simulator.venue.market import Market, Trail
from simulator.venue.model import (
    AccountEvent,
    AccountReason,
    AlgoEvent,
    AlgoOrder,
    AlgoStatus,
    BalanceChange,
    ExecutionType,
    FundingRate,
    Income,
    IncomeType,
    Order,
    OrderEvent,
    OrderStatus,
    OrderType,
    PositionChange,
    PositionSide,
    Trade,
    VenueEvent,
)

FIRST_ORDER_ID: Final = 1_000_001
FIRST_TRADE_ID: Final = 500_001
FIRST_ALGO_ID: Final = 2_000_000_000_000_001
FIRST_TRANSACTION_ID: Final = 9_000_000_001
FAR_FUTURE_MS: Final = 1 << 62


class Markets(dict[str, Market]):
    """The markets by symbol; asking for an unknown one is refused with -1121."""

    def __missing__(self, symbol: str) -> Market:
        """Refuse."""
        raise refusal(-1121)


@dataclass(slots=True)
class State:
    """The venue's memory. `next_due_ms` is never later than the first funding, delayed order or dead-man switch.

    `busy` are the markets with an open order, `waiting_count` the algo orders that wait. `is_brief`: events leave out
    what only a user stream shows. `is_tacit`: the first word about a market order is its fill or its end, never NEW;
    one that a conditional order gave birth to is told as ever. `unread` are the income rows since somebody last asked
    for `incomes`; a fill stands there for the two that it makes.
    """

    now_ms: int
    markets: Markets
    account: Account
    fees: Fees
    latency: Latency | None
    funding: FundingSchedule
    costs: CandleCosts
    by_candles: bool = False
    is_held: bool = False
    is_brief: bool = False
    is_tacit: bool = False
    is_dual: bool = False
    is_multi_assets: bool = False
    next_due_ms: int = 0
    arrivals: list[tuple[int, int]] = field(default_factory=list)
    countdowns: dict[str, int] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    order_ids: dict[tuple[str, str], int] = field(default_factory=dict)
    algos: dict[int, AlgoOrder] = field(default_factory=dict)
    algo_ids: dict[str, int] = field(default_factory=dict)
    trades: dict[int, Trade] = field(default_factory=dict)
    next_order_id: int = FIRST_ORDER_ID
    next_trade_id: int = FIRST_TRADE_ID
    next_algo_id: int = FIRST_ALGO_ID
    liquidation_count: int = 0
    busy: dict[str, Market] = field(default_factory=dict)
    waiting_count: int = 0
    unread: list[Income | Trade] = field(default_factory=list)
    read: list[Income] = field(default_factory=list)
    funding_rates: list[FundingRate] = field(default_factory=list)
    events: list[VenueEvent] = field(default_factory=list)

    def market(self, symbol: str) -> Market:
        """Find a symbol's market; -1121 for an unknown one."""
        return self.markets[symbol]

    def position(self, symbol: str) -> Position:
        """Find a symbol's position, flat or not; -1121 for an unknown one."""
        position = self.account.positions.get(symbol)
        if position is None:
            raise refusal(-1121)
        return position

    def check_not_held(self) -> None:
        """Refuse what changes orders while the exchange stands still."""
        if self.is_held:
            raise held()

    def open_orders(self, symbol: str = "") -> list[Order]:
        """List open orders, oldest first, of one symbol or of all with ""."""
        markets = [self.market(symbol)] if symbol else self.busy.values()
        return sorted((order for market in markets for order in market.resting.values()), key=_order_id)

    def open_algos(self, symbol: str = "") -> list[AlgoOrder]:
        """List untriggered algo orders, oldest first, of one symbol or of all with ""."""
        markets = [self.market(symbol)] if symbol else self.markets.values()
        return sorted((algo for market in markets for algo in market.waiting.values()), key=_algo_id)

    def keep_order(self, order: Order) -> None:
        """Store an order's state under its ids, and among its market's open ones while it is one of them."""
        symbol, order_id = order.symbol, order.order_id
        self.orders[order_id] = order
        self.order_ids[symbol, order.client_order_id] = order_id
        market = self.markets[symbol]
        if order.status is OrderStatus.NEW or order.status is OrderStatus.PARTIALLY_FILLED:
            market.resting[order_id] = order
        elif order_id in market.resting:
            del market.resting[order_id]
            if order_id in market.travelling:
                del market.travelling[order_id]
        market.quiet = None
        if order.type is not OrderType.MARKET:
            market.is_stale = True
        if market.resting:
            self.busy[symbol] = market
        elif symbol in self.busy:
            del self.busy[symbol]

    def keep_algo(self, algo: AlgoOrder) -> None:
        """Store an algo order's state and tell it."""
        algo_id, market = algo.algo_id, self.markets[algo.symbol]
        self.algos[algo_id] = algo
        self.algo_ids[algo.client_algo_id] = algo_id
        if algo.status is AlgoStatus.NEW:
            self.waiting_count += algo_id not in market.waiting
            market.waiting[algo_id] = algo
            if algo.type is OrderType.TRAILING_STOP_MARKET and algo_id not in market.trails:
                market.trails[algo_id] = Trail()
        elif algo_id in market.waiting:
            self.waiting_count -= 1
            del market.waiting[algo_id]
            if algo_id in market.trails:
                del market.trails[algo_id]
        market.is_stale = True
        self.events.append(AlgoEvent(self.now_ms, algo))

    def keep_trade(self, trade: Trade) -> None:
        """Store a fill and book what it did to the account."""
        self.trades[trade.trade_id] = trade
        self.next_trade_id += 1
        self.unread.append(trade)
        self.account.book(trade)

    def incomes(self) -> list[Income]:
        """Return the income rows so far, oldest first."""
        for row in self.unread:
            for income in _rows_of(row):
                self.read.append(replace(income, transaction_id=FIRST_TRANSACTION_ID + len(self.read)))
        self.unread.clear()
        return self.read

    def earn(
        self,
        income_type: IncomeType,
        amount: Decimal,
        asset: str,
        *,
        symbol: str = "",
        time_ms: int = 0,
    ) -> None:
        """Book a signed amount into its wallet and as an income row of now, or of an earlier `time_ms`.

        A zero amount leaves no trace.
        """
        if not amount:
            return
        self.account.add(asset, amount, self.now_ms)
        self.unread.append(Income(symbol, income_type, amount, asset, "", time_ms or self.now_ms, 0, 0))

    def tell_order(self, order: Order, execution: ExecutionType, trade: Trade | None = None) -> None:
        """Record an ORDER_TRADE_UPDATE."""
        bids, asks = (ZERO, ZERO) if self.is_brief else self.markets[order.symbol].open_notionals()
        self.events.append(OrderEvent(self.now_ms, order, execution, trade, bids, asks))

    def tell_account(
        self,
        reason: AccountReason,
        asset: str,
        *,
        position: Position | None = None,
        change: Decimal,
        symbol: str = "",
        due_ms: int = 0,
    ) -> None:
        """Record an ACCOUNT_UPDATE of one asset and, where given, of one position."""
        balance = BalanceChange(asset, self.account.wallets[asset], self.account.cross_wallet(asset), change)
        self.events.append(
            AccountEvent(
                at_ms=self.now_ms,
                reason=reason,
                balances=(balance,),
                positions=() if position is None else (self.position_change(position),),
                symbol=symbol,
                due_ms=due_ms or self.now_ms,
            )
        )

    def position_change(self, position: Position) -> PositionChange:
        """Describe a position as ACCOUNT_UPDATE does."""
        return PositionChange(
            symbol=position.symbol,
            quantity=position.quantity,
            entry_price=position.entry_price,
            break_even_price=position.break_even_price,
            accumulated_realized=position.accumulated_realized,
            unrealized_profit=position.unrealized(self.markets[position.symbol].mark),
            margin_type=position.margin_type,
            isolated_wallet=position.isolated_wallet,
            position_side=PositionSide.BOTH,
        )


def _rows_of(row: Income | Trade) -> Iterator[Income]:
    """Yield the income rows of an entry; a zero amount leaves no trace."""
    if isinstance(row, Income):
        yield row
        return
    for income_type, amount in (
        (IncomeType.REALIZED_PNL, row.realized_pnl),
        (IncomeType.COMMISSION, -row.commission),
    ):
        if amount:
            yield Income(
                row.symbol,
                income_type,
                amount,
                row.commission_asset,
                str(row.trade_id),
                row.time_ms,
                0,
                row.trade_id,
            )


def _order_id(order: Order) -> int:
    return order.order_id


def _algo_id(algo: AlgoOrder) -> int:
    return algo.algo_id
