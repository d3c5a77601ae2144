"""The report as files and text; the page in a browser stands in tests/acceptance."""

import io
import json
import re
import socket
import sys

import pytest
from rich.console import Console

from backtest.history import Finding
from backtest.report.html import page
from backtest.report.terminal import print_report
from bot.domain.errors import ConfigurationError
from support.backtest_outcomes import DAY, MINUTE, MONDAY, a_history, a_series, a_trade, an_open_position
from support.backtest_reports import a_report

TRADES = [
    a_trade(MONDAY + MINUTE, MONDAY + 2 * MINUTE, "100", "103", fees="0.2", entry_decision="99.5"),
    a_trade(MONDAY + 2 * MINUTE, MONDAY + 3 * MINUTE, "100", "98", symbol="ETHUSDT", reason="stop", side="LONG"),
]
FINDING = Finding("BTCUSDT", "hole", MONDAY, 7, "BTCUSDT: 7 candles are missing")
HISTORY = a_history(a_series([100, 101, 99, 100]), a_series([100, 101, 99, 100], "ETHUSDT"), findings=(FINDING,))


def printed(run, width=160):
    console = Console(file=io.StringIO(), width=width)
    print_report(run, console)
    return console.file.getvalue()


def own_part(whole):
    """Return the page without plotly's own text."""
    before, _, rest = whole.partition("<script>/**\n* plotly.js")
    return before + rest.partition("</script>")[2]


def data_of(whole):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', whole, re.DOTALL)[1])


def test_the_same_run_gives_the_same_page():
    assert page(a_report(TRADES)) == page(a_report(TRADES))


def test_the_page_asks_nobody_for_anything():
    whole = page(a_report(TRADES))
    assert "default-src 'none'" in whole
    assert "plotly.js v" in whole
    assert not re.search(r"""(?:src|href)\s*=\s*(?!["']?#)|url\(|@import|\bfetch\(|XMLHttpRequest""", own_part(whole))


@pytest.mark.parametrize("make", [lambda run: own_part(page(run)), printed])
def test_everything_a_result_rests_on_is_stated(make):
    text = make(a_report(TRADES, history=HISTORY, still_open=[an_open_position("-8.25")], timing={"Run": "0.12 s"}))
    for stated in (
        "Touching a limit is not enough.",
        "taker fee",
        "0.0500 %",
        "2024-12-30 00:00 to 2024-12-30 00:04 UTC",
        "BTCUSDT: 7 candles are missing",
        "abc123",
        "1.2.3",
        "risk.daily_loss",
        "500",
        "LONG 1 BTCUSDT, -8.25 USDT",
        "0.12 s",
    ):
        assert stated in text


@pytest.mark.parametrize("make", [lambda run: own_part(page(run)), printed])
def test_every_figure_and_table_is_there(make):
    text = make(a_report(TRADES))
    for shown in (
        *("Net PnL", "+0.80", "Max drawdown", "Sharpe", "Sortino", "Profit factor", "1.40", "Exposure", "0.0 % maker"),
        *("Edge", "Slippage", "Fees", "Funding", "By symbol", "By side", "By exit reason", "By volatility of the day"),
        *("By direction of the day", "By hold time", "By weekday", "By hour", "Luck", "Not ready for real money"),
    ):
        assert shown in text


def test_trades_stand_in_the_page_with_their_parts():
    data = data_of(page(a_report(TRADES)))
    first = ["BTCUSDT", "LONG", 1.0, MONDAY + MINUTE, 100.0, MONDAY + 2 * MINUTE, 103.0]
    assert data["trades"][0] == [*first, 3.5, 0.5, 0.2, 0.0, 2.8, "signal"]
    assert [candles["symbol"] for candles in data["candles"]] == ["BTCUSDT", "ETHUSDT"]


def test_words_from_outside_stay_text():
    evil = "</script><script>alert(1)</script>"
    run = a_report(
        [a_trade(reason=evil)],
        strategy=evil,
        assumptions=(evil,),
        costs={evil: evil},
        settings=json.dumps({evil: evil}),
    )
    assert "alert(1)</script>" not in own_part(page(run))
    assert "[red]" in printed(a_report(TRADES, costs={"[red]": "[/]"}))


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_terminal_report_fits_its_width_and_cuts_nothing(width):
    text = printed(a_report(TRADES), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text


def test_months_stand_below_each_other_where_a_year_does_not_fit():
    assert "Dec 2024" in printed(a_report(TRADES), 60)
    assert "Dec 2024" not in printed(a_report(TRADES), 200)


def test_a_run_without_trades_and_one_without_candles_are_reported():
    empty = a_report(history=a_history(a_series([], "BTCUSDT")))
    for run in (a_report(), empty):
        assert "Not ready" in page(run)
        assert "Not ready" in printed(run)


# tear sheet


def many_days():
    closes = [100 + day % 5 for day in range(40)]
    history = a_history(a_series(closes, times=[MONDAY + day * DAY for day in range(40)]))
    return a_report(
        [a_trade(MONDAY + day * DAY, MONDAY + (day + 1) * DAY, "100", str(98 + day % 5)) for day in range(39)],
        history=history,
    )


def test_a_tear_sheet_is_drawn_without_a_network(tmp_path, monkeypatch, capfd):
    tear_sheet = pytest.importorskip("backtest.report.tear_sheet")
    pytest.importorskip("quantstats_lumi", reason="the extra tearsheet is not installed")

    def refuse(*_):
        raise AssertionError("somebody was asked for something")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    path = tmp_path / "sheet.html"
    tear_sheet.write_tear_sheet(path, many_days())
    text = path.read_text()
    assert "vwap_reversion on BTCUSDT" in text
    assert "Max Drawdown" in text
    assert not re.search(r"<(?:link|script|img|iframe)[^>]*https?://", text)
    assert capfd.readouterr() == ("", "")


def test_without_the_extra_its_name_is_told(tmp_path, monkeypatch):
    from backtest.report.tear_sheet import write_tear_sheet

    monkeypatch.setitem(sys.modules, "quantstats_lumi", None)
    with pytest.raises(ConfigurationError, match=r"auto-coin-trader\[tearsheet\]"):
        write_tear_sheet(tmp_path / "sheet.html", many_days())


def test_a_single_day_is_too_little_for_a_tear_sheet(tmp_path):
    from backtest.report.tear_sheet import write_tear_sheet

    pytest.importorskip("quantstats_lumi", reason="the extra tearsheet is not installed")
    with pytest.raises(ConfigurationError, match="2 days or more"):
        write_tear_sheet(tmp_path / "sheet.html", a_report(TRADES))
    assert not (tmp_path / "sheet.html").exists()
