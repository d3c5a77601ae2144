"""`act backtest` against a second witness: every trade and every open position, to the last digit."""

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.backtest_data import (
    MAINNET,
    RECORDED,
    TESTNET,
    YEAR_2025,
    an_instrument,
    backtest,
    filters_of,
    needs_recorded,
    read_columns,
    settings_of,
    write_exchange_info,
    write_parquet,
)
from support.random_candles import random_case
from support.reference_backtest import (
    DAY,
    MINUTE,
    Candles,
    Rules,
    judge,
    reference_trades,
    rounded,
    text,
    whole_numbers,
)

AS_DESCRIBED = ("--set", "execution.entry=market", "--no-limits")
MAJORS = {"BTCUSDT": 138, "ETHUSDT": 102, "LINKUSDT": 52}
OUTAGE = 1_738_113_780_000  # 2025-01-29 01:23 UTC: 13 minutes without volume on every symbol
CRASH = 1_738_548_420_000  # 2025-02-03 02:07 UTC


@pytest.fixture(autouse=True)
def _somewhere(tmp_path, monkeypatch, without_settings):
    monkeypatch.chdir(tmp_path)


@cache
def recorded(symbol, path=YEAR_2025, exchange_info=MAINNET):
    filters = filters_of(exchange_info, symbol)
    listed = symbol if path == YEAR_2025 else None
    return whole_numbers(read_columns(path, listed), filters), filters


@cache
def expected(symbol, path=YEAR_2025, exchange_info=MAINNET):
    return reference_trades(symbol, *recorded(symbol, path, exchange_info))


def assert_equal(found, trades, still_open):
    for name, rows in (("trades", trades), ("open", still_open)):
        ours = sorted(found[name], key=lambda row: (row["symbol"], row["entry_time"]))
        theirs = sorted(rows, key=lambda row: (row["symbol"], row["entry_time"]))
        differing = [pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]]
        assert differing[:1] == [], name
        assert len(ours) == len(theirs), (name, (ours + theirs)[min(len(ours), len(theirs))])


# recorded candles


@needs_recorded
@pytest.mark.parametrize("symbol", MAJORS)
def test_recorded_symbol_alone_equals_the_second_witness(tmp_path, symbol):
    found = backtest(
        tmp_path / "out.json", "--data", YEAR_2025, "--symbol", symbol, "--exchange-info", MAINNET, *AS_DESCRIBED
    )
    trades, still_open = expected(symbol)
    assert len(trades) == MAJORS[symbol]
    assert_equal(found, trades, still_open)


@needs_recorded
def test_recorded_symbols_on_one_account_equal_each_alone(tmp_path):
    symbols = [word for symbol in MAJORS for word in ("--symbol", symbol)]
    found = backtest(tmp_path / "out.json", "--data", YEAR_2025, *symbols, "--exchange-info", MAINNET, *AS_DESCRIBED)
    alone = [expected(symbol) for symbol in MAJORS]
    assert_equal(found, [row for trades, _ in alone for row in trades], [row for _, rows in alone for row in rows])
    assert found["trades"] == sorted(found["trades"], key=lambda row: row["exit_time"])


@needs_recorded
@pytest.mark.parametrize("symbol", ["FILUSDT", "NEARUSDT", "AVAXUSDT"])
def test_months_of_the_public_archive_with_holes_between_equal_the_second_witness(tmp_path, symbol):
    path = RECORDED / "klines" / f"um_perp_1m_vision_{symbol}.parquet"
    found = backtest(
        tmp_path / "out.json", "--data", path, "--symbol", symbol, "--exchange-info", TESTNET, *AS_DESCRIBED
    )
    assert_equal(found, *expected(symbol, path, TESTNET))
    times = recorded(symbol, path, TESTNET)[0].open_time
    resumed = [after for before, after in pairwise(times) if after != before + MINUTE]
    assert len(resumed) >= 6
    entries = [row["entry_time"] for row in found["trades"]]
    # The first close that may decide is the 301st; an order that was waiting fills at the very first open.
    assert not [time for time in entries for month in resumed if month < time <= month + 300 * MINUTE]


@needs_recorded
def test_recorded_symbol_with_wild_funding_equals_the_second_witness_where_none_is_charged(tmp_path):
    found = backtest(
        tmp_path / "out.json", "--data", YEAR_2025, "--symbol", "LAYERUSDT", "--exchange-info", TESTNET, *AS_DESCRIBED
    )
    assert_equal(found, *expected("LAYERUSDT", YEAR_2025, TESTNET))


@needs_recorded
def test_each_settled_funding_is_charged_to_whoever_holds_then_though_the_interval_changes(tmp_path):
    rates, marks = RECORDED / "funding" / "funding_rate.parquet", RECORDED / "funding" / "mark_price_8h.parquet"
    found = backtest(
        tmp_path / "out.json", "--data", YEAR_2025, "--symbol", "LAYERUSDT", "--exchange-info", TESTNET,
        "--funding", rates, "--mark", marks, "--set", "execution.entry=market",
    )  # fmt: skip
    settled = [
        (row["funding_time"] // MINUTE * MINUTE, Fraction(repr(row["funding_rate"]))) for row in layer_rows(rates)
    ]
    candles, filters = recorded("LAYERUSDT", YEAR_2025, TESTNET)
    price = {time: opened * filters.tick for time, opened in zip(candles.open_time, candles.open, strict=True)}
    price |= {row["open_time"]: Fraction(repr(row["open"])) for row in layer_rows(marks)}
    met = {after - before for (before, _), (after, _) in pairwise(settled) if candles.open_time[0] < before}
    assert {60 * MINUTE, 240 * MINUTE} <= met
    for trade in found["trades"]:
        signed = Fraction(trade["quantity"]) * (1 if trade["side"] == "LONG" else -1)
        # What is due at an open is settled before anything trades there.
        due = [(time, rate) for time, rate in settled if trade["entry_time"] < time <= trade["exit_time"]]
        assert trade["funding"] == text(sum((rounded(-signed * price[time] * rate) for time, rate in due), Fraction(0)))
    assert sum(trade["funding"] != "0" for trade in found["trades"]) >= 10


@needs_recorded
@pytest.mark.parametrize(
    ("rules", "stopped_at"), [(Rules(), []), (Rules(adx_max=60, stop_pct=Fraction(2)), ["2358.49"])]
)
def test_flash_crash_ends_a_trade_where_the_second_witness_says(tmp_path, rules, stopped_at):
    candles, filters = recorded("ETHUSDT")
    crash = candles.open_time.index(CRASH)
    assert candles.low[crash] * 100 < candles.open[crash] * 90  # the recording holds it
    found = backtest(
        tmp_path / "out.json", "--data", YEAR_2025, "--symbol", "ETHUSDT", "--exchange-info", MAINNET,
        "--from", "2025-02-02", "--to", "2025-02-04", *AS_DESCRIBED, *settings_of(rules),
    )  # fmt: skip
    midnight = CRASH // DAY * DAY
    assert_equal(
        found,
        *reference_trades("ETHUSDT", until(candles, midnight + DAY), filters, rules, from_ms=midnight - DAY),
    )
    assert [row["exit_price"] for row in found["trades"] if row["exit_time"] == CRASH] == stopped_at


@needs_recorded
@pytest.mark.parametrize("symbol", MAJORS)
def test_outage_at_the_start_of_a_session_leaves_it_without_a_vwap_until_somebody_trades(tmp_path, symbol):
    if symbol == "LINKUSDT":
        symbol = "XRPUSDT"  # whose recording covers the outage
    candles, filters = recorded(symbol)
    first = candles.open_time.index(OUTAGE)
    assert candles.volume[first : first + 13] == [0] * 13
    # Move the recording so that the outage begins at midnight, and cut two days before and one after.
    shift = OUTAGE % DAY
    since, end = first - 1440 + 83, first + 1440
    moved = Candles(
        [time - shift for time in candles.open_time[since:end]],
        *(getattr(candles, name)[since:end] for name in ("open", "high", "low", "close", "volume")),
    )
    rules = Rules(min_session_candles=1, k=Fraction(1))
    silent = list(judge(moved, rules))[first - since :][:13]
    assert not any(verdict.entry or verdict.ends_long or verdict.ends_short for verdict in silent)
    path = write_parquet(tmp_path / "moved.parquet", moved, filters)
    found = backtest(
        tmp_path / "out.json", "--data", path, "--symbol", symbol, "--exchange-info", MAINNET,
        *AS_DESCRIBED, *settings_of(rules),
    )  # fmt: skip
    trades, still_open = reference_trades(symbol, moved, filters, rules)
    assert trades
    assert_equal(found, trades, still_open)


# random candles


def test_random_data_sets_equal_the_second_witness(tmp_path):
    met = dict.fromkeys(("trades", "open", "stops", "gaps", "touches", "ties", "after a hole", "exit before stop"), 0)
    for seed in range(100):
        case = random_case(seed)
        write_parquet(tmp_path / "data.parquet", case.candles, case.filters)
        write_exchange_info(tmp_path / "info.json", an_instrument("XUSDT", case.filters))
        since = ("--from", written(case.from_ms)) if case.from_ms else ()
        stepping = () if seed % 3 else ("--every-candle",)
        found = backtest(
            tmp_path / "out.json", "--data", tmp_path / "data.parquet", "--symbol", "XUSDT",
            "--exchange-info", tmp_path / "info.json", *since, *stepping, *AS_DESCRIBED, *settings_of(case.rules),
        )  # fmt: skip
        trades, still_open = reference_trades(
            "XUSDT", case.candles, case.filters, case.rules, from_ms=case.from_ms or None
        )
        try:
            assert_equal(found, trades, still_open)
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise
        count(met, case, trades, still_open)
    # A data set that meets none of these would hold nothing.
    assert min(met.values()) >= 5, met


def test_random_symbols_on_one_account_equal_each_alone(tmp_path):
    """Each has its own holes, its own filters, and its own first and last minute."""
    cases = {f"{name}USDT": random_case(seed) for name, seed in (("A", 4), ("B", 7), ("C", 11), ("D", 13))}
    rules = Rules(warm_up=60, stop_pct=Fraction("0.5"))
    parts, all_trades, all_open = [], [], []
    for symbol, case in cases.items():
        filters = replace(case.filters, min_notional=Fraction(5), max_quantity=Fraction(10**9))
        write_parquet(tmp_path / "part.parquet", case.candles, filters, symbol)
        parts.append((pq.read_table(tmp_path / "part.parquet"), an_instrument(symbol, filters)))
        trades, still_open = reference_trades(symbol, case.candles, filters, rules)
        all_trades += trades
        all_open += still_open
    pq.write_table(pa.concat_tables([table for table, _ in parts]), tmp_path / "data.parquet")
    write_exchange_info(tmp_path / "info.json", *(instrument for _, instrument in parts))
    found = backtest(
        tmp_path / "out.json", "--data", tmp_path / "data.parquet", "--exchange-info", tmp_path / "info.json",
        *AS_DESCRIBED, *settings_of(rules),
    )  # fmt: skip
    assert len({row["symbol"] for row in all_trades}) == len(cases)
    assert_equal(found, all_trades, all_open)


def layer_rows(path):
    return pq.read_table(path, filters=[("symbol", "==", "LAYERUSDT")]).to_pylist()


def written(time):
    return datetime.fromtimestamp(time / 1000, UTC).isoformat()


def until(candles, end):
    count = sum(time < end for time in candles.open_time)
    return Candles(
        *(getattr(candles, name)[:count] for name in ("open_time", "open", "high", "low", "close", "volume"))
    )


def count(met, case, trades, still_open):
    """Count what a case has shown, so that the data sets are known to go where they should."""
    candles, tick = case.candles, case.filters.tick
    at = {time: index for index, time in enumerate(candles.open_time)}
    met["trades"] += len(trades)
    met["open"] += len(still_open)
    wider = replace(case.rules, k=case.rules.k + Fraction(1, 10**9))
    narrower = replace(case.rules, k=case.rules.k - Fraction(1, 10**9))
    met["ties"] += sum(
        one.entry != other.entry for one, other in zip(judge(candles, wider), judge(candles, narrower), strict=True)
    )
    for trade in trades:
        entered, left = at[trade["entry_time"]], at[trade["exit_time"]]
        met["after a hole"] += candles.open_time[entered - 1] != trade["entry_time"] - MINUTE
        sign = 1 if trade["side"] == "LONG" else -1
        price = Fraction(trade["exit_price"]) / tick
        extreme = candles.low[left] if sign > 0 else candles.high[left]
        if trade["exit_reason"] == "stop":
            met["stops"] += 1
            met["gaps"] += price == candles.open[left] and left != entered
            met["touches"] += price == extreme and price != candles.open[left]
        else:
            stop = Fraction(trade["entry_price"]) / tick * (1 - sign * case.rules.stop_pct / 100)
            met["exit before stop"] += (extreme - stop) * sign < 0
