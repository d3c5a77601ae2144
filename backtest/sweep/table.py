"""The table of a sweep: rows with their figures, how they fare against their neighbours, sorted, shown and written."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from backtest.sweep.grid import Grid
from backtest.sweep.work import CONFIRMED, FAILED, SCREENED, Found
from bot.domain.money import plain

OBJECTIVES: Final = {
    "pnl": True,
    "sharpe": True,
    "sortino": True,
    "win_rate": True,
    "profit_factor": True,
    "max_drawdown": False,
    "fees": False,
    "exposure": False,
}
"""What can be sought after, and whether more of it is better."""

_MONEY: Final = ("pnl", "fees", "funding", "max_drawdown", "neighbour_pnl_median", "neighbour_pnl_worst")
_RATIOS: Final = ("sharpe", "sortino", "win_rate", "profit_factor", "exposure", "robustness", "robustness_worst")
_COUNTS: Final = ("trades", "neighbours")
_TEXTS: Final = ("state", "limits", "error")
_SHOWN: Final = (
    "trades",
    "pnl",
    "fees",
    "max_drawdown",
    "sharpe",
    "win_rate",
    "profit_factor",
    "exposure",
    "robustness",
    "state",
)
_ORDER: Final = {CONFIRMED: 0, SCREENED: 1, FAILED: 2}
_DIGITS: Final = 10


@dataclass(frozen=True, slots=True)
class Line:
    """A combination in the table. `values` has a value for every column below, None where there is none."""

    number: int
    parameters: Mapping[str, str]
    values: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the published fields: money as text, ratios as numbers."""
        return {"parameters": dict(self.parameters), **self.values}


def lines_of(grid: Grid, found: Mapping[int, Found], objective: str, best: Iterable[int] = ()) -> list[Line]:
    """Return the table's rows: confirmed before screened before failed ones, each sorted by the objective.

    `best`: the combinations that no other one surpasses in every objective, where a search has several.
    """
    chosen = frozenset(best)
    lines = [_line(grid, found, number, is_best=number in chosen) for number in found]
    return sorted(lines, key=lambda line: (_ORDER[line.values["state"]], *_rank(line.values, objective), line.number))


def ranked(found: Iterable[Found], objective: str) -> list[int]:
    """Return combinations from the best on, by the figures they have; failed ones are left out."""
    judged = [each for each in found if each.state != FAILED]
    return [each.number for each in sorted(judged, key=lambda each: (*_rank(each.figures, objective), each.number))]


def score(figures: Mapping[str, Any], objective: str) -> Decimal | None:
    """Return an objective's value; None where it is not defined."""
    value = figures.get(objective)
    return None if value is None else Decimal(str(value))


def print_table(lines: Sequence[Line], names: Sequence[str], most: int) -> None:
    """Show the first rows on the terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(120, 14 * (len(names) + len(_SHOWN))))
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in (*names, *_SHOWN):
        table.add_column(name, justify="left" if name == "state" else "right", no_wrap=True)
    for line in lines[:most]:
        table.add_row(*line.parameters.values(), *(_cell(name, line.values[name]) for name in _SHOWN))
    console.print(table)
    if len(lines) > most:
        console.print(f"{len(lines) - most:,} more: --top N shows them, --out FILE writes them all")


def write_parquet(path: Path, lines: Sequence[Line], grid: Grid) -> None:
    """Write all rows as Parquet."""
    pq.write_table(_as_arrow(lines, grid), path)


def write_csv(path: Path, lines: Sequence[Line], grid: Grid) -> None:
    """Write all rows as CSV."""
    names = [axis.name for axis in grid.axes]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*names, *_COUNTS, *_MONEY, *_RATIOS, "best", *_TEXTS])
        for line in lines:
            row = {**line.values, "limits": " ".join(line.values["limits"])}
            values = [row[name] for name in (*_COUNTS, *_MONEY, *_RATIOS, "best", *_TEXTS)]
            writer.writerow([*line.parameters.values(), *("" if value is None else value for value in values)])


def _line(grid: Grid, found: Mapping[int, Found], number: int, *, is_best: bool) -> Line:
    one = found[number]
    figures: dict[str, Any] = dict.fromkeys((*_COUNTS, *_MONEY, *_RATIOS)) | {
        name: value for name, value in one.figures.items() if name != "candles"
    }
    others = [found[each] for each in grid.neighbours(number) if each in found and found[each].state != FAILED]
    return Line(
        number,
        grid.parameters(number),
        {
            **figures,
            **(_robustness(one, others) if one.state != FAILED else {"neighbours": len(others)}),
            "best": is_best,
            "state": one.state,
            "limits": list(one.limits),
            "error": one.error,
        },
    )


def _robustness(one: Found, others: Sequence[Found]) -> dict[str, Any]:
    """Compare with the neighbours' pnl; the ratios are those to the own pnl, None where that is no profit."""
    if not others:
        return {"neighbours": 0}
    own = Decimal(one.figures["pnl"])
    pnls = [Decimal(each.figures["pnl"]) for each in others]
    usual, worst = median(pnls), min(pnls)
    return {
        "neighbours": len(others),
        "neighbour_pnl_median": plain(usual),
        "neighbour_pnl_worst": plain(worst),
        "robustness": _ratio(usual, own),
        "robustness_worst": _ratio(worst, own),
    }


def _ratio(part: Decimal, whole: Decimal) -> float | None:
    return float(f"{part / whole:.{_DIGITS}g}") if whole > 0 else None


def _rank(figures: Mapping[str, Any], objective: str) -> tuple[bool, Decimal]:
    """Return what sorts the better one first, those without a value last."""
    value = score(figures, objective)
    if value is None:
        return True, Decimal(0)
    return False, -value if OBJECTIVES[objective] else value


def _as_arrow(lines: Sequence[Line], grid: Grid) -> Any:
    columns: dict[str, Any] = {}
    for axis in grid.axes:
        texts = [line.parameters[axis.name] for line in lines]
        columns[axis.name] = pa.array(map(float, texts), pa.float64()) if axis.is_numeric else pa.array(texts)
    for name in _COUNTS:
        columns[name] = pa.array([line.values[name] for line in lines], pa.int64())
    for name in _MONEY:
        values = [line.values[name] for line in lines]
        exact = [None if value is None else Decimal(value) for value in values]
        columns[name] = pa.array(exact, pa.decimal128(38, 9))
    for name in _RATIOS:
        columns[name] = pa.array([line.values[name] for line in lines], pa.float64())
    columns["best"] = pa.array([line.values["best"] for line in lines], pa.bool_())
    columns["state"] = pa.array([line.values["state"] for line in lines], pa.string())
    columns["limits"] = pa.array([line.values["limits"] for line in lines], pa.list_(pa.string()))
    columns["error"] = pa.array([line.values["error"] for line in lines], pa.string())
    return pa.table(columns)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name in _MONEY:
        return f"{Decimal(value):,.2f}"
    if name in _RATIOS and math.isfinite(value):
        return f"{value:.3f}"
    return str(value)
