"""Account frames and answers to the domain's words; dicts stop here (docs/wire.md B.3, B.6, B.8, B.9)."""

from collections.abc import Iterable
from decimal import Decimal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.json import Decoder

from bot.domain.account import AccountSettings, LeverageBracket, ReportedPosition
from bot.domain.events import AlgoUpdated, Event, FundingPaid, OrderUpdated, TransferSeen
from bot.domain.fill import Fill, Funding, Transfer
from bot.domain.instrument import Instrument
from bot.domain.market import MINUTE_MS, Candle, FundingRate
from bot.domain.money import ZERO
from bot.domain.order import AlgoReport, OrderReport, Side
from bot.exchange.binance.exact import exact

SECOND_MS = 1_000
FUNDING_KINDS = frozenset({"FUNDING_FEE", "SPECIAL_FUNDING_FEE"})
UNREADABLE = (msgspec.MsgspecError, ArithmeticError, ValueError)
_TRADING_KINDS = frozenset({"COMMISSION", "REALIZED_PNL"})
_QUIET_REASONS = frozenset({"ORDER", "MARGIN_TRANSFER", "MARGIN_TYPE_CHANGE"})
_DEPOSITS = frozenset({"DEPOSIT", "WITHDRAW"})
_EXECUTIONS = frozenset({"TRADE", "CALCULATED"})
_IGNORED = frozenset({"TRADE_LITE", "STRATEGY_UPDATE", "GRID_UPDATE", "ACCOUNT_CONFIG_UPDATE"})
_FOREIGN_IDS = ("autoclose-", "adl_autoclose", "settlement_autoclose-")


# Answers


class _Order(
    Struct,
    frozen=True,
    gc=False,
    rename={
        "order_id": "orderId",
        "client_order_id": "clientOrderId",
        "time_in_force": "timeInForce",
        "quantity": "origQty",
        "executed": "executedQty",
        "updated_ms": "updateTime",
        "reduce_only": "reduceOnly",
        "close_position": "closePosition",
        "position_side": "positionSide",
    },
):
    symbol: str
    order_id: int
    client_order_id: str
    status: str
    side: Side
    type: str
    quantity: str
    price: str
    executed: str
    updated_ms: int
    time_in_force: str = "GTC"
    reduce_only: bool = False
    close_position: bool = False
    position_side: str = "BOTH"

    def report(self, algo_id: int = 0) -> OrderReport:
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
            updated_ms=self.updated_ms,
            reduce_only=self.reduce_only,
            close_position=self.close_position,
            position_side=self.position_side,
            algo_id=algo_id,
        )


class _Algo(
    Struct,
    frozen=True,
    gc=False,
    rename={
        "algo_id": "algoId",
        "client_algo_id": "clientAlgoId",
        "status": "algoStatus",
        "type": "orderType",
        "trigger_price": "triggerPrice",
        "working_type": "workingType",
        "close_position": "closePosition",
        "reduce_only": "reduceOnly",
        "updated_ms": "updateTime",
        "actual_order_id": "actualOrderId",
        "position_side": "positionSide",
        "activate_price": "activatePrice",
        "callback_rate": "callbackRate",
    },
):
    symbol: str
    algo_id: int
    client_algo_id: str
    status: str
    side: Side
    type: str
    trigger_price: str | None = None
    quantity: str | None = None
    price: str | None = None
    working_type: str = "CONTRACT_PRICE"
    close_position: bool = False
    reduce_only: bool = False
    updated_ms: int = 0
    actual_order_id: int | str | None = None
    position_side: str = "BOTH"
    activate_price: str | None = None
    callback_rate: str | None = None

    def report(self) -> AlgoReport:
        return AlgoReport(
            symbol=self.symbol,
            algo_id=self.algo_id,
            client_algo_id=self.client_algo_id,
            status=self.status,
            side=self.side,
            type=self.type,
            quantity=ZERO if self.close_position else _amount(self.quantity),
            price=_amount(self.price),
            trigger_price=_amount(self.trigger_price),
            working_type=self.working_type,
            close_position=self.close_position,
            reduce_only=self.reduce_only,
            updated_ms=self.updated_ms,
            actual_order_id=_id(self.actual_order_id),
            position_side=self.position_side,
            activate_price=_amount(self.activate_price),
            callback_rate=_amount(self.callback_rate),
        )


class _Trade(
    Struct,
    frozen=True,
    gc=False,
    rename={
        "order_id": "orderId",
        "quantity": "qty",
        "commission_asset": "commissionAsset",
        "realized_pnl": "realizedPnl",
        "position_side": "positionSide",
    },
):
    symbol: str
    id: int
    order_id: int
    side: Side
    price: str
    quantity: str
    commission: str
    commission_asset: str
    realized_pnl: str
    maker: bool
    time: int
    position_side: str = "BOTH"

    def fill(self) -> Fill:
        return Fill(
            symbol=self.symbol,
            trade_id=self.id,
            order_id=self.order_id,
            time_ms=self.time,
            side=self.side,
            price=exact(self.price),
            quantity=exact(self.quantity),
            maker=self.maker,
            commission=exact(self.commission),
            commission_asset=self.commission_asset,
            realized_pnl=exact(self.realized_pnl),
            position_side=self.position_side,
        )


class Income(Struct, frozen=True, rename={"kind": "incomeType", "amount": "income", "id": "tranId"}):
    """One row of the income history; `id` is unique within one kind only."""

    symbol: str
    kind: str
    amount: str
    asset: str
    time: int
    id: int | str


class _Balance(Struct, frozen=True, gc=False):
    asset: str
    balance: str


class _Position(
    Struct,
    frozen=True,
    gc=False,
    rename={"quantity": "positionAmt", "entry_price": "entryPrice", "position_side": "positionSide"},
):
    symbol: str
    quantity: str
    entry_price: str
    position_side: str = "BOTH"


class WireRateLimit(
    Struct,
    frozen=True,
    gc=False,
    rename={"rate_limit_type": "rateLimitType", "interval_num": "intervalNum"},
):
    """A published limit; `count` only in answers of the WebSocket API, -1 = not told."""

    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int
    count: int = -1


class _Filter(
    Struct,
    frozen=True,
    gc=False,
    rename={
        "kind": "filterType",
        "tick": "tickSize",
        "step": "stepSize",
        "min_price": "minPrice",
        "max_price": "maxPrice",
        "min_quantity": "minQty",
        "max_quantity": "maxQty",
        "up": "multiplierUp",
        "down": "multiplierDown",
    },
):
    kind: str
    tick: str = "0"
    step: str = "0"
    min_price: str = "0"
    max_price: str = "0"
    min_quantity: str = "0"
    max_quantity: str = "0"
    notional: str = "0"
    up: str = "0"
    down: str = "0"
    limit: int = 0


_NO_FILTER = _Filter("")


class _Symbol(
    Struct,
    frozen=True,
    rename={"base_asset": "baseAsset", "quote_asset": "quoteAsset", "margin_asset": "marginAsset"},
):
    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    margin_asset: str
    filters: list[_Filter]

    def instrument(self) -> Instrument:
        found = {one.kind: one for one in self.filters}
        price = found.get("PRICE_FILTER", _NO_FILTER)
        lot = found.get("LOT_SIZE", _NO_FILTER)
        market = found.get("MARKET_LOT_SIZE", lot)
        percent = found.get("PERCENT_PRICE", _NO_FILTER)
        return Instrument(
            symbol=self.symbol,
            status=self.status,
            base_asset=self.base_asset,
            quote_asset=self.quote_asset,
            margin_asset=self.margin_asset,
            tick_size=exact(price.tick),
            min_price=exact(price.min_price),
            max_price=exact(price.max_price),
            step_size=exact(lot.step),
            min_quantity=exact(lot.min_quantity),
            max_quantity=exact(lot.max_quantity),
            market_step_size=exact(market.step),
            market_min_quantity=exact(market.min_quantity),
            market_max_quantity=exact(market.max_quantity),
            min_notional=exact(found.get("MIN_NOTIONAL", _NO_FILTER).notional),
            percent_up=exact(percent.up),
            percent_down=exact(percent.down),
            max_orders=found.get("MAX_NUM_ORDERS", _NO_FILTER).limit,
        )


class ExchangeInfo(Struct, frozen=True, rename={"rate_limits": "rateLimits"}):
    """The published limits and every contract with its filters."""

    rate_limits: list[WireRateLimit]
    symbols: list[_Symbol]

    def instruments(self, symbols: Iterable[str]) -> tuple[Instrument, ...]:
        """Return the instruments of these symbols; raises KeyError naming an unknown one."""
        found = {one.symbol: one for one in self.symbols}
        return tuple(found[symbol].instrument() for symbol in symbols)


class _Bracket(
    Struct,
    frozen=True,
    gc=False,
    rename={
        "leverage": "initialLeverage",
        "cap": "notionalCap",
        "floor": "notionalFloor",
        "maintenance_rate": "maintMarginRatio",
    },
):
    leverage: int
    cap: Decimal
    floor: Decimal
    maintenance_rate: Decimal
    cum: Decimal = ZERO


class _Brackets(Struct, frozen=True):
    symbol: str
    brackets: list[_Bracket]


class AccountConfig(
    Struct,
    frozen=True,
    gc=False,
    rename={"can_trade": "canTrade", "hedge_mode": "dualSidePosition", "multi_assets": "multiAssetsMargin"},
):
    """What is set for the whole account."""

    can_trade: bool
    hedge_mode: bool
    multi_assets: bool


class SymbolConfig(Struct, frozen=True, gc=False, rename={"margin_type": "marginType"}):
    """What is set for one symbol."""

    symbol: str
    margin_type: str
    leverage: int


class _FundingRate(
    Struct,
    frozen=True,
    gc=False,
    rename={"rate": "fundingRate", "at_ms": "fundingTime", "mark": "markPrice"},
):
    symbol: str
    at_ms: int
    rate: str
    mark: str = ""


class _ListenKey(Struct, frozen=True, gc=False, rename={"key": "listenKey"}):
    key: str


class _Time(Struct, frozen=True, gc=False, rename={"server_ms": "serverTime"}):
    server_ms: int


class _ErrorData(Struct, frozen=True, gc=False, rename={"retry_after": "retryAfter"}):
    retry_after: int = 0


class WireError(Struct, frozen=True, gc=False):
    """The body of a failed request; `data` of a WebSocket answer may name when to come back."""

    code: int = 0
    msg: str = ""
    data: _ErrorData | None = None

    def wait_seconds(self, now_ms: int) -> float:  # float: seconds
        """Return how long to be silent, 0 = not told; the wire names a moment (ms UTC) or a number of seconds."""
        after = self.data.retry_after if self.data else 0
        return max(0.0, (after - now_ms) / 1_000) if after > now_ms // 2 else float(after)  # float: seconds


class WireReply(Struct, frozen=True, gc=False, rename={"rate_limits": "rateLimits"}):
    """An answer of the WebSocket API."""

    id: str | int | None = None
    status: int = 0
    result: Raw | UnsetType = UNSET
    error: WireError | None = None
    rate_limits: list[WireRateLimit] = []


_order = Decoder(_Order)
_orders = Decoder(list[_Order])
_algo = Decoder(_Algo)
_algos = Decoder(list[_Algo])
_trades = Decoder(list[_Trade])
_income = Decoder(list[Income])
_balances = Decoder(list[_Balance])
_positions = Decoder(list[_Position])
_info = Decoder(ExchangeInfo)
_brackets = Decoder(list[_Brackets] | _Brackets)
_account = Decoder(AccountConfig)
_symbol_configs = Decoder(list[SymbolConfig])
_funding_rates = Decoder(list[_FundingRate])
_listen_key = Decoder(_ListenKey)
_time = Decoder(_Time)
_error = Decoder(WireError)
_reply = Decoder(WireReply)
_rows = Decoder(list[tuple[int, str, str, str, str, str, int, str, int, str, str, str]])


def read_order(body: bytes | Raw) -> OrderReport:
    """Decode an order: the answer of placing, cancelling or querying one. Its prices are never fill prices."""
    return _order.decode(body).report()


def read_orders(body: bytes) -> tuple[OrderReport, ...]:
    """Decode openOrders or allOrders."""
    return tuple(order.report() for order in _orders.decode(body))


def read_algo(body: bytes) -> AlgoReport:
    """Decode a conditional order: the answer of placing or querying one."""
    return _algo.decode(body).report()


def read_algos(body: bytes) -> tuple[AlgoReport, ...]:
    """Decode openAlgoOrders or allAlgoOrders."""
    return tuple(algo.report() for algo in _algos.decode(body))


def read_fills(body: bytes) -> tuple[Fill, ...]:
    """Decode userTrades."""
    return tuple(trade.fill() for trade in _trades.decode(body))


def read_income(body: bytes) -> list[Income]:
    """Decode income."""
    return _income.decode(body)


def read_wallets(body: bytes) -> dict[str, Decimal]:
    """Decode v3/balance to the wallet balance of each asset, zeros left out."""
    balances = {row.asset: exact(row.balance) for row in _balances.decode(body)}
    return {asset: balance for asset, balance in balances.items() if balance}


def read_positions(body: bytes) -> tuple[tuple[ReportedPosition, ...], frozenset[str]]:
    """Decode v3/positionRisk: what is not flat, and every symbol it names, those with nothing but orders too."""
    rows = _positions.decode(body)
    positions = tuple(
        ReportedPosition(row.symbol, exact(row.quantity), exact(row.entry_price), row.position_side)
        for row in rows
        if exact(row.quantity)
    )
    return positions, frozenset(row.symbol for row in rows)


def read_exchange_info(body: bytes) -> ExchangeInfo:
    """Decode exchangeInfo."""
    return _info.decode(body)


def read_brackets(body: bytes) -> tuple[LeverageBracket, ...]:
    """Decode leverageBracket, a list or one object."""
    answer = _brackets.decode(body)
    rows = [answer] if isinstance(answer, _Brackets) else answer
    return tuple(
        LeverageBracket(row.symbol, one.floor, one.cap, one.leverage, one.maintenance_rate, one.cum)
        for row in rows
        for one in row.brackets
    )


def read_account_config(body: bytes) -> AccountConfig:
    """Decode accountConfig."""
    return _account.decode(body)


def read_symbol_configs(body: bytes) -> list[SymbolConfig]:
    """Decode symbolConfig."""
    return _symbol_configs.decode(body)


def account_settings(
    account: AccountConfig, per_symbol: Iterable[SymbolConfig], wanted: Iterable[str]
) -> AccountSettings:
    """Put account and symbol settings together; a symbol that the exchange left out is missing."""
    rows = {row.symbol: row for row in per_symbol}
    known = [symbol for symbol in wanted if symbol in rows]
    return AccountSettings(
        hedge_mode=account.hedge_mode,
        multi_assets=account.multi_assets,
        leverage={symbol: rows[symbol].leverage for symbol in known},
        margin_type={symbol: _margin_type(rows[symbol].margin_type) for symbol in known},
        can_trade=account.can_trade,
    )


def read_candles(symbol: str, body: bytes) -> list[Candle]:
    """Decode klines; the last one may still be open."""
    return [
        Candle(symbol, row[0], exact(row[1]), exact(row[2]), exact(row[3]), exact(row[4]), exact(row[5]))
        for row in _rows.decode(body)
    ]


def read_funding_rates(body: bytes) -> tuple[FundingRate, ...]:
    """Decode fundingRate; rows of long ago have no mark price, which is 0 then."""
    return tuple(
        FundingRate(row.symbol, row.at_ms, exact(row.rate), _amount(row.mark)) for row in _funding_rates.decode(body)
    )


def read_listen_key(body: bytes) -> str:
    """Decode a listen key: a credential."""
    return _listen_key.decode(body).key


def read_server_ms(body: bytes) -> int:
    """Decode the server's time (ms UTC)."""
    return _time.decode(body).server_ms


def read_error(body: bytes) -> WireError:
    """Decode the body of a failed request; what is no JSON object has code 0 and no text."""
    try:
        return _error.decode(body)
    except msgspec.MsgspecError:
        return WireError(0, body[:200].decode(errors="replace") if not body.lstrip().startswith(b"<") else "")


def read_reply(payload: bytes) -> WireReply:
    """Decode an answer of the WebSocket API; raises msgspec.MsgspecError for anything else."""
    return _reply.decode(payload)


# Income


def income_events(rows: Iterable[Income], at_ms: int) -> list[Event]:
    """Turn income into fundings (summed per symbol, kind and minute) and transfers; trading's own kinds are skipped."""
    sums: dict[tuple[int, str, str, str], Decimal] = {}
    transfers: list[Event] = []
    for row in rows:
        if row.kind in FUNDING_KINDS:
            key = (floor_to(row.time, MINUTE_MS), row.symbol, row.kind, row.asset)
            sums[key] = sums.get(key, ZERO) + exact(row.amount)
        elif row.kind not in _TRADING_KINDS:
            transfers += _transfer(row.kind, row.time, row.symbol, row.asset, exact(row.amount), at_ms)
    fundings: list[Event] = [
        FundingPaid(at_ms, Funding(symbol, kind, time_ms, asset, amount))
        for (time_ms, symbol, kind, asset), amount in sorted(sums.items())
        if amount
    ]
    return fundings + transfers


def floor_to(time_ms: int, length_ms: int) -> int:
    """Floor a time to whole seconds or minutes."""
    return time_ms - time_ms % length_ms


def _transfer(kind: str, time_ms: int, symbol: str, asset: str, amount: Decimal, at_ms: int) -> list[Event]:
    if not amount:
        return []
    name = "TRANSFER" if kind in _DEPOSITS else kind
    return [TransferSeen(at_ms, Transfer(name, floor_to(time_ms, SECOND_MS), symbol, asset, amount))]


# The user stream


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
            quantity=ZERO if self.close_position else _amount(self.quantity),
            price=_amount(self.price),
            trigger_price=_amount(self.trigger_price),
            working_type=self.working_type,
            close_position=self.close_position,
            reduce_only=self.reduce_only,
            updated_ms=updated_ms,
            actual_order_id=_id(self.actual_order_id),
            position_side=self.position_side,
            activate_price=_amount(self.activate_price),
            callback_rate=_amount(self.callback_rate),
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
    if not symbol and account.reason not in _DEPOSITS:
        return UserNews(ask_income=True)
    if account.reason not in FUNDING_KINDS:
        return UserNews(
            tuple(
                event
                for asset, change in changes
                for event in _transfer(account.reason, update.time_ms, symbol, asset, change, update.at_ms)
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


def _margin_type(text: str) -> str:
    return "ISOLATED" if text.upper() == "ISOLATED" else "CROSSED"


def _amount(text: str | None) -> Decimal:
    return exact(text) if text else ZERO


def _id(value: int | str | None) -> int:
    return int(value) if value else 0
