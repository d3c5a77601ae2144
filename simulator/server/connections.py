"""One WebSocket connection of a client: its route and form, what it subscribed to, how patient we still are."""

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qsl, unquote

_BURST = 15
_REFILL_PER_SECOND = 10


class Route(StrEnum):
    """Where a connection was opened; a stream is delivered on its own route only (docs/wire.md B.7)."""

    MARKET = "market"
    PUBLIC = "public"
    PRIVATE = "private"
    UNROUTED = "unrouted"
    WS_API = "ws_api"


@dataclass
class Connection:
    """An open connection. `combined` wraps each frame in `{"stream":..,"data":..}`."""

    connection_id: int
    route: Route
    combined: bool
    opened_ms: int
    subscriptions: dict[str, None] = field(default_factory=dict)
    last_pong_ms: int = 0
    silent_until_ms: int = 0
    silent_pings: bool = True
    logged_on: bool = False
    return_rate_limits: bool = True
    _tokens: float = _BURST
    _tokens_at_ms: int = 0

    def may_send(self, wall_ms: int) -> bool:
        """Count one incoming message; False when there were too many."""
        gained = (wall_ms - self._tokens_at_ms) * _REFILL_PER_SECOND / 1_000
        self._tokens = min(_BURST, self._tokens + gained) - 1
        self._tokens_at_ms = wall_ms
        return self._tokens >= 0

    def is_silent(self, wall_ms: int) -> bool:
        """Say whether a fault keeps this connection quiet."""
        return wall_ms < self.silent_until_ms


@dataclass(frozen=True)
class Target:
    """What the URL of a handshake asks for."""

    route: Route
    combined: bool
    streams: tuple[str, ...]
    return_rate_limits: bool = True


def parse_target(path_and_query: str) -> Target | None:
    """Read the URL of a handshake, None where nothing is served."""
    path, _, query = path_and_query.partition("?")
    parts = [unquote(part) for part in path.split("/") if part]
    if parts[:2] == ["ws-fapi", "v1"] and len(parts) == 2:
        wanted = dict(parse_qsl(query)).get("returnRateLimits", "true").lower()
        return Target(Route.WS_API, combined=False, streams=(), return_rate_limits=wanted != "false")
    route = Route.UNROUTED
    if parts and parts[0] in {Route.MARKET, Route.PUBLIC, Route.PRIVATE}:
        route = Route(parts.pop(0))
    if not parts or parts[0] not in {"ws", "stream"}:
        return None
    combined = parts[0] == "stream"
    named = tuple(parts[1:]) if not combined else ()
    return Target(route, combined, named + _queried(query))


def _queried(query: str) -> tuple[str, ...]:
    found: list[str] = []
    key: str | None = None
    events_of_key = True
    for name, value in parse_qsl(query):
        if name == "streams":
            found.extend(part for part in value.split("/") if part)
        if name == "listenKey":
            if key is not None and not events_of_key:
                found.append(key)
            key, events_of_key = value, False
        if name == "events" and key is not None:
            found.extend(f"{key}@{event}" for event in value.split("/") if event)
            events_of_key = True
    if key is not None and not events_of_key:
        found.append(key)
    return tuple(found)
