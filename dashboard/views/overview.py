"""Overview: what the account is worth, what is held, what is working, what was done."""

from decimal import Decimal

import streamlit as st

from bot.domain.money import ZERO
from dashboard import charts, data, lists, live, panels
from dashboard.format import number, percent, signed, tone
from dashboard.panels import Tile


def page() -> None:
    """Draw the page; each part refreshes at its own pace."""
    live.every(live.TABLE_SECONDS, _numbers)
    curve, risk = st.columns([4, 1], gap="small")
    with curve:
        live.every(live.CURVE_SECONDS, _curve)
    with risk:
        live.every(live.TABLE_SECONDS, _limits)
    live.every(live.TABLE_SECONDS, _tables)


def tiles(book: data.Book) -> list[Tile]:
    """Return the headline numbers, the ones a trader looks at first."""
    equity, today, ever = book.equity, book.today, book.ever
    gains = [gain for row in book.positions if (gain := lists.unrealized(row)) is not None]
    unrealized = sum(gains, ZERO)
    lost = ever.trades - ever.wins
    return [
        Tile("Equity USDT", number(equity.equity if equity else None), f"wallet {number(_wallet(book))}"),
        _signed_tile("Day PnL", equity.day_pnl if equity else None, "since 00:00 UTC, all in"),
        _signed_tile("Unrealized", unrealized, "at the last closed candle"),
        _signed_tile("Realized today", today.realized_pnl, f"{today.fills} fills, before fees"),
        Tile("Fees today", number(today.commission), "paid, in USDT"),
        _signed_tile("Funding today", today.funding, "negative = paid"),
        _signed_tile("Net result", ever.net, "realized - fees + funding"),
        Tile("Round trips", str(ever.trades), f"{ever.wins} won, {lost} lost"),
        Tile("Win rate", percent(ever.wins / ever.trades) if ever.trades else "-", f"{today.trades} trips today"),
    ]


def _wallet(book: data.Book) -> Decimal | None:
    return book.equity.wallet if book.equity else None


def _signed_tile(label: str, amount: Decimal | None, note: str) -> Tile:
    return Tile(label, signed(amount), note, tone(amount))


def _numbers() -> None:
    live.show(lambda: panels.tiles(tiles(data.book())))


def _curve() -> None:
    frame = live.guarded(data.equity_curve)
    if frame is None:
        return
    if len(frame) < 2:
        live.say(panels.notice("No equity curve yet: it grows by a point each market minute."))
        return
    drawdown = f"deepest drawdown {number(float(frame['drawdown'].min()))}"
    live.say(panels.chart_title("Equity and drawdown", f"USDT, {drawdown}", inspect=False))
    alt = "Equity and drawdown over time"
    st.echarts_chart(charts.equity(frame), height=charts.EQUITY_HEIGHT, key="equity", alt=alt)


def _limits() -> None:
    live.show(lambda: panels.limits(data.limit_usage()) + lists.alerts(data.book().alerts))


def _tables() -> None:
    live.show(lambda: _lists(data.book()))


def _lists(book: data.Book) -> str:
    return (
        lists.positions(book.positions, book.market)
        + lists.orders(book.orders, book.market)
        + lists.history(book.trades, book.fills, book.market)
    )
