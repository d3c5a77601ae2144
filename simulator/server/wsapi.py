"""The WebSocket API: the same endpoints by other names, requests and answers as JSON frames (docs/wire.md A.5, B.9)."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from simulator.server import accounts, market_data
from simulator.server.api import Api, Endpoint, Security
from simulator.server.connections import Connection
from simulator.server.rest import ENDPOINTS, check_names
from simulator.server.signing import check_message, check_time
from simulator.venue.errors import VenueError, refusal

_SESSION_WEIGHT = 2
_SIGNED = Security.SIGNED

METHODS: dict[str, Endpoint] = {
    "order.place": ENDPOINTS["POST", "/fapi/v1/order"],
    "order.modify": ENDPOINTS["PUT", "/fapi/v1/order"],
    "order.cancel": ENDPOINTS["DELETE", "/fapi/v1/order"],
    "order.status": ENDPOINTS["GET", "/fapi/v1/order"],
    "algoOrder.place": ENDPOINTS["POST", "/fapi/v1/algoOrder"],
    "algoOrder.cancel": ENDPOINTS["DELETE", "/fapi/v1/algoOrder"],
    "account.balance": Endpoint(accounts.balance, weight=5, security=_SIGNED),
    "v2/account.balance": Endpoint(accounts.balance, weight=5, security=_SIGNED),
    "account.status": Endpoint(accounts.account_v2, weight=5, security=_SIGNED),
    "v2/account.status": Endpoint(accounts.account, weight=5, security=_SIGNED),
    "account.position": Endpoint(accounts.positions_v2, "symbol", weight=5, security=_SIGNED),
    "v2/account.position": Endpoint(accounts.positions, "symbol", weight=5, security=_SIGNED),
    "ticker.price": ENDPOINTS["GET", "/fapi/v2/ticker/price"],
    "ticker.book": ENDPOINTS["GET", "/fapi/v1/ticker/bookTicker"],
    "depth": Endpoint(market_data.depth, "symbol* limit", weight=market_data.depth_weight),
    "userDataStream.start": ENDPOINTS["POST", "/fapi/v1/listenKey"],
    "userDataStream.ping": ENDPOINTS["PUT", "/fapi/v1/listenKey"],
    "userDataStream.stop": ENDPOINTS["DELETE", "/fapi/v1/listenKey"],
}


class Message(msgspec.Struct, frozen=True):
    """One request: `ident` as sent, params as texts exactly as they were written."""

    ident: Any
    method: str
    params: dict[str, str]


def read_message(text: str) -> Message:
    """Read one frame, or raise -1000."""
    try:
        request = json.loads(text, parse_int=str, parse_float=str)
        ident = json.loads(text).get("id")
    except (ValueError, AttributeError, RecursionError):
        raise VenueError(-1000, "Invalid JSON request.") from None
    params = request.get("params", {})
    if not isinstance(request.get("method"), str) or not isinstance(params, dict):
        raise VenueError(-1000, "Invalid JSON request.")
    return Message(ident, request["method"], {name: _as_text(value) for name, value in params.items()})


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def answer(api: Api, connection: Connection, message: Message) -> dict[str, Any]:
    """Answer one request, errors included."""
    endpoint = METHODS.get(message.method)
    try:
        result = _served(api, connection, message, endpoint)
    except VenueError as error:
        return failed(api, connection, message.ident, error, with_orders=endpoint is not None and endpoint.orders > 0)
    orders = endpoint is not None and endpoint.orders > 0
    return _with_limits(api, connection, {"id": message.ident, "status": 200, "result": result}, with_orders=orders)


def failed(
    api: Api, connection: Connection, ident: Any, error: VenueError, *, with_orders: bool = False
) -> dict[str, Any]:
    """Build the answer to a refused request."""
    body = {"id": ident, "status": error.http_status, "error": {"code": error.code, "msg": error.message}}
    return _with_limits(api, connection, body, with_orders=with_orders)


def _with_limits(api: Api, connection: Connection, body: dict[str, Any], *, with_orders: bool) -> dict[str, Any]:
    if connection.return_rate_limits:
        body["rateLimits"] = api.limits.rows(api.wall_ms, with_orders=with_orders)
    return body


def _served(api: Api, connection: Connection, message: Message, endpoint: Endpoint | None) -> Any:
    if message.method.startswith("session."):
        return _session(api, connection, message)
    if endpoint is None:
        raise VenueError(-1000, f"Unknown method: {message.method}")
    params = {name: value for name, value in message.params.items() if name != "apiKey"}
    api.limits.use_weight(endpoint.weight_of(params), api.wall_ms)
    _authorise(api, connection, message, endpoint.security)
    check_names(endpoint, params)
    if endpoint.orders:
        api.limits.use_orders(endpoint.orders, api.wall_ms)
    return endpoint.handler(api, params)


def _authorise(api: Api, connection: Connection, message: Message, security: Security) -> None:
    if security is Security.NONE:
        return
    params = message.params
    if connection.logged_on and "apiKey" not in params:
        if security is Security.SIGNED:
            check_time(params, api.wall_ms)
        return
    api.credentials.check_key(params.get("apiKey"))
    if security is Security.SIGNED:
        check_message(api.credentials, params, api.wall_ms)


def _session(api: Api, connection: Connection, message: Message) -> Mapping[str, Any]:
    api.limits.use_weight(_SESSION_WEIGHT, api.wall_ms)
    match message.method:
        case "session.logon":
            if not api.credentials.is_ed25519:
                raise VenueError(-4056, "HMAC_SHA256 API key is not supported.")
            _authorise(api, connection, message, _SIGNED)
            connection.logged_on = True
        case "session.logout":
            connection.logged_on = False
        case "session.status":
            pass
        case _:
            raise refusal(-1020)
    return {
        "apiKey": api.credentials.api_key if connection.logged_on else None,
        "authorizedSince": api.wall_ms if connection.logged_on else None,
        "connectedSince": connection.opened_ms,
        "returnRateLimits": connection.return_rate_limits,
        "serverTime": api.wall_ms,
    }
