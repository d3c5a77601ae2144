"""Market stream payloads as JSON text, key for key (docs/wire.md B.7), written by hand because so many are sent."""

from collections.abc import Iterable

from simulator.server.board import Bar, SymbolBoard, Trade
from simulator.server.formats import amount
from simulator.venue.model import Level, MarketView, Order

type Sizes = dict[str, str]


def kline(board: SymbolBoard, interval: str, bar: Bar, at_ms: int, *, closed: bool) -> str:
    """Write a kline update."""
    form = board.form
    return (
        f'{{"e":"kline","E":{at_ms},"s":"{board.symbol}","k":{{"t":{bar.open_time},"T":{bar.close_time},'
        f'"s":"{board.symbol}","i":"{interval}","f":{bar.first_id},"L":{bar.last_id},'
        f'"o":"{form.price(bar.open)}","c":"{form.price(bar.close)}","h":"{form.price(bar.high)}",'
        f'"l":"{form.price(bar.low)}","v":"{form.quantity(bar.volume)}","n":{bar.trades},'
        f'"x":{"true" if closed else "false"},"q":"{form.quote(bar.quote_volume)}",'
        f'"V":"{form.quantity(bar.taker_base)}","Q":"{form.quote(bar.taker_quote)}","B":"0"}}}}'
    )


def agg_trade(board: SymbolBoard, trade: Trade, at_ms: int) -> str:
    """Write an aggTrade."""
    tick = trade.tick
    quantity = board.form.quantity(tick.quantity)
    return (
        f'{{"e":"aggTrade","E":{at_ms},"a":{trade.agg_id},"s":"{board.symbol}","p":"{board.form.price(tick.price)}",'
        f'"q":"{quantity}","nq":"{quantity}","f":{trade.trade_id},"l":{trade.trade_id},"T":{tick.at_ms},'
        f'"m":{"true" if tick.buyer_is_maker else "false"},"st":1}}'
    )


def mark_price(market: MarketView, at_ms: int) -> str:
    """Write a markPriceUpdate."""
    mark = amount(market.mark)
    return (
        f'{{"e":"markPriceUpdate","E":{at_ms},"s":"{market.symbol}","p":"{mark}","ap":"{mark}",'
        f'"P":"{mark}","i":"{amount(market.index)}","r":"{amount(market.funding_rate)}",'
        f'"T":{market.next_funding_ms},"st":1}}'
    )


def book_ticker(board: SymbolBoard, best: tuple[str, str, str, str], at_ms: int) -> str:
    """Write a bookTicker; `best` is bid, bid quantity, ask, ask quantity."""
    bid, bid_quantity, ask, ask_quantity = best
    return (
        f'{{"e":"bookTicker","u":{board.update_id},"s":"{board.symbol}","ps":"{board.pair}","b":"{bid}",'
        f'"B":"{bid_quantity}","a":"{ask}","A":"{ask_quantity}","T":{at_ms},"E":{at_ms},"st":1}}'
    )


def depth_update(board: SymbolBoard, bids: Sizes, asks: Sizes, first_id: int, previous_id: int, at_ms: int) -> str:
    """Write a depthUpdate, diff and partial alike; a size "0" removes a level."""
    return (
        f'{{"e":"depthUpdate","E":{at_ms},"T":{at_ms},"s":"{board.symbol}","ps":"{board.pair}","U":{first_id},'
        f'"u":{board.update_id},"pu":{previous_id},"b":[{_pairs(bids)}],"a":[{_pairs(asks)}],"st":1}}'
    )


def force_order(order: Order, pair: str, at_ms: int) -> str:
    """Write a forceOrder of the market-wide liquidation streams."""
    return (
        f'{{"e":"forceOrder","E":{at_ms},"ps":"{pair}","st":1,"o":{{"s":"{order.symbol}","S":"{order.side.value}",'
        f'"o":"{order.type.value}","f":"{order.time_in_force.value}","q":"{order.quantity:f}","p":"{order.price:f}",'
        f'"ap":"{amount(order.average_price)}","X":"{order.status.value}","l":"{order.executed_quantity:f}",'
        f'"z":"{order.executed_quantity:f}","T":{order.updated_ms}}}}}'
    )


def sizes(board: SymbolBoard, levels: Iterable[Level]) -> Sizes:
    """Return quantity by price of one side of the book, as texts."""
    form = board.form
    return {form.price(level.price): form.quantity(level.quantity) for level in levels}


def _pairs(levels: Sizes) -> str:
    return ",".join([f'["{price}","{quantity}"]' for price, quantity in levels.items()])
