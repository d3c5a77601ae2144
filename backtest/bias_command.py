"""`act bias`: whether a backtest knows the future, and whether it depends on where its data begins."""

import argparse
import json
from dataclasses import asdict
from functools import partial

from backtest.bias import Foresight, Settling, lookahead, run_on_past, run_with, spread_starts, warm_up_sensitivity
from backtest.options import Prepared, add_options, check_counts, prepare
from backtest.run import flags_of
from simulator.market.recordings import iso


def main(argv: list[str]) -> int:
    """Check a backtest; return 1 where something of the past changed, else 0."""
    options = _parser().parse_args(argv)
    check_counts(options, "cuts", "starts")
    prepared = prepare(options)
    code: int = options.check(options, prepared)
    return code


def _lookahead(options: argparse.Namespace, prepared: Prepared) -> int:
    recording = prepared.recording
    flags = {
        plan.symbol: partial(
            flags_of, plan, instrument=recording.instruments[plan.symbol], interval_ms=recording.history.interval_ms
        )
        for plan in prepared.terms.plan.symbols
    }
    found = lookahead(
        partial(run_on_past, recording, prepared.terms),
        recording.history,
        options.cuts,
        options.seed,
        flags,
        from_ms=prepared.terms.from_ms,
        has_detail=recording.detail is not None,
    )
    if options.json:
        print(json.dumps([asdict(leak) for leak in found.leaks]))
    else:
        _print_leaks(found)
    return int(bool(found.leaks))


def _warm_up(options: argparse.Namespace, prepared: Prepared) -> int:
    recording = prepared.recording
    starts = spread_starts(recording.history, options.starts, prepared.terms.from_ms)
    settlings = warm_up_sensitivity(partial(run_with, recording, prepared.terms), recording.history, starts)
    if options.json:
        print(json.dumps([asdict(settling) for settling in settlings]))
    else:
        for settling in settlings:
            print(_told(settling))
    return 0


def _print_leaks(found: Foresight) -> None:
    leaks, cuts = found.leaks, found.cuts
    for leak in leaks:
        print(f"data cut at {iso(leak.cut_ms)}: {leak.symbol} at {iso(leak.at_ms)}: {leak.text}")
    told = f"{len(leaks)} of {cuts} cuts changed the past" if leaks else f"{cuts} cuts, the past never changed"
    print(f"look-ahead: {told}.")


def _told(settling: Settling) -> str:
    if not settling.trades:
        return f"from {iso(settling.start_ms)}: no trades in either of the two runs, nothing to compare."
    since = f"from {iso(settling.start_ms)}: {settling.trades} trades, {settling.differing} in only one of the two runs"
    if settling.agrees_from_ms is None:
        return f"{since}; the two never agree."
    hours = (settling.agrees_from_ms - settling.start_ms) / 3_600_000
    return f"{since}; the same from {iso(settling.agrees_from_ms)} on, {hours:.1f} hours later."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="act bias",
        description="Run a backtest again on less data, and see whether what stays has changed.",
        epilog="example: act bias lookahead --data BTCUSDT.parquet --exchange-info info.json --cuts 50",
    )
    checks = parser.add_subparsers(title="checks", required=True, metavar="CHECK")
    ahead = checks.add_parser(
        "lookahead", help="take the future away: nothing in the past may change", description=_lookahead.__doc__
    )
    ahead.add_argument("--cuts", type=int, default=20, metavar="N", help="moments at which the data ends (default 20)")
    ahead.add_argument("--seed", type=int, default=1, metavar="N", help="number that decides which (default 1)")
    ahead.set_defaults(check=_lookahead)
    warm = checks.add_parser("warm-up", help="begin later: how long until the trades are the same?")
    warm.add_argument("--starts", type=int, default=5, metavar="N", help="later beginnings (default 5)")
    warm.set_defaults(check=_warm_up)
    for each in (ahead, warm):
        add_options(each)
        each.add_argument("--json", action="store_true", help="print the findings as JSON")
    return parser
