"""`act data`: fetch, import and verify market data for backtests."""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from backtest.candle_files import INTERVALS, MINUTE_MS, NO_SYMBOL, is_symbol
from backtest.download import ARCHIVE_URL, REST_URL, Fetched, Web, fetch
from backtest.errors import DataError
from backtest.history import written
from backtest.importing import import_file
from backtest.months import moment, months_between
from backtest.storage import CANDLES, FUNDING, MARK, Shelf, shelves_in, writing
from backtest.verify import Checked, verify
from bot.domain.errors import ConfigurationError
from bot.settings import home
from simulator.market.recordings import iso

_TIMEOUT_SECONDS = 30.0


def main(argv: list[str]) -> int:
    """Fetch, import or verify; return the exit code: 1 where `verify` finds data that is wrong."""
    options = _parser().parse_args(argv)
    for symbol in options.symbols:
        if not is_symbol(symbol):
            raise ConfigurationError(f"{symbol!r} {NO_SYMBOL}. Give one such as BTCUSDT.")
    root = (Path(options.home).resolve() if options.home else home()) / "data"
    code: int = options.run(root, options)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="act data",
        description="Market data for backtests, kept in ACT_HOME/data as one Parquet file for each month.",
        epilog="example: act data fetch BTCUSDT ETHUSDT --from 2024-01-01. More in act data fetch --help.",
    )
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    fetched = _action(
        actions.add_parser(
            "fetch",
            help="from Binance's public archive, the recent rest by REST; no account needed",
            description="Fetch what is not stored yet. May be interrupted and called again.",
            epilog="example: act data fetch BTCUSDT --from 2024-01-01 --funding --mark 1h",
        ),
        _fetch,
    )
    _fetch_options(fetched)
    imported = _action(
        actions.add_parser(
            "import",
            help="from files: CSV, Parquet, the public archive's zips, freqtrade's feather",
            description="Store the rows of files. Rows that contradict stored ones are refused.",
            epilog="example: act data import user_data/data/binance/futures/BTC_USDT_USDT-1m-futures.feather",
        ),
        _import,
    )
    _import_options(imported)
    verified = _action(
        actions.add_parser(
            "verify",
            help="holes, duplicates, impossible candles, outages, contradictions with a coarser interval",
            description="Judge what is stored. Exit 1 for duplicates, impossible values, contradictions and files "
            "that cannot be read; holes and stretches without volume are told only, for the exchange has them too.",
            epilog="example: act data verify BTCUSDT --json",
        ),
        _verify,
    )
    _verify_options(verified)
    return parser


def _action(parser: argparse.ArgumentParser, run: Callable[[Path, argparse.Namespace], int]) -> argparse.ArgumentParser:
    parser.set_defaults(run=run)
    parser.add_argument("--home", default="", help="folder that holds data/ (default ACT_HOME, else here)")
    return parser


# fetch


def _fetch_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("symbols", nargs="+", type=str.upper, metavar="SYMBOL", help="such as BTCUSDT")
    add("--from", dest="from_ms", type=_time, required=True, metavar="TIME", help="2024-01-01, UTC")
    add("--to", dest="to_ms", type=_time, metavar="TIME", help="not included (default now)")
    add("--interval", choices=INTERVALS, default="1m", help="of the candles (default 1m)", metavar="INTERVAL")
    add("--funding", action="store_true", help="settled funding too")
    add("--mark", choices=INTERVALS, metavar="INTERVAL", help="mark price bars of this interval too")
    add("--replace", action="store_true", help="where stored rows differ, take the fetched ones")
    add("--archive-url", default=ARCHIVE_URL, metavar="URL", help=f"the public archive (default {ARCHIVE_URL})")
    add("--rest-url", default=REST_URL, metavar="URL", help=f"the exchange's REST (default {REST_URL})")


def _time(text: str) -> int:
    return moment(text) // MINUTE_MS * MINUTE_MS


def _fetch(root: Path, options: argparse.Namespace) -> int:
    now_ms = int(time.time() * 1000)  # clock: decides which candles are closed
    window = (options.from_ms, min(options.to_ms or now_ms, now_ms))
    if window[0] >= window[1]:
        raise DataError(f"there is nothing between {iso(window[0])} and {iso(window[1])}: check --from and --to")
    shelves = [shelf for symbol in options.symbols for shelf in _wanted(root, symbol, options)]
    months = len(list(months_between(*window)))
    with (
        writing(root),
        httpx.Client(timeout=_TIMEOUT_SECONDS, follow_redirects=True) as client,
        _progress(months * len(shelves)) as told,
    ):
        web = Web(client, time.sleep, archive_url=options.archive_url, rest_url=options.rest_url)
        results = [
            (shelf, fetch(shelf, window, web, now_ms, replace=options.replace, told=told(shelf))) for shelf in shelves
        ]
    for shelf, done in results:
        print(_told(shelf, done))
    return 0


def _wanted(root: Path, symbol: str, options: argparse.Namespace) -> Iterator[Shelf]:
    yield Shelf(root, symbol, CANDLES, INTERVALS[options.interval])
    if options.funding:
        yield Shelf(root, symbol, FUNDING)
    if options.mark:
        yield Shelf(root, symbol, MARK, INTERVALS[options.mark])


def _told(shelf: Shelf, done: Fetched) -> str:
    words = [f"{done.new_rows:,} new rows", f"{done.months_fetched} months fetched", f"{done.months_kept} kept"]
    if done.replaced_rows:
        words.append(f"{done.replaced_rows:,} stored ones replaced")
    if done.months_empty:
        words.append(f"{done.months_empty} of which the exchange has nothing")
    return f"{shelf.symbol} {shelf.name}: {', '.join(words)}"


@contextmanager
def _progress(total: int) -> Iterator[Callable[[Shelf], Callable[[str], None]]]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("months", total=total)

        def told(shelf: Shelf) -> Callable[[str], None]:
            return lambda month: progress.update(task, advance=1, description=f"{shelf.symbol} {shelf.name} {month}")

        yield told


# import


def _import_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("files", nargs="+", type=Path, metavar="FILE", help=".csv .csv.gz .parquet .zip .feather")
    add(
        "--symbol",
        dest="symbols",
        action="append",
        default=[],
        type=str.upper,
        help="only this one; needed where neither a column nor the file's name says of which symbol it is",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--funding", dest="kind", action="store_const", const=FUNDING, help="settled funding")
    which.add_argument("--mark", dest="kind", action="store_const", const=MARK, help="mark price bars")
    add("--replace", action="store_true", help="where stored rows differ, take the imported ones")
    parser.set_defaults(kind=CANDLES)


def _import(root: Path, options: argparse.Namespace) -> int:
    with writing(root):
        for file in options.files:
            for done in import_file(file, root, options.symbols, options.kind, replace=options.replace):
                twice = f", {done.duplicates:,} stood twice" if done.duplicates else ""
                name = f"{done.shelf.symbol} {done.shelf.name}"
                changed = f", {done.added.replaced:,} stored ones replaced" if done.added.replaced else ""
                print(f"{name}: {done.added.new:,} new of {done.rows:,} rows in {file}{changed}{twice}")
    return 0


# verify


def _verify_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("symbols", nargs="*", type=str.upper, metavar="SYMBOL", help="default all that are stored")
    add("--silence", type=int, default=3, metavar="N", help="tell of N candles in a row without volume (default 3)")
    add("--json", action="store_true", help="for machines; all findings")


def _verify(root: Path, options: argparse.Namespace) -> int:
    shelves = shelves_in(root, options.symbols)
    if not shelves:
        raise DataError(f"{root}: nothing is stored there: act data fetch BTCUSDT --from 2025-01-01")
    checked = verify(shelves, silence=max(1, options.silence))
    sys.stdout.write(_as_json(checked) if options.json else _as_text(checked))
    return int(any(each.wrong for each in checked))


def _as_json(checked: Sequence[Checked]) -> str:
    series = [asdict(each) | {"wrong": each.wrong} for each in checked]
    return json.dumps({"series": series, "wrong": sum(each.wrong for each in checked)}, indent=1) + "\n"


def _as_text(checked: Sequence[Checked]) -> str:
    lines = []
    for each in checked:
        span = f", {iso(each.first_ms)} to {iso(each.last_ms)}" if each.rows else ""
        kinds = Counter(finding.kind for finding in each.findings)
        counts = ", ".join(f"{kind} {count}" for kind, count in kinds.items()) or "nothing found"
        lines.append(f"{each.symbol} {each.name}: {each.rows:,} rows{span}; {counts}")
        lines += [f"  {line}" for line in written(each.findings)]
    wrong = sum(each.wrong for each in checked)
    lines.append(f"{wrong} findings make the data wrong" if wrong else "nothing is wrong")
    return "\n".join(lines) + "\n"
