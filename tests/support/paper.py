"""A market for paper trading that says what the test tells it to, and an adapter on a small venue."""

from decimal import Decimal

import msgspec

from bot.domain.commands import CancelOrder, CancelStop, LookUpOrder, LookUpStop, PlaceStop, SubmitOrder
from bot.domain.market import MINUTE_MS, BookTicker, Candle, FundingRate, MarkPrice
from bot.domain.order import OrderRequest, OrderType, Side, StopRequest, TimeInForce
from bot.exchange.simulated.exchange import SimulatedExchange
from bot.exchange.simulated.paper import PaperAccount
from bot.ports import ExchangeHealth, StreamHealth
from bot.trading.limits import Costs
from simulator.market.instruments import builtin_exchange_info
from simulator.venue.exchange import Exchange

BTC = "BTCUSDT"
START_MS = 1_760_054_400_000  # 2025-10-10 00:00 UTC
ACCOUNT = PaperAccount(Decimal(10_000), Costs(), 3, "ISOLATED")


def d(text):
    return Decimal(str(text))


def a_simulated(*, price="100000", symbols=(BTC,), **options):
    """An adapter on a venue whose book stands at the price, one tick wide."""
    options = {"balance": d(10_000), "start_ms": START_MS} | options
    simulated = SimulatedExchange(Exchange(builtin_exchange_info(symbols), **options))
    if price and not options.get("by_candles"):
        for symbol in symbols:
            quote(simulated, price, symbol=symbol)
    return simulated


def quote(simulated, bid, *, ask=None, at=0, symbol=BTC):
    return simulated.quote(symbol, d(bid), d(ask) if ask else d(bid) + d("0.1"), START_MS + at)


def submit(side="BUY", quantity="0.01", price="0", *, tif="GTC", reduce_only=False, order_id="a0000e1-1", symbol=BTC):
    kind = OrderType.LIMIT if d(price) else OrderType.MARKET
    return SubmitOrder(
        OrderRequest(symbol, order_id, Side(side), kind, d(quantity), d(price), TimeInForce(tif), reduce_only)
    )


def place_stop(trigger, *, side="SELL", algo_id="a0000s1-1", symbol=BTC):
    return PlaceStop(StopRequest(symbol, algo_id, Side(side), d(trigger)))


def cancel(order_id="a0000e1-1"):
    return CancelOrder(BTC, order_id)


def cancel_stop(algo_id="a0000s1-1"):
    return CancelStop(BTC, algo_id)


def look_up(order_id="a0000e1-1"):
    return LookUpOrder(BTC, order_id)


def look_up_stop(algo_id="a0000s1-1"):
    return LookUpStop(BTC, algo_id)


def a_candle(minute, close, *, low=None, high=None, opening=None, symbol=BTC):
    opened, closed = d(opening or close), d(close)
    return Candle(
        symbol,
        START_MS + minute * MINUTE_MS,
        opened,
        d(high) if high else max(opened, closed),
        d(low) if low else min(opened, closed),
        closed,
        d(1),
    )


class ScriptedMarket:
    """A `MarketData` that shows what the test wrote into it.

    `failures` are raised by the next reads, one each; what is in `meanwhile` happens during the next one.
    """

    def __init__(self, symbols=(BTC,), price="100000"):
        self.info = builtin_exchange_info(symbols)
        self.now = START_MS
        self.past = []
        self.settled = []
        self.failures = []
        self.meanwhile = []
        self.tops = dict.fromkeys(symbols, d(price))
        self.next_funding_ms = START_MS + 8 * 60 * MINUTE_MS
        self.sink = None

    async def connect(self):
        pass

    async def exchange_info(self):
        return msgspec.json.encode(self.info)

    async def candles(self, symbol, start_ms, end_ms):
        self._fail()
        return tuple(
            each
            for each in self.past
            if each.symbol == symbol and start_ms <= each.open_time < end_ms and each.close_time <= self.now
        )

    async def fundings(self, symbol, start_ms, end_ms):
        self._fail()
        return tuple(each for each in self.settled if each.symbol == symbol and start_ms <= each.at_ms < end_ms)

    async def open_streams(self, symbols, sink):
        self.sink = sink
        for symbol in symbols:
            self.show(self.tops[symbol], symbol=symbol)
            self.mark(self.tops[symbol], symbol=symbol)

    def health(self):
        return ExchangeHealth((StreamHealth("market", up=True, age_ms=1, reconnects=0),), 0, 0, 2_400, 0)

    def tasks(self):
        return ("market connection",)

    async def close(self):
        pass

    def at(self, minute):
        self.now = START_MS + minute * MINUTE_MS

    def show(self, bid, *, symbol=BTC):
        """The best prices move."""
        self.tops[symbol] = d(bid)
        self.sink.on_book_ticker(BookTicker(symbol, self.now, float(d(bid)), float(d(bid) + d("0.1"))))

    def mark(self, price, *, rate="0.0001", symbol=BTC):
        self.sink.on_mark_price(MarkPrice(symbol, self.now, d(price), d(rate), self.next_funding_ms))

    def close_candle(self, candle):
        """A minute ends: time is its close, the stream brings it, and REST has it from then on."""
        self.now = candle.close_time
        self.past.append(candle)
        self.sink.on_candle(candle, self.now)

    def settle(self, at_ms, rate="0.0001", mark="100000", symbol=BTC):
        self.settled.append(FundingRate(symbol, at_ms, d(rate), d(mark)))

    def _fail(self):
        if self.failures:
            raise self.failures.pop(0)
        while self.meanwhile:
            self.meanwhile.pop(0)()
