"""Rows as the dashboard reads them, with sensible values that a test may change."""

from decimal import Decimal

from bot.domain.fill import Fill
from bot.domain.order import OrderState, Side
from bot.domain.records import TradeRow
from dashboard.lists import Market
from database.views import FillView, OpenOrder, OpenPosition

NOW_MS = 1_748_000_096_000
MARKET = Market(NOW_MS, {"BTCUSDT": 1}, {"BTCUSDT": Decimal(64500)})


def a_position(**fields):
    known = {
        "symbol": "BTCUSDT",
        "quantity": Decimal("-0.015"),
        "entry_price": Decimal("64210.5"),
        "stop_price": Decimal("64852.6"),
        "stop_client_algo_id": "s1",
        "stop_state": "resting",
        "stop_rests": True,
        "opened_ms": NOW_MS - 185_000,
        "entry_decision_id": "d1",
        "reason": "signal",
        "realized_pnl": Decimal(0),
        "commission": Decimal("0.48"),
        "funding": Decimal(0),
        "trip": 1,
        "last_close": Decimal("64000.5"),
        "last_close_ms": NOW_MS,
    }
    return OpenPosition(**(known | fields))


def an_order(**fields):
    known = {
        "symbol": "BTCUSDT",
        "client_order_id": "a1",
        "order_id": 1,
        "side": Side.BUY,
        "type": "LIMIT",
        "price": Decimal(64371),
        "quantity": Decimal("0.015"),
        "executed_quantity": Decimal("0.006"),
        "attempt": 2,
        "purpose": "entry",
        "state": OrderState.PARTIALLY_FILLED,
        "reduce_only": False,
        "created_ms": NOW_MS - 5_000,
        "expires_ms": NOW_MS + 15_000,
    }
    return OpenOrder(**(known | fields))


def a_fill(trade_id=1, side=Side.BUY, purpose="entry", realized="0", order="a1", **fields):
    known = {"time_ms": NOW_MS, "price": Decimal(64_000), "quantity": Decimal("0.01"), "maker": True}
    fill = Fill(
        symbol="BTCUSDT",
        trade_id=trade_id,
        order_id=7,
        side=side,
        commission=Decimal("0.128"),
        commission_asset="USDT",
        realized_pnl=Decimal(realized),
        **(known | fields),
    )
    return FillView(fill, purpose, order)


def a_trade(**fields):
    known = {
        "symbol": "BTCUSDT",
        "trip": 1,
        "side": "SHORT",
        "quantity": Decimal("0.015"),
        "entry_ms": NOW_MS - 600_000,
        "entry_price": Decimal(64_210),
        "exit_ms": NOW_MS,
        "exit_price": Decimal(64_000),
        "fees": Decimal("0.96"),
        "funding": Decimal(0),
        "pnl": Decimal("2.19"),
        "exit_reason": "stop",
        "entry_decision_id": "d1",
    }
    return TradeRow(**(known | fields))
