from decimal import Decimal

from bot.domain.market import BookTicker, Candle, MarkPrice
from bot.runtime.market import Market

BTC, ETH = "BTCUSDT", "ETHUSDT"


def a_market() -> Market:
    return Market((BTC, ETH), Decimal("0.5"))


def a_ticker(at_ms: int, mid: float = 100.0, symbol: str = BTC) -> BookTicker:
    return BookTicker(symbol, at_ms, mid - 0.5, mid + 0.5)


def a_candle(symbol: str = BTC) -> Candle:
    price = Decimal(100)
    return Candle(symbol, 0, price, price, price, price, Decimal(1))


def test_market_time_is_the_largest_time_seen_and_never_goes_back():
    market = a_market()
    market.book_ticker(a_ticker(5_000))
    market.mark_price(MarkPrice(ETH, 4_000, Decimal(1), Decimal(0), 0))
    assert market.now_ms == 5_000


def test_a_move_beyond_the_limit_within_five_seconds_is_a_breach_once_a_window():
    market = a_market()
    assert market.book_ticker(a_ticker(10_000)) is None
    breach = market.book_ticker(a_ticker(12_000, mid=100.6))
    assert breach is not None
    assert (breach.symbol, breach.percent) == (BTC, Decimal("0.6000"))
    assert market.book_ticker(a_ticker(13_000, mid=100.7)) is None
    assert market.book_ticker(a_ticker(17_000, mid=101.4)) is not None


def test_a_slow_move_is_no_breach():
    market = a_market()
    moves = [market.book_ticker(a_ticker(10_000 + 6_000 * step, mid=100.0 + step * 0.4)) for step in range(5)]
    assert moves == [None] * 5


def test_a_symbol_is_as_old_as_its_latest_news_of_any_kind():
    market = a_market()
    market.ages(100.0)
    market.book_ticker(a_ticker(1))
    assert market.ages(101.0) == {BTC: 0.0, ETH: 101.0}
    market.mark_price(MarkPrice(ETH, 2, Decimal(1), Decimal(0), 0))
    assert market.ages(103.0) == {BTC: 2.0, ETH: 0.0}
    market.candle(a_candle())
    assert market.ages(104.0) == {BTC: 0.0, ETH: 1.0}
    assert market.ages(110.0) == {BTC: 6.0, ETH: 7.0}


def test_symbols_we_do_not_trade_are_left_alone():
    market = a_market()
    taken = []
    market.on_candle = taken.append
    market.candle(a_candle("DOGEUSDT"))
    assert market.book_ticker(a_ticker(1, symbol="DOGEUSDT")) is None
    assert taken == []
    assert "DOGEUSDT" not in market.ages(1.0)
