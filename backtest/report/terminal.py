"""The report as text, for a terminal or a file: the same figures as the page, without the charts."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.columns import Columns
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from backtest.gate import gate, is_ready
from backtest.monte_carlo import monte_carlo
from backtest.report import words
from backtest.report.analysis import MONTH_NAMES, SEED, Analysis, Group, Month, Table, analyse, change, year_share
from backtest.report.figures import facts, figures, flat, luck_note
from backtest.report.run import ReportInput

_TONES = {"up": "green", "down": "red", "flat": "dim", "": ""}
_MOST_FIGURES_A_ROW = 3
_ENDLESS = 10_000
_NOT_OF_A_BACKTEST = ("alerts.", "database.", "endpoints.", "paper.", "simulator.")


def print_report(run: ReportInput, console: Console) -> None:
    """Print the whole report; colours only where the console shows them."""
    analysis = analyse(run)
    for part in (
        _widest([_head(run, analysis, count) for count in range(_MOST_FIGURES_A_ROW, 0, -1)], console),
        _parts(analysis),
        *_months(analysis.months, console),
        Columns([_groups(table) for table in analysis.tables], padding=(0, 4)),
        _gate(run),
        *_luck(run),
        *_basis(run),
    ):
        console.print(part)
        console.print()


def _widest(grids: Sequence[Grid], console: Console) -> Grid:
    """Return the first of these, from wide to narrow, that needs no line broken or cut; else the narrowest."""
    endless = console.options.update(max_width=_ENDLESS)
    fitting = (grid for grid in grids if Measurement.get(console, endless, grid).maximum <= console.width)
    return next(fitting, grids[-1])


def _head(run: ReportInput, analysis: Analysis, figures_a_row: int) -> Grid:
    grid = _grid(f"Backtest {run.strategy} on {', '.join(run.symbols)}", ("",) * 3 * figures_a_row, heads_shown=False)
    shown = figures(run, analysis)
    for start in range(0, len(shown), figures_a_row):
        row: list[Text] = []
        for figure in shown[start : start + figures_a_row]:
            row += [Text(figure.name, "dim"), Text(figure.shown, _TONES[figure.tone]), Text(figure.note, "dim")]
        grid.add_row(*row)
    return grid


def _parts(analysis: Analysis) -> Grid:
    parts = analysis.total
    grid = _grid("What the profit is made of, USDT", ("Edge", "Slippage", "Fees", "Funding", "Net PnL"))
    grid.add_row(*map(_money, (parts.edge, -parts.slippage, -parts.fees, parts.funding, parts.pnl)))
    return grid


def _months(months: Sequence[Month], console: Console) -> Iterable[Grid]:
    if months:
        yield _widest([_years(months), _months_below(months)], console)


def _months_below(months: Sequence[Month]) -> Grid:
    """List the months below each other, each year after its months."""
    grid = _grid("Change of equity by month", ("", "%", "USDT"))
    for year in dict.fromkeys(month.year for month in months):
        found = [month for month in months if month.year == year]
        for month in found:
            grid.add_row(f"{MONTH_NAMES[month.month - 1]} {year}", _share(month.share), _money(month.change))
        grid.add_row(str(year), _share(year_share(found)), _money(change(found)))
    return grid


def _years(months: Sequence[Month]) -> Grid:
    grid = _grid("Change of equity by month, %", ("", *MONTH_NAMES, "Year", "USDT"))
    for year in dict.fromkeys(month.year for month in months):
        found = {month.month: month for month in months if month.year == year}
        cells = [
            _share(found[number].share) if number in found else Text(words.ABSENT, "dim") for number in range(1, 13)
        ]
        grid.add_row(str(year), *cells, _share(year_share(found.values())), _money(change(found.values())))
    return grid


def _groups(table: Table) -> Grid:
    grid = _grid(table.title, ("", "Trades", "Won", "Fees", "PnL"))
    for group in table.groups:
        grid.add_row(*_group(group))
    return grid


def _group(group: Group) -> tuple[str | Text, ...]:
    if not group.trades:
        return Text(group.name, "dim"), Text("0", "dim"), "", "", ""
    won = words.percent(group.win_rate, 0)
    return group.name, str(group.trades), won, words.number(group.parts.fees), _money(group.pnl)


def _gate(run: ReportInput) -> Grid:
    checks = gate(run.outcome, run.history, run.curve)
    title = "Ready for real money by these conditions" if is_ready(checks) else "Not ready for real money"
    grid = _grid(title, ("", "", ""), heads_shown=False)
    for check in checks:
        verdict = Text("PASS", "green") if check.passed else Text("FAIL", "red")
        grid.add_row(verdict, Text(check.name), Text(check.detail))
    return grid


def _luck(run: ReportInput) -> Iterable[Grid | Padding]:
    found = monte_carlo(run.outcome.trades, SEED)
    if found is None:
        return
    shown = (5, 25, 50, 75, 95)
    grid = _grid("Luck, USDT", ("", "As it was", *(f"{percentage} %" for percentage in shown)))
    for name, actual, spread in (
        ("Final PnL, drawn", found.pnl, found.drawn_pnl),
        ("Drawdown, drawn", found.drawdown, found.drawn_drawdown),
        ("Drawdown, shuffled", found.drawdown, found.shuffled_drawdown),
    ):
        grid.add_row(name, words.number(actual, 0), *(words.number(spread[percentage], 0) for percentage in shown))
    yield grid
    yield Padding(Text(luck_note(found), "dim"), (0, 0, 0, 1))


def _basis(run: ReportInput) -> Iterable[Grid]:
    yield _pairs("What was run", facts(run).items())
    yield _pairs("Costs", run.costs.items())
    yield _pairs("Assumptions", (("-", line) for line in run.assumptions))
    yield _pairs("Data, holes and oddities", (("-", finding.text) for finding in run.history.findings))
    parameters = ((key, value) for key, value in flat(run.settings) if not key.startswith(_NOT_OF_A_BACKTEST))
    yield _pairs("Parameters", parameters)


def _pairs(title: str, pairs: Iterable[tuple[str, str]]) -> Grid:
    grid = _grid(title, ("", ""), heads_shown=False)
    for key, value in pairs:
        grid.add_row(Text(key, "dim"), Text(value))
    return grid


def _grid(title: str, heads: Sequence[str], *, heads_shown: bool = True) -> Grid:
    grid = Grid(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_header=heads_shown,
        pad_edge=False,
    )
    for place, head in enumerate(heads):
        grid.add_column(head, justify="right" if heads_shown and place else "left", header_style="dim")
    return grid


def _money(amount: words.Number) -> Text:
    return Text(words.signed(amount), _TONES[words.tone(amount)])


def _share(share: float | None) -> Text:
    return Text(words.signed(None if share is None else share * 100), _TONES[words.tone(share)])
