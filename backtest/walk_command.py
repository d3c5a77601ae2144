"""`act walk-forward`: choose parameters on one stretch, judge them on the next, and go on."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from backtest.bias import before, run_with
from backtest.errors import DataError
from backtest.options import add_options, check_counts, prepare
from backtest.results import Outcome
from backtest.sweep.grid import read_grid
from backtest.walk_forward import Walk, WalkForward, Window, walk_forward, windows
from bot.domain.errors import ConfigurationError
from bot.domain.market import DAY_MS
from bot.domain.money import plain
from bot.loader import check_strategies
from bot.trading.limits import CorePlan
from simulator.market.recordings import iso


def main(argv: list[str]) -> int:
    """Walk through the data; return 0."""
    options = _parser().parse_args(argv)
    check_counts(options, "in_days", "out_days")
    grid = _grid(options.param)
    prepared = prepare(options)
    check_strategies(_with(prepared.terms.plan, {name: values[0] for name, values in grid.items()}))
    history = prepared.recording.history
    opens = np.unique(np.concatenate([each.open_time for each in history.series.values()]))
    first_ms, last_ms = max(prepared.terms.from_ms, int(opens[0])), int(opens[-1]) + history.interval_ms
    if first_ms >= last_ms:
        raise DataError(
            f"{', '.join(history.series)}: no candle at or after {iso(first_ms)}: correct --from or the data."
        )
    in_ms, out_ms = options.in_days * DAY_MS, options.out_days * DAY_MS
    spans = windows(first_ms, last_ms, in_ms, out_ms, anchored=options.anchored)

    def rerun(parameters: Mapping[str, str], from_ms: int, to_ms: int) -> Outcome:
        terms = replace(prepared.terms, plan=_with(prepared.terms.plan, parameters), from_ms=from_ms)
        return run_with(prepared.recording, terms, before(history, to_ms))

    def covered(from_ms: int, to_ms: int) -> int:
        first, end = np.searchsorted(opens, (from_ms, to_ms)).tolist()
        return int(end - first) * history.interval_ms

    walked = walk_forward(rerun, spans, grid, covered)
    print(json.dumps(_as_json(walked)) if options.json else _told(walked))
    return 0


def _grid(given: Sequence[str]) -> dict[str, Sequence[str]]:
    axes = read_grid(given).axes
    setting = next((axis.name for axis in axes if axis.is_setting), "")
    if setting:
        raise ConfigurationError(
            f"--param {setting}: only parameters of the strategy are chosen here. Sweep a setting with act sweep."
        )
    return {axis.name: axis.values for axis in axes}


def _with(plan: CorePlan, parameters: Mapping[str, str]) -> CorePlan:
    symbols = [replace(each, parameters={**each.parameters, **parameters}) for each in plan.symbols]
    return replace(plan, symbols=tuple(symbols))


def _told(walked: WalkForward) -> str:
    lines = {walk.window.split_ms: _line(walk) for walk in walked.walks}
    lines |= {each.window.split_ms: f"{_span(each.window)}  left out: {each.reason}" for each in walked.left_out}
    efficiency = "not defined" if walked.efficiency is None else f"{walked.efficiency:.2f}"
    told = [lines[split_ms] for split_ms in sorted(lines)]
    if walked.left_out:
        told.append(f"{len(walked.left_out)} of {len(lines)} windows are left out: the data has a hole there")
    return "\n".join([*told, f"out of sample {plain(walked.out_pnl)} USDT in all, efficiency {efficiency}"])


def _line(walk: Walk) -> str:
    chosen = ", ".join(f"{name}={value}" for name, value in walk.parameters.items()) or "as configured"
    span = walk.window
    inside, outside = _of(walk.in_ms, span.split_ms - span.in_from_ms), _of(walk.out_ms, span.out_to_ms - span.split_ms)
    return (
        f"{_span(span)}  {chosen}: "
        f"{walk.in_trades} trades {plain(walk.in_pnl)} USDT in sample{inside}, "
        f"{walk.out_trades} trades {plain(walk.out_pnl)} USDT out of sample{outside}"
    )


def _span(window: Window) -> str:
    return f"{iso(window.in_from_ms)} .. {iso(window.split_ms)} .. {iso(window.out_to_ms)}"


def _of(covered_ms: int, whole_ms: int) -> str:
    """Say how much of a part has candles, where not about all of it does."""
    covered, whole = f"{covered_ms / DAY_MS:.1f}", f"{whole_ms / DAY_MS:.1f}"
    return "" if covered == whole else f" ({covered} of {whole} days have candles)"


def _as_json(walked: WalkForward) -> dict[str, object]:
    return {
        "windows": [
            {
                **_moments(walk.window),
                "parameters": walk.parameters,
                "in_trades": walk.in_trades,
                "in_pnl": plain(walk.in_pnl),
                "in_days": round(walk.in_ms / DAY_MS, 6),
                "out_trades": walk.out_trades,
                "out_pnl": plain(walk.out_pnl),
                "out_days": round(walk.out_ms / DAY_MS, 6),
            }
            for walk in walked.walks
        ],
        "left_out": [{**_moments(each.window), "reason": each.reason} for each in walked.left_out],
        "out_pnl": plain(walked.out_pnl),
        "efficiency": walked.efficiency,
    }


def _moments(window: Window) -> dict[str, int]:
    return {"in_from": window.in_from_ms, "split": window.split_ms, "out_to": window.out_to_ms}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="act walk-forward",
        description="Choose the best parameters of a grid on one stretch, trade them on the next, and go on.",
        epilog="example: act walk-forward --data data/ --symbol BTCUSDT --param k=1.5:3:0.5 --in-days 60 --out-days 20",
    )
    parser.add_argument(
        "--param",
        action="append",
        required=True,
        metavar="NAME=VALUES",
        help="first:last:step or a,b,c for a parameter of the strategy; repeat it",
    )
    parser.add_argument("--in-days", type=_days, default=60, metavar="N", help="days to choose on (default 60)")
    parser.add_argument("--out-days", type=_days, default=20, metavar="N", help="days to judge on (default 20)")
    parser.add_argument("--anchored", action="store_true", help="choose on everything since the beginning")
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="print the windows as JSON")
    return parser


def _days(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days: give a whole number of 1 or more") from error
