"""`act backtest`: the live core on recorded candles."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backtest.history import written
from backtest.options import add_options, data_paths, read_recording, read_settings, terms_of, with_symbols
from backtest.run import Recording, Run, Terms, run
from backtest.statistics import Summary, summarize
from bot.domain.errors import ConfigurationError


def main(argv: list[str]) -> int:
    """Run a backtest, print and write what was asked for; return the exit code."""
    options = _parser().parse_args(argv)
    _check_targets(options)
    settings, folder = read_settings(options)
    paths = data_paths(options, folder)
    settings = with_symbols(settings, options, paths)
    terms = terms_of(options, settings)
    began = time.perf_counter()
    recording = read_recording(options, settings, folder, paths)
    load_s = time.perf_counter() - began
    done = run(recording, terms, every_candle=options.every_candle)
    summary = summarize(done.outcome, recording.history, terms.from_ms)
    result = as_json(done, summary, terms, _assumptions(recording, terms), load_s)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    _print(result, recording, options)
    return 0


def as_json(done: Run, summary: Summary, terms: Terms, assumptions: Sequence[str], load_s: float) -> dict[str, Any]:
    """Return the published result; only `timing` differs between two runs of the same input."""
    outcome = done.outcome
    return {
        "trades": [trade.as_json() for trade in outcome.trades],
        "open": [position.as_json() for position in outcome.open],
        "summary": summary.as_json(),
        "timing": {
            "load_s": round(load_s, 6),
            "run_s": round(done.run_s, 6),
            "cpu_s": round(done.cpu_s, 6),
            "candles_per_s": round(outcome.candles / done.cpu_s) if done.cpu_s else 0,
        },
        "assumptions": list(assumptions),
        "config_hash": terms.plan.config_hash,
        "code_version": terms.plan.code_version,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="act backtest",
        description="Trade recorded candles with the live core, on an exchange in this process, in virtual time.",
        epilog="example: act backtest --data um_perp_1m_2025.parquet --symbol BTCUSDT --exchange-info info.json "
        "--set execution.entry=market --json result.json",
    )
    add_options(parser)
    parser.add_argument("--every-candle", action="store_true", help="give the core every candle: the same, but slower")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result for machines")
    return parser


def _check_targets(options: argparse.Namespace) -> None:
    """Refuse what could not be written, before anything is read."""
    if options.json and (options.json.is_dir() or not options.json.resolve().parent.is_dir()):
        raise ConfigurationError(
            f"--json {options.json}: no file can be written there. Name one in a folder that exists."
        )


def _assumptions(recording: Recording, terms: Terms) -> tuple[str, ...]:
    return (f"contracts: {recording.contracts.source}",)


def _print(result: dict[str, Any], recording: Recording, options: argparse.Namespace) -> None:
    for line in written(recording.history.findings):
        print(line, file=sys.stderr)
    summary, timing = result["summary"], result["timing"]
    print(", ".join(f"{key} {value}" for key, value in summary.items()))
    print(", ".join(f"{key} {value}" for key, value in timing.items()))
