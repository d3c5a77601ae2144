"""What `act backtest` and its relatives take: options, and from them settings, contracts and candles."""

import argparse
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from backtest.candle_files import interval_name
from backtest.contracts import Contracts, recorded_contracts, stored_contracts, with_recorded_brackets
from backtest.history import INTERVALS, read_funding, read_history, read_marks, symbols_in
from backtest.months import moment
from backtest.run import Recording, Terms
from bot.domain.errors import ConfigurationError
from bot.loader import check_strategies, strategy_class
from bot.settings import Settings, SymbolSection, home, load, overlay
from bot.trading.limits import Costs, PacingLimits, RiskLimits
from simulator.market.recordings import iso

_UNLIMITED: Final = Decimal("Infinity")
NO_RISK_LIMITS: Final = RiskLimits(max_symbol_notional=_UNLIMITED, max_symbol_share=_UNLIMITED, daily_loss=_UNLIMITED)
NO_PACING: Final = PacingLimits(0, 0, 0)


def add_named(parser: argparse.ArgumentParser, option: str, kind: Callable[[str], object], **how: Any) -> None:
    """Add an option that names something; an empty text, as it comes of a variable that is not set, is refused."""

    def read(text: str) -> object:
        if not text.strip():
            raise ConfigurationError(f"{option} '': this names nothing. Give a name, or leave {option} out.")
        return kind(text)

    parser.add_argument(option, type=read, **how)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what to trade on and how."""
    add_named(
        parser,
        "--strategy",
        str,
        metavar="NAME",
        help="file in strategies/ (default vwap_reversion, or act.toml's)",
    )
    add_named(
        parser,
        "--symbol",
        str,
        action="append",
        default=[],
        metavar="S",
        help="contract to trade, may be repeated (default: all)",
    )
    add_named(
        parser,
        "--data",
        Path,
        action="append",
        default=[],
        metavar="FILE|DIR",
        help="candles as Parquet or CSV, may be repeated (default: what act data has stored)",
    )
    parser.add_argument(
        "--interval", choices=sorted(INTERVALS, key=INTERVALS.__getitem__), help="trade on such candles"
    )
    add_named(
        parser,
        "--funding",
        Path,
        metavar="FILE",
        help="settled funding rates (symbol funding_time funding_rate)",
    )
    add_named(
        parser,
        "--mark",
        Path,
        metavar="FILE",
        help="mark price bars (symbol open_time open high low close)",
    )
    add_named(
        parser,
        "--detail",
        Path,
        action="append",
        default=[],
        metavar="FILE|DIR",
        help="finer candles: what happens within a candle is judged by them",
    )
    add_named(
        parser,
        "--exchange-info",
        Path,
        metavar="FILE",
        help="contract filters: a recorded exchangeInfo answer",
    )
    add_named(
        parser,
        "--brackets",
        Path,
        metavar="FILE",
        help="leverage tables: a recorded leverageBracket answer",
    )
    parser.add_argument(
        "--from", dest="start", type=moment, metavar="TIME", help="first candle that trades (UTC); earlier ones warm up"
    )
    parser.add_argument("--to", dest="end", type=moment, metavar="TIME", help="end (UTC), not included")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a setting, such as execution.entry=market",
    )
    parser.add_argument(
        "--no-limits",
        action="store_true",
        help="no risk or pacing limit binds, no slippage, no funding, taker fee 0.05 %%: to compare with other engines",
    )
    parser.add_argument(
        "--home", default="", help="folder with act.toml, status/ and data/ (default ACT_HOME, else here)"
    )


def check_counts(options: argparse.Namespace, *names: str) -> None:
    """Refuse options that would do nothing so many times, before anything is read; one not given passes."""
    for name in names:
        value = getattr(options, name, None)
        if value is not None and value < 1:
            raise ConfigurationError(f"--{name.replace('_', '-')} {value}: give 1 or more.")


def inputs_of(options: argparse.Namespace) -> dict[str, list[Path]]:
    """Return what will be read, by the option that names it: nothing may be written over it."""
    folder = Path(options.home) if options.home else home()
    single = {"--funding": options.funding, "--mark": options.mark}
    single |= {"--exchange-info": options.exchange_info, "--brackets": options.brackets}
    return {
        "--data": options.data or [folder / "data"],
        "--detail": options.detail,
        **{name: [path] for name, path in single.items() if path is not None},
        "--home": [folder / "act.toml"],
    }


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything a run needs, read and checked: settings, home, what is traded on and how, and what reading took."""

    settings: Settings
    home: Path
    recording: Recording
    terms: Terms
    load_s: float


def prepare(options: argparse.Namespace, *, narrated: bool = False) -> Prepared:
    """Read and check everything the options name; raises ConfigurationError and DataError before anything is run."""
    settings, folder = read_settings(options)
    paths = data_paths(options, folder)
    settings = with_symbols(settings, options, paths)
    terms = terms_of(options, settings, narrated=narrated)
    began = time.perf_counter()  # clock: tells people what reading took
    recording = read_recording(options, settings, folder, paths)
    load_s = time.perf_counter() - began  # clock: tells people what reading took
    return Prepared(settings, folder, recording, terms, load_s)


def read_settings(options: argparse.Namespace) -> tuple[Settings, Path]:
    """Return the settings in force, before symbols are chosen, and the home folder. Raises ConfigurationError."""
    folder = Path(options.home).resolve() if options.home else home()
    if options.home and not folder.is_dir():
        raise ConfigurationError(f"{folder} is no folder. Correct --home.")
    settings = overlay(load(folder), {"mode": "backtest", **changes(options.set)})
    if options.no_limits:
        settings = settings.model_copy(update={"risk": NO_RISK_LIMITS, "pacing": NO_PACING, "costs": Costs.free()})
    return settings, folder


def changes(given: Sequence[str]) -> dict[str, Any]:
    """Turn `--set section.key=value` into a tree like that of act.toml. Raises ConfigurationError."""
    tree: dict[str, Any] = {}
    for each in given:
        path, sign, text = each.partition("=")
        keys = path.strip().split(".")
        if not sign or not all(keys):
            raise ConfigurationError(f"--set {each}: write section.key=value, such as risk.daily_loss=300.")
        branch = tree
        for key in keys[:-1]:
            branch = branch.setdefault(key, {})
            if not isinstance(branch, dict):
                raise ConfigurationError(f"--set {each}: {key} was set to a value before. Give one of the two.")
        value = _value(text.strip())
        if isinstance(value, Decimal) and not value.is_finite():
            raise ConfigurationError(f"--set {each}: {text.strip()} is no number to trade with. Give a finite one.")
        branch[keys[-1]] = value
    return tree


def with_symbols(settings: Settings, options: argparse.Namespace, paths: Sequence[Path]) -> Settings:
    """Return the settings with the symbols that are traded: those asked for, else act.toml's, else all of the data."""
    wanted = [symbol.upper() for symbol in options.symbol] or list(settings.symbols) or list(symbols_in(paths))
    repeated = [symbol for symbol in wanted if wanted.count(symbol) > 1]
    if repeated:
        raise ConfigurationError(f"{repeated[0]} is given twice. One strategy trades a symbol: give it once.")
    sections = {symbol: settings.symbols.get(symbol, SymbolSection()) for symbol in wanted}
    if options.strategy:
        sections = {
            symbol: section.model_copy(update={"strategy": options.strategy}) for symbol, section in sections.items()
        }
    return settings.model_copy(update={"symbols": sections})


def data_paths(options: argparse.Namespace, folder: Path) -> list[Path]:
    """Return where candles are: `--data`, else the home's store. Raises ConfigurationError when there is neither."""
    if options.data:
        return list(options.data)
    stored = folder / "data"
    if not stored.is_dir():
        raise ConfigurationError("no candles: pass --data FILE, or fetch some first: act data fetch BTCUSDT.")
    return [stored]


def read_recording(options: argparse.Namespace, settings: Settings, folder: Path, paths: Sequence[Path]) -> Recording:
    """Read contracts, candles, funding and marks of the traded symbols."""
    symbols = list(settings.symbols)
    contracts = _contracts(options, settings, folder, symbols)
    instruments = contracts.instruments()
    history = read_history(
        paths,
        instruments,
        interval_ms=INTERVALS[options.interval] if options.interval else None,
        to_ms=options.end,
    )
    detail = read_history(options.detail, instruments) if options.detail else None
    if detail is not None and detail.interval_ms >= history.interval_ms:
        raise ConfigurationError(
            f"--detail: its candles of {interval_name(detail.interval_ms)} are not finer than those traded on, of "
            f"{interval_name(history.interval_ms)}. Give finer ones, or leave --detail out."
        )
    return Recording(
        contracts=contracts,
        instruments=instruments,
        history=history,
        funding=read_funding(options.funding, symbols) if options.funding else {},
        marks=read_marks(options.mark, symbols) if options.mark else {},
        detail=detail,
    )


def terms_of(options: argparse.Namespace, settings: Settings, *, narrated: bool = False) -> Terms:
    """Return how it is traded; raises ConfigurationError for what a strategy refuses and for times out of order."""
    plan = settings.core_plan(version("auto-coin-trader"))
    check_strategies(plan)
    for name in settings.strategy:
        strategy_class(name)
    start_ms = options.start or 0
    check_span(start_ms, options.end)
    return Terms(
        plan=replace(plan, narrated=narrated),
        costs=settings.costs,
        balance=settings.paper.balance,
        from_ms=start_ms,
        unlimited=options.no_limits,
    )


def check_span(start_ms: int, end_ms: int | None) -> None:
    """Refuse `--from` and `--to` that leave no time between them."""
    if end_ms is not None and start_ms >= end_ms:
        raise ConfigurationError(f"--from {iso(start_ms)} does not lie before --to {iso(end_ms)}. Correct one.")


def _contracts(options: argparse.Namespace, settings: Settings, folder: Path, symbols: Sequence[str]) -> Contracts:
    contracts = (
        recorded_contracts(options.exchange_info, symbols)
        if options.exchange_info
        else stored_contracts(settings, folder, symbols)
    )
    return with_recorded_brackets(contracts, options.brackets) if options.brackets else contracts


def _value(text: str) -> Any:
    """Read a value as TOML would, and what is no TOML as text."""
    try:
        return tomllib.loads(f"value = {text}", parse_float=Decimal)["value"]
    except tomllib.TOMLDecodeError:
        return text
