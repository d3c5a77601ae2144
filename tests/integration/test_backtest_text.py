"""What `act backtest` and its relatives print for people."""

from fractions import Fraction

import pytest

from bot import cli
from support.backtest_data import an_instrument, backtest, flat_candles, write_csv, write_exchange_info
from support.reference_backtest import Filters

pytestmark = pytest.mark.usefixtures("without_settings")


def test_costs_are_told_in_words_of_people(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "160")
    data = write_csv(tmp_path / "candles.csv", flat_candles(40, close=100))
    info = write_exchange_info(tmp_path / "info.json", an_instrument("BTCUSDT", Filters(Fraction(1, 10), Fraction(1))))
    words = ("--data", data, "--exchange-info", info, "--symbol", "BTCUSDT", "--home", tmp_path)
    backtest(tmp_path / "out.json", *words)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "taker fee 0.0500 %" in lines
    assert "from 1,000,000 USDT a minute spread 0.1 bps, slippage 0.2 bps" in lines
    assert not [line for line in lines if "LiquidityTier" in line or "Decimal(" in line]


@pytest.mark.parametrize(
    "words",
    [
        "backtest --from yesterday",
        "backtest --to yesterday",
        "sweep --from yesterday",
        "walk-forward --to yesterday",
        "parity --from yesterday",
        "data fetch BTCUSDT --from yesterday",
    ],
)
def test_a_time_that_is_none_is_answered_by_what_is_accepted(words, capsys):
    assert usage_mistake(words, capsys).endswith(
        "'yesterday' is no time: give a date or a time in UTC, such as 2025-05-23 or 2025-05-23T10:00:00Z"
    )


@pytest.mark.parametrize("days", ["0", "-1", "many", "1.5"])
def test_a_number_of_days_that_is_none_is_answered_by_what_is_accepted(days, capsys):
    told = usage_mistake(f"walk-forward --in-days={days}", capsys)
    assert told.endswith(f"--in-days: '{days}' days make no window: give a whole number of at least 1")


def usage_mistake(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(words.split())
    return capsys.readouterr().err.splitlines()[-1]
