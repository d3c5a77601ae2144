"""Plain builders of what a backtest found: candles, fills, round trips, outcomes."""

from decimal import Decimal

import numpy as np

from backtest.history import History, Series
from backtest.results import OpenPosition, Outcome, Trade
from bot.domain.fill import Fill, Funding
from bot.domain.order import Side

MINUTE = 60_000
DAY = 86_400_000
MONDAY = 1_735_516_800_000  # 2024-12-30T00:00Z
TICK = Decimal("0.1")
STEP = Decimal("0.001")


def a_series(closes, symbol="BTCUSDT", start=MONDAY, times=None, tick=TICK):
    """Make candles that open at the last close; closes are prices."""
    ticks = np.array([float(round(Decimal(str(close)) / tick)) for close in closes])
    opens = np.append(ticks[:1], ticks[:-1])
    open_time = np.arange(ticks.size, dtype=np.int64) * MINUTE + start if times is None else np.array(times, np.int64)
    return Series(
        symbol,
        tick,
        STEP,
        open_time,
        opens,
        np.maximum(opens, ticks),
        np.minimum(opens, ticks),
        ticks,
        np.full(ticks.size, 1000.0),
    )


def a_history(*series, findings=()):
    return History(MINUTE, {each.symbol: each for each in series}, findings)


def a_fill(at_ms, side, price, quantity="1", *, symbol="BTCUSDT", commission="0", realized="0", maker=False, number=0):
    return Fill(
        symbol=symbol,
        trade_id=number or at_ms,
        order_id=number or at_ms,
        time_ms=at_ms,
        side=Side(side),
        price=Decimal(price),
        quantity=Decimal(quantity),
        maker=maker,
        commission=Decimal(commission),
        commission_asset="USDT",
        realized_pnl=Decimal(realized),
    )


def a_funding(at_ms, amount, symbol="BTCUSDT"):
    return Funding(symbol, "FUNDING_FEE", at_ms, "USDT", Decimal(amount))


def a_trade(entry_ms=MONDAY, exit_ms=MONDAY + MINUTE, entry="100", exit="101", **more):  # noqa: A002 - reads as it is
    """Make a round trip whose pnl follows from its prices, fees and funding."""
    side, quantity = more.pop("side", "LONG"), Decimal(more.pop("quantity", "1"))
    fees, funding = Decimal(more.pop("fees", "0")), Decimal(more.pop("funding", "0"))
    gross = (Decimal(exit) - Decimal(entry)) * quantity * (1 if side == "LONG" else -1)
    return Trade(
        symbol=more.pop("symbol", "BTCUSDT"),
        side=side,
        quantity=quantity,
        entry_time=entry_ms,
        entry_price=Decimal(entry),
        exit_time=exit_ms,
        exit_price=Decimal(exit),
        fees=fees,
        funding=funding,
        pnl=gross - fees + funding,
        exit_reason=more.pop("reason", "signal"),
        entry_decision_price=Decimal(more.pop("entry_decision", "0")),
        exit_decision_price=Decimal(more.pop("exit_decision", "0")),
        **more,
    )


def fills_of(trade, number=0):
    """Make the two fills of a round trip, its fees shared evenly."""
    into, out = ("BUY", "SELL") if trade.side == "LONG" else ("SELL", "BUY")
    same = {"quantity": trade.quantity, "symbol": trade.symbol, "commission": trade.fees / 2}
    gross = trade.pnl + trade.fees - trade.funding
    return (
        a_fill(trade.entry_time, into, trade.entry_price, number=2 * number + 1, **same),
        a_fill(trade.exit_time, out, trade.exit_price, realized=gross, number=2 * number + 2, **same),
    )


def an_outcome(trades=(), fundings=(), fills=None, still_open=(), balance="10000", wallet=None, **more):
    """Make an outcome whose wallet follows from its rows."""
    if fills is None:
        fills = [fill for number, trade in enumerate(trades) for fill in fills_of(trade, number)]
    booked = sum((fill.realized_pnl - fill.commission for fill in fills), Decimal(0))
    booked += sum((funding.amount for funding in fundings), Decimal(0))
    return Outcome(
        trades=tuple(trades),
        open=tuple(still_open),
        fills=tuple(sorted(fills, key=lambda fill: fill.time_ms)),
        fundings=tuple(fundings),
        risk_events=tuple(more.pop("risk_events", ())),
        opening_balance=Decimal(balance),
        wallet=Decimal(balance) + booked if wallet is None else Decimal(wallet),
        candles=more.pop("candles", 0),
        visited=more.pop("visited", 0),
        **more,
    )


def an_open_position(unrealized, **more):
    given = {
        "symbol": "BTCUSDT",
        "side": "LONG",
        "quantity": Decimal(1),
        "entry_time": MONDAY,
        "entry_price": Decimal(100),
        "mark_price": Decimal(100),
        "fees": Decimal(0),
        "funding": Decimal(0),
        "stop_price": Decimal(0),
    }
    return OpenPosition(unrealized=Decimal(unrealized), **(given | more))
