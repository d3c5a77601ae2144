"""Rows and files for tests of the database: each builder takes only what the test is about."""

import os
import time
from decimal import Decimal

from bot.domain.account import LeverageBracket
from bot.domain.fill import Fill, Funding, OpeningBalance, Transfer
from bot.domain.instrument import Instrument
from bot.domain.market import Candle
from bot.domain.order import AlgoReport, OrderReport, OrderState, Purpose, Side
from bot.domain.records import (
    Alert,
    AlgoOrderRow,
    CommandRow,
    ConfigVersion,
    Decision,
    EquityPoint,
    Evaluation,
    ExecutionMetric,
    Incident,
    Intent,
    OrderRow,
    PositionRow,
    RiskEvent,
    RiskState,
    SignalRow,
    TradeRow,
)
from database.schema import upgrade
from database.session import FILE_MODE, act_url, desk_url
from database.store import SqlStore

D = Decimal


class AClock:
    """A clock whose chance is chosen; ages are real."""

    def __init__(self, *tokens):
        self._tokens = list(tokens) or ["abcd", "efgh"]

    def wall_ms(self):
        return 1_763_600_000_000

    def monotonic(self):
        return time.monotonic()

    async def sleep(self, seconds):
        raise NotImplementedError

    def random(self):
        return 0.5

    def token(self, length):
        return self._tokens.pop(0)[:length]


def urls(folder):
    return act_url(folder), desk_url(folder)


def a_store(folder, **options):
    act, desk = urls(folder)
    if not (folder / "act.db").exists():
        _write_fresh_files(folder)
    upgrade(act, desk, AClock())
    return SqlStore(act, desk, AClock(), **options)


_fresh = {}  # migrating takes forty times as long as copying what it makes


def _write_fresh_files(folder):
    act, desk = urls(folder)
    if not _fresh:
        upgrade(act, desk, AClock())
        SqlStore(act, desk, AClock()).close()
        _fresh.update({name: (folder / name).read_bytes() for name in ("act.db", "desk.db")})
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _fresh.items():
        if not (folder / name).exists():
            with os.fdopen(os.open(folder / name, os.O_CREAT | os.O_WRONLY, FILE_MODE), "wb") as file:
                file.write(content)


def client_id(number, role="e"):
    return f"aabcd{role}{number:020x}-1"


def an_intent(number=1, **changes):
    values = {
        "intent_id": f"i{number}",
        "symbol": "BTCUSDT",
        "purpose": Purpose.ENTRY,
        "side": Side.BUY,
        "quantity": D("0.123"),
        "executed_quantity": D(0),
        "price": D("64210.5"),
        "stop_price": D("63568.4"),
        "reason": "signal",
        "decision_id": f"d{number}",
        "state": "open",
        "attempt": 1,
        "client_order_id": client_id(number),
        "created_ms": number,
        "updated_ms": number,
    }
    return Intent(**{**values, **changes})


def a_report(number=1, **changes):
    values = {
        "symbol": "BTCUSDT",
        "order_id": 100 + number,
        "client_order_id": client_id(number),
        "status": "NEW",
        "side": Side.BUY,
        "type": "LIMIT",
        "time_in_force": "GTC",
        "quantity": D("0.123"),
        "price": D("64210.5"),
        "executed_quantity": D(0),
        "updated_ms": number,
    }
    return OrderReport(**{**values, **changes})


def an_order(number=1, *, state=OrderState.RESTING, intent_id=None, **report):
    told = a_report(number, **report)
    return OrderRow(
        symbol=told.symbol,
        client_order_id=told.client_order_id,
        intent_id=f"i{number}" if intent_id is None else intent_id,
        attempt=1,
        state=state,
        report=told,
        expires_ms=number + 20_000,
        created_ms=number,
        updated_ms=number,
        decision_price=D("64210.5"),
    )


def an_algo_order(number=1, *, state=OrderState.RESTING, intent_id="", **report):
    values = {
        "symbol": "BTCUSDT",
        "algo_id": 900 + number,
        "client_algo_id": client_id(number, "s"),
        "status": "NEW",
        "side": Side.SELL,
        "type": "STOP_MARKET",
        "quantity": D(0),
        "price": D(0),
        "trigger_price": D("63568.4"),
        "working_type": "CONTRACT_PRICE",
        "close_position": True,
        "reduce_only": True,
        "updated_ms": number,
    }
    told = AlgoReport(**{**values, **report})
    return AlgoOrderRow(told.symbol, told.client_algo_id, intent_id, state, told, number, number)


def a_fill(trade_id=1, **changes):
    values = {
        "symbol": "BTCUSDT",
        "trade_id": trade_id,
        "order_id": 101,
        "time_ms": trade_id,
        "side": Side.BUY,
        "price": D(100),
        "quantity": D(1),
        "maker": False,
        "commission": D("0.05"),
        "commission_asset": "USDT",
        "realized_pnl": D(0),
    }
    return Fill(**{**values, **changes})


def a_funding(**changes):
    values = {
        "symbol": "BTCUSDT",
        "kind": "FUNDING_FEE",
        "time_ms": 28_800_000,
        "asset": "USDT",
        "amount": D("-0.01234567"),
    }
    return Funding(**{**values, **changes})


def a_transfer(**changes):
    values = {"kind": "TRANSFER", "time_ms": 5_000, "symbol": "", "asset": "USDT", "amount": D(25)}
    return Transfer(**{**values, **changes})


def an_opening(balance="10000", asset="USDT", from_ms=0):
    return OpeningBalance(asset, D(balance), from_ms)


def a_position(symbol="BTCUSDT", quantity="1", **changes):
    values = {
        "symbol": symbol,
        "quantity": D(quantity),
        "cost": D(100),
        "entry_price": D(100),
        "stop_price": D(99),
        "stop_client_algo_id": client_id(1, "s"),
        "opened_ms": 1,
        "entry_decision_id": "d1",
        "realized_pnl": D(0),
        "commission": D("0.05"),
        "funding": D(0),
        "updated_ms": 1,
        "trip": 1,
    }
    return PositionRow(**{**values, **changes})


def a_trade(trip=1, **changes):
    values = {
        "symbol": "BTCUSDT",
        "trip": trip,
        "side": "LONG",
        "quantity": D(1),
        "entry_ms": trip,
        "entry_price": D(100),
        "exit_ms": trip + 10,
        "exit_price": D(101),
        "fees": D("0.1"),
        "funding": D(0),
        "pnl": D("0.9"),
        "exit_reason": "signal",
        "entry_decision_id": "d1",
    }
    return TradeRow(**{**values, **changes})


def a_decision(number=1, **changes):
    values = {
        "decision_id": f"d{number}",
        "symbol": "BTCUSDT",
        "strategy": "vwap_reversion",
        "at_ms": number,
        "action": "enter",
        "side": Side.BUY,
        "reason": "below_lower_band",
        "price": D("64210.5"),
        "quantity": D("0.123"),
        "inputs": '{"adx":"12.5"}',
        "gates": "{}",
        "sizing": "{}",
        "intent_id": f"i{number}",
        "retry_ms": 0,
        "config_hash": "c",
        "code_version": "0.1.0",
    }
    return Decision(**{**values, **changes})


def a_signal(number=1, **changes):
    values = {
        "signal_id": f"s{number}",
        "symbol": "BTCUSDT",
        "strategy": "vwap_reversion",
        "at_ms": number,
        "kind": "entry",
        "side": Side.BUY,
        "price": D("64210.5"),
    }
    return SignalRow(**{**values, **changes})


def a_candle(minute=1, symbol="BTCUSDT", close="100.5", volume="12.345"):
    return Candle(symbol, minute * 60_000, D(100), D(101), D(99), D(close), D(volume))


def an_equity_point(minute=1, equity="10000", **changes):
    values = {"at_ms": minute * 60_000, "wallet": D(equity), "unrealized": D(0), "equity": D(equity), "day_pnl": D(0)}
    return EquityPoint(**{**values, **changes})


def an_alert(number=1, **changes):
    values = {
        "alert_id": f"alert-{number}",
        "at_ms": number,
        "severity": "INFO",
        "event": "entry",
        "symbol": "BTCUSDT",
        "title": "LONG BTCUSDT",
        "text": "filled <all> & more",
        "thread": "BTCUSDT-1",
    }
    return Alert(**{**values, **changes})


def an_incident(number=1, **changes):
    values = {
        "incident_id": f"incident-{number}",
        "code": "stream_down",
        "symbol": "",
        "severity": "WARNING",
        "opened_ms": number,
        "closed_ms": 0,
        "detail": "market: reset",
        "count": 1,
    }
    return Incident(**{**values, **changes})


def an_instrument(symbol="BTCUSDT", margin_asset="USDT", min_notional="100"):
    return Instrument(
        symbol=symbol,
        status="TRADING",
        base_asset=symbol.removesuffix("USDT"),
        quote_asset="USDT",
        margin_asset=margin_asset,
        tick_size=D("0.1"),
        min_price=D("556.8"),
        max_price=D(4529764),
        step_size=D("0.001"),
        min_quantity=D("0.001"),
        max_quantity=D(1000),
        market_step_size=D("0.001"),
        market_min_quantity=D("0.001"),
        market_max_quantity=D(120),
        min_notional=D(min_notional),
        percent_up=D("1.05"),
        percent_down=D("0.95"),
        max_orders=200,
    )


def a_bracket(symbol="BTCUSDT", floor="0", cap="300000", **changes):
    values = {
        "symbol": symbol,
        "floor": D(floor),
        "cap": D(cap),
        "leverage": 125,
        "maintenance_rate": D("0.004"),
        "cum": D(0),
    }
    return LeverageBracket(**{**values, **changes})


def one_of_each():
    """Return one row of every kind the store takes by `commit`."""
    return [
        an_intent(),
        an_order(),
        an_algo_order(),
        a_fill(),
        a_funding(),
        a_transfer(),
        an_opening(),
        a_position(),
        a_trade(),
        a_signal(),
        a_decision(),
        RiskEvent("r1", 1, "daily_loss", "", "halted", "loss 501"),
        RiskState("daily_loss", "", '{"start":"10000"}', 1),
        an_equity_point(),
        Evaluation("BTCUSDT", "vwap_reversion", 1, "no signal", "{}"),
        CommandRow("q1", "ann", "pause", "{}", "DONE", "paused", 1, 2),
        an_alert(),
        an_incident(),
        ExecutionMetric(client_id(1), "BTCUSDT", "ack_us", 812.5, 1),
        ConfigVersion("c", 1, "0.1.0", "demo", "{}"),
        an_instrument(),
        a_candle(),
    ]
