"""`act backtest`: the live core on recorded candles."""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from backtest.idle import why_idle
from backtest.options import Prepared, add_named, add_options, inputs_of, prepare
from backtest.outputs import Outputs, check_outputs
from backtest.report.figures import cost_words
from backtest.report.html import NAME, page
from backtest.report.run import ReportInput
from backtest.report.tear_sheet import write_tear_sheet
from backtest.report.terminal import print_report
from backtest.run import Recording, Run, Terms, run
from backtest.statistics import equity_curve, summarize_curve
from bot.exchange.simulated.assumptions import assumptions
from bot.loader import strategy_class


def main(argv: list[str]) -> int:
    """Run a backtest, print and write what was asked for; return the exit code."""
    options = _parser().parse_args(argv)
    check_outputs(
        {"--json": options.json, "--tear-sheet": options.tear_sheet},
        inputs_of(options),
        {"--report": options.report / NAME} if options.report else {},
    )
    prepared = prepare(options)
    done = run(prepared.recording, prepared.terms, every_candle=options.every_candle)
    report = _report(done, prepared)
    with Outputs() as outputs:
        if options.json:
            outputs.add_text(options.json, json.dumps(as_json(report), indent=1) + "\n")
        if options.report:
            outputs.add_text(options.report / NAME, page(report))
        if options.tear_sheet:
            outputs.add(options.tear_sheet, lambda path: write_tear_sheet(path, report))
    if not done.outcome.fills:
        sys.stderr.write(f"{why_idle(prepared.recording, prepared.terms)}\n")
    if not options.quiet:
        print_report(report, Console(no_color=bool(os.environ.get("NO_COLOR"))))
    return 0


def as_json(report: ReportInput) -> dict[str, Any]:
    """Return the published result; only `timing` differs between two runs of the same input."""
    return {
        "trades": [trade.as_json() for trade in report.outcome.trades],
        "open": [position.as_json() for position in report.outcome.open],
        "summary": report.summary.as_json(),
        "timing": {name: json.loads(value) for name, value in report.timing.items()},
        "assumptions": list(report.assumptions),
        "findings": [
            {"symbol": each.symbol, "kind": each.kind, "at": each.at_ms, "count": each.count, "text": each.text}
            for each in report.history.findings
        ],
        "config_hash": report.config_hash,
        "code_version": report.code_version,
    }


def _report(done: Run, prepared: Prepared) -> ReportInput:
    recording, terms = prepared.recording, prepared.terms
    history, outcome = recording.history, done.outcome
    curve = equity_curve(outcome, history, terms.from_ms)
    from_ms = max(terms.from_ms, min(int(series.open_time[0]) for series in history.series.values()))
    last_ms = max(int(series.open_time[-1]) for series in history.series.values())
    return ReportInput(
        outcome=outcome,
        history=history,
        curve=curve,
        summary=summarize_curve(outcome, curve),
        strategy=", ".join(sorted({each.strategy for each in terms.plan.symbols})),
        symbols=tuple(each.symbol for each in terms.plan.symbols),
        from_ms=from_ms,
        to_ms=last_ms + history.interval_ms,
        assumptions=(*_sources(recording, terms), *assumptions(terms.costs)),
        costs=cost_words(terms.costs),
        settings=_every_parameter(prepared),
        config_hash=terms.plan.config_hash,
        code_version=terms.plan.code_version,
        timing=_timing(done, prepared.load_s),
    )


def _every_parameter(prepared: Prepared) -> str:
    """Return the settings as JSON, with each symbol's parameters as its strategy reads them, defaults included."""
    tree = json.loads(prepared.settings.resolved())
    del tree["strategy"]
    for each in prepared.terms.plan.symbols:
        read = strategy_class(each.strategy).parameters_type.read(each.strategy, each.parameters)
        parameters = {name: str(value) for name, value in asdict(read).items()}
        tree["symbols"][each.symbol] = {"strategy": each.strategy, "parameters": parameters}
    return json.dumps(tree)


def _timing(done: Run, load_s: float) -> Mapping[str, str]:
    rate = round(done.outcome.candles / done.cpu_s) if done.cpu_s else 0
    return {
        "load_s": f"{load_s:.6f}",
        "run_s": f"{done.run_s:.6f}",
        "cpu_s": f"{done.cpu_s:.6f}",
        "candles_per_s": str(rate),
    }


def _sources(recording: Recording, terms: Terms) -> tuple[str, ...]:
    """Say what this run was given, and what it was not, as sentences."""
    given = [f"Contract filters are those of {recording.contracts.source}, for the whole time."]
    if terms.unlimited:
        given.append("No limit binds: margin is lent without end, brackets allow any size, no rule keeps trades apart.")
    else:
        given.extend(recording.contracts.bracket_words(terms.costs.brackets))
    if recording.detail is not None:
        given.append("What happens within a candle is judged by finer candles where there are any.")
    return tuple(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="act backtest",
        description="Trade recorded candles with the live core, on an exchange in this process, in virtual time.",
        epilog="example: act backtest --data um_perp_1m_2025.parquet --symbol BTCUSDT --exchange-info info.json "
        "--set execution.entry=market --json result.json",
    )
    add_options(parser)
    parser.add_argument("--every-candle", action="store_true", help="give the core every candle: the same, but slower")
    add_named(parser, "--json", Path, metavar="FILE", help="write the result for machines")
    add_named(parser, "--report", Path, metavar="DIR", help="write report.html, a page that opens offline")
    add_named(
        parser,
        "--tear-sheet",
        Path,
        metavar="FILE",
        help="write quantstats' page (extra: tearsheet)",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing")
    return parser
