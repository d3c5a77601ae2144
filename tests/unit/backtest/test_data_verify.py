import pytest

from backtest.importing import import_file
from backtest.storage import FUNDING, MARK, shelves_in
from backtest.verify import verify
from support.market_files import MIDNIGHT, MINUTE, candles, parquet, recorded_data

HOUR = 60 * MINUTE


def verified(root, **options):
    return {(each.symbol, each.name): each for each in verify(shelves_in(root), **options)}


def found(checked):
    return [(each.kind, each.at_ms, each.count) for each in checked.findings]


def keep(root, rows, name="1m", month="2025-03", symbol="BTCUSDT"):
    parquet(root / symbol / name / f"{month}.parquet", rows)


def test_good_data_has_no_findings(tmp_path):
    keep(tmp_path, candles())
    checked = verified(tmp_path)["BTCUSDT", "1m"]
    assert (checked.rows, checked.first_ms, checked.last_ms) == (5, MIDNIGHT, MIDNIGHT + 4 * MINUTE)
    assert checked.findings == ()
    assert checked.wrong == 0


def test_holes_are_told_and_not_wrong_within_and_between_months(tmp_path):
    keep(tmp_path, candles(first=MIDNIGHT - 3 * MINUTE, count=2), month="2025-02")
    keep(tmp_path, candles(count=9)[:3] + candles(count=9)[5:])
    checked = verified(tmp_path)["BTCUSDT", "1m"]
    assert found(checked) == [("hole", MIDNIGHT - MINUTE, 1), ("hole", MIDNIGHT + 3 * MINUTE, 2)]
    assert checked.wrong == 0


def test_duplicates_are_wrong_within_and_between_files(tmp_path):
    rows = candles()
    keep(tmp_path, [rows[0], *rows])
    keep(tmp_path, rows[3:], month="2025-03-again")
    checked = verified(tmp_path)["BTCUSDT", "1m"]
    assert found(checked) == [("duplicate", MIDNIGHT + minute * MINUTE, 1) for minute in (0, 3, 4)]
    assert checked.wrong == 3


@pytest.mark.parametrize(
    "change", [{"high": 999.5}, {"low": 1001.9}, {"low": 0.0}, {"open": 1005.0}, {"close": 998.0}, {"volume": -1.0}]
)
def test_candles_that_cannot_be_are_wrong(tmp_path, change):
    rows = candles()
    rows[1] |= change
    keep(tmp_path, rows)
    checked = verified(tmp_path)["BTCUSDT", "1m"]
    assert found(checked) == [("insane", MIDNIGHT + MINUTE, 1)]
    assert checked.wrong == 1
    name, value = next(iter(change.items()))
    assert f"{name} {value}" in checked.findings[0].text


def test_stretches_without_volume_are_told_from_a_length_on(tmp_path):
    rows = candles(count=12)
    for number in (0, 2, 3, 6, 7, 8, 9):
        rows[number] |= {"volume": 0.0}
    keep(tmp_path, rows)
    assert found(verified(tmp_path)["BTCUSDT", "1m"]) == [("zero_volume", MIDNIGHT + 6 * MINUTE, 4)]
    assert found(verified(tmp_path, silence=2)["BTCUSDT", "1m"]) == [
        ("zero_volume", MIDNIGHT + 2 * MINUTE, 2),
        ("zero_volume", MIDNIGHT + 6 * MINUTE, 4),
    ]
    assert verified(tmp_path)["BTCUSDT", "1m"].wrong == 0


def five_minutes(rows):
    return [
        {
            "symbol": five[0]["symbol"],
            "open_time": five[0]["open_time"],
            "open": five[0]["open"],
            "high": max(row["high"] for row in five),
            "low": min(row["low"] for row in five),
            "close": five[-1]["close"],
            "volume": round(sum(row["volume"] for row in five), 3),
        }
        for five in zip(*[iter(rows)] * 5, strict=True)
    ]


def test_a_coarser_interval_that_agrees_is_no_finding(tmp_path):
    keep(tmp_path, candles(count=60))
    keep(tmp_path, five_minutes(candles(count=60)), "5m")
    assert all(not each.findings for each in verified(tmp_path).values())


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "volume"])
def test_a_coarser_interval_that_contradicts_is_wrong(tmp_path, name):
    keep(tmp_path, candles(count=60))
    coarse = five_minutes(candles(count=60))
    coarse[2][name] = round(coarse[2][name] + (-0.001 if name == "low" else 0.001), 3)
    keep(tmp_path, coarse, "5m")
    checked = verified(tmp_path)["BTCUSDT", "5m"]
    assert found(checked) == [("contradiction", MIDNIGHT + 10 * MINUTE, 1)]
    assert checked.wrong == 1
    assert f"BTCUSDT at 2025-03-01T00:10:00Z: 1m and 5m differ: {name} " in checked.findings[0].text


def test_bars_that_the_finer_candles_do_not_fill_are_not_compared(tmp_path):
    rows = candles(count=60)
    keep(tmp_path, rows[:7] + rows[8:])
    coarse = five_minutes(rows)
    coarse[1]["volume"] = 999.0
    keep(tmp_path, coarse, "5m")
    assert verified(tmp_path)["BTCUSDT", "5m"].findings == ()


def test_symbols_are_not_compared_with_each_other(tmp_path):
    keep(tmp_path, candles(count=60))
    keep(tmp_path, five_minutes(candles("ETHUSDT", count=60, base=7.0)), "5m", symbol="ETHUSDT")
    checked = verified(tmp_path)
    assert [each.rows for each in checked.values()] == [60, 12]
    assert all(not each.findings for each in checked.values())


def test_a_file_that_cannot_be_read_is_wrong_and_the_others_are_judged(tmp_path):
    keep(tmp_path, candles())
    (tmp_path / "BTCUSDT" / "1m" / "2025-04.parquet").write_bytes(b"PAR1")
    checked = verified(tmp_path)["BTCUSDT", "1m"]
    assert [each.kind for each in checked.findings] == ["unreadable"]
    assert checked.rows == 5
    (tmp_path / "BTCUSDT" / "1m" / "2025-03.parquet").unlink()
    assert verified(tmp_path)["BTCUSDT", "1m"].rows == 0


def test_funding_that_stayed_away_is_a_hole(tmp_path):
    rows = [
        {"symbol": "BTCUSDT", "funding_time": MIDNIGHT + hour * HOUR, "funding_rate": 0.0001}
        for hour in (0, 8, 12, 16, 32, 33)
    ]
    keep(tmp_path, rows, "funding")
    checked = verified(tmp_path)["BTCUSDT", "funding"]
    assert found(checked) == [("hole", MIDNIGHT + 16 * HOUR, 1)]
    assert "nothing settled for 16 hours" in checked.findings[0].text


# recorded data


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    klines = recorded_data() / "klines"
    import_file(klines / "um_perp_1m_2025.parquet", root, ("BTCUSDT",))
    import_file(klines / "um_perp_15m.parquet", root, ("BTCUSDT",))
    import_file(recorded_data() / "funding" / "funding_rate.parquet", root, ("DOGEUSDT", "LAYERUSDT"), FUNDING)
    import_file(recorded_data() / "funding" / "mark_price_8h.parquet", root, ("BTCUSDT",), MARK)
    return verified(root)


def test_the_recorded_outages_are_told(recorded):
    silent = [(each.at_ms, each.count) for each in recorded["BTCUSDT", "1m"].findings if each.kind == "zero_volume"]
    at_0123, at_0241 = 1_738_113_780_000, 1_738_118_460_000
    assert silent == [(at_0123, 13), (at_0241, 4)]
    assert recorded["BTCUSDT", "1m"].wrong == 0


def test_one_recorded_bar_of_fifteen_minutes_contradicts_its_minutes(recorded):
    odd = [each.text for each in recorded["BTCUSDT", "15m"].findings if each.kind == "contradiction"]
    assert len(odd) == 1
    assert "BTCUSDT at 2025-01-29T01:30:00Z: 1m and 15m differ" in odd[0]


def test_recorded_funding_has_the_hole_of_dogecoin_and_none_where_the_interval_changed(recorded):
    assert [each.kind for each in recorded["DOGEUSDT", "funding"].findings] == ["hole"]
    assert recorded["LAYERUSDT", "funding"].findings == ()
    assert recorded["BTCUSDT", "mark-8h"].findings == ()
