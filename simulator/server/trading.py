"""Order endpoints: orders, conditional orders, fills (docs/wire.md B.3, B.5, B.6)."""

from enum import StrEnum
from typing import Any

from simulator.server.api import Api
from simulator.server.params import (
    Params,
    check_precision,
    choice,
    decimal,
    limit,
    maybe_whole,
    priced,
    sized,
    text,
    truth,
    whole,
    window,
)
from simulator.server.payloads import (
    algo_answer,
    algo_canceled,
    algo_row,
    order_acknowledged,
    order_answer,
    order_history_row,
    order_row,
    trade_row,
)
from simulator.server.signing import missing
from simulator.venue.decimals import ZERO
from simulator.venue.errors import VenueError, refusal
from simulator.venue.model import AlgoRequest, OrderRequest, OrderType, PositionSide, Side, TimeInForce, WorkingType

WEEK_MS = 7 * 86_400_000
_ALL_CANCELED = {"code": 200, "msg": "The operation of cancel all open order is done."}
_DIRECT_TYPES = {OrderType.LIMIT, OrderType.MARKET}


class ResponseType(StrEnum):
    """`newOrderRespType`."""

    ACK = "ACK"
    RESULT = "RESULT"


def place_order(api: Api, params: Params) -> dict[str, Any]:
    form = api.form(text(params, "symbol"))
    wanted = _response_type(params)
    order = api.exchange.place_order(_order_request(api, params))
    build = order_acknowledged if wanted is ResponseType.ACK else order_answer
    return build(order, form, full=api.full_order_answers)


def _response_type(params: Params) -> ResponseType:
    try:
        return ResponseType(params.get("newOrderRespType") or "ACK")
    except ValueError:
        raise VenueError(-1136, "Invalid newOrderRespType.") from None


def _order_request(api: Api, params: Params) -> OrderRequest:
    symbol = text(params, "symbol")
    form = api.form(symbol)
    side = choice(params, "side", Side, -1117)
    kind = choice(params, "type", OrderType, -1116)
    if kind not in _DIRECT_TYPES:
        raise refusal(-4120)
    if kind is OrderType.MARKET:
        _refuse_unneeded(params, "price", "timeInForce", "goodTillDate")
    needs_price = kind is OrderType.LIMIT and params.get("priceMatch", "NONE") == "NONE"
    quantity = sized(params, "quantity", form)
    return OrderRequest(
        symbol=symbol,
        side=side,
        type=kind,
        quantity=quantity,
        price=priced(params, "price", form, None if needs_price else ZERO),
        time_in_force=choice(
            params, "timeInForce", TimeInForce, -1115, None if kind is OrderType.LIMIT else TimeInForce.GTC
        ),
        reduce_only=truth(params, "reduceOnly", default=False),
        client_order_id=params.get("newClientOrderId", ""),
        position_side=choice(params, "positionSide", PositionSide, -4060, PositionSide.BOTH),
        price_match=params.get("priceMatch", "NONE"),
        self_trade_prevention=params.get("selfTradePreventionMode", "EXPIRE_MAKER"),
        good_till_ms=whole(params, "goodTillDate", 0),
    )


def _refuse_unneeded(params: Params, *names: str) -> None:
    for name in names:
        if params.get(name):
            raise refusal(-1106, name)


def modify_order(api: Api, params: Params) -> dict[str, Any]:
    symbol, order_id, client_order_id = _named_order(params)
    order = api.exchange.modify_order(symbol, order_id, client_order_id)
    return order_answer(order, api.form(symbol), full=api.full_order_answers)


def cancel_order(api: Api, params: Params) -> dict[str, Any]:
    symbol, order_id, client_order_id = _named_order(params)
    form = api.form(symbol)
    order = api.exchange.cancel_order(symbol, order_id, client_order_id)
    return order_answer(order, form, full=api.full_order_answers)


def query_order(api: Api, params: Params) -> dict[str, Any]:
    symbol, order_id, client_order_id = _named_order(params)
    return order_row(api.exchange.query_order(symbol, order_id, client_order_id), api.form(symbol))


def open_order(api: Api, params: Params) -> dict[str, Any]:
    symbol, order_id, client_order_id = _named_order(params)
    return order_row(api.exchange.open_order(symbol, order_id, client_order_id), api.form(symbol))


def _named_order(params: Params) -> tuple[str, int, str]:
    symbol = text(params, "symbol")
    order_id = whole(params, "orderId", 0)
    client_order_id = params.get("origClientOrderId", "")
    if not order_id and not client_order_id:
        message = "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
        raise VenueError(-1102, message)
    return symbol, order_id, client_order_id


def open_orders(api: Api, params: Params) -> list[dict[str, Any]]:
    symbol = params.get("symbol", "")
    if symbol:
        api.board(symbol)
    return [order_row(order, api.forms[order.symbol]) for order in api.exchange.open_orders(symbol)]


def all_orders(api: Api, params: Params) -> list[dict[str, Any]]:
    symbol = params.get("symbol", "")
    if symbol:
        api.board(symbol)
    start_ms, end_ms, oldest_ms = _week(api, params, bounded=not params.get("orderId"))
    orders = api.exchange.all_orders(symbol, whole(params, "orderId", 0), start_ms, end_ms, limit(params, 500, 1_000))
    return [order_history_row(order, api.forms[order.symbol]) for order in orders if order.created_ms >= oldest_ms]


def cancel_all(api: Api, params: Params) -> dict[str, Any]:
    api.exchange.cancel_all(api.board(text(params, "symbol")).symbol)
    return dict(_ALL_CANCELED)


def countdown_cancel_all(api: Api, params: Params) -> dict[str, Any]:
    symbol = api.board(text(params, "symbol")).symbol
    countdown_ms = whole(params, "countdownTime")
    api.exchange.countdown_cancel_all(symbol, round(countdown_ms * api.speed))
    return {"symbol": symbol, "countdownTime": str(countdown_ms)}


def user_trades(api: Api, params: Params) -> list[dict[str, Any]]:
    board = api.board(text(params, "symbol"))
    from_id = maybe_whole(params, "fromId")
    if from_id is not None and (params.get("startTime") or params.get("endTime")):
        raise refusal(-1128)
    start_ms, end_ms, oldest_ms = _week(api, params, bounded=from_id is None)
    trades = api.exchange.user_trades(
        board.symbol, whole(params, "orderId", 0), from_id, start_ms, end_ms, limit(params, 500, 1_000)
    )
    return [trade_row(trade, board.form) for trade in trades if trade.time_ms >= oldest_ms]


def _week(api: Api, params: Params, *, bounded: bool) -> tuple[int | None, int | None, int]:
    """Return start, end and the oldest time shown: seven days at the most, the last ones where nothing is said."""
    start_ms, end_ms = window(params)
    if start_ms is not None and end_ms is not None and end_ms - start_ms > WEEK_MS:
        raise VenueError(-1127, "Lookup interval is too big. More than 168 hours between startTime and endTime.")
    if not bounded:
        return start_ms, end_ms, 0
    if start_ms is None:
        return None, end_ms, (end_ms if end_ms is not None else api.exchange.now_ms) - WEEK_MS
    return start_ms, end_ms if end_ms is not None else start_ms + WEEK_MS, start_ms


def place_algo(api: Api, params: Params) -> dict[str, Any]:
    form = api.form(text(params, "symbol"))
    _response_type(params)
    return algo_answer(api.exchange.place_algo(_algo_request(api, params)), form)


def _algo_request(api: Api, params: Params) -> AlgoRequest:
    symbol = text(params, "symbol")
    form = api.form(symbol)
    if text(params, "algoType") != "CONDITIONAL":
        raise refusal(-1130, "algoType")
    kind = choice(params, "type", OrderType, -1116)
    if kind in _DIRECT_TYPES:
        raise refusal(-1116)
    if kind is OrderType.TRAILING_STOP_MARKET:
        raise refusal(-1020)
    close_position = truth(params, "closePosition", default=False)
    if close_position and params.get("reduceOnly"):
        raise refusal(-1106, "reduceOnly")
    return AlgoRequest(
        symbol=symbol,
        side=choice(params, "side", Side, -1117),
        type=kind,
        trigger_price=priced(params, "triggerPrice", form),
        quantity=sized(params, "quantity", form, ZERO if close_position else None),
        price=_algo_price(api, params, kind),
        time_in_force=choice(params, "timeInForce", TimeInForce, -1115, TimeInForce.GTC),
        working_type=choice(params, "workingType", WorkingType, -1130, WorkingType.CONTRACT_PRICE),
        close_position=close_position,
        reduce_only=truth(params, "reduceOnly", default=False),
        price_protect=truth(params, "priceProtect", default=False),
        client_algo_id=params.get("clientAlgoId", ""),
        position_side=choice(params, "positionSide", PositionSide, -4060, PositionSide.BOTH),
        price_match=params.get("priceMatch", "NONE"),
        self_trade_prevention=params.get("selfTradePreventionMode", "EXPIRE_MAKER"),
        good_till_ms=whole(params, "goodTillDate", 0),
    )


def _algo_price(api: Api, params: Params, kind: OrderType) -> Any:
    if kind in {OrderType.STOP, OrderType.TAKE_PROFIT}:
        return priced(params, "price", api.form(text(params, "symbol")))
    price = decimal(params, "price", ZERO)
    check_precision(price, 0)
    if price:
        raise refusal(-1106, "price")
    return price


def cancel_algo(api: Api, params: Params) -> dict[str, Any]:
    return algo_canceled(api.exchange.cancel_algo(*_named_algo(params)))


def query_algo(api: Api, params: Params) -> dict[str, Any]:
    algo = api.exchange.query_algo(*_named_algo(params))
    return algo_row(algo, api.forms[algo.symbol])


def _named_algo(params: Params) -> tuple[int, str]:
    algo_id = whole(params, "algoId", 0)
    client_algo_id = params.get("clientAlgoId", "")
    if not algo_id and not client_algo_id:
        raise missing("algoId")
    return algo_id, client_algo_id


def open_algos(api: Api, params: Params) -> list[dict[str, Any]]:
    symbol = params.get("symbol", "")
    if symbol:
        api.board(symbol)
    return [algo_row(algo, api.forms[algo.symbol]) for algo in api.exchange.open_algos(symbol)]


def all_algos(api: Api, params: Params) -> list[dict[str, Any]]:
    board = api.board(text(params, "symbol"))
    start_ms, end_ms, oldest_ms = _week(api, params, bounded=not params.get("algoId"))
    algos = api.exchange.all_algos(
        board.symbol, whole(params, "algoId", 0), start_ms, end_ms, limit(params, 500, 1_000)
    )
    return [algo_row(algo, board.form) for algo in algos if algo.created_ms >= oldest_ms]


def cancel_all_algos(api: Api, params: Params) -> dict[str, Any]:
    api.exchange.cancel_all_algos(api.board(text(params, "symbol")).symbol)
    return dict(_ALL_CANCELED)


def unsupported(_: Api, __: Params) -> Any:
    """Refuse what this exchange does not offer yet, with the exchange's own words."""
    raise refusal(-1020)
