"""The REST surface as a table, and the way a request goes through it: limits, key, signature, parameters, answer."""

from typing import Any
from urllib.parse import parse_qsl

from simulator.server import accounts, market_data, trading
from simulator.server.api import Api, Endpoint, Security, by_symbol
from simulator.server.limits import TooManyError
from simulator.server.params import Params
from simulator.server.signing import check_request, missing
from simulator.server.wire import HttpReply, HttpRequest, json_reply
from simulator.venue.errors import VenueError, refusal

_SIGNED = Security.SIGNED
_KEY = Security.KEY
_SIGNED_NAMES = frozenset({"timestamp", "recvWindow", "signature"})
_ORDER = (
    "symbol* side* type* positionSide timeInForce quantity price reduceOnly newClientOrderId newOrderRespType "
    "priceMatch selfTradePreventionMode goodTillDate stopPrice closePosition activationPrice callbackRate workingType "
    "priceProtect"
)
_ALGO = (
    "algoType* symbol* side* type* positionSide timeInForce quantity price triggerPrice workingType priceMatch "
    "closePosition priceProtect reduceOnly activatePrice callbackRate clientAlgoId newOrderRespType "
    "selfTradePreventionMode goodTillDate"
)
_ONE_ORDER = "symbol* orderId origClientOrderId"
_WINDOW = "startTime endTime limit"

ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("GET", "/fapi/v1/ping"): Endpoint(market_data.ping),
    ("GET", "/fapi/v1/time"): Endpoint(market_data.server_time),
    ("GET", "/fapi/v1/exchangeInfo"): Endpoint(market_data.exchange_info),
    ("GET", "/fapi/v1/klines"): Endpoint(
        market_data.klines, f"symbol* interval* {_WINDOW}", weight=market_data.kline_weight
    ),
    ("GET", "/fapi/v1/depth"): Endpoint(market_data.depth, "symbol* limit", weight=market_data.depth_weight),
    ("GET", "/fapi/v1/aggTrades"): Endpoint(market_data.agg_trades, f"symbol* fromId {_WINDOW}", weight=20),
    ("GET", "/fapi/v1/ticker/price"): Endpoint(market_data.ticker_price, "symbol", weight=by_symbol(1, 2)),
    ("GET", "/fapi/v2/ticker/price"): Endpoint(market_data.ticker_price, "symbol", weight=by_symbol(1, 2)),
    ("GET", "/fapi/v1/ticker/bookTicker"): Endpoint(market_data.book_ticker, "symbol", weight=by_symbol(2, 5)),
    ("GET", "/fapi/v1/premiumIndex"): Endpoint(market_data.premium_index, "symbol", weight=by_symbol(1, 10)),
    ("GET", "/fapi/v1/fundingRate"): Endpoint(market_data.funding_rate, f"symbol {_WINDOW}", weight=0, own_pool=True),
    ("GET", "/fapi/v1/fundingInfo"): Endpoint(market_data.funding_info, weight=0, own_pool=True),
    ("POST", "/fapi/v1/order"): Endpoint(trading.place_order, _ORDER, weight=0, security=_SIGNED, orders=1),
    ("PUT", "/fapi/v1/order"): Endpoint(
        trading.modify_order,
        f"{_ONE_ORDER} side* quantity* price* priceMatch modifyId reduceOnly",
        weight=0,
        security=_SIGNED,
        orders=1,
    ),
    ("DELETE", "/fapi/v1/order"): Endpoint(trading.cancel_order, _ONE_ORDER, security=_SIGNED),
    ("GET", "/fapi/v1/order"): Endpoint(trading.query_order, _ONE_ORDER, security=_SIGNED),
    ("GET", "/fapi/v1/openOrder"): Endpoint(trading.open_order, _ONE_ORDER, security=_SIGNED),
    ("GET", "/fapi/v1/openOrders"): Endpoint(trading.open_orders, "symbol", weight=by_symbol(1, 40), security=_SIGNED),
    ("GET", "/fapi/v1/allOrders"): Endpoint(
        trading.all_orders, f"symbol orderId {_WINDOW}", weight=5, security=_SIGNED
    ),
    ("DELETE", "/fapi/v1/allOpenOrders"): Endpoint(trading.cancel_all, "symbol*", security=_SIGNED),
    ("POST", "/fapi/v1/countdownCancelAll"): Endpoint(
        trading.countdown_cancel_all, "symbol* countdownTime*", weight=10, security=_SIGNED
    ),
    ("POST", "/fapi/v1/algoOrder"): Endpoint(trading.place_algo, _ALGO, weight=0, security=_SIGNED, orders=1),
    ("DELETE", "/fapi/v1/algoOrder"): Endpoint(trading.cancel_algo, "algoId clientAlgoId symbol", security=_SIGNED),
    ("GET", "/fapi/v1/algoOrder"): Endpoint(trading.query_algo, "algoId clientAlgoId symbol", security=_SIGNED),
    ("DELETE", "/fapi/v1/algoOpenOrders"): Endpoint(trading.cancel_all_algos, "symbol*", security=_SIGNED),
    ("GET", "/fapi/v1/openAlgoOrders"): Endpoint(
        trading.open_algos, "algoType symbol algoId", weight=by_symbol(1, 40), security=_SIGNED
    ),
    ("GET", "/fapi/v1/allAlgoOrders"): Endpoint(
        trading.all_algos, f"symbol* algoId page {_WINDOW}", weight=5, security=_SIGNED
    ),
    ("GET", "/fapi/v1/userTrades"): Endpoint(
        trading.user_trades, f"symbol* orderId fromId {_WINDOW}", weight=5, security=_SIGNED
    ),
    ("GET", "/fapi/v3/account"): Endpoint(accounts.account, weight=5, security=_SIGNED),
    ("GET", "/fapi/v2/account"): Endpoint(accounts.account_v2, weight=5, security=_SIGNED),
    ("GET", "/fapi/v3/balance"): Endpoint(accounts.balance, weight=5, security=_SIGNED),
    ("GET", "/fapi/v2/balance"): Endpoint(accounts.balance, weight=5, security=_SIGNED),
    ("GET", "/fapi/v3/positionRisk"): Endpoint(accounts.positions, "symbol", weight=5, security=_SIGNED),
    ("GET", "/fapi/v2/positionRisk"): Endpoint(accounts.positions_v2, "symbol", weight=5, security=_SIGNED),
    ("GET", "/fapi/v1/accountConfig"): Endpoint(accounts.account_config, weight=5, security=_SIGNED),
    ("GET", "/fapi/v1/symbolConfig"): Endpoint(accounts.symbol_config, "symbol", weight=5, security=_SIGNED),
    ("POST", "/fapi/v1/leverage"): Endpoint(accounts.set_leverage, "symbol* leverage*", security=_SIGNED),
    ("POST", "/fapi/v1/marginType"): Endpoint(accounts.set_margin_type, "symbol* marginType*", security=_SIGNED),
    ("POST", "/fapi/v1/positionMargin"): Endpoint(
        accounts.modify_margin, "symbol* amount* type* positionSide", security=_SIGNED
    ),
    ("POST", "/fapi/v1/positionSide/dual"): Endpoint(accounts.set_position_mode, "dualSidePosition*", security=_SIGNED),
    ("GET", "/fapi/v1/positionSide/dual"): Endpoint(accounts.position_mode, weight=30, security=_SIGNED),
    ("POST", "/fapi/v1/multiAssetsMargin"): Endpoint(accounts.set_multi_assets, "multiAssetsMargin*", security=_SIGNED),
    ("GET", "/fapi/v1/multiAssetsMargin"): Endpoint(accounts.multi_assets, weight=30, security=_SIGNED),
    ("GET", "/fapi/v1/feeBurn"): Endpoint(accounts.fee_burn, weight=30, security=_SIGNED),
    ("GET", "/fapi/v1/rateLimit/order"): Endpoint(accounts.order_rate_limits, security=_SIGNED),
    ("GET", "/fapi/v1/income"): Endpoint(
        accounts.income, f"symbol incomeType page {_WINDOW}", weight=30, security=_SIGNED
    ),
    ("GET", "/fapi/v1/leverageBracket"): Endpoint(accounts.leverage_brackets, "symbol", security=_SIGNED),
    ("GET", "/fapi/v1/commissionRate"): Endpoint(accounts.commission_rate, "symbol*", weight=20, security=_SIGNED),
    ("POST", "/fapi/v1/listenKey"): Endpoint(accounts.start_user_stream, security=_KEY),
    ("PUT", "/fapi/v1/listenKey"): Endpoint(accounts.keep_user_stream, "listenKey", security=_KEY),
    ("DELETE", "/fapi/v1/listenKey"): Endpoint(accounts.stop_user_stream, "listenKey", security=_KEY),
}

_NOT_YET = (
    ("POST", "/fapi/v1/order/test"),
    ("POST", "/fapi/v1/batchOrders"),
    ("PUT", "/fapi/v1/batchOrders"),
    ("DELETE", "/fapi/v1/batchOrders"),
    ("POST", "/fapi/v1/feeBurn"),
    ("GET", "/fapi/v1/forceOrders"),
    ("GET", "/fapi/v1/adlQuantile"),
    ("GET", "/fapi/v1/orderAmendment"),
    ("GET", "/fapi/v1/positionMargin/history"),
    ("GET", "/fapi/v1/ticker/24hr"),
    ("GET", "/fapi/v1/trades"),
    ("GET", "/fapi/v1/openInterest"),
    ("GET", "/fapi/v1/markPriceKlines"),
    ("GET", "/fapi/v1/indexPriceKlines"),
    ("GET", "/fapi/v1/premiumIndexKlines"),
    ("GET", "/fapi/v1/continuousKlines"),
)


def answer(api: Api, request: HttpRequest) -> HttpReply:
    """Answer one REST request, errors included."""
    endpoint = ENDPOINTS.get((request.method, request.path))
    orders = endpoint is not None and endpoint.orders > 0
    try:
        content = _served(api, request, endpoint)
    except VenueError as error:
        return error_reply(error, api.limits.headers(api.wall_ms, with_orders=orders))
    return json_reply(200, content, api.limits.headers(api.wall_ms, with_orders=orders))


def error_reply(error: VenueError, headers: dict[str, str]) -> HttpReply:
    """Build the answer to a refused request."""
    if isinstance(error, TooManyError):
        headers = {**headers, "Retry-After": str(error.retry_after_s)}
    return json_reply(error.http_status, {"code": error.code, "msg": error.message}, headers)


def parameters(request: HttpRequest) -> dict[str, str]:
    """Merge query string and form body; on a duplicate the query string wins."""
    params = dict(parse_qsl(request.query, keep_blank_values=True))
    if request.method == "GET" or not request.body:
        return params
    return {**dict(parse_qsl(_text(request.body), keep_blank_values=True)), **params}


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise VenueError(-1100, "Illegal characters found in the request body.") from None


def _served(api: Api, request: HttpRequest, endpoint: Endpoint | None) -> Any:
    if endpoint is None:
        api.limits.use_weight(1, api.wall_ms)
        if (request.method, request.path) in _NOT_YET:
            raise refusal(-1020)
        raise VenueError(-5000, f"Path {request.path}, Method {request.method} is invalid", 404)
    params = parameters(request)
    _charge(api, endpoint, params)
    _authorise(api, request, endpoint, params)
    check_names(endpoint, params)
    if endpoint.orders:
        api.limits.use_orders(endpoint.orders, api.wall_ms)
    return endpoint.handler(api, params)


def _charge(api: Api, endpoint: Endpoint, params: Params) -> None:
    if endpoint.own_pool:
        api.limits.use_funding(api.wall_ms)
    api.limits.use_weight(endpoint.weight_of(params), api.wall_ms)


def _authorise(api: Api, request: HttpRequest, endpoint: Endpoint, params: Params) -> None:
    if endpoint.security is Security.NONE:
        return
    api.credentials.check_key(request.headers.get("x-mbx-apikey"))
    if endpoint.security is Security.SIGNED:
        body = "" if request.method == "GET" else _text(request.body)
        check_request(api.credentials, request.query, body, params, api.wall_ms)


def check_names(endpoint: Endpoint, params: Params) -> None:
    """Raise -1102 for what is missing and -1104 for what nobody reads."""
    for name in endpoint.mandatory:
        if not params.get(name):
            raise missing(name)
    unread = [name for name in params if name not in endpoint.known and name not in _SIGNED_NAMES]
    if unread:
        read = len(params) - len(unread)
        message = f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{len(params)}'."
        raise VenueError(-1104, message)
