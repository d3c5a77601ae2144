"""Answers about the market, which anybody may read, to the domain's words; dicts stop here (docs/wire.md B.3)."""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.json import Decoder

from bot.domain.instrument import Instrument
from bot.domain.market import Candle, FundingRate
from bot.exchange.binance.exact import amount_or_zero, exact


class WireRateLimit(
    Struct,
    frozen=True,
    gc=False,
    rename={"rate_limit_type": "rateLimitType", "interval_num": "intervalNum"},
):
    """A published limit; `count` only in answers of the WebSocket API, -1 = not told."""

    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int
    count: int = -1


class _Filter(
    Struct,
    frozen=True,
    gc=False,
    rename={
        "kind": "filterType",
        "tick": "tickSize",
        "step": "stepSize",
        "min_price": "minPrice",
        "max_price": "maxPrice",
        "min_quantity": "minQty",
        "max_quantity": "maxQty",
        "up": "multiplierUp",
        "down": "multiplierDown",
    },
):
    kind: str
    tick: str = "0"
    step: str = "0"
    min_price: str = "0"
    max_price: str = "0"
    min_quantity: str = "0"
    max_quantity: str = "0"
    notional: str = "0"
    up: str = "0"
    down: str = "0"
    limit: int = 0


_NO_FILTER = _Filter("")


class _Symbol(
    Struct,
    frozen=True,
    rename={"base_asset": "baseAsset", "quote_asset": "quoteAsset", "margin_asset": "marginAsset"},
):
    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    margin_asset: str
    filters: list[_Filter]

    def instrument(self) -> Instrument:
        found = {one.kind: one for one in self.filters}
        price = found.get("PRICE_FILTER", _NO_FILTER)
        lot = found.get("LOT_SIZE", _NO_FILTER)
        market = found.get("MARKET_LOT_SIZE", lot)
        percent = found.get("PERCENT_PRICE", _NO_FILTER)
        return Instrument(
            symbol=self.symbol,
            status=self.status,
            base_asset=self.base_asset,
            quote_asset=self.quote_asset,
            margin_asset=self.margin_asset,
            tick_size=exact(price.tick),
            min_price=exact(price.min_price),
            max_price=exact(price.max_price),
            step_size=exact(lot.step),
            min_quantity=exact(lot.min_quantity),
            max_quantity=exact(lot.max_quantity),
            market_step_size=exact(market.step),
            market_min_quantity=exact(market.min_quantity),
            market_max_quantity=exact(market.max_quantity),
            min_notional=exact(found.get("MIN_NOTIONAL", _NO_FILTER).notional),
            percent_up=exact(percent.up),
            percent_down=exact(percent.down),
            max_orders=found.get("MAX_NUM_ORDERS", _NO_FILTER).limit,
        )


class ExchangeInfo(Struct, frozen=True, rename={"rate_limits": "rateLimits"}):
    """The published limits and every contract with its filters."""

    rate_limits: list[WireRateLimit]
    symbols: list[_Symbol]

    def instruments(self, symbols: Iterable[str]) -> tuple[Instrument, ...]:
        """Return the instruments of these symbols; raises KeyError naming an unknown one."""
        found = {one.symbol: one for one in self.symbols}
        return tuple(found[symbol].instrument() for symbol in symbols)


class _FundingRate(
    Struct,
    frozen=True,
    gc=False,
    rename={"rate": "fundingRate", "at_ms": "fundingTime", "mark": "markPrice"},
):
    symbol: str
    at_ms: int
    rate: str
    mark: str = ""


class _Time(Struct, frozen=True, gc=False, rename={"server_ms": "serverTime"}):
    server_ms: int


_info = Decoder(ExchangeInfo)
_funding_rates = Decoder(list[_FundingRate])
_time = Decoder(_Time)
_rows = Decoder(list[tuple[int, str, str, str, str, str, int, str, int, str, str, str]])


def read_exchange_info(body: bytes) -> ExchangeInfo:
    """Decode exchangeInfo."""
    return _info.decode(body)


def read_candles(symbol: str, body: bytes) -> list[Candle]:
    """Decode klines; the last one may still be open."""
    return [
        Candle(symbol, row[0], exact(row[1]), exact(row[2]), exact(row[3]), exact(row[4]), exact(row[5]))
        for row in _rows.decode(body)
    ]


def read_funding_rates(body: bytes) -> tuple[FundingRate, ...]:
    """Decode fundingRate; rows of long ago have no mark price, which is 0 then."""
    return tuple(
        FundingRate(row.symbol, row.at_ms, exact(row.rate), amount_or_zero(row.mark))
        for row in _funding_rates.decode(body)
    )


def read_server_ms(body: bytes) -> int:
    """Decode the server's time (ms UTC)."""
    return _time.decode(body).server_ms
