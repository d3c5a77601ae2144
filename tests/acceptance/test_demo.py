"""`act demo` as a person or a script starts it: real processes, real sockets, books equal in the end."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.processes import act

FIELDS = {
    "orders",
    "fills",
    "trades",
    "open_positions",
    "equity",
    "ledger_equal",
    "differences",
    "heartbeat_ok",
    "incidents",
    "errors",
}
FAST_SEEDS = (11, 42)
RECORDED = os.environ.get("ACT_TEST_DATA", "")


def demo(home: Path, *arguments: str, timeout: float = 120) -> dict:
    run = act("demo", "--no-dashboard", "--json", "--home", str(home / "demo"), *arguments, timeout=timeout)
    assert run.stdout, run.stderr
    result = json.loads(run.stdout.splitlines()[-1])
    result["exit_code"] = run.returncode
    return result


@pytest.fixture(scope="module")
def fast(tmp_path_factory):
    """The results of two fast demos by seed; they run side by side, because most of their time is waiting."""

    def run(seed):
        return demo(tmp_path_factory.mktemp("fast"), "--for", "15", "--speed", "480", "--seed", str(seed))

    with ThreadPoolExecutor() as pool:
        return dict(zip(FAST_SEEDS, pool.map(run, FAST_SEEDS), strict=True))


@pytest.mark.parametrize("seed", FAST_SEEDS)
def test_books_are_equal_after_a_fast_demo(fast, seed):
    result = fast[seed]
    assert result["ledger_equal"], result["differences"]
    assert set(result) - {"exit_code"} == FIELDS
    assert result["errors"] == 0
    assert result["exit_code"] == 0
    assert result["fills"] > 0


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(1, 21))
def test_the_demo_trades_and_its_books_are_equal_for_many_seeds(tmp_path, seed):
    result = demo(tmp_path, "--for", "60", "--speed", "120", "--seed", str(seed), timeout=240)
    assert result["ledger_equal"], result["differences"]
    assert result["heartbeat_ok"]
    assert result["errors"] == 0
    assert result["trades"] >= 5


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(not RECORDED, reason="recorded market data: ACT_TEST_DATA is not set")
def test_recorded_prices_are_traded_under_the_default_configuration(tmp_path):
    result = demo(
        tmp_path, "--symbols", "BTCUSDT,ETHUSDT", "--data", f"{RECORDED}/klines/um_perp_1m_2025.parquet",
        "--exchange-info", f"{RECORDED}/rest/fapi_v1_exchangeInfo_mainnet_2025-08-07_25symbols.json",
        "--start", "2025-05-23T00:00:00Z", "--for", "120", "--speed", "120", timeout=360,
    )  # fmt: skip
    assert result["ledger_equal"], result["differences"]
    assert result["trades"] >= 2
    assert result["errors"] == 0
