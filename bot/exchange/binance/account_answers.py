"""Answers about an account to the domain's words; dicts stop here (docs/wire.md B.3, B.6)."""

from collections.abc import Iterable
from decimal import Decimal

from msgspec import Raw, Struct
from msgspec.json import Decoder

from bot.domain.account import AccountSettings, LeverageBracket, ReportedPosition
from bot.domain.fill import Fill
from bot.domain.money import ZERO
from bot.domain.order import AlgoReport, OrderReport, Side
from bot.exchange.binance.exact import amount_or_zero, exact, id_or_zero
from bot.exchange.binance.income import Income


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
            quantity=ZERO if self.close_position else amount_or_zero(self.quantity),
            price=amount_or_zero(self.price),
            trigger_price=amount_or_zero(self.trigger_price),
            working_type=self.working_type,
            close_position=self.close_position,
            reduce_only=self.reduce_only,
            updated_ms=self.updated_ms,
            actual_order_id=id_or_zero(self.actual_order_id),
            position_side=self.position_side,
            activate_price=amount_or_zero(self.activate_price),
            callback_rate=amount_or_zero(self.callback_rate),
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


class _ListenKey(Struct, frozen=True, gc=False, rename={"key": "listenKey"}):
    key: str


_order = Decoder(_Order)
_orders = Decoder(list[_Order])
_algo = Decoder(_Algo)
_algos = Decoder(list[_Algo])
_trades = Decoder(list[_Trade])
_income = Decoder(list[Income])
_balances = Decoder(list[_Balance])
_positions = Decoder(list[_Position])
_brackets = Decoder(list[_Brackets] | _Brackets)
_account = Decoder(AccountConfig)
_symbol_configs = Decoder(list[SymbolConfig])
_listen_key = Decoder(_ListenKey)


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


def read_listen_key(body: bytes) -> str:
    """Decode a listen key: a credential."""
    return _listen_key.decode(body).key


def _margin_type(text: str) -> str:
    return "ISOLATED" if text.upper() == "ISOLATED" else "CROSSED"
