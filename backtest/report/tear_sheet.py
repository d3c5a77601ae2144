"""A tear sheet of daily returns by quantstats-lumi, where that extra is installed."""

import io
import re
import sys
import warnings
from contextlib import AbstractContextManager, nullcontext, redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from types import ModuleType

from rich.console import Console

from backtest.report.run import ReportInput
from backtest.statistics import DAYS_A_YEAR, daily_returns, day_ends
from bot.domain.errors import ConfigurationError

_FEWEST_DAYS = 2
_ICON = re.compile(r'<link rel="shortcut icon"[^>]*>')
"""Its template asks the project's web site for one."""


def write_tear_sheet(path: Path, run: ReportInput) -> None:
    """Write the tear sheet of the UTC-day equity curve to an HTML file. Nothing is fetched: there is no benchmark.

    Raises ConfigurationError where the extra is missing and where there are fewer than two days of returns.
    """
    reports = _extra("quantstats_lumi").reports
    pandas = _extra("pandas")
    days, _ = day_ends(run.curve)
    returns = daily_returns(run.curve)
    if returns.size < _FEWEST_DAYS:
        raise ConfigurationError(
            f"a tear sheet needs daily returns of {_FEWEST_DAYS} days or more; not {returns.size}. Take more data."
        )
    with _told_to_wait(), warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")  # its own: deprecated calls, and divisions by zero on short series
        reports.html(
            pandas.Series(returns, index=pandas.to_datetime(days, unit="ms")),
            output=str(path),
            title=f"{run.strategy} on {', '.join(run.symbols)}",
            periods_per_year=DAYS_A_YEAR,
            show_match_volatility=False,
        )
    path.write_text(_ICON.sub("", path.read_text(encoding="utf-8")), encoding="utf-8")


def _told_to_wait() -> AbstractContextManager[object]:
    console = Console(file=sys.stderr)
    return console.status("drawing the tear sheet") if console.is_terminal else nullcontext()


def _extra(name: str) -> ModuleType:
    """Load a module that is heavy, or missing without the extra, only where a tear sheet is wanted."""
    try:
        import_module("matplotlib").use("Agg")
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the tear sheet needs an extra that is not installed ({error.name} is missing): "
            "install auto-coin-trader[tearsheet]."
        ) from error
