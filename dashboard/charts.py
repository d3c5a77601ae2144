"""Chart specifications, built from frames and plain values. No page, no database: what comes in is what is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

UP = "#0ECB81"
DOWN = "#F6465D"
ACCENT = "#F0B90B"
CALM = "#5B8DEF"
MUTED = "#848E9C"
GRID = "#1E2329"
TEXT = "#B7BDC6"
EQUITY_PANE_HEIGHT = 196
DRAWDOWN_PANE_HEIGHT = 52
EQUITY_HEIGHT = EQUITY_PANE_HEIGHT + DRAWDOWN_PANE_HEIGHT + 48
PRICE_PANE_HEIGHT = 500
ADX_PANE_HEIGHT = 96
CANDLES_HEIGHT = PRICE_PANE_HEIGHT + ADX_PANE_HEIGHT + 84

type Spec = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Marker:
    """Something that happened at a candle. `word` is printed beside it: LONG, SHORT, EXIT +4.20, STOP -9.80."""

    at: str
    price: float
    kind: Literal["long", "short", "exit", "stop"]
    word: str


@dataclass(frozen=True, slots=True)
class Trip:
    """A round trip, drawn as a line from entry to exit."""

    entry_at: str
    entry_price: float
    exit_at: str
    exit_price: float
    won: bool


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line: a working order, the stop, the entry of an open position."""

    price: float
    word: str
    kind: Literal["order", "stop", "entry"]


def equity(frame: pd.DataFrame) -> Spec:
    """Draw equity above drawdown. Columns: time (label), equity, drawdown (zero or negative)."""
    return {
        "animation": False,
        "dataset": {"source": frame},
        "tooltip": {"trigger": "axis", "valueFormatter": "%,.2f"},
        "axisPointer": {"link": [{"xAxisIndex": "all"}]},
        "grid": [
            _pane(top=8, height=EQUITY_PANE_HEIGHT),
            _pane(top=EQUITY_PANE_HEIGHT + 22, height=DRAWDOWN_PANE_HEIGHT),
        ],
        "xAxis": [_time_axis(0, labels=False), _time_axis(1, labels=True)],
        "yAxis": [_value_axis(0), _value_axis(1, scale=False, splits=2)],
        "series": [
            _line("equity", "Equity", ACCENT, 0, width=1.6) | {"areaStyle": {"color": ACCENT, "opacity": 0.07}},
            _line("drawdown", "Drawdown", DOWN, 1, width=1) | {"areaStyle": {"color": DOWN, "opacity": 0.25}},
        ],
    }


def candles(
    frame: pd.DataFrame,
    *,
    markers: Sequence[Marker] = (),
    trips: Sequence[Trip] = (),
    levels: Sequence[Level] = (),
    places: int = 2,
    adx_line: float = 20.0,
    zoom: bool = False,
) -> Spec:
    """Draw candles with VWAP and bands, what was traded on them, and the ADX below.

    Columns: time (label), open, close, low, high, vwap, lower, band (upper minus lower), upper, adx; NaN leaves a gap.
    """
    spec: Spec = {
        "animation": False,
        "dataset": {"source": frame},
        "tooltip": {"trigger": "axis", "valueFormatter": f"%,.{places}f", "axisPointer": {"type": "cross"}},
        "axisPointer": {"link": [{"xAxisIndex": "all"}]},
        "grid": [
            _pane(top=12, height=PRICE_PANE_HEIGHT),
            _pane(top=PRICE_PANE_HEIGHT + 36, height=ADX_PANE_HEIGHT),
        ],
        "xAxis": [_time_axis(0, labels=False), _time_axis(1, labels=True)],
        "yAxis": [_price_axis(frame, levels), _value_axis(1, scale=False, splits=2)],
        "series": [
            _candlestick(trips, levels),
            *_bands(),
            _line("vwap", "VWAP", ACCENT, 0, width=1.4),
            *(_markers(kind, [marker for marker in markers if marker.kind == kind]) for kind in _MARKER_LOOK),
            _adx(adx_line),
        ],
    }
    if zoom:
        spec["dataZoom"] = [{"type": "inside", "xAxisIndex": [0, 1]}, {"type": "slider", "xAxisIndex": [0, 1]}]
        spec["dataZoom"][1] |= {"height": 16, "bottom": 2, "borderColor": GRID}
    return spec


_MARKER_LOOK: dict[str, tuple[str, str, int, Literal["top", "bottom"]]] = {
    "long": ("triangle", UP, 0, "bottom"),
    "short": ("triangle", DOWN, 180, "top"),
    "exit": ("diamond", "#EAECEF", 0, "top"),
    "stop": ("rect", DOWN, 45, "top"),
}

_LEVEL_LOOK = {
    "order": (CALM, "dashed", "insideEndTop"),
    "stop": (DOWN, "dashed", "insideStartTop"),
    "entry": (TEXT, "dotted", "insideStartTop"),
}


def _pane(*, top: int, height: int) -> Spec:
    return {"left": 4, "right": 72, "top": top, "height": height, "containLabel": False, "outerBoundsMode": "none"}


def _time_axis(index: int, *, labels: bool) -> Spec:
    return {
        "type": "category",
        "gridIndex": index,
        "boundaryGap": True,
        "axisLine": {"lineStyle": {"color": GRID}},
        "axisTick": {"show": False},
        "axisLabel": {"show": labels, "color": MUTED, "fontSize": 11, "hideOverlap": True}
        | {"alignMinLabel": "left", "alignMaxLabel": "right"},
        "splitLine": {"show": False},
    }


def _value_axis(index: int, *, scale: bool = True, splits: int = 5) -> Spec:
    return {
        "type": "value",
        "gridIndex": index,
        "position": "right",
        "scale": scale,
        "splitNumber": splits,
        "axisLabel": {"color": MUTED, "fontSize": 11},
        "splitLine": {"lineStyle": {"color": GRID}},
    }


def _price_axis(frame: pd.DataFrame, levels: Sequence[Level]) -> Spec:
    axis = _value_axis(0)
    if frame.empty:
        return axis
    low, high = float(frame["low"].min()), float(frame["high"].max())
    near = (high - low) * 1.5
    shown = [level.price for level in levels if low - near <= level.price <= high + near]
    low, high = min([low, *shown]), max([high, *shown])
    room = (high - low) * 0.06 or high * 0.001
    hidden = {"showMinLabel": False, "showMaxLabel": False}
    return axis | {"min": low - room, "max": high + room, "axisLabel": axis["axisLabel"] | hidden}


def _line(column: str, name: str, color: str, pane: int, *, width: float) -> Spec:
    return {
        "type": "line",
        "name": name,
        "xAxisIndex": pane,
        "yAxisIndex": pane,
        "encode": {"x": "time", "y": column, "tooltip": [column]},
        "showSymbol": False,
        "lineStyle": {"color": color, "width": width},
        "itemStyle": {"color": color},
    }


def _candlestick(trips: Sequence[Trip], levels: Sequence[Level]) -> Spec:
    return {
        "type": "candlestick",
        "name": "Price",
        "encode": {"x": "time", "y": ["open", "close", "low", "high"], "tooltip": ["open", "high", "low", "close"]},
        "itemStyle": {"color": UP, "color0": DOWN, "borderColor": UP, "borderColor0": DOWN},
        "barMaxWidth": 12,
        "markLine": {
            "symbol": ["none", "none"],
            "silent": True,
            "animation": False,
            "data": [*(_level(level) for level in levels), *(_trip(trip) for trip in trips)],
        },
    }


def _level(level: Level) -> Spec:
    color, style, place = _LEVEL_LOOK[level.kind]
    return {
        "yAxis": level.price,
        "lineStyle": {"color": color, "type": style, "width": 1},
        "label": {"formatter": level.word, "position": place, "color": color, "fontSize": 11},
    }


def _trip(trip: Trip) -> list[Spec]:
    color = UP if trip.won else DOWN
    start: Spec = {"coord": [trip.entry_at, trip.entry_price], "lineStyle": {"color": color, "type": "solid"}}
    start["lineStyle"] |= {"width": 1.2, "opacity": 0.8}
    return [start | {"label": {"show": False}}, {"coord": [trip.exit_at, trip.exit_price]}]


def _bands() -> list[Spec]:
    hidden: Spec = {"tooltip": {"show": False}, "lineStyle": {"opacity": 0}, "silent": True, "stack": "band"}
    base = _line("lower", "Band", CALM, 0, width=0) | hidden
    width = _line("band", "Band", CALM, 0, width=0) | hidden | {"areaStyle": {"color": CALM, "opacity": 0.07}}
    base["encode"] = {"x": "time", "y": "lower", "tooltip": []}
    width["encode"] = {"x": "time", "y": "band", "tooltip": []}
    return [
        base,
        width,
        _line("upper", "Upper band", CALM, 0, width=0.8),
        _line("lower", "Lower band", CALM, 0, width=0.8),
    ]


def _markers(kind: str, markers: Sequence[Marker]) -> Spec:
    symbol, color, rotate, side = _MARKER_LOOK[kind]
    return {
        "type": "scatter",
        "name": kind,
        "z": 5,
        "symbol": symbol,
        "symbolSize": 11,
        "symbolRotate": rotate,
        "itemStyle": {"color": color, "borderColor": "#0B0E11", "borderWidth": 1},
        "label": {"show": True, "formatter": "{b}", "position": side, "color": color, "fontSize": 10, "distance": 6}
        | {"backgroundColor": "rgba(11, 14, 17, 0.65)", "padding": [1, 3]},
        "labelLayout": {"hideOverlap": True},
        "tooltip": {"show": False},
        "data": [{"name": marker.word, "value": [marker.at, marker.price]} for marker in markers],
    }


def _adx(line: float) -> Spec:
    return _line("adx", "ADX", TEXT, 1, width=1.2) | {
        "markLine": {
            "symbol": ["none", "none"],
            "silent": True,
            "animation": False,
            "data": [{"yAxis": line, "lineStyle": {"color": ACCENT, "type": "dashed", "width": 1}}],
            "label": {"formatter": f"{line:g}", "color": ACCENT, "fontSize": 11},
        }
    }
