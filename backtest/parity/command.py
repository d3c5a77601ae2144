"""`act parity`: what the bot did against what a backtest of the same candles would have done."""

import argparse
import json
import sys
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from backtest.contracts import (
    Contracts,
    recorded_contracts,
    stored_contracts,
    with_recorded_brackets,
    with_stored_brackets,
)
from backtest.history import History, read_funding, read_history
from backtest.months import moment
from backtest.options import add_named, check_span, read_settings, terms_of
from backtest.parity import report
from backtest.parity.compare import Circumstances, Comparison, compare
from backtest.parity.record import record_of
from backtest.parity.recorded import HISTORY_MS, changed, cut, history_of, shift_between
from backtest.run import Recording, run
from bot.domain.errors import ConfigurationError
from bot.domain.market import DAY_MS, MINUTE_MS
from bot.domain.records import Alert, Row
from bot.loader import check_strategies
from bot.settings import Settings
from database.desk import DeskWriter
from database.queries import Queries
from database.session import act_url, desk_url
from simulator.market.recordings import iso

DIFFERENT: Final = 1


@dataclass(frozen=True, slots=True)
class Limit:
    """What is too much: an amount in USDT either way, or a share of differing decisions."""

    amount: Decimal | None = None
    share: float | None = None

    @classmethod
    def of(cls, text: str) -> "Limit":
        """Read `25` as USDT and `5%` as a share of the decisions; raises ArgumentTypeError."""
        try:
            number = Decimal(text.removesuffix("%"))
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_nan() or number < 0:
            raise argparse.ArgumentTypeError(f"{text!r} is neither an amount such as 25 nor a share such as 5%")
        return cls(share=float(number) / 100) if text.endswith("%") else cls(amount=number)

    def is_passed(self, found: Comparison) -> bool:
        """Say whether a comparison is beyond the limit."""
        if self.amount is not None:
            return abs(found.bot_pnl - found.backtest_pnl) > self.amount
        return self.share is not None and found.differing_share > self.share


@dataclass(frozen=True, slots=True)
class _Task:
    """What is compared: a stretch of the bot's market time, and how much later that is than the recording.

    The backtest begins at `lead_ms`, up to a day earlier, so that it comes into the period with a past.
    """

    lead_ms: int
    since_ms: int
    until_ms: int
    shift_ms: int
    recording: Recording
    seen: History


def main(argv: list[str]) -> int:
    """Compare, print, raise an alert where asked; return 1 when the difference is above the limit."""
    options = _parser().parse_args(argv)
    options = argparse.Namespace(**vars(options), strategy=None, interval=None, no_limits=False, start=None, end=None)
    if options.shift_days is not None and not options.data:
        raise ConfigurationError("--shift-days says how far --data lies back. Give --data too, or leave it out.")
    check_span(options.since or 0, options.until)
    settings, folder = read_settings(options)
    check_strategies(settings.core_plan(""))
    queries, desk = _databases(settings, folder)
    task = _task(options, settings, folder, queries)
    found = _compare(options, settings, queries, task)
    from_ms, to_ms = task.since_ms - task.shift_ms, task.until_ms - task.shift_ms
    days = task.shift_ms // DAY_MS
    if options.json:
        print(json.dumps(report.as_json(found, from_ms, to_ms, days), indent=1))
    else:
        print("\n".join(report.lines(found, from_ms, to_ms, days)))
    if options.alert_above is None or not options.alert_above.is_passed(found):
        return 0
    _raise_alert(desk, found, task)
    sys.stderr.write(f"act: --alert-above was passed, so act alerts will tell people: {report.headline(found)}.\n")
    return DIFFERENT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="act parity",
        description="Compare what the bot did with a backtest of the same candles, decision by decision, with causes.",
        epilog="example: act parity --from 2026-03-01 --to 2026-03-02 --alert-above 25",
    )
    parser.add_argument("--home", default="", help="folder of the bot (default ACT_HOME, else here)")
    parser.add_argument(
        "--from",
        dest="since",
        type=moment,
        metavar="TIME",
        help="begin, on the bot's market clock (default: all of it)",
    )
    parser.add_argument("--to", dest="until", type=moment, metavar="TIME", help="end, not included")
    add_named(
        parser,
        "--data",
        Path,
        action="append",
        default=[],
        metavar="FILE",
        help="the recording the simulator replayed (default: the candles the bot stored)",
    )
    parser.add_argument(
        "--shift-days", type=int, metavar="N", help="days from the recording to the bot's clock (default: found out)"
    )
    add_named(
        parser,
        "--exchange-info",
        Path,
        metavar="FILE",
        help="contract filters (default: the bot's own)",
    )
    add_named(parser, "--brackets", Path, metavar="FILE", help="leverage tables (default: the bot's own)")
    add_named(
        parser,
        "--funding",
        Path,
        metavar="FILE",
        help="settled funding rates, on the recording's time",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting of the backtest"
    )
    parser.add_argument(
        "--alert-above",
        type=Limit.of,
        metavar="USDT|N%",
        help="raise an alert and exit 1 when profit differs by more, or more of the decisions differ",
    )
    parser.add_argument("--json", action="store_true", help="for machines")
    return parser


def _databases(settings: Settings, folder: Path) -> tuple[Queries, str]:
    status = folder / "status"
    desk = settings.database.desk_url or desk_url(status)
    return Queries(settings.database.url or act_url(status), desk), desk


def _task(options: argparse.Namespace, settings: Settings, folder: Path, queries: Queries) -> _Task:
    lead_ms, since_ms, until_ms = _period(options, queries)
    symbols = list(settings.symbols)
    contracts = _contracts(options, settings, folder, queries)
    instruments = contracts.instruments()
    stored = {symbol: queries.stored_candles(symbol, lead_ms - HISTORY_MS, until_ms) for symbol in symbols}
    seen = history_of(stored, instruments)
    history, shift_ms = seen, 0
    if options.data:
        history = read_history(options.data, instruments)
        shift_ms = shift_between(history, seen) if options.shift_days is None else options.shift_days * DAY_MS
        history = cut(history, lead_ms - shift_ms - HISTORY_MS, until_ms - shift_ms)
        _check_reach(history, lead_ms - shift_ms, shift_ms)
    funding = read_funding(options.funding, symbols) if options.funding else {}
    recording = Recording(contracts=contracts, instruments=instruments, history=history, funding=funding)
    return _Task(lead_ms, since_ms, until_ms, shift_ms, recording, seen)


def _check_reach(history: History, from_ms: int, shift_ms: int) -> None:
    for symbol, series in history.series.items():
        if not series.open_time.size or series.open_time[-1] < from_ms:
            raise ConfigurationError(
                f"--data has no candles of {symbol} for that period, from {iso(from_ms)} of its own time, "
                f"{shift_ms // DAY_MS} days before the bot's clock. Correct --shift-days or --from, or give other data."
            )


def _period(options: argparse.Namespace, queries: Queries) -> tuple[int, int, int]:
    """Return where to begin, the first candle to compare, and the close of the last one, of what was asked for."""
    first_ms, last_ms = queries.judged_span()
    if not last_ms:
        raise ConfigurationError("the bot of this home has recorded nothing yet. Let it run first, or correct --home.")
    first_ms = first_ms // MINUTE_MS * MINUTE_MS - MINUTE_MS
    since_ms = max(first_ms, options.since or 0)
    until_ms = min(last_ms // MINUTE_MS * MINUTE_MS, options.until or last_ms)
    if since_ms >= until_ms:
        raise ConfigurationError("the bot recorded nothing in that period. Widen --from and --to, see act decisions.")
    return max(first_ms, since_ms - DAY_MS), since_ms, until_ms


def _contracts(options: argparse.Namespace, settings: Settings, folder: Path, queries: Queries) -> Contracts:
    given, symbols = options.exchange_info, list(settings.symbols)
    found = (
        with_stored_brackets(recorded_contracts(given, symbols), queries)
        if given
        else stored_contracts(settings, folder, symbols)
    )
    return with_recorded_brackets(found, options.brackets) if options.brackets else found


def _compare(options: argparse.Namespace, settings: Settings, queries: Queries, task: _Task) -> Comparison:
    lead_ms, to_ms = task.lead_ms - task.shift_ms, task.until_ms - task.shift_ms
    period = queries.period(task.lead_ms, task.until_ms)
    ours: list[Row] = []
    terms = replace(terms_of(options, settings, narrated=True), balance=period.wallet, from_ms=lead_ms)
    run(task.recording, terms, every_candle=True, others=ours)  # each refusal is a decision, repeated ones too
    theirs: list[Row] = [*period.decisions, *period.intents, *period.orders, *period.algo_orders, *period.fills]
    theirs += [*period.trades, *period.positions, *period.risk_events]
    known = Circumstances(
        lead_ms=lead_ms,
        from_ms=task.since_ms - task.shift_ms,
        end_ms=to_ms - MINUTE_MS,
        judged=frozenset((at_ms - task.shift_ms) // MINUTE_MS * MINUTE_MS for at_ms in period.judged_ms),
        changed=changed(task.recording.history, task.seen, task.shift_ms),
    )
    return compare(record_of(ours, 0, to_ms), record_of(theirs, task.shift_ms, to_ms), known)


def _raise_alert(desk: str, found: Comparison, task: _Task) -> None:
    """Have the alerts process tell people, once for each period."""
    writer = DeskWriter(desk)
    try:
        writer.give_notice(
            Alert(
                alert_id=f"parity-{task.since_ms}-{task.until_ms}",
                at_ms=task.until_ms,
                severity="WARNING",
                event="parity",
                symbol="",
                title=report.headline(found),
                text="\n".join(report.summary(found)),
                thread="",
            )
        )
    finally:
        writer.close()
