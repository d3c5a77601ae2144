"""The exchangeInfo answer behind a market: built in, or read from a recorded one."""

import gzip
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from simulator.market.tape import DataError

_USUAL_PRICES = {
    "BTCUSDT": "105000", "ETHUSDT": "3500", "SOLUSDT": "170", "BNBUSDT": "650", "XRPUSDT": "2.3", "ADAUSDT": "0.75",
    "DOGEUSDT": "0.2", "TRXUSDT": "0.27", "AVAXUSDT": "24", "LINKUSDT": "16", "DOTUSDT": "4.5", "LTCUSDT": "95",
    "BCHUSDT": "400", "UNIUSDT": "7", "ATOMUSDT": "4.6", "XLMUSDT": "0.29", "ETCUSDT": "18", "FILUSDT": "2.8",
    "NEARUSDT": "2.7", "APTUSDT": "5.2", "ARBUSDT": "0.4", "OPUSDT": "0.75", "INJUSDT": "13", "SUIUSDT": "3.6",
    "TONUSDT": "3.2", "AAVEUSDT": "250", "ALGOUSDT": "0.2", "APEUSDT": "0.65", "AXSUSDT": "2.6", "BATUSDT": "0.14",
    "CHZUSDT": "0.04", "COMPUSDT": "45", "CRVUSDT": "0.7", "DASHUSDT": "22", "DYDXUSDT": "0.6", "EGLDUSDT": "16",
    "ENAUSDT": "0.36", "FETUSDT": "0.75", "GALAUSDT": "0.017", "GRTUSDT": "0.1", "HBARUSDT": "0.19", "ICPUSDT": "5.3",
    "IMXUSDT": "0.58", "IOSTUSDT": "0.0035", "IOTAUSDT": "0.19", "JUPUSDT": "0.55", "KAVAUSDT": "0.42", "KSMUSDT": "17",
    "LAYERUSDT": "0.8", "LDOUSDT": "0.9", "MANAUSDT": "0.3", "NEOUSDT": "6.2", "ONTUSDT": "0.14", "PENDLEUSDT": "4",
    "QTUMUSDT": "2.1", "RENDERUSDT": "4.1", "RUNEUSDT": "1.7", "SANDUSDT": "0.28", "SEIUSDT": "0.2", "STXUSDT": "0.8",
    "THETAUSDT": "0.8", "TIAUSDT": "2.4", "VETUSDT": "0.026", "WLDUSDT": "1.2", "XMRUSDT": "340", "XTZUSDT": "0.6",
    "ZECUSDT": "50",
}  # fmt: skip
_MADE_UP_SYMBOL = re.compile(r"SIM(\d{1,4})USDT")
_KNOWN_GRIDS = {
    "BTCUSDT": ("0.10", "0.001", 2, 3, "1000", "120", "100"),
    "ETHUSDT": ("0.01", "0.001", 2, 3, "10000", "2000", "20"),
    "BNBUSDT": ("0.010", "0.01", 3, 2, "100000", "2000", "5"),
    "XRPUSDT": ("0.0001", "0.1", 4, 1, "10000000", "2000000", "5"),
    "ADAUSDT": ("0.00010", "1", 5, 0, "6000000", "1300000", "5"),
    "LTCUSDT": ("0.01", "0.001", 2, 3, "10000", "5000", "20"),
    "SOLUSDT": ("0.0010", "0.01", 4, 2, "1000000", "5000", "5"),
    "LAYERUSDT": ("0.000100", "0.1", 6, 1, "800000", "80000", "5"),
}
_ORDER_TYPES = ("LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")


@dataclass(frozen=True, slots=True)
class Grid:
    """The lattice a symbol's prices and quantities lie on; inside the market they are integer ticks and steps."""

    symbol: str
    tick_size: Decimal
    step_size: Decimal

    def price(self, ticks: int) -> Decimal:
        """Return the price of so many ticks, with the tick's own number of decimals."""
        return ticks * self.tick_size

    def quantity(self, steps: int) -> Decimal:
        """Return the quantity of so many steps, in base asset."""
        return steps * self.step_size


def grids(exchange_info: dict[str, Any], symbols: Sequence[str]) -> dict[str, Grid]:
    """Read tick and step of each symbol asked for out of an exchangeInfo answer; `DataError` where one is missing."""
    entries = {entry["symbol"]: entry for entry in exchange_info["symbols"]}
    missing = [symbol for symbol in symbols if symbol not in entries]
    if missing:
        raise DataError(
            f"unknown symbol {missing[0]!r}: the exchangeInfo answer lacks it, choose another with --symbols"
        )
    return {symbol: _grid(entries[symbol]) for symbol in symbols}


def usual_price(symbol: str) -> Decimal:
    """Return the price around which the generator starts a symbol of the built-in list.

    Raises `DataError` for a symbol that is neither in the list nor of the form SIM1USDT.
    """
    if symbol in _USUAL_PRICES:
        return Decimal(_USUAL_PRICES[symbol])
    made_up = _MADE_UP_SYMBOL.fullmatch(symbol)
    if made_up is None:
        raise DataError(
            f"unknown symbol {symbol!r}: use one of the built-in ones (BTCUSDT, ETHUSDT, SOLUSDT, ...), SIM1USDT to "
            "SIM9999USDT, or name a recorded answer that has it with --exchange-info"
        )
    return Decimal(10) + 7 * Decimal(int(made_up[1]) % 60)


def start_price(exchange_info: dict[str, Any], symbol: str) -> Decimal:
    """Return a sane price to begin with: the usual one if its filter allows it, else the filter's geometric middle."""
    entry = next(entry for entry in exchange_info["symbols"] if entry["symbol"] == symbol)
    limits = next(item for item in entry["filters"] if item["filterType"] == "PRICE_FILTER")
    lowest, highest = Decimal(limits["minPrice"]), Decimal(limits["maxPrice"])
    usual = usual_price(symbol) if _is_built_in(symbol) else Decimal(0)
    if lowest * 4 < usual < highest / 4:
        return usual
    return (lowest * highest).sqrt()


def _is_built_in(symbol: str) -> bool:
    return symbol in _USUAL_PRICES or _MADE_UP_SYMBOL.fullmatch(symbol) is not None


def builtin_exchange_info(symbols: Sequence[str]) -> dict[str, Any]:
    """Build a complete exchangeInfo answer, as on the wire, for the symbols asked for.

    `serverTime` is the server's to set. The big symbols carry the filters recorded from mainnet on 2025-08-07 (SOLUSDT
    and LAYERUSDT the lattice of their candles of 2025), the others plausible ones.
    Raises `DataError` for an unknown symbol.
    """
    return {
        "timezone": "UTC",
        "serverTime": 0,
        "futuresType": "U_MARGINED",
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
        ],
        "exchangeFilters": [],
        "assets": [
            {"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"},
            {"asset": "BNB", "marginAvailable": True, "autoAssetExchange": "0"},
            {"asset": "USDC", "marginAvailable": True, "autoAssetExchange": "-10000"},
        ],
        "symbols": [_builtin_symbol(symbol) for symbol in _without_repeats(symbols)],
    }


def load_exchange_info(path: Path, symbols: Sequence[str]) -> dict[str, Any]:
    """Read a recorded exchangeInfo answer (JSON, or gzipped JSON) and cut it to the symbols asked for, in that order.

    Raises `DataError` when the file cannot be read, is no exchangeInfo answer, or lacks a symbol.
    """
    answer = _read_answer(path)
    if not isinstance(answer, dict) or not isinstance(answer.get("symbols"), list):
        raise DataError(
            f'{path}: no exchangeInfo answer (no list "symbols"): give the JSON of GET /fapi/v1/exchangeInfo'
        )
    entries = {entry.get("symbol"): entry for entry in answer["symbols"] if isinstance(entry, dict)}
    missing = [symbol for symbol in symbols if symbol not in entries]
    if missing:
        raise DataError(f"{path}: unknown symbol {missing[0]!r}: choose from its {len(entries)} symbols with --symbols")
    chosen = [entries[symbol] for symbol in _without_repeats(symbols)]
    for entry in chosen:
        _check_entry(path, entry)
    return {**answer, "symbols": chosen}


def read_json(path: Path) -> Any:
    """Read a recorded answer, plain or gzipped; raises OSError, or ValueError where it is no JSON."""
    raw = path.read_bytes()
    try:
        return json.loads(gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw)
    except (EOFError, zlib.error) as error:
        raise ValueError(str(error)) from error


def _read_answer(path: Path) -> Any:
    try:
        return read_json(path)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror or error}): check the path of --exchange-info"
        ) from error
    except ValueError as error:
        raise DataError(f"{path}: no JSON: give the answer of GET /fapi/v1/exchangeInfo, plain or gzipped") from error


def _check_entry(path: Path, entry: dict[str, Any]) -> None:
    try:
        grid = _grid(entry)
    except (LookupError, ValueError, ArithmeticError, TypeError) as error:
        raise DataError(
            f"{path}: {entry['symbol']} has no usable tickSize or stepSize: record the answer anew"
        ) from error
    if grid.tick_size <= 0 or grid.step_size <= 0:
        raise DataError(f"{path}: {entry['symbol']} has a tickSize or stepSize of 0: record the answer anew")


def _grid(entry: dict[str, Any]) -> Grid:
    filters = {item["filterType"]: item for item in entry["filters"]}
    return Grid(
        symbol=entry["symbol"],
        tick_size=Decimal(filters["PRICE_FILTER"]["tickSize"]),
        step_size=Decimal(filters["LOT_SIZE"]["stepSize"]),
    )


def _without_repeats(symbols: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(symbols))


def _builtin_symbol(symbol: str) -> dict[str, Any]:
    price = usual_price(symbol)
    tick, step, price_precision, quantity_precision, most, most_at_market, notional = _KNOWN_GRIDS.get(
        symbol
    ) or _plausible_grid(price)
    return {
        "symbol": symbol,
        "pair": symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": symbol.removesuffix("USDT"),
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": price_precision,
        "quantityPrecision": quantity_precision,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["Layer-1"],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10000,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": str(Decimal(tick) * 10),
                "maxPrice": str((price * 50).quantize(Decimal(tick))),
                "tickSize": tick,
            },
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": most, "stepSize": step},
            {"filterType": "MARKET_LOT_SIZE", "minQty": step, "maxQty": most_at_market, "stepSize": step},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": notional},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": "1.0500",
                "multiplierDown": "0.9500",
                "multiplierDecimal": "4",
            },
            {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
        ],
        "orderTypes": list(_ORDER_TYPES),
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "permissionSets": ["GRID", "COPY"],
    }


def _plausible_grid(price: Decimal) -> tuple[str, str, int, int, str, str, str]:
    if price >= 100:
        return "0.01", "0.001", 2, 3, "100000", "5000", "5"
    if price >= 10:
        return "0.001", "0.01", 3, 2, "1000000", "50000", "5"
    if price >= 1:
        return "0.0001", "0.1", 4, 1, "10000000", "500000", "5"
    if price >= Decimal("0.01"):
        return "0.00001", "1", 5, 0, "50000000", "5000000", "5"
    return "0.000001", "1", 6, 0, "500000000", "50000000", "5"
