"""A report's input made of a few trades."""

import json

from backtest.report.run import ReportInput
from backtest.statistics import equity_curve, summarize_curve
from support.backtest_outcomes import MINUTE, MONDAY, a_history, a_series, an_outcome


def a_report(trades=(), *, history=None, fills=None, **more):
    history = history or a_history(*(a_series([100, 101, 99, 100], name) for name in ("BTCUSDT", "ETHUSDT")))
    outcome_words = {name: more.pop(name) for name in ("still_open", "fundings", "balance", "candles") if name in more}
    outcome = an_outcome(trades, fills=fills, **outcome_words)
    curve = equity_curve(outcome, history, MONDAY)
    given = {
        "outcome": outcome,
        "history": history,
        "curve": curve,
        "summary": summarize_curve(outcome, curve),
        "strategy": "vwap_reversion",
        "symbols": tuple(history.series),
        "from_ms": MONDAY,
        "to_ms": MONDAY + 4 * MINUTE,
        "assumptions": ("Touching a limit is not enough.",),
        "costs": {"taker fee": "0.0500 %"},
        "settings": json.dumps({"risk": {"daily_loss": "500"}}),
        "config_hash": "abc123",
        "code_version": "1.2.3",
    }
    return ReportInput(**(given | more))
