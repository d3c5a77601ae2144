"""The gate before real money: each condition alone can close it."""

from decimal import Decimal

import pytest

from backtest.gate import gate, is_ready
from backtest.regimes import Regimes
from backtest.statistics import equity_curve
from bot.domain.records import RiskEvent
from support.backtest_outcomes import DAY, MINUTE, MONDAY, a_history, a_series, a_trade, an_open_position, an_outcome

# Nine days of three candles that end where they began; on each day the range is that of the word.
KINDS = ["quiet", "normal", "wild"] * 3
WIDTH = {"quiet": 1, "normal": 5, "wild": 20}
HISTORY = a_history(
    a_series(
        [price for kind in KINDS for price in (100, 100 + WIDTH[kind], 100)],
        times=[MONDAY + day * DAY + minute * MINUTE for day in range(9) for minute in (0, 1, 2)],
    )
)


def trades_earning(amount=lambda day: 1, per_day=4):
    return [
        a_trade(at_ms, at_ms + 1, "100", str(100 + amount(day)), quantity="0.1")
        for day in range(9)
        for at_ms in range(MONDAY + day * DAY, MONDAY + day * DAY + per_day * 2, 2)
    ]


def judged(trades=None, history=HISTORY, **more):
    rules = {name: more.pop(name) for name in ("min_trades", "max_drawdown_share") if name in more}
    outcome = an_outcome(trades_earning() if trades is None else trades, **more)
    return gate(outcome, history, equity_curve(outcome, history, MONDAY), **rules)


def failed(checks):
    return [check.name for check in checks if not check.passed]


def test_days_are_sorted_by_their_range_among_all_days():
    regimes = Regimes(HISTORY)
    assert [regimes.of("BTCUSDT", MONDAY + day * DAY + MINUTE).volatility for day in range(9)] == KINDS
    assert regimes.of("BTCUSDT", MONDAY - 1).volatility == "unknown"
    assert regimes.of("XRPUSDT", MONDAY).direction == "unknown"


def test_days_that_are_all_alike_are_quiet():
    history = a_history(a_series([100, 101, 100] * 3, times=HISTORY.series["BTCUSDT"].open_time[:9]))
    assert {Regimes(history).of("BTCUSDT", MONDAY + day * DAY).volatility for day in range(3)} == {"quiet"}


@pytest.mark.parametrize(
    ("closes", "direction"), [((100, 90, 95), "trend"), ((100, 90, 96), "range"), ((9, 9), "range")]
)
def test_a_trend_day_ends_at_least_half_its_range_away(closes, direction):
    assert Regimes(a_history(a_series(closes))).of("BTCUSDT", MONDAY).direction == direction


def test_a_good_backtest_passes():
    checks = judged()
    assert failed(checks) == []
    assert is_ready(checks)


def test_too_few_trades_close_it():
    assert failed(judged(trades_earning(per_day=3))) == ["enough trades"]
    assert failed(judged(trades_earning(per_day=3), min_trades=27)) == []


def test_a_loss_that_is_still_open_counts():
    assert failed(judged(still_open=[an_open_position("-3.7")])) == [
        "net profit after costs",
        "does not hang on one trade",
    ]


def test_a_single_trade_that_carries_all_closes_it():
    trades = trades_earning(lambda day: Decimal("-0.1") if day else 1)
    trades[0] = a_trade(MONDAY, MONDAY + 1, "100", "200")
    assert "does not hang on one trade" in failed(judged(trades))


@pytest.mark.parametrize("good", [{0, 1, 2}, {6, 7, 8}])
def test_profit_in_one_third_of_the_time_alone_closes_it(good):
    checks = judged(trades_earning(lambda day: 9 if day in good else -1))
    assert "profit in several thirds of the time" in failed(checks)
    assert "profit in several thirds of the time" not in failed(
        judged(trades_earning(lambda day: 9 if day < 6 else -1))
    )


def test_profit_on_one_kind_of_day_alone_closes_it():
    regimes = Regimes(HISTORY)

    def earned(kinds):
        return lambda day: 9 if regimes.of("BTCUSDT", MONDAY + day * DAY).volatility in kinds else -1

    name = "profit in several kinds of days"
    assert name in failed(judged(trades_earning(earned({"wild"}))))
    assert name not in failed(judged(trades_earning(earned({"wild", "quiet"}))))


def test_a_halt_closes_it_and_its_end_does_not():
    halt = RiskEvent("1", MONDAY, "daily_loss", "", "halt", "")
    ended = RiskEvent("2", MONDAY, "daily_loss", "", "halt_ended", "")
    (check,) = [check for check in judged(risk_events=[halt, halt, ended]) if not check.passed]
    assert (check.name, check.detail) == ("no limit breached", "daily_loss halted 2 times")
    assert failed(judged(risk_events=[ended])) == []


def test_a_liquidation_closes_it():
    trades = [*trades_earning(), a_trade(MONDAY, MONDAY + 1, reason="liquidation")]
    assert failed(judged(trades)) == ["no limit breached"]


def test_a_drawdown_as_large_as_the_share_closes_it():
    trades = [*trades_earning(), a_trade(MONDAY + DAY, MONDAY + DAY + 1, "100", "98")]
    assert failed(judged(trades, max_drawdown_share=Decimal("0.00016"))) == ["drawdown in bounds"]
    assert failed(judged(trades, max_drawdown_share=Decimal("0.000161"))) == []


def test_without_any_trade_it_stays_closed():
    assert not is_ready(judged([]))
