"""A recorded day through the real processes, beside its backtest: the simulator, the bot, then `act parity`.

The day as a whole is `make parity-day`; what runs with every test are its first trades.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from support.backtest_data import MAINNET, YEAR_2025, needs_recorded
from support.processes import Stage, act

RECORDED = ("--data", str(YEAR_2025), "--exchange-info", str(MAINNET))
ENTRIES = ("market", "limit")
MINUTE = 60_000
INHERENT = {"latency", "slippage", "execution", "volatility", "gate", "fee", "funding", "end"}
"""What may differ between a bot that runs and a backtest; everything else is a defect."""


def replayed(home, entry, *, minutes, speed):
    """Let the bot trade so many market minutes from 2025-05-23 00:00 UTC on; return what `act parity` says of it."""
    stage = Stage(
        home,
        symbols="BTCUSDT,ETHUSDT",
        speed=speed,
        market=(*RECORDED, "--start", "2025-05-23T00:00:00Z"),
        config=f'[execution]\nentry = "{entry}"\n',
    )
    with stage:
        stage.start_bot()
        begin = stage.beat()["market_ms"] // (1_440 * MINUTE) * 1_440 * MINUTE
        deadline = time.monotonic() + 2 * minutes * 60 / speed + 60
        while stage.beat()["market_ms"] < begin + minutes * MINUTE:
            assert stage.bot.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        stage.hold()
        stage.books_become_equal()
    run = act("parity", "--home", str(home), *RECORDED, "--json", timeout=120)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def both(folder, **how):
    """Replay with both kinds of entries, side by side, because most of the time is waiting."""
    with ThreadPoolExecutor() as pool:
        runs = {entry: pool.submit(replayed, folder / entry, entry, **how) for entry in ENTRIES}
        return {entry: run.result() for entry, run in runs.items()}


def assert_same_but_for_execution(found):
    assert found["unexplained"] == 0
    assert {each["cause"] for each in found["differences"]} <= INHERENT, found["differences"]
    assert found["orders"]["same"] == found["orders"]["compared"]
    profit = found["pnl"]
    assert sum(map(Decimal, profit["by_cause"].values())) == Decimal(profit["difference"])


@needs_recorded
@pytest.mark.timeout(240)
def test_the_first_trades_of_a_recorded_day_are_those_of_its_backtest(tmp_path):
    for found in both(tmp_path, minutes=55, speed=240).values():
        assert_same_but_for_execution(found)
        assert found["decisions"]["compared"] >= 1


@pytest.mark.slow
@pytest.mark.timeout(1_500)
@needs_recorded
def test_a_recorded_day_is_that_of_its_backtest(tmp_path):
    for found in both(tmp_path, minutes=1_440, speed=240).values():
        print(json.dumps(found, indent=1))
        assert_same_but_for_execution(found)
        assert found["decisions"]["same"] >= 0.9 * found["decisions"]["compared"] > 0
        assert found["trades"]["matched"] >= 4
