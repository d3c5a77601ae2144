"""What the venue takes, keeps and tells: requests, orders, trades, views and events, in wire spellings.

Money and quantities are Decimal, times are int milliseconds UTC of market time.
Every struct is frozen: an event or answer is a snapshot that never changes afterwards.
What is made for each order and fill is filled in field by field in the order given here, without naming the fields:
that takes a sixth of the time.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Protocol

import msgspec

from simulator.venue.decimals import ZERO


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class PositionSide(StrEnum):
    BOTH = "BOTH"
    LONG = "LONG"
    SHORT = "SHORT"


class OrderType(StrEnum):
    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP = "STOP"
    STOP_MARKET = "STOP_MARKET"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"
    TRAILING_STOP_MARKET = "TRAILING_STOP_MARKET"


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTX = "GTX"
    GTD = "GTD"


class OrderStatus(StrEnum):
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


class AlgoStatus(StrEnum):
    NEW = "NEW"
    CANCELED = "CANCELED"
    TRIGGERING = "TRIGGERING"
    TRIGGERED = "TRIGGERED"
    FINISHED = "FINISHED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


class ExecutionType(StrEnum):
    """`x` of ORDER_TRADE_UPDATE."""

    NEW = "NEW"
    CANCELED = "CANCELED"
    CALCULATED = "CALCULATED"
    EXPIRED = "EXPIRED"
    TRADE = "TRADE"


class ExpiryReason(StrEnum):
    """`er` of ORDER_TRADE_UPDATE (docs/wire.md B.8)."""

    NONE = "0"
    IOC_REMAINDER = "2"
    REDUCE_ONLY = "4"
    LIQUIDATION = "5"
    MARKET_REMAINDER = "9"


class WorkingType(StrEnum):
    CONTRACT_PRICE = "CONTRACT_PRICE"
    MARK_PRICE = "MARK_PRICE"


class MarginType(StrEnum):
    """As in symbolConfig; ACCOUNT_UPDATE spells them `isolated` and `cross`."""

    ISOLATED = "ISOLATED"
    CROSSED = "CROSSED"


class AccountReason(StrEnum):
    """`a.m` of ACCOUNT_UPDATE."""

    DEPOSIT = "DEPOSIT"
    WITHDRAW = "WITHDRAW"
    ORDER = "ORDER"
    FUNDING_FEE = "FUNDING_FEE"
    INSURANCE_CLEAR = "INSURANCE_CLEAR"
    MARGIN_TRANSFER = "MARGIN_TRANSFER"
    MARGIN_TYPE_CHANGE = "MARGIN_TYPE_CHANGE"


class IncomeType(StrEnum):
    TRANSFER = "TRANSFER"
    REALIZED_PNL = "REALIZED_PNL"
    FUNDING_FEE = "FUNDING_FEE"
    COMMISSION = "COMMISSION"
    INSURANCE_CLEAR = "INSURANCE_CLEAR"


class Tick(Protocol):
    """One trade of the price path: what `Exchange.on_tick` reads."""

    @property
    def symbol(self) -> str: ...
    @property
    def at_ms(self) -> int: ...
    @property
    def price(self) -> Decimal: ...
    @property
    def quantity(self) -> Decimal: ...
    @property
    def buyer_is_maker(self) -> bool: ...


class Candle(Protocol):
    """A candle of the path, or a finer piece of one (a tick is one without height): what candle mode reads."""

    @property
    def symbol(self) -> str: ...
    @property
    def open_time(self) -> int: ...
    @property
    def open(self) -> Decimal: ...
    @property
    def high(self) -> Decimal: ...
    @property
    def low(self) -> Decimal: ...
    @property
    def close(self) -> Decimal: ...
    @property
    def volume(self) -> Decimal: ...
    @property
    def interval_ms(self) -> int: ...


class OrderRequest(msgspec.Struct, frozen=True, gc=False):
    """A new order as POST v1/order names it; `client_order_id` "" lets the venue make one.

    `self_trade_prevention` is kept and echoed: on a one-account venue own orders never meet.
    """

    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal = ZERO
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    client_order_id: str = ""
    position_side: PositionSide = PositionSide.BOTH
    price_match: str = "NONE"
    self_trade_prevention: str = "EXPIRE_MAKER"
    good_till_ms: int = 0


class AlgoRequest(msgspec.Struct, frozen=True, gc=False):
    """A new conditional order as POST v1/algoOrder names it; quantity is 0 with `close_position`.

    A trailing stop has no trigger price but a `callback_rate` in percent, and an `activate_price`, 0 = active at once.
    """

    symbol: str
    side: Side
    type: OrderType
    trigger_price: Decimal = ZERO
    quantity: Decimal = ZERO
    price: Decimal = ZERO
    time_in_force: TimeInForce = TimeInForce.GTC
    working_type: WorkingType = WorkingType.CONTRACT_PRICE
    close_position: bool = False
    reduce_only: bool = False
    price_protect: bool = False
    client_algo_id: str = ""
    position_side: PositionSide = PositionSide.BOTH
    price_match: str = "NONE"
    self_trade_prevention: str = "EXPIRE_MAKER"
    good_till_ms: int = 0
    activate_price: Decimal = ZERO
    callback_rate: Decimal = ZERO


class Order(msgspec.Struct, frozen=True, gc=False):
    """An order with an order id; `algo_id` and `close_position` come from the algo order it was born from."""

    order_id: int
    client_order_id: str
    symbol: str
    side: Side
    position_side: PositionSide
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    price: Decimal
    reduce_only: bool
    close_position: bool
    status: OrderStatus
    created_ms: int
    updated_ms: int
    algo_id: int = 0
    executed_quantity: Decimal = ZERO
    executed_quote: Decimal = ZERO
    expiry_reason: ExpiryReason = ExpiryReason.NONE
    working_type: WorkingType = WorkingType.CONTRACT_PRICE
    self_trade_prevention: str = "EXPIRE_MAKER"
    price_match: str = "NONE"

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.executed_quantity

    @property
    def average_price(self) -> Decimal:
        """Mean fill price, unrounded; 0 without a fill."""
        return self.executed_quote / self.executed_quantity if self.executed_quantity else ZERO

    @property
    def is_open(self) -> bool:
        return self.status is OrderStatus.NEW or self.status is OrderStatus.PARTIALLY_FILLED


class AlgoOrder(msgspec.Struct, frozen=True, gc=False):
    """A conditional order; `actual_*` describe the order it gave birth to, once triggered."""

    algo_id: int
    client_algo_id: str
    symbol: str
    side: Side
    position_side: PositionSide
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    price: Decimal
    trigger_price: Decimal
    working_type: WorkingType
    close_position: bool
    reduce_only: bool
    price_protect: bool
    status: AlgoStatus
    created_ms: int
    updated_ms: int
    triggered_ms: int = 0
    actual_order_id: int = 0
    actual_price: Decimal = ZERO
    actual_quantity: Decimal = ZERO
    actual_type: str = ""
    reject_reason: str = ""
    self_trade_prevention: str = "EXPIRE_MAKER"
    price_match: str = "NONE"
    activate_price: Decimal = ZERO
    callback_rate: Decimal = ZERO

    @property
    def is_open(self) -> bool:
        return self.status is AlgoStatus.NEW


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One fill; commission positive = paid (docs/ledger.md R1), `realized_pnl` before fees (R3)."""

    trade_id: int
    order_id: int
    symbol: str
    side: Side
    position_side: PositionSide
    price: Decimal
    quantity: Decimal
    quote: Decimal
    maker: bool
    commission: Decimal
    commission_asset: str
    realized_pnl: Decimal
    time_ms: int


class Income(msgspec.Struct, frozen=True, gc=False):
    """A row of GET v1/income: signed amount, `symbol` "" and `trade_id` 0 where they do not apply."""

    symbol: str
    type: IncomeType
    amount: Decimal
    asset: str
    info: str
    time_ms: int
    transaction_id: int
    trade_id: int


class FundingRate(msgspec.Struct, frozen=True, gc=False):
    """A settled funding of one symbol, whether or not a position was open."""

    symbol: str
    rate: Decimal
    time_ms: int
    mark_price: Decimal


class Level(msgspec.Struct, frozen=True, gc=False):
    """One price level of the book."""

    price: Decimal
    quantity: Decimal


class Book(msgspec.Struct, frozen=True, gc=False):
    """The book around the path price, best level first."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class MarketView(msgspec.Struct, frozen=True, gc=False):
    """Prices and funding terms of a symbol at the venue's present time."""

    symbol: str
    last: Decimal
    mark: Decimal
    index: Decimal
    funding_rate: Decimal
    next_funding_ms: int
    funding_interval_ms: int
    time_ms: int


class BalanceView(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One asset of v3/balance and v3/account."""

    asset: str
    wallet_balance: Decimal
    unrealized_profit: Decimal
    margin_balance: Decimal
    maintenance_margin: Decimal
    initial_margin: Decimal
    position_initial_margin: Decimal
    open_order_initial_margin: Decimal
    cross_wallet_balance: Decimal
    cross_unrealized: Decimal
    available_balance: Decimal
    max_withdraw: Decimal
    updated_ms: int


class PositionView(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One row of v3/positionRisk; quantity and notional signed, liquidation price 0 when there is none."""

    symbol: str
    position_side: PositionSide
    quantity: Decimal
    entry_price: Decimal
    break_even_price: Decimal
    mark_price: Decimal
    unrealized_profit: Decimal
    liquidation_price: Decimal
    isolated_margin: Decimal
    isolated_wallet: Decimal
    notional: Decimal
    margin_asset: str
    initial_margin: Decimal
    maintenance_margin: Decimal
    position_initial_margin: Decimal
    open_order_initial_margin: Decimal
    bid_notional: Decimal
    ask_notional: Decimal
    leverage: int
    margin_type: MarginType
    updated_ms: int


class AccountView(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """v3/account: the sums over all assets (one margin asset: USDT) and the rows behind them.

    `positions` holds only symbols with a position or an open order, as v3 answers.
    """

    total_initial_margin: Decimal
    total_maintenance_margin: Decimal
    total_wallet_balance: Decimal
    total_unrealized_profit: Decimal
    total_margin_balance: Decimal
    total_position_initial_margin: Decimal
    total_open_order_initial_margin: Decimal
    total_cross_wallet_balance: Decimal
    total_cross_unrealized: Decimal
    available_balance: Decimal
    max_withdraw: Decimal
    balances: tuple[BalanceView, ...]
    positions: tuple[PositionView, ...]


class SymbolConfig(msgspec.Struct, frozen=True, gc=False):
    """One row of v1/symbolConfig."""

    symbol: str
    margin_type: MarginType
    leverage: int
    max_notional: Decimal


class BalanceChange(msgspec.Struct, frozen=True, gc=False):
    """`B` of ACCOUNT_UPDATE: wb, cw, bc (bc leaves out PnL and commission)."""

    asset: str
    wallet_balance: Decimal
    cross_wallet_balance: Decimal
    change: Decimal


class PositionChange(msgspec.Struct, frozen=True, gc=False):
    """`P` of ACCOUNT_UPDATE: s pa ep bep cr up mt iw ps."""

    symbol: str
    quantity: Decimal
    entry_price: Decimal
    break_even_price: Decimal
    accumulated_realized: Decimal
    unrealized_profit: Decimal
    margin_type: MarginType
    isolated_wallet: Decimal
    position_side: PositionSide


class OrderEvent(msgspec.Struct, frozen=True, gc=False):
    """ORDER_TRADE_UPDATE; with `trade` it is also the source of the TRADE_LITE sent just before it.

    `bid_notional` and `ask_notional` are `b` and `a`: open notional of the symbol after this event (0 when brief).
    """

    at_ms: int
    order: Order
    execution: ExecutionType
    trade: Trade | None
    bid_notional: Decimal
    ask_notional: Decimal


class AccountEvent(msgspec.Struct, frozen=True, gc=False):
    """ACCOUNT_UPDATE: only what changed; `symbol` is `a.S` of a funding event, else "".

    `due_ms` is when it was due: a funding that fell due in a hole between candles is told after it.
    """

    at_ms: int
    reason: AccountReason
    balances: tuple[BalanceChange, ...]
    positions: tuple[PositionChange, ...]
    symbol: str = ""
    due_ms: int = 0


class AlgoEvent(msgspec.Struct, frozen=True, gc=False):
    """ALGO_UPDATE."""

    at_ms: int
    algo: AlgoOrder


class AccountConfigEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """ACCOUNT_CONFIG_UPDATE: a symbol's leverage (`ac`), or the multi-assets switch (`ai`) with symbol ""."""

    at_ms: int
    symbol: str = ""
    leverage: int = 0
    multi_assets: bool = False


class ForceOrderEvent(msgspec.Struct, frozen=True, gc=False):
    """A liquidation order for the market-wide forceOrder streams."""

    at_ms: int
    order: Order


VenueEvent = OrderEvent | AccountEvent | AlgoEvent | AccountConfigEvent | ForceOrderEvent
