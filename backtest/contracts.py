"""The contracts a backtest trades: a recorded exchangeInfo answer, or what the bot's database knows."""

import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from backtest.errors import DataError
from bot.domain.account import LeverageBracket
from bot.domain.errors import ConfigurationError
from bot.domain.instrument import Instrument
from bot.domain.money import plain
from bot.exchange.simulated import translate
from bot.settings import Settings
from database.queries import Queries
from database.session import act_url, desk_url
from simulator.market.instruments import load_exchange_info
from simulator.market.tape import DataError as TapeError
from simulator.venue.instrument import parse_brackets, parse_instrument


@dataclass(frozen=True, slots=True)
class Contracts:
    """An exchangeInfo answer cut to the symbols, where it is from, and leverage brackets.

    Symbols without brackets get the table that the costs name.
    """

    exchange_info: dict[str, Any]
    source: str
    brackets: tuple[LeverageBracket, ...] = ()

    def instruments(self) -> dict[str, Instrument]:
        """Return the contracts by symbol."""
        entries = self.exchange_info["symbols"]
        return {entry["symbol"]: translate.instrument(parse_instrument(entry)) for entry in entries}


def recorded_contracts(path: Path, symbols: Sequence[str]) -> Contracts:
    """Read a recorded exchangeInfo answer, JSON or gzipped; raises DataError naming what is missing."""
    try:
        answer = load_exchange_info(path, symbols)
    except TapeError as error:
        raise DataError(str(error).replace("--symbols", "--symbol")) from error
    return Contracts(answer, path.name)


def stored_contracts(settings: Settings, home: Path, symbols: Sequence[str]) -> Contracts:
    """Take the contracts the bot last read from the exchange; raises ConfigurationError saying what to pass instead."""
    status = home / "status"
    if not settings.database.url and not (status / "act.db").is_file():
        raise ConfigurationError(
            "the contract filters are not known here: pass --exchange-info FILE, a recorded answer of "
            "GET /fapi/v1/exchangeInfo (JSON or .gz), or run where the bot's database is (--home)."
        )
    queries = Queries(settings.database.url or act_url(status), settings.database.desk_url or desk_url(status))
    known = {each.symbol: each for each in queries.instruments()}
    missing = [symbol for symbol in symbols if symbol not in known]
    if missing:
        raise ConfigurationError(
            f"the bot's database does not know the contract {missing[0]}: pass --exchange-info FILE, a recorded answer "
            "of GET /fapi/v1/exchangeInfo."
        )
    return Contracts({"symbols": [as_entry(known[symbol]) for symbol in symbols]}, "the bot's database")


def read_brackets(path: Path, symbols: Iterable[str]) -> tuple[LeverageBracket, ...]:
    """Read a recorded leverageBracket answer, JSON or gzipped: `[{symbol, brackets: [...]}]`. Raises DataError."""
    wanted = frozenset(symbols)
    try:
        raw = path.read_bytes()
        rows = json.loads(gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw)
        return tuple(
            translate.bracket(row["symbol"], bracket)
            for row in rows
            if row["symbol"] in wanted
            for bracket in parse_brackets(row["brackets"])
        )
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}): check the path of --brackets") from error
    except (ValueError, LookupError, TypeError, ArithmeticError) as error:
        raise DataError(
            f"{path}: no leverageBracket answer ({error!r}): record GET /fapi/v1/leverageBracket"
        ) from error


def as_entry(contract: Instrument) -> dict[str, Any]:
    """Write a contract as its exchangeInfo entry."""
    lots = {
        "LOT_SIZE": (contract.step_size, contract.min_quantity, contract.max_quantity),
        "MARKET_LOT_SIZE": (contract.market_step_size, contract.market_min_quantity, contract.market_max_quantity),
    }
    filters: list[dict[str, Any]] = [
        {
            "filterType": "PRICE_FILTER",
            "tickSize": plain(contract.tick_size),
            "minPrice": plain(contract.min_price),
            "maxPrice": plain(contract.max_price),
        },
        {"filterType": "MIN_NOTIONAL", "notional": plain(contract.min_notional)},
        {"filterType": "MAX_NUM_ORDERS", "limit": contract.max_orders},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": plain(contract.percent_up),
            "multiplierDown": plain(contract.percent_down),
        },
    ]
    filters += [
        {"filterType": name, "stepSize": plain(step), "minQty": plain(least), "maxQty": plain(most)}
        for name, (step, least, most) in lots.items()
    ]
    return {
        "symbol": contract.symbol,
        "status": contract.status,
        "contractType": "PERPETUAL",
        "baseAsset": contract.base_asset,
        "quoteAsset": contract.quote_asset,
        "marginAsset": contract.margin_asset,
        "pricePrecision": _places(contract.tick),
        "quantityPrecision": _places(contract.step()),
        "filters": filters,
    }


def _places(unit: Decimal) -> int:
    return len(plain(unit).partition(".")[2])
