"""The parts of the HTML page that need no script: tiles, tables, heat map, what it all rests on."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from backtest.gate import Check, is_ready
from backtest.monte_carlo import MonteCarlo
from backtest.report import words
from backtest.report.analysis import MONTH_NAMES, Analysis, Group, Month, Table, change, year_share
from backtest.report.figures import figures, flat, luck_note
from backtest.report.run import ReportInput

_GAIN, _LOSS = "11, 138, 92", "204, 51, 64"
_STRONGEST = 0.42
_PASSED = {True: "PASS", False: "FAIL"}


def tiles(run: ReportInput, analysis: Analysis) -> str:
    """Show the figures a trader looks at first."""
    made = "".join(
        f'<div class="tile"><div class="key">{figure.name}</div>'
        f'<div class="big {figure.tone}">{escape(figure.shown)}</div>'
        f'<div class="more" title="{escape(figure.note)}">{escape(figure.note)}</div></div>'
        for figure in figures(run, analysis)
    )
    return f'<div class="tiles">{made}</div>'


def profit(analysis: Analysis) -> str:
    """Show what the profit is made of."""
    total = analysis.total
    parts = (
        ("Edge", total.edge, "at the closes that decided"),
        ("Slippage", -total.slippage, "what the fills cost against them"),
        ("Fees", -total.fees, ""),
        ("Funding", total.funding, ""),
        ("Net PnL", total.pnl, "of completed trades"),
    )
    widest = max(abs(amount) for _, amount, _ in parts)
    rows = "".join(
        f"<tr{' class="sum"' if name == 'Net PnL' else ''}><td>{name}{f'<small>{note}</small>' if note else ''}</td>"
        f'<td class="{words.tone(amount)}">{words.signed(amount)}</td>{_bar(float(amount), float(widest))}</tr>'
        for name, amount, note in parts
    )
    return f'<div class="scroll"><table class="parts"><tbody>{rows}</tbody></table></div>'


def month_table(months: Sequence[Month]) -> str:
    """Show the change of equity by year and month, coloured by its share."""
    if not months:
        return '<p class="note">There is no candle to show.</p>'
    strongest = max((abs(month.share or 0.0) for month in months), default=0.0)
    by_year: dict[int, dict[int, Month]] = {}
    for month in months:
        by_year.setdefault(month.year, {})[month.month] = month
    head = "".join(f"<th>{name}</th>" for name in MONTH_NAMES)
    rows = "".join(
        f"<tr><td>{year}</td>"
        + "".join(_month_cell(found.get(number), strongest) for number in range(1, 13))
        + f'<td class="year"><div>{words.signed_percent(year_share(found.values()))}'
        f"<small>{words.signed(change(found.values()))}</small></div></td></tr>"
        for year, found in by_year.items()
    )
    head = f"<thead><tr><th></th>{head}<th>Year</th></tr></thead>"
    return f'<div class="scroll"><table class="months">{head}<tbody>{rows}</tbody></table></div>'


def group_table(table: Table) -> str:
    """Show groups of trades with bars for their profit."""
    widest = max((abs(group.pnl) for group in table.groups), default=0)
    rows = "".join(_group_row(group, float(widest)) for group in table.groups)
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    head = '<tr><th></th><th>Trades</th><th>Won</th><th class="fees">Fees</th><th>PnL</th><th></th></tr>'
    return (
        f'<div class="card"><h3>{escape(table.title)}</h3>{note}<div class="scroll"><table><thead>{head}</thead>'
        f"<tbody>{rows}</tbody></table></div></div>"
    )


def gate_list(checks: Sequence[Check]) -> str:
    """Show the gate's verdict and each of its conditions."""
    verdict = "Ready for real money by these conditions" if is_ready(checks) else "Not ready for real money"
    rows = "".join(
        f'<div class="check"><span class="mark {_PASSED[check.passed].lower()}">{_PASSED[check.passed]}</span>'
        f"<span>{escape(check.name)}</span><span>{escape(check.detail)}</span></div>"
        for check in checks
    )
    return f"<h2>{verdict}</h2>{rows}"


def luck(found: MonteCarlo | None) -> str:
    """Show what another order of the trades, and draws from them, would have given."""
    if found is None:
        return '<h2>Luck</h2><p class="note">Fewer than two trades: there is nothing to shuffle.</p>'
    shown = (5, 25, 50, 75, 95)
    head = "".join(f"<th>{percentage} %</th>" for percentage in shown)
    rows = (
        ("Final PnL, drawn", found.drawn_pnl, found.pnl, words.signed),
        ("Drawdown, drawn", found.drawn_drawdown, found.drawdown, words.number),
        ("Drawdown, shuffled", found.shuffled_drawdown, found.drawdown, words.number),
    )
    body = "".join(
        f"<tr><td>{name}</td><td>{write(actual, 0)}</td>"
        + "".join(f"<td>{write(spread[percentage], 0)}</td>" for percentage in shown)
        + "</tr>"
        for name, spread, actual, write in rows
    )
    head = f"<thead><tr><th></th><th>As it was</th>{head}</tr></thead>"
    return (
        f'<h2>Luck</h2><p class="note">{luck_note(found)}</p>'
        f'<div class="scroll"><table>{head}<tbody>{body}</tbody></table></div>'
    )


def pairs(named: Mapping[str, str]) -> str:
    """Show names with their values."""
    rows = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in named.items())
    return f"<dl>{rows}</dl>"


def sentences(lines: Iterable[str], nothing: str) -> str:
    """Show a list of sentences, or one that says there is nothing."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else f'<p class="note">{escape(nothing)}</p>'


def settings(text: str) -> str:
    """Show every parameter of the resolved configuration."""
    rows = "".join(
        f'<div><span class="soft">{escape(key)}</span><span>{escape(value)}</span></div>' for key, value in flat(text)
    )
    return f'<div class="settings">{rows}</div>'


def _bar(amount: float, widest: float) -> str:
    share = abs(amount) / widest * 50 if widest else 0.0
    side = "left:50%" if amount > 0 else "right:50%"
    return f'<td class="bar"><div><i class="{words.tone(amount)}" style="{side};width:{share:.1f}%"></i></div></td>'


def _month_cell(month: Month | None, strongest: float) -> str:
    if month is None:
        return '<td><div class="faint">&middot;</div></td>'
    strength = abs(month.share or 0.0) / strongest * _STRONGEST if strongest else 0.0
    color = _GAIN if month.change > 0 else _LOSS
    return (
        f'<td><div style="background:rgba({color}, {strength:.3f})">{words.signed_percent(month.share)}'
        f"<small>{words.signed(month.change)}</small></div></td>"
    )


def _group_row(group: Group, widest: float) -> str:
    name = escape(group.name)
    if not group.trades:
        empty = '<td></td><td class="fees"></td><td></td><td class="bar"></td>'
        return f'<tr class="none"><td>{name}</td><td>0</td>{empty}</tr>'
    return (
        f"<tr><td>{name}</td><td>{group.trades}</td><td>{words.percent(group.win_rate, 0)}</td>"
        f'<td class="fees">{words.number(group.parts.fees)}</td>'
        f'<td class="{words.tone(group.pnl)}">{words.signed(group.pnl)}</td>{_bar(float(group.pnl), widest)}</tr>'
    )
