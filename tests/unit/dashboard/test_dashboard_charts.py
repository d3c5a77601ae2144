import json

import pandas as pd
import pytest

from dashboard import charts
from dashboard.studies import add_studies

DAY_MS = 86_400_000
MINUTE_MS = 60_000


def a_session(count, start=20 * DAY_MS):
    rows = [
        (start + index * MINUTE_MS, 100.0 + index % 7, 101.0 + index % 7, 99.0 + index % 5, 100.0 + index % 6, 2.0)
        for index in range(count)
    ]
    return pd.DataFrame(rows, columns=["open_time", "open", "high", "low", "close", "volume"])


def test_vwap_is_the_volume_weighted_typical_price_and_bands_lie_around_it():
    studied = add_studies(a_session(60), tick=0.1, step=0.001, width=2.0)
    candles = a_session(60)
    typical = (candles.high + candles.low + candles.close) / 3
    assert studied.vwap.iloc[-1] == pytest.approx(typical.mean())
    assert studied.upper.iloc[-1] - studied.vwap.iloc[-1] == pytest.approx(2 * typical.std(ddof=0))
    assert studied.vwap.iloc[-1] - studied.lower.iloc[-1] == pytest.approx(2 * typical.std(ddof=0))


def test_adx_begins_with_the_28th_candle():
    studied = add_studies(a_session(40), tick=0.1, step=0.001, width=2.0)
    assert studied.adx.isna().sum() == 27


def test_after_a_hole_there_is_no_vwap_until_the_next_session():
    whole = a_session(DAY_MS // MINUTE_MS + 10)
    holed = whole.drop(index=100)
    studied = add_studies(holed, tick=0.1, step=0.001, width=2.0)
    assert studied.vwap.iloc[:100].notna().all()
    assert studied.vwap.iloc[100 : DAY_MS // MINUTE_MS - 1].isna().all()
    assert studied.vwap.iloc[-10:].notna().all()


def test_no_vwap_where_the_data_begins_inside_a_session():
    assert add_studies(a_session(50, start=20 * DAY_MS + MINUTE_MS), tick=0.1, step=0.001, width=2.0).vwap.isna().all()


def a_frame():
    studied = add_studies(a_session(60), tick=0.1, step=0.001, width=2.0)
    return studied.assign(time=[str(value) for value in studied.open_time], band=studied.upper - studied.lower)


def test_a_candle_chart_carries_markers_trips_levels_and_the_adx_line():
    spec = charts.candles(
        a_frame(),
        markers=[charts.Marker("a", 100.0, "long", "LONG"), charts.Marker("b", 101.0, "stop", "STOP -9.80")],
        trips=[charts.Trip("a", 100.0, "b", 101.0, won=True)],
        levels=[charts.Level(99.0, "STOP 99.0", "stop")],
    )
    spec["dataset"] = {}
    text = json.dumps(spec)
    for word in ('"LONG"', "STOP -9.80", "STOP 99.0", '"20"'):
        assert word in text
    assert "dataZoom" not in spec


def test_inspecting_adds_zoom():
    assert "dataZoom" in charts.candles(a_frame(), zoom=True)


def test_the_price_axis_makes_room_for_a_near_stop_but_not_for_a_far_one():
    near = charts.candles(a_frame(), levels=[charts.Level(95.0, "STOP", "stop")])["yAxis"][0]
    far = charts.candles(a_frame(), levels=[charts.Level(1.0, "STOP", "stop")])["yAxis"][0]
    assert near["min"] < 95.0
    assert far["min"] > 90.0


def test_an_empty_chart_is_still_a_chart():
    empty = pd.DataFrame(columns=["time", "open", "close", "low", "high", "vwap", "lower", "band", "upper", "adx"])
    assert charts.candles(empty)["series"]


def test_the_equity_chart_draws_both_panes():
    spec = charts.equity(pd.DataFrame({"time": ["a"], "equity": [1.0], "drawdown": [0.0]}))
    assert [series["name"] for series in spec["series"]] == ["Equity", "Drawdown"]
