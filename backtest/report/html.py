"""The report as one HTML file that opens without a network: everything it shows is inside it."""

import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Final

from backtest.gate import gate
from backtest.monte_carlo import monte_carlo
from backtest.report import sections, words
from backtest.report.analysis import SEED, Analysis, Split, Table, analyse
from backtest.report.figures import facts
from backtest.report.run import ReportInput
from backtest.report.series import bar_candles, packed_candles, thinned_curve

NAME: Final = "report.html"
_HERE = Path(__file__).parent


def page(run: ReportInput) -> str:
    """Return the whole page; the same run gives the same text."""
    analysis = analyse(run)
    symbols = ", ".join(run.symbols)
    return Template(_read("page.html")).substitute(
        title=escape(f"Backtest {run.strategy} {symbols}"),
        heading=escape(f"{run.strategy} on {symbols}"),
        subtitle=escape(
            f"Backtest {words.minute(run.began_ms)} to {words.minute(run.to_ms)} UTC, configuration {run.config_hash}, "
            f"code {run.code_version}"
        ),
        style=_read("page.css"),
        body=_body(run, analysis),
        data=_script_safe(_data(run, analysis)),
        plotly=_plotly(),
        script=_read("page.js"),
    )


def _body(run: ReportInput, analysis: Analysis) -> str:
    first, *tables = analysis.tables
    parts = f'<div class="card"><h2>What the profit is made of, USDT</h2>{sections.profit(analysis)}</div>'
    return "\n".join(
        (
            f'<section id="overview">{sections.tiles(run, analysis)}</section>',
            _card("curve", '<h2>Equity and drawdown, USDT</h2><div id="equity" class="plot"></div>'),
            f'<section class="pair" id="money">{parts}{sections.group_table(first)}</section>',
            _card("months", f"<h2>Change of equity by month</h2>{sections.month_table(analysis.months)}"),
            f'<section class="pair" id="groups">{_columns(tables)}</section>',
            _card("trades", _trades()),
            _card("ready", sections.gate_list(gate(run.outcome, run.history, run.curve))),
            _card("luck", sections.luck(monte_carlo(run.outcome.trades, SEED))),
            _basis(run),
        )
    )


def _columns(tables: Sequence[Table]) -> str:
    """Put each table into the shorter of two columns, the longest first, so that none leaves a hole beside it."""
    columns: tuple[list[Table], list[Table]] = ([], [])
    for table in sorted(tables, key=_height, reverse=True):
        min(columns, key=lambda column: sum(map(_height, column))).append(table)
    stacks = ("".join(sections.group_table(table) for table in tables if table in column) for column in columns[::-1])
    return "".join(f'<div class="stack">{stack}</div>' for stack in stacks)


def _height(table: Table) -> int:
    return len(table.groups) + 3 + bool(table.note)


def _card(name: str, inside: str) -> str:
    return f'<section class="card" id="{name}">{inside}</section>'


def _trades() -> str:
    buttons = (
        ("all", "All"),
        ("closer", "Closer"),
        ("wider", "Wider"),
        ("left", "\N{LEFTWARDS ARROW}"),
        ("right", "\N{RIGHTWARDS ARROW}"),
        ("earlier", "Previous trade"),
        ("later", "Next trade"),
    )
    tools = "".join(f'<button id="{name}">{word}</button>' for name, word in buttons)
    return (
        "<h2>Trades on the candles</h2>"
        '<p class="note">Triangles are entries, diamonds exits, green where the trade won. Wheel and drag move the '
        "chart; a click on a trade, here or in the list, shows it.</p>"
        f'<div class="tools"><select id="symbol" aria-label="Symbol"></select>{tools}<span class="gap"></span>'
        '<span class="soft" id="bar"></span></div><div id="candles" class="plot"></div>'
        '<p class="note" id="told"></p>'
        '<div class="tools"><select id="only" aria-label="Symbol"></select><select id="why" aria-label="Exit reason">'
        '</select><span class="gap"></span><span class="soft" id="pages"></span><button id="back">Back</button>'
        '<button id="next">Next</button></div>'
        '<div class="scroll"><table id="list"><thead><tr></tr></thead><tbody></tbody></table></div>'
    )


def _basis(run: ReportInput) -> str:
    findings = sections.sentences([finding.text for finding in run.history.findings], "Nothing was found.")
    assumptions = sections.sentences(run.assumptions, "None were stated.")
    left = _titled("What was run", sections.pairs(facts(run))) + _titled("Data, holes and oddities", findings)
    right = _titled("Costs", sections.pairs(run.costs)) + _titled("Assumptions", assumptions)
    every = f"<details><summary>Every parameter</summary>{sections.settings(run.settings)}</details>"
    return (
        f'<section class="pair" id="basis"><div class="stack">{left}</div><div class="stack">{right}</div></section>'
        f'<section class="card">{every}</section>'
    )


def _titled(title: str, inside: str) -> str:
    return f'<div class="card"><h2>{title}</h2>{inside}</div>'


def _data(run: ReportInput, analysis: Analysis) -> dict[str, Any]:
    bar = bar_candles(run.history, run.from_ms)
    interval_ms = run.history.interval_ms
    return {
        "opening": float(run.outcome.opening_balance),
        "to": run.to_ms,
        "curve": thinned_curve(run.curve),
        "candles": [
            packed_candles(run.history.series[symbol], run.from_ms, interval_ms, bar)
            for symbol in run.symbols
            if symbol in run.history.series
        ],
        "trades": [_trade(each) for each in analysis.splits],
    }


def _trade(each: Split) -> list[Any]:
    trade, parts = each.trade, each.parts
    money = (parts.edge, parts.slippage, parts.fees, parts.funding, trade.pnl)
    return [
        trade.symbol,
        trade.side,
        float(trade.quantity),
        trade.entry_time,
        float(trade.entry_price),
        trade.exit_time,
        float(trade.exit_price),
        *(round(float(amount), 4) for amount in money),
        trade.exit_reason.replace("_", " "),
    ]


def _script_safe(data: dict[str, Any]) -> str:
    """Write JSON that cannot end the script element it stands in."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _plotly() -> str:
    """Return plotly.js as its Python package carries it, without loading that package's own code."""
    return files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
