"""Stream names, their routes, and the control frames that subscribe to them (docs/wire.md B.7)."""

import re
from typing import Any

import msgspec

from simulator.server.board import INTERVAL_MS
from simulator.server.connections import Connection, Route
from simulator.server.delivery import Channel, Delivery

_MOST_STREAMS = 1_024
_PUBLIC = re.compile(r"(?P<symbol>[^@!]+)@(bookTicker|depth(5|10|20)?(@(100|250|500)ms)?)|!bookTicker")
_MARKET = re.compile(
    r"(?P<symbol>[^@!]+)@(aggTrade|markPrice(@1s)?|forceOrder|kline_(?P<interval>\w+))"
    r"|!markPrice@arr(@1s)?|!forceOrder@arr"
)
_DECODER = msgspec.json.Decoder()


class Streams:
    """All market channels, opened when somebody first subscribes."""

    def __init__(self, delivery: Delivery, stream_symbols: set[str]) -> None:
        self._delivery = delivery
        self._symbols = stream_symbols
        self.channels: dict[str, Channel] = {}

    def channel(self, name: str, route: Route) -> Channel:
        """Return the channel of a stream that exists."""
        return self.channels.setdefault(name, Channel(name, route))

    def subscribe(self, connection: Connection, names: list[str]) -> None:
        """Subscribe to whatever is asked for. What does not exist, or not on this route, stays silent."""
        for name in names:
            connection.subscriptions[name] = None
            route = self._route_of(name)
            if route is not None and _reaches(connection.route, route):
                self.channel(name, route).connections[connection.connection_id] = connection

    def unsubscribe(self, connection: Connection, names: list[str]) -> None:
        """End subscriptions, known or not."""
        for name in names:
            connection.subscriptions.pop(name, None)
            if name in self.channels:
                self.channels[name].connections.pop(connection.connection_id, None)

    def forget(self, connection: Connection) -> None:
        """End all subscriptions of a connection that is gone."""
        for name in connection.subscriptions:
            if name in self.channels:
                self.channels[name].connections.pop(connection.connection_id, None)

    def control(self, connection: Connection, text: str) -> None:
        """Answer one control frame; too many of them, or of streams, end the connection with 1008."""
        if not connection.may_send(self._delivery.wall_ms):
            self._delivery.close(connection, 1008, "Too many requests")
            return
        answer = self._answer(connection, text)
        self._delivery.direct(connection, msgspec.json.encode(answer).decode(), "ack")
        if len(connection.subscriptions) > _MOST_STREAMS:
            self._delivery.close(connection, 1008, "Too many streams")

    def _answer(self, connection: Connection, text: str) -> dict[str, Any]:
        try:
            request = _DECODER.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            return _error(3, f"Invalid JSON: {error}", None)
        if not isinstance(request, dict):
            return _error(2, "Invalid request: request must be an object", None)
        ident = request.get("id")
        if ident is not None and not isinstance(ident, int | str):
            return _error(2, "Invalid request: request ID must be an unsigned integer or a string", None)
        return self._obey(connection, request.get("method"), request.get("params"), ident)

    def _obey(self, connection: Connection, method: Any, params: Any, ident: int | str | None) -> dict[str, Any]:
        match method:
            case "SUBSCRIBE" | "UNSUBSCRIBE" if not _is_names(params):
                return _error(2, "Invalid request: params must be an array of strings", ident)
            case "SUBSCRIBE" if len({*connection.subscriptions, *params}) > _MOST_STREAMS:
                connection.subscriptions.update(dict.fromkeys(params))
                return _error(4, f"Invalid request: too many streams, at most {_MOST_STREAMS}", ident)
            case "SUBSCRIBE":
                self.subscribe(connection, params)
                return {"result": None, "id": ident}
            case "UNSUBSCRIBE":
                self.unsubscribe(connection, params)
                return {"result": None, "id": ident}
            case "LIST_SUBSCRIPTIONS":
                return {"result": list(connection.subscriptions), "id": ident}
            case "SET_PROPERTY" | "GET_PROPERTY":
                return _property(connection, method, params, ident)
        return _error(2, f"Invalid request: unknown variant {method}", ident)

    def _route_of(self, name: str) -> Route | None:
        for pattern, route in ((_MARKET, Route.MARKET), (_PUBLIC, Route.PUBLIC)):
            found = pattern.fullmatch(name)
            if found is not None:
                return route if self._exists(found.groupdict()) else None
        return None

    def _exists(self, parts: dict[str, str | None]) -> bool:
        symbol, interval = parts.get("symbol"), parts.get("interval")
        if interval is not None and interval not in INTERVAL_MS:
            return False
        return symbol is None or symbol in self._symbols


def _reaches(connected: Route, route: Route) -> bool:
    if connected is Route.UNROUTED:
        return route is Route.PUBLIC
    return connected is route


def _is_names(params: Any) -> bool:
    return isinstance(params, list) and all(isinstance(name, str) for name in params)


def _property(connection: Connection, method: str, params: Any, ident: int | str | None) -> dict[str, Any]:
    if not isinstance(params, list) or not params or params[0] != "combined":
        return _error(0, "Unknown property", ident)
    if method == "GET_PROPERTY":
        return {"result": connection.combined, "id": ident}
    if len(params) != 2 or not isinstance(params[1], bool):
        return _error(1, "Invalid value type: expected Boolean", ident)
    connection.combined = params[1]
    return {"result": None, "id": ident}


def _error(code: int, message: str, ident: int | str | None) -> dict[str, Any]:
    return {"error": {"code": code, "msg": message}, "id": ident}
