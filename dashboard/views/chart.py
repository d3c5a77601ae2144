"""Chart: candles with what the strategy sees and what the bot did on them, and why it does not trade now."""

import streamlit as st

from dashboard import charts, data, lists, live, panels, reasons

WINDOWS = (60, 120, 300, 500)
LIVE, INSPECT = "Live", "Inspect"


def page() -> None:
    """Draw the page. Live follows the market; Inspect stands still, so that zoom and crosshair can be used."""
    symbols = live.guarded(data.symbols)
    if symbols is None:
        return
    if not symbols:
        live.say(panels.notice("No symbols yet: the bot has not read its contracts."))
        return
    symbol, window, view = _controls(symbols)
    drawing, box = st.columns([4, 1], gap="small")
    with drawing:
        live.every(
            live.TABLE_SECONDS if view == LIVE else None, lambda: _drawing(symbol, window, inspect=view == INSPECT)
        )
    with box:
        live.every(live.TABLE_SECONDS, lambda: live.show(lambda: reasons.box(symbol, data.situation(symbol))))
    live.every(live.TABLE_SECONDS, lambda: live.show(lambda: _history(symbol)))


def _history(symbol: str) -> str:
    market, trades, fills = data.symbol_history(symbol)
    return lists.history(trades, fills, market)


def _controls(symbols: tuple[str, ...]) -> tuple[str, int, str]:
    left, middle, right = st.columns([3, 2, 2], gap="small", vertical_alignment="bottom")
    asked = st.query_params.get("symbol", symbols[0])
    with left:
        default = asked if asked in symbols else symbols[0]
        symbol: str = st.segmented_control("Symbol", symbols, default=default, key="symbol", required=True)
    with middle:
        window: int = st.segmented_control("Candles", WINDOWS, default=120, key="window", required=True)
    with right:
        explained = "Live follows the market. Inspect stops the refresh: zoom with the wheel, drag to move."
        view: str = st.segmented_control(
            "View", (LIVE, INSPECT), default=LIVE, key="view", required=True, help=explained
        )
    return symbol, window, view


def _drawing(symbol: str, window: int, *, inspect: bool) -> None:
    view = live.guarded(lambda: data.candle_view(symbol, window))
    if view is None:
        return
    if view.frame.empty:
        live.say(panels.notice(f"No candles of {symbol} yet: the bot stores each one as it closes."))
        return
    spec = charts.candles(
        view.frame,
        markers=view.markers,
        trips=view.trips,
        levels=view.levels,
        places=view.places,
        adx_line=view.adx_line,
        zoom=inspect,
    )
    live.say(panels.chart_title(symbol, view.caption, inspect=inspect))
    key = f"candles-{symbol}-{window}-{inspect}"
    st.echarts_chart(spec, height=charts.CANDLES_HEIGHT, key=key, alt=f"{symbol} one-minute candles")
