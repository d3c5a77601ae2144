"""Requests to the exchange's words: plain decimals, sorted and signed parameters (docs/wire.md A.4, B.6, B.9)."""

from decimal import Decimal
from typing import Any

from msgspec import Struct
from msgspec.json import Encoder

from bot.domain.order import OrderRequest, OrderType, StopRequest
from bot.exchange.binance.signing import Signer

_encoder = Encoder()


class WsMessage(Struct, frozen=True, gc=False):
    """A request of the WebSocket API; whole numbers are numbers, decimals are texts."""

    id: str
    method: str
    params: dict[str, str | int]


class Control(Struct, frozen=True, gc=False):
    """A control message of a stream connection."""

    method: str
    params: list[str]
    id: int


class Signing:
    """What the parameters of a WebSocket API request are completed with."""

    def __init__(self, api_key: str, signer: Signer, recv_window_ms: int) -> None:
        self._api_key = api_key
        self._signer = signer
        self._recv_window_ms = recv_window_ms

    def logon(self, request_id: str, timestamp_ms: int) -> bytes:
        """Encode a session.logon, for Ed25519 keys only."""
        return self._signed(request_id, "session.logon", {}, timestamp_ms)

    def message(
        self, request_id: str, method: str, params: dict[str, str | int], timestamp_ms: int, *, logged_on: bool
    ) -> bytes:
        """Encode a request; after a logon it needs no key and no signature."""
        if logged_on:
            full = {**params, "recvWindow": self._recv_window_ms, "timestamp": timestamp_ms}
            return _encoder.encode(WsMessage(request_id, method, full))
        return self._signed(request_id, method, params, timestamp_ms)

    def _signed(self, request_id: str, method: str, params: dict[str, str | int], timestamp_ms: int) -> bytes:
        full = {
            **params,
            "apiKey": self._api_key,
            "recvWindow": self._recv_window_ms,
            "timestamp": timestamp_ms,
        }
        payload = "&".join([f"{name}={full[name]}" for name in sorted(full)])
        full["signature"] = self._signer.sign(payload)
        return _encoder.encode(WsMessage(request_id, method, full))


def order_params(request: OrderRequest) -> dict[str, str | int]:
    """Return the parameters of order.place. The answer is an acknowledgement: fills come on the user stream."""
    params: dict[str, str | int] = {
        "symbol": request.symbol,
        "side": request.side.value,
        "type": request.type.value,
        "quantity": plain_decimal(request.quantity),
        "newClientOrderId": request.client_order_id,
        "newOrderRespType": "ACK",
    }
    if request.type is OrderType.LIMIT:
        params["price"] = plain_decimal(request.price)
        params["timeInForce"] = request.time_in_force.value
    if request.reduce_only:
        params["reduceOnly"] = "true"
    return params


def cancel_params(symbol: str, client_order_id: str) -> dict[str, str | int]:
    """Return the parameters of order.cancel."""
    return {"symbol": symbol, "origClientOrderId": client_order_id}


def order_arguments(request: OrderRequest, recv_window_ms: int) -> dict[str, Any]:
    """Return the arguments of the SDK's `new_order`, typed as floats there, texts on the wire."""
    is_limit = request.type is OrderType.LIMIT
    return {
        "symbol": request.symbol,
        "side": request.side.value,
        "type": request.type.value,
        "time_in_force": request.time_in_force.value if is_limit else None,
        "reduce_only": "true" if request.reduce_only else None,
        "quantity": plain_decimal(request.quantity),
        "price": plain_decimal(request.price) if is_limit else None,
        "new_client_order_id": request.client_order_id,
        "new_order_resp_type": "ACK",
        "recv_window": recv_window_ms,
    }


def stop_arguments(request: StopRequest, recv_window_ms: int) -> dict[str, Any]:
    """Return the arguments of the SDK's `new_algo_order` for a resting stop that closes the whole position."""
    return {
        "algo_type": "CONDITIONAL",
        "symbol": request.symbol,
        "side": request.side.value,
        "type": "STOP_MARKET",
        "trigger_price": plain_decimal(request.trigger_price),
        "working_type": "CONTRACT_PRICE",
        "close_position": "true",
        "client_algo_id": request.client_algo_id,
        "recv_window": recv_window_ms,
    }


def subscribe(names: list[str], request_id: int, *, off: bool = False) -> bytes:
    """Encode a SUBSCRIBE, or an UNSUBSCRIBE."""
    return _encoder.encode(Control("UNSUBSCRIBE" if off else "SUBSCRIBE", names, request_id))


def plain_decimal(amount: Decimal) -> str:
    """Write an amount without exponent: floats and exponents are refused or misread."""
    return format(amount, "f")
