"""The venue's words to the domain's and back. Both sides write enumerations as on the wire, so values carry over."""

from collections.abc import Iterable
from decimal import Decimal

from bot.domain.account import LeverageBracket
from bot.domain.fill import Fill
from bot.domain.instrument import Instrument
from bot.domain.order import AlgoReport, OrderReport, OrderRequest, OrderType, Side, StopRequest
from bot.trading.limits import Costs
from simulator.venue import model
from simulator.venue.costs import CandleCosts, Tier
from simulator.venue.instrument import Bracket
from simulator.venue.instrument import Instrument as Rules


def order_report(order: model.Order) -> OrderReport:
    """Return what the venue says about an order."""
    return OrderReport(
        symbol=order.symbol,
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        status=order.status.value,
        side=Side(order.side.value),
        type=order.type.value,
        time_in_force=order.time_in_force.value,
        quantity=order.quantity,
        price=order.price,
        executed_quantity=order.executed_quantity,
        updated_ms=order.updated_ms,
        reduce_only=order.reduce_only,
        close_position=order.close_position,
        position_side=order.position_side.value,
        algo_id=order.algo_id,
        expiry_reason=order.expiry_reason.value,
    )


def algo_report(algo: model.AlgoOrder) -> AlgoReport:
    """Return what the venue says about a conditional order."""
    return AlgoReport(
        symbol=algo.symbol,
        algo_id=algo.algo_id,
        client_algo_id=algo.client_algo_id,
        status=algo.status.value,
        side=Side(algo.side.value),
        type=algo.type.value,
        quantity=algo.quantity,
        price=algo.price,
        trigger_price=algo.trigger_price,
        working_type=algo.working_type.value,
        close_position=algo.close_position,
        reduce_only=algo.reduce_only,
        updated_ms=algo.updated_ms,
        actual_order_id=algo.actual_order_id,
        position_side=algo.position_side.value,
        activate_price=algo.activate_price,
        callback_rate=algo.callback_rate,
    )


def fill(trade: model.Trade) -> Fill:
    """Return an execution."""
    return Fill(
        symbol=trade.symbol,
        trade_id=trade.trade_id,
        order_id=trade.order_id,
        time_ms=trade.time_ms,
        side=Side(trade.side.value),
        price=trade.price,
        quantity=trade.quantity,
        maker=trade.maker,
        commission=trade.commission,
        commission_asset=trade.commission_asset,
        realized_pnl=trade.realized_pnl,
        position_side=trade.position_side.value,
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
        symbol=request.symbol,
        side=model.Side(request.side.value),
        type=model.OrderType(request.type.value),
        quantity=request.quantity,
        price=request.price if is_limit else Decimal(0),
        time_in_force=model.TimeInForce(request.time_in_force.value) if is_limit else model.TimeInForce.GTC,
        reduce_only=request.reduce_only,
        client_order_id=request.client_order_id,
    )


def stop_request(request: StopRequest) -> model.AlgoRequest:
    """Return a resting stop on the contract price that closes the whole position, as the venue takes it."""
    return model.AlgoRequest(
        symbol=request.symbol,
        side=model.Side(request.side.value),
        type=model.OrderType.STOP_MARKET,
        trigger_price=request.trigger_price,
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
