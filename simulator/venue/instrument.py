"""Trading rules of one symbol, read from an exchangeInfo answer, and its leverage brackets."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from simulator.venue.decimals import ZERO


class Instrument(msgspec.Struct, frozen=True, gc=False):
    """One symbol's rules; a limit of 0 is switched off, as on the wire (docs/wire.md B.6, Filters)."""

    symbol: str
    base_asset: str
    quote_asset: str
    margin_asset: str
    status: str
    price_precision: int
    quantity_precision: int
    tick_size: Decimal
    min_price: Decimal
    max_price: Decimal
    step_size: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    market_step_size: Decimal
    market_min_quantity: Decimal
    market_max_quantity: Decimal
    min_notional: Decimal
    multiplier_up: Decimal
    multiplier_down: Decimal
    max_orders: int
    market_take_bound: Decimal
    liquidation_fee: Decimal
    trigger_protect: Decimal


class Bracket(msgspec.Struct, frozen=True, gc=False):
    """One row of the leverage table: applies to notionals in (floor, cap] in quote asset."""

    bracket: int
    initial_leverage: int
    notional_floor: Decimal
    notional_cap: Decimal
    maintenance_ratio: Decimal
    cumulative: Decimal


DEFAULT_BRACKETS: Final = (
    Bracket(1, 125, ZERO, Decimal(300_000), Decimal("0.004"), ZERO),
    Bracket(2, 100, Decimal(300_000), Decimal(800_000), Decimal("0.005"), Decimal(300)),
    Bracket(3, 75, Decimal(800_000), Decimal(3_000_000), Decimal("0.0065"), Decimal(1_500)),
    Bracket(4, 50, Decimal(3_000_000), Decimal(12_000_000), Decimal("0.01"), Decimal(12_000)),
    Bracket(5, 20, Decimal(12_000_000), Decimal(70_000_000), Decimal("0.025"), Decimal(192_000)),
    Bracket(6, 10, Decimal(70_000_000), Decimal(100_000_000), Decimal("0.05"), Decimal(1_942_000)),
    Bracket(7, 5, Decimal(100_000_000), Decimal(230_000_000), Decimal("0.1"), Decimal(6_942_000)),
    Bracket(8, 4, Decimal(230_000_000), Decimal(480_000_000), Decimal("0.125"), Decimal(12_692_000)),
    Bracket(9, 3, Decimal(480_000_000), Decimal(600_000_000), Decimal("0.15"), Decimal(24_692_000)),
    Bracket(10, 2, Decimal(600_000_000), Decimal(800_000_000), Decimal("0.25"), Decimal(84_692_000)),
    Bracket(11, 1, Decimal(800_000_000), Decimal(1_200_000_000), Decimal("0.5"), Decimal(284_692_000)),
)

"""The largest contract's table as it was in 2025."""

CONSERVATIVE_BRACKETS: Final = (
    Bracket(1, 25, ZERO, Decimal(5_000), Decimal("0.02"), ZERO),
    Bracket(2, 20, Decimal(5_000), Decimal(10_000), Decimal("0.025"), Decimal(25)),
    Bracket(3, 10, Decimal(10_000), Decimal(50_000), Decimal("0.05"), Decimal(275)),
    Bracket(4, 5, Decimal(50_000), Decimal(250_000), Decimal("0.1"), Decimal(2_775)),
    Bracket(5, 4, Decimal(250_000), Decimal(1_000_000), Decimal("0.125"), Decimal(9_025)),
    Bracket(6, 2, Decimal(1_000_000), Decimal(5_000_000), Decimal("0.25"), Decimal(134_025)),
    Bracket(7, 1, Decimal(5_000_000), Decimal(10_000_000), Decimal("0.5"), Decimal(1_384_025)),
)
"""No kinder than the tables of nine in ten contracts in July 2025, up to positions of 250,000."""


def parse_instrument(entry: Mapping[str, Any]) -> Instrument:
    """Read one element of exchangeInfo's `symbols`; an absent filter switches its limits off."""
    filters = {str(rule["filterType"]): rule for rule in entry["filters"]}
    price = filters.get("PRICE_FILTER", {})
    lot = filters.get("LOT_SIZE", {})
    market_lot = filters.get("MARKET_LOT_SIZE", lot)
    percent = filters.get("PERCENT_PRICE", {})
    return Instrument(
        symbol=entry["symbol"],
        base_asset=entry["baseAsset"],
        quote_asset=entry["quoteAsset"],
        margin_asset=entry["marginAsset"],
        status=entry["status"],
        price_precision=int(entry["pricePrecision"]),
        quantity_precision=int(entry["quantityPrecision"]),
        tick_size=_value(price, "tickSize"),
        min_price=_value(price, "minPrice"),
        max_price=_value(price, "maxPrice"),
        step_size=_value(lot, "stepSize"),
        min_quantity=_value(lot, "minQty"),
        max_quantity=_value(lot, "maxQty"),
        market_step_size=_value(market_lot, "stepSize"),
        market_min_quantity=_value(market_lot, "minQty"),
        market_max_quantity=_value(market_lot, "maxQty"),
        min_notional=_value(filters.get("MIN_NOTIONAL", {}), "notional"),
        multiplier_up=_value(percent, "multiplierUp"),
        multiplier_down=_value(percent, "multiplierDown"),
        max_orders=int(filters.get("MAX_NUM_ORDERS", {}).get("limit", 0)),
        market_take_bound=_value(entry, "marketTakeBound"),
        liquidation_fee=_value(entry, "liquidationFee"),
        trigger_protect=_value(entry, "triggerProtect"),
    )


def parse_brackets(rows: Sequence[Mapping[str, Any]]) -> tuple[Bracket, ...]:
    """Read the `brackets` list of one leverageBracket entry (numbers or text)."""
    brackets = (
        Bracket(
            bracket=int(row["bracket"]),
            initial_leverage=int(row["initialLeverage"]),
            notional_floor=Decimal(str(row["notionalFloor"])),
            notional_cap=Decimal(str(row["notionalCap"])),
            maintenance_ratio=Decimal(str(row["maintMarginRatio"])),
            cumulative=Decimal(str(row["cum"])),
        )
        for row in rows
    )
    return tuple(sorted(brackets, key=lambda row: row.notional_floor))


def bracket_of(brackets: Sequence[Bracket], notional: Decimal) -> Bracket:
    """Find the row with floor < notional <= cap; beyond the table the last row applies."""
    for row in brackets:
        if notional <= row.notional_cap:
            return row
    return brackets[-1]


def largest_notional(brackets: Sequence[Bracket], leverage: int) -> Decimal:
    """Tell the largest position notional allowed at `leverage`; 0 when the table does not allow it at all."""
    for row in reversed(brackets):
        if row.initial_leverage >= leverage:
            return row.notional_cap
    return ZERO


def _value(rule: Mapping[str, Any], key: str) -> Decimal:
    return Decimal(str(rule.get(key, "0")))
