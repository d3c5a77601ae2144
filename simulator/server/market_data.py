"""Market data endpoints: exchange info, time, candles, book, prices, funding (docs/wire.md B.2, B.3)."""

from typing import Any

from simulator.market.tape import MINUTE_MS
from simulator.server.api import Api
from simulator.server.board import INTERVAL_MS, Bar, SymbolBoard
from simulator.server.formats import SymbolFormat, amount
from simulator.server.params import Params, limit, maybe_whole, text, whole, window
from simulator.venue.errors import VenueError
from simulator.venue.model import FundingRate, Level, MarketView

_DEPTH_LIMITS = {5, 10, 20, 50, 100, 500, 1_000}
_HOUR_MS = 3_600_000
_USUAL_HOURS = 8
_INTEREST_RATE = "0.00010000"


def ping(_: Api, __: Params) -> dict[str, Any]:
    return {}


def server_time(api: Api, _: Params) -> dict[str, Any]:
    return {"serverTime": api.wall_ms}


def exchange_info(api: Api, _: Params) -> dict[str, Any]:
    return {**api.exchange.exchange_info, "serverTime": api.wall_ms}


def klines(api: Api, params: Params) -> list[list[Any]]:
    board = api.board(text(params, "symbol"))
    interval = text(params, "interval")
    if interval not in INTERVAL_MS:
        raise VenueError(-1120, "Invalid interval.")
    start_ms, end_ms = window(params)
    bars = board.bars(interval, start_ms, end_ms, limit(params, 500, 1_500))
    return [_kline(bar, board.form) for bar in bars]


def _kline(bar: Bar, form: SymbolFormat) -> list[Any]:
    return [
        bar.open_time,
        form.price(bar.open),
        form.price(bar.high),
        form.price(bar.low),
        form.price(bar.close),
        form.quantity(bar.volume),
        bar.close_time,
        form.quote(bar.quote_volume),
        bar.trades,
        form.quantity(bar.taker_base),
        form.quote(bar.taker_quote),
        "0",
    ]


def kline_weight(params: Params) -> int:
    """Return 1 below 100 candles, 2 below 500, 5 up to 1,000, 10 above."""
    wanted = whole(params, "limit", 500)
    if wanted < 100:
        return 1
    if wanted < 500:
        return 2
    return 5 if wanted <= 1_000 else 10


def depth_weight(params: Params) -> int:
    """Return 2 up to 50 levels, then 5, 10, 20."""
    wanted = whole(params, "limit", 500)
    return next((weight for most, weight in ((50, 2), (100, 5), (500, 10)) if wanted <= most), 20)


def depth(api: Api, params: Params) -> dict[str, Any]:
    board = api.board(text(params, "symbol"))
    levels = whole(params, "limit", 500)
    if levels not in _DEPTH_LIMITS:
        raise VenueError(-4021, f"{levels} is not valid depth limit.")
    book = api.exchange.book(board.symbol, levels)
    return {
        "lastUpdateId": board.update_id,
        "E": api.exchange.now_ms,
        "T": api.exchange.now_ms,
        "bids": [_level(level, board.form) for level in book.bids],
        "asks": [_level(level, board.form) for level in book.asks],
    }


def _level(level: Level, form: SymbolFormat) -> list[str]:
    return [form.price(level.price), form.quantity(level.quantity)]


def ticker_price(api: Api, params: Params) -> Any:
    return _one_or_all(api, params, _price_row)


def _price_row(_: Api, board: SymbolBoard) -> dict[str, Any]:
    return {"symbol": board.symbol, "price": board.form.price(board.price), "time": board.price_at_ms}


def book_ticker(api: Api, params: Params) -> Any:
    return _one_or_all(api, params, _book_row)


def _book_row(api: Api, board: SymbolBoard) -> dict[str, Any]:
    bid, bid_quantity, ask, ask_quantity = api.exchange.best(board.symbol)
    return {
        "symbol": board.symbol,
        "bidPrice": board.form.price(bid),
        "bidQty": board.form.quantity(bid_quantity),
        "askPrice": board.form.price(ask),
        "askQty": board.form.quantity(ask_quantity),
        "time": board.price_at_ms,
        "lastUpdateId": board.update_id,
    }


def premium_index(api: Api, params: Params) -> Any:
    return _one_or_all(api, params, _premium_row)


def _premium_row(api: Api, board: SymbolBoard) -> dict[str, Any]:
    market: MarketView = api.exchange.market(board.symbol)
    return {
        "symbol": board.symbol,
        "markPrice": amount(market.mark),
        "indexPrice": amount(market.index),
        "estimatedSettlePrice": amount(market.index),
        "lastFundingRate": amount(market.funding_rate),
        "interestRate": _INTEREST_RATE,
        "nextFundingTime": market.next_funding_ms,
        "time": api.exchange.now_ms,
    }


def _one_or_all(api: Api, params: Params, row: Any) -> Any:
    symbol = params.get("symbol")
    if symbol:
        return row(api, api.board(symbol))
    return [row(api, board) for board in api.boards.values()]


def agg_trades(api: Api, params: Params) -> list[dict[str, Any]]:
    board = api.board(text(params, "symbol"))
    start_ms, end_ms = window(params)
    from_id = maybe_whole(params, "fromId") or 0
    found = [
        {
            "a": trade.agg_id,
            "p": board.form.price(trade.tick.price),
            "q": board.form.quantity(trade.tick.quantity),
            "nq": board.form.quantity(trade.tick.quantity),
            "f": trade.trade_id,
            "l": trade.trade_id,
            "T": trade.tick.at_ms,
            "m": trade.tick.buyer_is_maker,
        }
        for trade in board.recent
        if trade.agg_id >= from_id
        and (start_ms is None or trade.tick.at_ms >= start_ms)
        and (end_ms is None or trade.tick.at_ms <= end_ms)
    ]
    most = limit(params, 500, 1_000)
    return found[:most] if from_id or start_ms is not None else found[-most:]


def funding_rate(api: Api, params: Params) -> list[dict[str, Any]]:
    start_ms, end_ms = window(params)
    symbol = params.get("symbol", "")
    boards = [api.board(symbol)] if symbol else list(api.boards.values())
    rates = [rate for board in boards for rate in _rates_before(api, board)]
    rates += api.exchange.funding_history(symbol, limit=1_000)
    rows = sorted(
        (rate for rate in rates if _within(rate.time_ms, start_ms, end_ms)),
        key=lambda rate: (rate.time_ms, rate.symbol),
    )
    most = limit(params, 100, 1_000)
    chosen = rows[:most] if start_ms is not None else rows[-most:]
    return [_funding_row(rate) for rate in chosen]


def _funding_row(rate: FundingRate) -> dict[str, Any]:
    return {
        "symbol": rate.symbol,
        "fundingRate": amount(rate.rate),
        "fundingTime": rate.time_ms,
        "markPrice": amount(rate.mark_price),
    }


def _rates_before(api: Api, board: SymbolBoard) -> list[FundingRate]:
    """Settlements of the served history: the candle's close stands for the mark price nobody recorded."""
    interval_ms = api.tape.funding_interval_hours(board.symbol) * _HOUR_MS
    return [
        FundingRate(board.symbol, api.tape.funding_rate(board.symbol, due_ms), due_ms, candle.close)
        for candle in board.candles
        if (due_ms := candle.open_time + MINUTE_MS) % interval_ms == 0 and due_ms <= api.tape.start_ms
    ]


def _within(at_ms: int, start_ms: int | None, end_ms: int | None) -> bool:
    return (start_ms is None or at_ms >= start_ms) and (end_ms is None or at_ms <= end_ms)


def funding_info(api: Api, _: Params) -> list[dict[str, Any]]:
    return [
        {
            "symbol": symbol,
            "adjustedFundingRateCap": "0.03000000",
            "adjustedFundingRateFloor": "-0.03000000",
            "fundingIntervalHours": hours,
            "disclaimer": False,
            "updateTime": api.tape.start_ms,
        }
        for symbol in api.boards
        if (hours := api.tape.funding_interval_hours(symbol)) != _USUAL_HOURS
    ]
