"""Frames of the user stream to the domain's words; dicts stop here (docs/wire.md B.8)."""

from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.json import Decoder

from bot.domain.events import AlgoUpdated, Event, FundingPaid, OrderUpdated
from bot.domain.fill import Fill, Funding
from bot.domain.market import MINUTE_MS
from bot.domain.money import ZERO
from bot.domain.order import AlgoReport, OrderReport, Side
from bot.exchange.binance.exact import amount_or_zero, exact, id_or_zero
from bot.exchange.binance.income import DEPOSITS, FUNDING_KINDS, floor_to, transfer_events

_QUIET_REASONS = frozenset({"ORDER", "MARGIN_TRANSFER", "MARGIN_TYPE_CHANGE"})
_EXECUTIONS = frozenset({"TRADE", "CALCULATED"})
_IGNORED = frozenset({"TRADE_LITE", "STRATEGY_UPDATE", "GRID_UPDATE", "ACCOUNT_CONFIG_UPDATE"})
_FOREIGN_IDS = ("autoclose-", "adl_autoclose", "settlement_autoclose-")


class UserNews(Struct, frozen=True):
    """What a user frame says, and what must be asked because it left that out.

    `ask_fills_of` names an order (symbol, order id) whose executions came without their fees; `ask_income` says that
    money came without its symbol, which only the income history knows; `ignored` names a frame that means nothing to
    us, `unknown` one nobody told us of.
    """

    events: tuple[Event, ...] = ()
    ask_fills_of: tuple[str, int] | None = None
    ask_income: bool = False
    key_expired: bool = False
    margin_call: str = ""
    ignored: str = ""
    unknown: str = ""


class _UserHead(Struct, frozen=True, gc=False, rename={"event": "e"}):
    event: str | UnsetType = UNSET
    stream: str | UnsetType = UNSET
    data: Raw | UnsetType = UNSET
    result: Raw | UnsetType = UNSET


class _OrderBody(
    Struct,
    frozen=True,
    gc=False,
    rename={
        "symbol": "s",
        "client_order_id": "c",
        "side": "S",
        "type": "o",
        "time_in_force": "f",
        "quantity": "q",
        "price": "p",
        "execution": "x",
        "status": "X",
        "order_id": "i",
        "last_quantity": "l",
        "executed": "z",
        "last_price": "L",
        "commission": "n",
        "commission_asset": "N",
        "time_ms": "T",
        "trade_id": "t",
        "maker": "m",
        "reduce_only": "R",
        "position_side": "ps",
        "close_position": "cp",
        "realized_pnl": "rp",
        "algo_id": "si",
        "expiry_reason": "er",
    },
):
    symbol: str
    client_order_id: str
    side: Side
    type: str
    time_in_force: str
    quantity: str
    price: str
    execution: str
    status: str
    order_id: int
    last_quantity: str
    executed: str
    last_price: str
    time_ms: int
    trade_id: int = 0
    commission: str | None = None
    commission_asset: str | None = None
    maker: bool = False
    reduce_only: bool = False
    position_side: str = "BOTH"
    close_position: bool = False
    realized_pnl: str = "0"
    algo_id: int = 0
    expiry_reason: str | int = ""

    def report(self) -> OrderReport:
        return OrderReport(
            symbol=self.symbol,
            order_id=self.order_id,
            client_order_id=self.client_order_id,
            status=self.status,
            side=self.side,
            type=self.type,
            time_in_force=self.time_in_force,
            quantity=exact(self.quantity),
            price=exact(self.price),
            executed_quantity=exact(self.executed),
            updated_ms=self.time_ms,
            reduce_only=self.reduce_only,
            close_position=self.close_position,
            position_side=self.position_side,
            algo_id=max(0, self.algo_id),
            expiry_reason=str(self.expiry_reason),
        )

    def is_execution(self) -> bool:
        return self.execution in _EXECUTIONS and self.trade_id > 0

    def fill(self) -> Fill | None:
        if not self.is_execution() or self.commission is None or self.commission_asset is None:
            return None
        return Fill(
            symbol=self.symbol,
            trade_id=self.trade_id,
            order_id=self.order_id,
            time_ms=self.time_ms,
            side=self.side,
            price=exact(self.last_price),
            quantity=exact(self.last_quantity),
            maker=self.maker,
            commission=exact(self.commission),
            commission_asset=self.commission_asset,
            realized_pnl=exact(self.realized_pnl),
            position_side=self.position_side,
        )


class _OrderTradeUpdate(Struct, frozen=True, gc=False, rename={"at_ms": "E", "order": "o"}):
    at_ms: int
    order: _OrderBody


class _AlgoBody(
    Struct,
    frozen=True,
    gc=False,
    rename={
        "client_algo_id": "caid",
        "algo_id": "aid",
        "type": "o",
        "symbol": "s",
        "side": "S",
        "position_side": "ps",
        "quantity": "q",
        "status": "X",
        "actual_order_id": "ai",
        "trigger_price": "tp",
        "price": "p",
        "working_type": "wt",
        "close_position": "cp",
        "reduce_only": "R",
        "activate_price": "AP",
        "callback_rate": "cr",
    },
):
    client_algo_id: str
    algo_id: int
    type: str
    symbol: str
    side: Side
    quantity: str
    status: str
    trigger_price: str = "0"
    price: str = "0"
    working_type: str = "CONTRACT_PRICE"
    position_side: str = "BOTH"
    close_position: bool = False
    reduce_only: bool = False
    actual_order_id: str | int | None = None
    activate_price: str | None = None
    callback_rate: str | None = None

    def report(self, updated_ms: int) -> AlgoReport:
        return AlgoReport(
            symbol=self.symbol,
            algo_id=self.algo_id,
            client_algo_id=self.client_algo_id,
            status=self.status,
            side=self.side,
            type=self.type,
            quantity=ZERO if self.close_position else amount_or_zero(self.quantity),
            price=amount_or_zero(self.price),
            trigger_price=amount_or_zero(self.trigger_price),
            working_type=self.working_type,
            close_position=self.close_position,
            reduce_only=self.reduce_only,
            updated_ms=updated_ms,
            actual_order_id=id_or_zero(self.actual_order_id),
            position_side=self.position_side,
            activate_price=amount_or_zero(self.activate_price),
            callback_rate=amount_or_zero(self.callback_rate),
        )


class _AlgoUpdate(Struct, frozen=True, gc=False, rename={"at_ms": "E", "time_ms": "T", "algo": "o"}):
    at_ms: int
    time_ms: int
    algo: _AlgoBody


class _BalanceChange(Struct, frozen=True, gc=False, rename={"asset": "a", "change": "bc"}):
    asset: str
    change: str = "0"


class _PositionChange(Struct, frozen=True, gc=False, rename={"symbol": "s"}):
    symbol: str


class _AccountBody(Struct, frozen=True, rename={"reason": "m", "balances": "B", "positions": "P", "symbol": "S"}):
    reason: str
    balances: list[_BalanceChange] = []
    positions: list[_PositionChange] = []
    symbol: str = ""


class _AccountUpdate(Struct, frozen=True, rename={"at_ms": "E", "time_ms": "T", "account": "a"}):
    at_ms: int
    time_ms: int
    account: _AccountBody


class _MarginCall(Struct, frozen=True, rename={"positions": "p"}):
    positions: list[_PositionChange] = []


_head = Decoder(_UserHead)
_order_update = Decoder(_OrderTradeUpdate)
_algo_update = Decoder(_AlgoUpdate)
_account_update = Decoder(_AccountUpdate)
_margin_call = Decoder(_MarginCall)


def read_user_frame(payload: bytes) -> UserNews:
    """Decode a frame of the private route in any of its three envelopes; raises one of UNREADABLE.

    The envelopes: the bare event; `stream` naming the listen key; `stream` naming `<key>@EVENT`.
    """
    head = _head.decode(payload)
    event: bytes | Raw = payload
    if head.data is not UNSET:
        event = head.data
        head = _head.decode(event)
    if head.event is UNSET:
        return UserNews(ignored="control") if head.result is not UNSET else UserNews(unknown="unnamed")
    match head.event:
        case "ORDER_TRADE_UPDATE":
            return _order_news(_order_update.decode(event))
        case "ALGO_UPDATE":
            update = _algo_update.decode(event)
            return UserNews((AlgoUpdated(update.at_ms, update.algo.report(update.time_ms)),))
        case "ACCOUNT_UPDATE":
            return _account_news(_account_update.decode(event))
        case "listenKeyExpired":
            return UserNews(key_expired=True)
        case "MARGIN_CALL":
            return UserNews(margin_call=",".join(row.symbol for row in _margin_call.decode(event).positions))
        case name:
            return UserNews(ignored=name) if name in _IGNORED else UserNews(unknown=name)


def is_forced(client_order_id: str) -> bool:
    """Say whether an order is the exchange's own: liquidation, auto-deleveraging or settlement."""
    return client_order_id.startswith(_FOREIGN_IDS)


def _order_news(update: _OrderTradeUpdate) -> UserNews:
    order = update.order
    fill = order.fill()
    untold = order.is_execution() and fill is None
    asks = untold or is_forced(order.client_order_id)
    return UserNews(
        (OrderUpdated(update.at_ms, order.report(), fill),),
        ask_fills_of=(order.symbol, order.order_id) if asks else None,
    )


def _account_news(update: _AccountUpdate) -> UserNews:
    account = update.account
    changes = [(row.asset, exact(row.change)) for row in account.balances if exact(row.change)]
    if account.reason in _QUIET_REASONS or not changes:
        return UserNews()
    symbol = account.symbol or _only_symbol(account.positions)
    if not symbol and account.reason not in DEPOSITS:
        return UserNews(ask_income=True)
    if account.reason not in FUNDING_KINDS:
        return UserNews(
            tuple(
                event
                for asset, change in changes
                for event in transfer_events(account.reason, update.time_ms, symbol, asset, change, update.at_ms)
            )
        )
    minute = floor_to(update.time_ms, MINUTE_MS)
    return UserNews(
        tuple(
            FundingPaid(update.at_ms, Funding(symbol, account.reason, minute, asset, change))
            for asset, change in changes
        )
    )


def _only_symbol(positions: list[_PositionChange]) -> str:
    symbols = {row.symbol for row in positions}
    return symbols.pop() if len(symbols) == 1 else ""
