"""Candles one after the other on a venue in candle mode, with what the strategy does in between."""

from tests.unit.simulator.venue_builders import BTC, START_MS, ABar, a_market, an_exchange, d

MINUTE_MS = 60_000


class ARun:
    def __init__(self, *, interval_ms=MINUTE_MS, **options):
        self.exchange = an_exchange(by_candles=True, **options)
        self.interval_ms = interval_ms
        self.minute = 0
        self.opened = {}

    def bar(self, open_price, high, low, close, *, volume="100", symbol=BTC):
        at_ms = START_MS + self.minute * self.interval_ms
        return ABar(symbol, at_ms, d(open_price), d(high), d(low), d(close), d(volume), self.interval_ms)

    def piece(self, seconds, open_price, high, low, close, *, volume="1", interval_ms=1_000):
        at_ms = START_MS + self.minute * self.interval_ms + seconds * 1_000
        return ABar(BTC, at_ms, d(open_price), d(high), d(low), d(close), d(volume), interval_ms)

    def tick(self, seconds, price, *, volume="1"):
        return self.piece(seconds, price, price, price, price, volume=volume)

    def open(self, price, symbol=BTC, **options):
        self.opened[symbol] = price
        self.exchange.open_candle(self.bar(price, price, price, price, symbol=symbol), **options)

    def finish(self, high, low, close, symbol=BTC, *, volume="100", **options):
        bar = self.bar(self.opened[symbol], high, low, close, volume=volume, symbol=symbol)
        self.exchange.finish_candle(bar, **options)
        self.minute += 1

    def candle(self, open_price, high, low, close, **options):
        self.open(open_price)
        self.finish(high, low, close, **options)


def a_long(**options):
    """A long position of 0.010 entered at the open of a candle that is not finished: 100,050 without costs."""
    run = ARun(**options)
    run.candle("100000", "100100", "99900", "100000")
    run.exchange.place_order(a_market("BUY", "0.010"))
    run.open("100050")
    return run
