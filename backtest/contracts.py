"""The contracts a backtest trades and their leverage brackets: recorded answers, or what the bot's database knows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from simulator.market.instruments import load_exchange_info, read_json
from simulator.market.tape import DataError as TapeError
from simulator.venue.instrument import parse_brackets, parse_instrument


@dataclass(frozen=True, slots=True)
class Contracts:
    """An exchangeInfo answer cut to the symbols, where it is from, and leverage brackets with their source by symbol.

    Symbols without brackets get the table that the costs name.
    """

    exchange_info: dict[str, Any]
    source: str
    brackets: tuple[LeverageBracket, ...] = ()
    bracket_sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def symbols(self) -> list[str]:
        """Return the symbols in the order asked for."""
        return [entry["symbol"] for entry in self.exchange_info["symbols"]]

    def instruments(self) -> dict[str, Instrument]:
        """Return the contracts by symbol."""
        entries = self.exchange_info["symbols"]
        return {entry["symbol"]: translate.instrument(parse_instrument(entry)) for entry in entries}

    def with_brackets(self, rows: Iterable[LeverageBracket], source: str) -> "Contracts":
        """Return the same with these brackets in place of those known of their symbols; others' are left out."""
        symbols = frozenset(self.symbols)
        taken = tuple(row for row in rows if row.symbol in symbols)
        sources = dict.fromkeys((row.symbol for row in taken), source)
        kept = tuple(row for row in self.brackets if row.symbol not in sources)
        return replace(self, brackets=kept + taken, bracket_sources={**self.bracket_sources, **sources})

    def bracket_words(self, named: str) -> tuple[str, ...]:
        """Say in sentences where brackets come from; `named` is the table of symbols without any."""
        symbols: dict[str, list[str]] = {}
        for symbol in self.symbols:
            source = self.bracket_sources.get(symbol)
            words = f"those of {source}" if source else f"the table named {named}, none being known"
            symbols.setdefault(words, []).append(symbol)
        if len(symbols) == 1:
            return tuple(f"Leverage brackets are {words}." for words in symbols)
        return tuple(f"Leverage brackets of {', '.join(names)} are {words}." for words, names in symbols.items())


def recorded_contracts(path: Path, symbols: Sequence[str]) -> Contracts:
    """Read a recorded exchangeInfo answer, JSON or gzipped; raises DataError naming what is missing."""
    try:
        answer = load_exchange_info(path, symbols)
    except TapeError as error:
        raise DataError(str(error).replace("--symbols", "--symbol")) from error
    return Contracts(answer, path.name)


def stored_contracts(settings: Settings, home: Path, symbols: Sequence[str]) -> Contracts:
    """Take contracts and brackets as the bot last read them; raises ConfigurationError saying what to pass instead."""
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
    contracts = Contracts({"symbols": [as_entry(known[symbol]) for symbol in symbols]}, "the bot's database")
    return with_stored_brackets(contracts, queries)


def with_stored_brackets(contracts: Contracts, queries: Queries) -> Contracts:
    """Return the same with the brackets that the bot read at its last start, where it has stored any."""
    run = queries.config_version()
    mode = f", read in mode {run.mode}" if run else ""
    return contracts.with_brackets(queries.leverage_brackets(), f"the bot's database{mode}")


def with_recorded_brackets(contracts: Contracts, path: Path) -> Contracts:
    """Return the same with the brackets of a recorded leverageBracket answer, for those symbols it lists.

    The answer is `[{symbol, brackets: [...]}]`, JSON or gzipped. Raises DataError.
    """
    wanted = frozenset(contracts.symbols)
    try:
        read = [
            translate.bracket(row["symbol"], bracket)
            for row in read_json(path)
            if row["symbol"] in wanted
            for bracket in parse_brackets(row["brackets"])
        ]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}): check the path of --brackets") from error
    except (ValueError, LookupError, TypeError, ArithmeticError) as error:
        raise DataError(
            f"{path}: no leverageBracket answer ({error!r}): record GET /fapi/v1/leverageBracket"
        ) from error
    return contracts.with_brackets(read, path.name)


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
