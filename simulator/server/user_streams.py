"""Listen keys and the delivery of user events to whoever subscribed to the account's key (docs/wire.md B.8)."""

import random
from collections.abc import Mapping

import msgspec

from simulator.server.connections import Connection, Route
from simulator.server.delivery import Delivery
from simulator.server.payloads import (
    account_config_update,
    account_update,
    algo_update,
    order_trade_update,
    trade_lite,
)
from simulator.venue.errors import VenueError
from simulator.venue.model import (
    AccountConfigEvent,
    AccountEvent,
    AlgoEvent,
    ForceOrderEvent,
    OrderEvent,
    VenueEvent,
)

_LIFE_MS = 3_600_000
_KEY_LENGTH = 64
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class UserStreams:
    """The account's one listen key, its life in wall time, and who listens."""

    def __init__(self, delivery: Delivery, seed: int, margin_assets: Mapping[str, str]) -> None:
        self._delivery = delivery
        self._assets = margin_assets
        self._draw = random.Random(seed)  # noqa: S311 - reproducible, and opens nothing but a simulator
        self._key = ""
        self._expires_ms = 0

    def start(self, wall_ms: int) -> str:
        """Return the active key, extended, or a new one."""
        if not self._key:
            self._key = "".join(self._draw.choices(_LETTERS, k=_KEY_LENGTH))
        self._expires_ms = wall_ms + _LIFE_MS
        return self._key

    def keep_alive(self, wall_ms: int) -> str:
        """Extend the active key, -1125 when there is none."""
        if not self._key:
            raise VenueError(-1125, "This listenKey does not exist.")
        self._expires_ms = wall_ms + _LIFE_MS
        return self._key

    def stop(self) -> None:
        """End the active key, if any; its connections go silent."""
        self._key = ""

    def expire_if_due(self, wall_ms: int, market_ms: int) -> None:
        """End the key after 60 minutes without keep-alive."""
        if self._key and wall_ms >= self._expires_ms:
            self.expire(market_ms)

    def expire(self, market_ms: int) -> None:
        """End the key, tell its connections, and say nothing to them ever after."""
        if not self._key:
            return
        event = {"e": "listenKeyExpired", "E": market_ms, "listenKey": self._key}
        self._send("listenKeyExpired", event)
        self._key = ""

    def tell(self, event: VenueEvent) -> None:
        """Send a venue event to the account's listeners."""
        match event:
            case OrderEvent():
                lite = trade_lite(event)
                if lite is not None:
                    self._send("TRADE_LITE", lite)
                self._send("ORDER_TRADE_UPDATE", order_trade_update(event, self._assets[event.order.symbol]))
            case AccountEvent():
                self._send("ACCOUNT_UPDATE", account_update(event, self._assets))
            case AlgoEvent():
                self._send("ALGO_UPDATE", algo_update(event))
            case AccountConfigEvent():
                self._send("ACCOUNT_CONFIG_UPDATE", account_config_update(event))
            case ForceOrderEvent():
                pass

    def _send(self, event: str, row: dict[str, object]) -> None:
        self._delivery.journal.note("user_event", row=row if event != "listenKeyExpired" else {"e": event})
        if not self._key:
            return
        data = msgspec.json.encode(row).decode()
        for connection in list(self._delivery.connections.values()):
            if connection.route is Route.PRIVATE:
                self._to_listener(connection, event, data)

    def _to_listener(self, connection: Connection, event: str, data: str) -> None:
        for name in (self._key, f"{self._key}@{event}"):
            if name in connection.subscriptions:
                self._delivery.user_event(connection, name, event, data)
