"""The venue's words to the domain's and back. Both sides write enumerations as on the wire, so values carry over.

A venue's word is a StrEnum, so it is its own text. What is translated for every order and fill is filled in field by
field, without naming the fields: that takes a sixth of the time.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from bot.domain.account import LeverageBracket
from bot.domain.fill import Fill
from bot.domain.instrument import Instrument
from bot.domain.money import ZERO
from bot.domain.order import AlgoReport, OrderReport, OrderRequest, OrderType, Side, StopRequest, TimeInForce
from bot.trading.limits import Costs
from simulator.venue import model
from simulator.venue.costs import CandleCosts, Tier
from simulator.venue.instrument import Bracket
from simulator.venue.instrument import Instrument as Rules

_TIMES_IN_FORCE: Final = {each: model.TimeInForce(each.value) for each in TimeInForce}


def order_report(order: model.Order) -> OrderReport:
    """Return what the venue says about an order."""
    return OrderReport(
        order.symbol,
        order.order_id,
        order.client_order_id,
        order.status,
        Side.BUY if order.side is model.Side.BUY else Side.SELL,
        order.type,
        order.time_in_force,
        order.quantity,
        order.price,
        order.executed_quantity,
        order.updated_ms,
        order.reduce_only,
        order.close_position,
        order.position_side,
        order.algo_id,
        order.expiry_reason,
    )


def algo_report(algo: model.AlgoOrder) -> AlgoReport:
    """Return what the venue says about a conditional order."""
    return AlgoReport(
        algo.symbol,
        algo.algo_id,
        algo.client_algo_id,
        algo.status,
        Side.BUY if algo.side is model.Side.BUY else Side.SELL,
        algo.type,
        algo.quantity,
        algo.price,
        algo.trigger_price,
        algo.working_type,
        algo.close_position,
        algo.reduce_only,
        algo.updated_ms,
        algo.actual_order_id,
        algo.position_side,
        algo.activate_price,
        algo.callback_rate,
    )


def fill(trade: model.Trade) -> Fill:
    """Return an execution."""
    return Fill(
        trade.symbol,
        trade.trade_id,
        trade.order_id,
        trade.time_ms,
        Side.BUY if trade.side is model.Side.BUY else Side.SELL,
        trade.price,
        trade.quantity,
        trade.maker,
        trade.commission,
        trade.commission_asset,
        trade.realized_pnl,
        trade.position_side,
    )


def instrument(rules: Rules) -> Instrument:
    """Return a contract and its filters."""
    return Instrument(
        symbol=rules.symbol,
        status=rules.status,
        base_asset=rules.base_asset,
        quote_asset=rules.quote_asset,
        margin_asset=rules.margin_asset,
        tick_size=rules.tick_size,
        min_price=rules.min_price,
        max_price=rules.max_price,
        step_size=rules.step_size,
        min_quantity=rules.min_quantity,
        max_quantity=rules.max_quantity,
        market_step_size=rules.market_step_size,
        market_min_quantity=rules.market_min_quantity,
        market_max_quantity=rules.market_max_quantity,
        min_notional=rules.min_notional,
        percent_up=rules.multiplier_up,
        percent_down=rules.multiplier_down,
        max_orders=rules.max_orders,
    )


def bracket(symbol: str, row: Bracket) -> LeverageBracket:
    """Return one row of a leverage table."""
    return LeverageBracket(
        symbol, row.notional_floor, row.notional_cap, row.initial_leverage, row.maintenance_ratio, row.cumulative
    )


def venue_brackets(rows: Iterable[LeverageBracket]) -> dict[str, tuple[Bracket, ...]]:
    """Return leverage tables as the venue takes them, by symbol, from the smallest notional up."""
    tables: dict[str, list[Bracket]] = {}
    for row in sorted(rows, key=lambda row: row.floor):
        table = tables.setdefault(row.symbol, [])
        table.append(
            Bracket(
                bracket=len(table) + 1,
                initial_leverage=row.leverage,
                notional_floor=row.floor,
                notional_cap=row.cap,
                maintenance_ratio=row.maintenance_rate,
                cumulative=row.cum,
            )
        )
    return {symbol: tuple(table) for symbol, table in tables.items()}


def candle_costs(costs: Costs) -> CandleCosts:
    """Return what stands in for the book on candles, as the venue takes it."""
    return CandleCosts(
        tiers=tuple(Tier(tier.minute_notional, tier.spread_bps, tier.slippage_bps) for tier in costs.tiers),
        volume_share=costs.volume_share,
        touch_share=costs.touch_share,
    )


def order_request(request: OrderRequest) -> model.OrderRequest:
    """Return the request as the venue takes it."""
    is_limit = request.type is OrderType.LIMIT
    return model.OrderRequest(
        request.symbol,
        model.Side.BUY if request.side is Side.BUY else model.Side.SELL,
        model.OrderType.LIMIT if is_limit else model.OrderType.MARKET,
        request.quantity,
        request.price if is_limit else ZERO,
        _TIMES_IN_FORCE[request.time_in_force] if is_limit else model.TimeInForce.GTC,
        request.reduce_only,
        request.client_order_id,
    )


def stop_request(request: StopRequest) -> model.AlgoRequest:
    """Return a resting stop on the contract price that closes the whole position, as the venue takes it."""
    return model.AlgoRequest(
        request.symbol,
        model.Side.BUY if request.side is Side.BUY else model.Side.SELL,
        model.OrderType.STOP_MARKET,
        request.trigger_price,
        close_position=True,
        client_algo_id=request.client_algo_id,
    )


def known_order(report: OrderReport, created_ms: int, executed_quote: Decimal) -> model.Order:
    """Return an order of the books as the venue keeps it."""
    return model.Order(
        order_id=report.order_id,
        client_order_id=report.client_order_id,
        symbol=report.symbol,
        side=model.Side(report.side.value),
        position_side=model.PositionSide(report.position_side),
        type=model.OrderType(report.type),
        time_in_force=model.TimeInForce(report.time_in_force),
        quantity=report.quantity,
        price=report.price,
        reduce_only=report.reduce_only,
        close_position=report.close_position,
        status=model.OrderStatus(report.status),
        created_ms=created_ms,
        updated_ms=report.updated_ms,
        algo_id=report.algo_id,
        executed_quantity=report.executed_quantity,
        executed_quote=executed_quote,
    )


def known_algo(report: AlgoReport, created_ms: int) -> model.AlgoOrder:
    """Return a conditional order of the books as the venue keeps it."""
    return model.AlgoOrder(
        algo_id=report.algo_id,
        client_algo_id=report.client_algo_id,
        symbol=report.symbol,
        side=model.Side(report.side.value),
        position_side=model.PositionSide(report.position_side),
        type=model.OrderType(report.type),
        time_in_force=model.TimeInForce.GTC,
        quantity=report.quantity,
        price=report.price,
        trigger_price=report.trigger_price,
        working_type=model.WorkingType(report.working_type),
        close_position=report.close_position,
        reduce_only=report.reduce_only,
        price_protect=False,
        status=model.AlgoStatus(report.status),
        created_ms=created_ms,
        updated_ms=report.updated_ms,
        actual_order_id=report.actual_order_id,
        activate_price=report.activate_price,
        callback_rate=report.callback_rate,
    )
