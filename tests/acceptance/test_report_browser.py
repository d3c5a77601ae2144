"""The report as a person sees it: a real browser, the file as it was written."""

import random
from pathlib import Path

import pytest

from backtest.report.html import NAME, page
from support.backtest_outcomes import MINUTE, MONDAY, a_history, a_series, a_trade
from support.backtest_reports import a_report

CHROMIUM = next((path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).exists()), "")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium: the report was not looked at")
playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: the report was not looked at")


def a_day_of_trades():
    dice = random.Random(3)
    prices = [100.0]
    for _ in range(1_439):
        prices.append(round(prices[-1] + dice.choice([-0.1, 0.1]), 1))
    trades = [
        a_trade(
            MONDAY + minute * MINUTE,
            MONDAY + (minute + 9) * MINUTE,
            str(prices[minute]),
            str(prices[minute + 9]),
            symbol=dice.choice(["BTCUSDT", "ETHUSDT"]),
            side=dice.choice(["LONG", "SHORT"]),
            reason=dice.choice(["signal", "stop"]),
        )
        for minute in range(10, 1_410, 20)
    ]
    return a_report(
        trades,
        history=a_history(a_series(prices), a_series(prices, "ETHUSDT")),
        strategy="a_strategy<b>with a tag",
        to_ms=MONDAY + 1_440 * MINUTE,
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / NAME
    path.write_text(page(a_day_of_trades()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, report, request):
    """Open the report at a width; whatever it asked for or complained about is an error."""
    page = browser.new_page(viewport={"width": getattr(request, "param", 1_280), "height": 900})
    asked, told = [], []
    page.on("request", lambda one: asked.append(one.url))
    page.on("console", lambda one: told.append(one.text))
    page.on("pageerror", lambda one: told.append(str(one)))
    page.goto(report.as_uri())
    page.wait_for_selector("body[data-ready=yes]", timeout=30_000)
    yield page
    page.close()
    assert asked == [report.as_uri()]
    assert told == []


@pytest.mark.parametrize("opened", [1_280, 390], indirect=True)
def test_the_page_draws_its_charts_and_fits_its_width(opened):
    assert opened.locator("#equity svg.main-svg").count() > 0
    assert opened.locator("#candles svg.main-svg").count() > 0
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert opened.locator("h1").inner_text() == "a_strategy<b>with a tag on BTCUSDT, ETHUSDT"


def test_a_click_on_a_trade_shows_its_minutes(opened):
    assert "minute candles" in opened.locator("#bar").inner_text()
    opened.locator("#list tbody tr").nth(3).click()
    opened.wait_for_function("document.getElementById('told').textContent.startsWith('#4 ')")
    assert "1-minute candles" in opened.locator("#bar").inner_text()
    assert opened.locator("#list tr.chosen td").first.inner_text() == "4"
    shown = opened.evaluate("document.getElementById('candles').layout.xaxis.range")
    trade = opened.evaluate("trades[3]")
    assert shown[0] < trade["entryTime"] < trade["exitTime"] < shown[1]


def test_candles_in_the_browser_are_those_of_the_data(opened):
    closes = opened.evaluate("candlesOf(0).then((candles) => Array.from(candles.close))")
    series = a_day_of_trades().history.series["BTCUSDT"]
    assert closes == pytest.approx((series.close * 0.1).tolist())


def test_the_list_is_sorted_filtered_and_paged(opened):
    def column(place):
        return opened.locator(f"#list tbody td:nth-child({place})").all_inner_texts()

    opened.get_by_role("button", name="PnL", exact=True).click()
    amounts = [float(text) for text in column(15)]
    assert amounts == sorted(amounts, reverse=True)
    assert len(amounts) == 25
    opened.locator("#next").click()
    assert "page 2 of 3" in opened.locator("#pages").inner_text()
    opened.locator("#only").select_option("ETHUSDT")
    opened.locator("#why").select_option("stop")
    assert set(column(2)) == {"ETHUSDT"}
    assert set(column(10)) == {"stop"}


def test_zooming_out_and_back_in_changes_the_bars(opened):
    opened.locator("#later").click()
    opened.wait_for_function("document.getElementById('told').textContent.startsWith('#1 ')")
    close_by = opened.locator("#bar").inner_text()
    opened.locator("#all").click()
    opened.wait_for_function(f"document.getElementById('bar').textContent !== {close_by!r}")
    assert opened.locator("#bar").inner_text().startswith("5-minute candles")
