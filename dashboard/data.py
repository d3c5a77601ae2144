"""What the pages read: the bot's files, through `database.queries` alone, shared by all viewers for a second."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from bot.domain.market import DAY_MS, MINUTE_MS
from bot.domain.money import ZERO
from bot.domain.records import Decision, EquityPoint, TradeRow
from bot.settings import home, load
from dashboard import heartbeat
from dashboard.charts import Level, Marker, Trip
from dashboard.format import exact, minute, number, places_of, signed
from dashboard.heartbeat import Sign
from dashboard.lists import Market
from dashboard.studies import add_studies
from database.queries import Queries
from database.session import act_url, desk_url
from database.views import FillView, MoneySums, NumberedAlert, OpenOrder, OpenPosition

SHARED_SECONDS = 1
SETTINGS_SECONDS = 30
ROWS_SHOWN = 50
ALERTS_SHOWN = 12
_ADX_MEMORY = 300


@dataclass(frozen=True, slots=True)
class Paths:
    """Where the bot's files are."""

    home: Path
    heartbeat: Path
    act_url: str
    desk_url: str


@dataclass(frozen=True, slots=True)
class Book:
    """Everything the overview shows, read within one second."""

    market: Market
    positions: tuple[OpenPosition, ...]
    orders: tuple[OpenOrder, ...]
    fills: tuple[FillView, ...]
    trades: tuple[TradeRow, ...]
    alerts: tuple[NumberedAlert, ...]
    equity: EquityPoint | None
    today: MoneySums
    ever: MoneySums


@dataclass(frozen=True, slots=True)
class StrategyNumbers:
    """The parameters that the chart draws, from the configuration the bot runs with."""

    k: float = 2.0
    adx_max: float = 20.0


@dataclass(frozen=True, slots=True)
class CandleView:
    """What the chart of a symbol draws."""

    frame: pd.DataFrame
    markers: tuple[Marker, ...]
    trips: tuple[Trip, ...]
    levels: tuple[Level, ...]
    places: int
    adx_line: float
    caption: str


@dataclass(frozen=True, slots=True)
class Situation:
    """What explains why a symbol is, or is not, being traded now."""

    sign: Sign
    verdict: str
    inputs: dict[str, Any]
    at_ms: int
    position: OpenPosition | None
    decision: Decision | None
    places: int
    adx_max: float


def paths() -> Paths:
    """Return where the files are; raises ConfigurationError for an act.toml that cannot be read."""
    found: Paths = _shared_paths(home())
    return found


def now_ms() -> int:
    """Return the wall time (ms UTC)."""
    return time.time_ns() // 1_000_000


def sign() -> Sign:
    """Read the heartbeat: never from a cache."""
    return heartbeat.read(home() / "status" / "heartbeat.json", now_ms())


def market_ms() -> int:
    """Return the latest market time known, 0 = none."""
    beat = sign().beat
    stored: int = _shared_equity_ms(paths())
    return max(beat.market_ms if beat else 0, stored)


def book() -> Book:
    """Read what the overview shows."""
    found: Book = _shared_book(paths())
    return found


def equity_curve() -> pd.DataFrame:
    """Return time (label), equity and drawdown from the peak (zero or negative)."""
    columns = _queries(paths()).equity_curve()
    frame = pd.DataFrame({"time": [minute(at_ms) for at_ms in columns.at_ms], "equity": columns.equity})
    frame = frame.groupby("time", sort=False, as_index=False).last()
    frame["drawdown"] = (frame["equity"] - frame["equity"].cummax()).round(2)
    return frame


def limit_usage() -> list[tuple[str, float]]:
    """Return the used share of each risk limit as the bot last told, fullest first."""
    beat = sign().beat
    usage = [(name, float(share)) for name, share in beat.risk.items()] if beat else []
    return sorted(usage, key=lambda each: -each[1])


def symbols() -> tuple[str, ...]:
    """Return the symbols that can be charted."""
    found: tuple[str, ...] = _shared_symbols(paths())
    return found


def candle_view(symbol: str, window: int) -> CandleView:
    """Read and compute what the chart of a symbol shows: the last `window` candles and what was done on them."""
    where = paths()
    queries = _queries(where)
    numbers: StrategyNumbers = _shared_numbers(where, symbol)
    instrument = queries.instrument(symbol)
    tick, step = (instrument.tick_size, instrument.step_size) if instrument else (ZERO, ZERO)
    columns = queries.candles(symbol, window + DAY_MS // MINUTE_MS + _ADX_MEMORY)
    candles = pd.DataFrame({name: getattr(columns, name) for name in columns.__slots__})
    studied = add_studies(candles, tick=float(tick or 1), step=float(step or 1), width=numbers.k)
    places = places_of(tick) if tick else 2
    frame = _drawn(studied.tail(window), places)
    since_ms = int(frame["open_time"].iloc[0]) if len(frame) else 0
    caption = f"1 m, VWAP with {numbers.k:g} sigma bands, ADX(14) below {numbers.adx_max:g} to enter"
    return CandleView(
        frame=frame.drop(columns="open_time"),
        markers=markers(queries.fills(500, symbol, since_ms)),
        trips=trips(queries.trades(200, symbol, since_ms), since_ms),
        levels=levels(symbol, queries.open_positions(), queries.open_orders(), places),
        places=places,
        adx_line=numbers.adx_max,
        caption=caption,
    )


def situation(symbol: str) -> Situation:
    """Read what explains why a symbol is, or is not, being traded now."""
    where = paths()
    queries = _queries(where)
    numbers: StrategyNumbers = _shared_numbers(where, symbol)
    evaluation = next((each for each in queries.evaluations() if each.symbol == symbol), None)
    instrument = queries.instrument(symbol)
    return Situation(
        sign=sign(),
        verdict=evaluation.verdict if evaluation else "",
        inputs=json.loads(evaluation.inputs) if evaluation and evaluation.inputs else {},
        at_ms=evaluation.at_ms if evaluation else 0,
        position=next((each for each in queries.open_positions() if each.symbol == symbol), None),
        decision=queries.last_decision(symbol),
        places=places_of(instrument.tick_size) if instrument else 2,
        adx_max=numbers.adx_max,
    )


def symbol_history(symbol: str) -> tuple[Market, tuple[TradeRow, ...], tuple[FillView, ...]]:
    """Read the latest round trips and fills of one symbol."""
    queries = _queries(paths())
    return book().market, queries.trades(ROWS_SHOWN, symbol), queries.fills(ROWS_SHOWN, symbol)


def markers(fills: tuple[FillView, ...]) -> tuple[Marker, ...]:
    """Mark each order's fills once, at the first of them, with the result that they realized."""
    orders: dict[str, list[FillView]] = {}
    for view in sorted(fills, key=lambda each: (each.fill.time_ms, each.fill.trade_id)):
        orders.setdefault(view.client_order_id or str(view.fill.order_id), []).append(view)
    return tuple(_marker(views) for views in orders.values())


def trips(trades: tuple[TradeRow, ...], since_ms: int) -> tuple[Trip, ...]:
    """Return the round trips that began within the window, as lines."""
    return tuple(
        Trip(minute(row.entry_ms), float(row.entry_price), minute(row.exit_ms), float(row.exit_price), row.pnl > 0)
        for row in trades
        if row.entry_ms >= since_ms
    )


def levels(
    symbol: str, positions: tuple[OpenPosition, ...], orders: tuple[OpenOrder, ...], places: int
) -> tuple[Level, ...]:
    """Return entry and stop of an open position and every priced working order, as horizontal lines."""
    found = []
    for row in positions:
        if row.symbol == symbol:
            found.append(Level(float(row.entry_price), f"ENTRY {number(row.entry_price, places)}", "entry"))
            if row.stop_price:
                word = "STOP" if row.stop_rests else "STOP NOT RESTING"
                found.append(Level(float(row.stop_price), f"{word} {number(row.stop_price, places)}", "stop"))
    for order in orders:
        if order.symbol == symbol and order.price:
            words = f"{order.side.value} {exact(order.quantity)} @ {number(order.price, places)} ({order.attempt}/5)"
            found.append(Level(float(order.price), words, "order"))
    return tuple(found)


def _marker(views: list[FillView]) -> Marker:
    first, purpose = views[0].fill, views[0].purpose
    at, price = minute(first.time_ms), float(first.price)
    result = sum((view.fill.realized_pnl for view in views), ZERO)
    if purpose == "entry" or not result:
        long = first.side.sign > 0
        return Marker(at, price, "long" if long else "short", "LONG" if long else "SHORT")
    if purpose == "stop":
        return Marker(at, price, "stop", f"STOP {signed(result)}")
    return Marker(at, price, "exit", f"EXIT {signed(result)}")


def _drawn(studied: pd.DataFrame, places: int) -> pd.DataFrame:
    frame = studied.assign(
        time=[minute(at_ms) for at_ms in studied["open_time"]], band=studied["upper"] - studied["lower"]
    )
    prices = ["open", "close", "low", "high", "vwap", "lower", "band", "upper"]
    frame[prices] = frame[prices].round(places)
    frame["adx"] = frame["adx"].round(1)
    return frame[["open_time", "time", *prices, "adx"]]


def _queries(where: Paths) -> Queries:
    return Queries(where.act_url, where.desk_url)


def _read_paths(folder: Path) -> Paths:
    given = load(folder).database
    status = folder / "status"
    return Paths(folder, status / "heartbeat.json", given.url or act_url(status), given.desk_url or desk_url(status))


def _read_book(where: Paths) -> Book:
    queries = _queries(where)
    equity = queries.latest_equity()
    beat = heartbeat.read(where.heartbeat, now_ms()).beat
    orders, fills = queries.open_orders(), queries.fills(ROWS_SHOWN)
    seen = [*(row.created_ms for row in orders), *(row.fill.time_ms for row in fills[:1])]
    at_ms = max(equity.at_ms if equity else 0, beat.market_ms if beat else 0, *seen)
    places = {each.symbol: places_of(each.tick_size) for each in queries.instruments()}
    return Book(
        market=Market(at_ms, places, queries.last_closes()),
        positions=queries.open_positions(),
        orders=orders,
        fills=fills,
        trades=queries.trades(ROWS_SHOWN),
        alerts=queries.alerts(ALERTS_SHOWN),
        equity=equity,
        today=queries.money_since(at_ms - at_ms % DAY_MS),
        ever=queries.money_since(),
    )


def _read_equity_ms(where: Paths) -> int:
    equity = _queries(where).latest_equity()
    return equity.at_ms if equity else 0


def _read_numbers(where: Paths, symbol: str) -> StrategyNumbers:
    version = _queries(where).config_version()
    if version is None:
        return StrategyNumbers()
    config = json.loads(version.config)
    section = config.get("symbols", {}).get(symbol, {})
    strategy = section.get("strategy", "vwap_reversion")
    merged = {**config.get("strategy", {}).get(strategy, {}), **section.get("parameters", {})}
    known = StrategyNumbers()
    return StrategyNumbers(float(merged.get("k", known.k)), float(merged.get("adx_max", known.adx_max)))


def _shared(seconds: int, read: Any) -> Any:
    return st.cache_resource(read, ttl=seconds, show_spinner=False, max_entries=200)


_shared_paths = _shared(SETTINGS_SECONDS, _read_paths)
_shared_book = _shared(SHARED_SECONDS, _read_book)
_shared_equity_ms = _shared(SHARED_SECONDS, _read_equity_ms)
_shared_symbols = _shared(SETTINGS_SECONDS, lambda where: _queries(where).symbols())
_shared_numbers = _shared(SETTINGS_SECONDS, _read_numbers)
