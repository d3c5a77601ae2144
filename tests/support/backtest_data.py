"""Small candle files, recorded answers and the command itself, for tests of the backtest."""

import csv
import gzip
import json
import os
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bot import cli
from support.reference_backtest import MINUTE, Candles, Filters

RECORDED = Path(os.environ.get("ACT_TEST_DATA", ""))
YEAR_2025 = RECORDED / "klines" / "um_perp_1m_2025.parquet"
MAINNET = RECORDED / "rest" / "fapi_v1_exchangeInfo_mainnet_2025-08-07_25symbols.json"
TESTNET = RECORDED / "rest" / "fapi_v1_exchangeInfo_testnet_2025-12-24.json.gz"
PRICES = ("open", "high", "low", "close")
COLUMNS = ("open_time", *PRICES, "volume")
MONDAY = 1_736_121_600_000  # 2025-01-06 00:00 UTC


def needs_recorded(test: Callable[..., None]) -> Callable[..., None]:
    """Skip a test where no recorded data is. All skip on the same line, so that pytest counts them in one."""

    @wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        if not os.environ.get("ACT_TEST_DATA"):
            pytest.skip("ACT_TEST_DATA names no folder of recorded data")
        test(*arguments, **named)

    return run


def a_candle(open_time: int = MONDAY, *, volume: object = 1, **prices: object) -> dict[str, object]:
    """Return a row; open and close are each other unless both are given, high and low enclose them."""
    close = prices.get("close", prices.get("open", 100))
    opened = prices.get("open", close)
    high = prices.get("high", max(opened, close))
    low = prices.get("low", min(opened, close))
    return {"open_time": open_time, "open": opened, "high": high, "low": low, "close": close, "volume": volume}


def flat_candles(count: int, *, since: int = MONDAY, **rest: object) -> list[dict[str, object]]:
    """Return `count` equal candles, one a minute."""
    return [a_candle(since + minute * MINUTE, **rest) for minute in range(count)]


def write_csv(path: Path, rows: Iterable[dict[str, object]], columns: Sequence[str] = COLUMNS) -> Path:
    """Write rows as they are, so that bad ones can be written too."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_parquet(path: Path, candles: Candles, filters: Filters, symbol: str | None = None) -> Path:
    """Write ticks and steps as the prices and volumes that archives hold: the nearest floats."""
    units = {**dict.fromkeys(PRICES, filters.tick), "volume": filters.step}
    columns: dict[str, Any] = {"open_time": np.array(candles.open_time, dtype=np.int64)}
    if symbol:
        columns["symbol"] = [symbol] * len(candles.open_time)
    for name, unit in units.items():
        columns[name] = np.array([float(count * unit) for count in getattr(candles, name)], dtype=np.float64)
    pq.write_table(pa.table(columns), path)
    return path


def read_columns(path: Path, symbol: str | None = None) -> dict[str, np.ndarray]:
    """Read the columns of a recorded file, of one symbol where it holds several."""
    chosen = [("symbol", "==", symbol)] if symbol else None
    table = pq.read_table(path, columns=list(COLUMNS), filters=chosen)
    return {name: table[name].to_numpy() for name in COLUMNS}


def an_instrument(symbol: str, filters: Filters) -> dict[str, Any]:
    """Return a symbol as the exchange describes it."""
    base = symbol.removesuffix("USDT")
    sizes = {
        "minQty": _decimal(filters.min_quantity or filters.step),
        "maxQty": _decimal(filters.max_quantity),
        "stepSize": _decimal(filters.step),
    }
    return {
        "symbol": symbol, "pair": symbol, "contractType": "PERPETUAL", "status": "TRADING",
        "baseAsset": base, "quoteAsset": "USDT", "marginAsset": "USDT", "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000, "pricePrecision": 8, "quantityPrecision": 8, "baseAssetPrecision": 8,
        "quotePrecision": 8, "maintMarginPercent": "2.5000", "requiredMarginPercent": "5.0000",
        "liquidationFee": "0.012500", "marketTakeBound": "0.05", "triggerProtect": "0.0500",
        "underlyingType": "COIN", "underlyingSubType": [], "maxMoveOrderLimit": 10000,
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "filters": [
            {
                "filterType": "PRICE_FILTER", "tickSize": _decimal(filters.tick),
                "minPrice": _decimal(filters.tick), "maxPrice": "1000000000",
            },
            {"filterType": "LOT_SIZE", **sizes},
            {"filterType": "MARKET_LOT_SIZE", **sizes},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": _decimal(filters.min_notional)},
            {
                "filterType": "PERCENT_PRICE", "multiplierDecimal": "4",
                "multiplierDown": "0.9500", "multiplierUp": "1.0500",
            },
        ],
    }  # fmt: skip


def write_exchange_info(path: Path, *instruments: dict[str, Any]) -> Path:
    """Write an answer of /fapi/v1/exchangeInfo that lists these symbols."""
    limits = [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
    ]
    answer = {
        "timezone": "UTC", "serverTime": MONDAY, "futuresType": "U_MARGINED", "rateLimits": limits,
        "exchangeFilters": [], "assets": [], "symbols": list(instruments),
    }  # fmt: skip
    path.write_text(json.dumps(answer), encoding="utf-8")
    return path


def filters_of(exchange_info: Path, symbol: str) -> Filters:
    """Read what a recorded answer says of market orders in a symbol."""
    opened = gzip.open if exchange_info.suffix == ".gz" else open
    with opened(exchange_info, "rt", encoding="utf-8") as file:
        listed = json.load(file)["symbols"]
    named = {entry["filterType"]: entry for each in listed if each["symbol"] == symbol for entry in each["filters"]}
    lot = named["MARKET_LOT_SIZE"]
    return Filters(
        tick=Fraction(named["PRICE_FILTER"]["tickSize"]),
        step=Fraction(lot["stepSize"]),
        min_quantity=Fraction(lot["minQty"]),
        max_quantity=Fraction(lot["maxQty"]),
        min_notional=Fraction(named["MIN_NOTIONAL"]["notional"]),
    )


def backtest(out: Path, *words: object) -> dict[str, Any]:
    """Run `act backtest` in this process and return what it wrote to `--json`."""
    code = cli.main(["backtest", *map(str, words), "--json", str(out)])
    assert code == 0, words
    return json.loads(out.read_bytes())


def settings_of(rules):
    given = {
        "k": rules.k,
        "adx_max": rules.adx_max,
        "notional": rules.notional,
        "stop_pct": rules.stop_pct,
        "min_session_candles": rules.min_session_candles,
        "warm_up": rules.warm_up,
    }
    numbers = {
        key: value if isinstance(value, int) or value.denominator == 1 else float(value) for key, value in given.items()
    }
    return [word for key, value in numbers.items() for word in ("--set", f"strategy.vwap_reversion.{key}={value}")]


def _decimal(number: Fraction) -> str:
    return f"{number.numerator * 10**8 // number.denominator / 10**8:.8f}"
