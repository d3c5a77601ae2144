"""Plain builders for the tests of the venue: a small market at 100,000 with round rules."""

from dataclasses import dataclass
from decimal import Decimal

from simulator.venue.exchange import Exchange
from simulator.venue.model import AlgoRequest, OrderEvent, OrderRequest, OrderType, Side, TimeInForce

BTC = "BTCUSDT"
ETH = "ETHUSDT"
START_MS = 1_700_006_400_000  # 2023-11-15 00:00 UTC


@dataclass(frozen=True)
class ATick:
    symbol: str
    at_ms: int
    price: Decimal
    quantity: Decimal
    buyer_is_maker: bool


@dataclass(frozen=True)
class ABar:
    symbol: str
    open_time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = Decimal(100)
    interval_ms: int = 60_000


def d(text):
    return Decimal(text)


def an_entry(symbol=BTC, **changes):
    values = {
        "tick": "0.10",
        "min_price": "1000",
        "max_price": "1000000",
        "step": "0.001",
        "min_quantity": "0.001",
        "max_quantity": "100",
        "market_max_quantity": "50",
        "notional": "100",
        "up": "1.05",
        "down": "0.95",
        "max_orders": 200,
        "status": "TRADING",
    } | changes
    return {
        "symbol": symbol,
        "baseAsset": symbol.removesuffix("USDT"),
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "status": values["status"],
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "marketTakeBound": "0.05",
        "liquidationFee": "0.0125",
        "triggerProtect": "0.0500",
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": values["min_price"],
                "maxPrice": values["max_price"],
                "tickSize": values["tick"],
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": values["min_quantity"],
                "maxQty": values["max_quantity"],
                "stepSize": values["step"],
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": values["min_quantity"],
                "maxQty": values["market_max_quantity"],
                "stepSize": values["step"],
            },
            {"filterType": "MAX_NUM_ORDERS", "limit": values["max_orders"]},
            {"filterType": "MIN_NOTIONAL", "notional": values["notional"]},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": values["up"],
                "multiplierDown": values["down"],
                "multiplierDecimal": "4",
            },
        ],
    }


def an_exchange(*entries, balance="10000", price="100000", **options):
    exchange = Exchange({"symbols": list(entries) or [an_entry()]}, balance=d(balance), start_ms=START_MS, **options)
    if price and not options.get("by_candles"):
        for symbol in exchange.symbols():
            exchange.on_tick(a_tick(price, symbol=symbol))
    return exchange


def a_tick(price, *, quantity="1", at=0, symbol=BTC, seller=True):
    return ATick(symbol, START_MS + at, d(price), d(quantity), seller)


def a_market(side, quantity, *, symbol=BTC, **changes):
    return OrderRequest(symbol=symbol, side=Side(side), type=OrderType.MARKET, quantity=d(quantity), **changes)


def a_limit(side, quantity, price, *, tif="GTC", symbol=BTC, **changes):
    return OrderRequest(
        symbol=symbol,
        side=Side(side),
        type=OrderType.LIMIT,
        quantity=d(quantity),
        price=d(price),
        time_in_force=TimeInForce(tif),
        **changes,
    )


def a_stop(side, trigger, *, kind="STOP_MARKET", quantity="0", price="0", symbol=BTC, **changes):
    return AlgoRequest(
        symbol=symbol,
        side=Side(side),
        type=OrderType(kind),
        trigger_price=d(trigger),
        quantity=d(quantity),
        price=d(price),
        close_position=changes.pop("close_position", quantity == "0"),
        **changes,
    )


def told(exchange):
    """Name the events since the last call, briefly: what a client would see pass by."""
    return [_brief(event) for event in exchange.drain_events()]


def _brief(event):
    if isinstance(event, OrderEvent):
        return f"ORDER {event.execution.value} {event.order.status.value}"
    name = type(event).__name__.removesuffix("Event").upper()
    if name == "ALGO":
        return f"ALGO {event.algo.status.value}"
    return f"ACCOUNT {event.reason.value}" if name == "ACCOUNT" else name


def trades(exchange, symbol=BTC):
    """Give (price, quantity, maker) of every fill of a symbol."""
    return [(t.price, t.quantity, t.maker) for t in exchange.user_trades(symbol)]


def position(exchange, symbol=BTC):
    """Give the signed quantity held."""
    return next((p.quantity for p in exchange.positions(symbol)), Decimal(0))


def wallet(exchange, asset="USDT"):
    return next(b.wallet_balance for b in exchange.balances() if b.asset == asset)
