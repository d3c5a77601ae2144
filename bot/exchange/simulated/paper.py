"""Paper trading: real prices, a pretended account. The venue in this process behind the `Exchange` port.

Prices come from the public half of a real exchange; every order stays in this process. Limits fill as maker when the
other side's best price reaches them, market orders at the touch and the synthetic depth behind it, stops when the mid
reaches their trigger; a closed candle proves what no quote showed. Funding is settled when the mark-price stream's next
funding time has come, at the rate and mark told last before and first after it.

**Restart.** The account is rebuilt from the bot's own books, so what was not booked did not happen. What the market did
meanwhile is made up from back-filled candles, minute by minute, and from the published fundings: a stop whose trigger a
candle reached fires and fills at the worse of trigger and open, a limit the candle traded through fills at its own
price. The minutes in which the process ended and came back are judged whole, but only by what rested before them.
Liquidation during that time is judged by the first mark price afterwards.

**Leverage brackets** need an API key on the real exchange; paper uses the venue's own table.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import structlog

from bot.domain.account import AccountSettings, AccountSnapshot, LeverageBracket
from bot.domain.books import Books, HistoryMark
from bot.domain.commands import ExchangeCommand
from bot.domain.errors import ConfigurationError, StopTrading
from bot.domain.events import Event
from bot.domain.instrument import Instrument
from bot.domain.market import MINUTE_MS, BookTicker, Candle, FundingRate, MarkPrice
from bot.exchange.simulated.exchange import SimulatedExchange
from bot.exchange.simulated.takeover import Takeover, exposed_symbols, take_over
from bot.ports import ExchangeHealth, MarketData, Sink
from bot.trading.limits import Costs
from simulator.venue.exchange import Exchange as Venue
from simulator.venue.funding import NoFunding

_log = structlog.get_logger()

_json = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class PaperAccount:
    """What the pretended account is: its opening wallet in USDT, what trading costs it, and how it is set up.

    Of the costs only the fees are charged: real quotes carry spread, slippage and latency, the market its funding.
    """

    balance: Decimal
    costs: Costs
    leverage: int
    margin_type: str


class PaperExchange:
    """The `Exchange` of paper trading. `books` are the bot's own as it starts; empty ones open a new account."""

    def __init__(self, market: MarketData, account: PaperAccount, books: Books) -> None:
        self._market = market
        self._account = account
        self._books = books
        self._simulated: SimulatedExchange | None = None
        self._takeover: Takeover | None = None
        self._tap: _Tap | None = None

    # set-up

    async def connect(self) -> None:
        """Check that the market data can be reached."""
        await self._market.connect()

    async def instruments(self, symbols: Sequence[str]) -> tuple[Instrument, ...]:
        """Read the contract filters; the first call opens the venue, a later one renews its filters."""
        info = _json.decode(await self._market.exchange_info())
        entries = {entry["symbol"]: entry for entry in info["symbols"]}
        wanted = tuple(dict.fromkeys((*symbols, *exposed_symbols(self._books))))
        for symbol in wanted:
            if symbol not in entries:
                raise ConfigurationError(
                    f"the exchange has no contract {symbol}. Correct or remove [symbols.{symbol}]."
                )
        if self._simulated is None:
            self._simulated = self._open_venue({**info, "symbols": [entries[symbol] for symbol in wanted]})
        for symbol in wanted:
            self._simulated.venue.update_symbol(entries[symbol])
        return self._simulated.instruments(symbols)

    async def brackets(self, symbols: Sequence[str]) -> tuple[LeverageBracket, ...]:
        """Return the venue's leverage brackets."""
        return self._venue.brackets(symbols)

    async def account_settings(self, symbols: Sequence[str]) -> AccountSettings:
        """Return position mode, assets mode, leverage and margin types."""
        return self._venue.account_settings(symbols)

    async def set_leverage(self, symbol: str, leverage: int) -> None:
        """Set the initial leverage of a symbol."""
        self._venue.set_leverage(symbol, leverage)

    async def set_margin_type(self, symbol: str, margin_type: str) -> None:
        """Set ISOLATED or CROSSED."""
        self._venue.set_margin_type(symbol, margin_type)

    async def set_one_way_mode(self) -> None:
        """Turn hedge mode off."""
        self._venue.set_one_way_mode()

    async def set_single_asset_mode(self) -> None:
        """Turn multi-assets margin off."""
        self._venue.set_single_asset_mode()

    # reading

    async def candles(self, symbol: str, start_ms: int, end_ms: int) -> tuple[Candle, ...]:
        """Read closed candles; what they prove to have happened to open orders and stops is told as events."""
        candles = await self._market.candles(symbol, start_ms, end_ms)
        if self._tap is not None:
            self._tap.examine(candles)
        return candles

    async def snapshot(self, symbols: Sequence[str]) -> AccountSnapshot:
        """Return wallets, positions and everything open, of every symbol."""
        del symbols
        self._tell_directly()
        return self._venue.snapshot()

    async def was_used(self, symbols: Sequence[str]) -> bool:
        """Say no: a pretended account begins with its books."""
        del symbols
        return False

    async def history(self, mark: HistoryMark) -> list[Event]:
        """Return what happened between the books' end and now; later there is nothing that was not told at once."""
        del mark
        return self._tap.take_untold() if self._tap is not None else []

    # acting

    async def open_streams(self, symbols: Sequence[str], sink: Sink) -> None:
        """Open the market's streams, make up for the time without them, and let the venue follow the prices."""
        if self._tap is None:
            self._tap = _Tap(self._venue, sink)
        await self._market.open_streams(symbols, self._tap)
        await self._catch_up(self._tap, sink.market_ms())
        self._tap.go_live()

    def execute(self, command: ExchangeCommand) -> None:
        """Carry out a command; its events are told before this returns."""
        if self._tap is None:
            raise StopTrading(
                "a command came before the streams were opened: nothing was done. This is a fault of ours."
            )
        self._tap.tell(self._venue.execute(command))

    def health(self) -> ExchangeHealth:
        """Return the state of the market's streams."""
        return self._market.health()

    def tasks(self) -> Iterable[str]:
        """Return names of the market's background tasks that have died."""
        return self._market.tasks()

    async def close(self) -> None:
        """Close the market's connections; the account stays in the bot's books."""
        await self._market.close()

    @property
    def _venue(self) -> SimulatedExchange:
        if self._simulated is None:
            raise StopTrading("the paper account was asked before its contracts were read. This is a fault of ours.")
        return self._simulated

    def _open_venue(self, exchange_info: dict[str, Any]) -> SimulatedExchange:
        account = self._account
        symbols = [entry["symbol"] for entry in exchange_info["symbols"]]
        known = take_over(self._books, symbols, account.leverage, account.margin_type) if self._books.wallets else None
        venue = Venue(
            exchange_info,
            balance=account.balance,
            start_ms=known.last_ms if known else 0,
            maker_fee=account.costs.maker_rate,
            taker_fee=account.costs.taker_rate,
            settlements=NoFunding(),
        )
        if known:
            venue.restore(known.account)
            _log.info("paper.restored", symbols=exposed_symbols(self._books), up_to_ms=known.last_ms)
        self._takeover = known
        return SimulatedExchange(venue)

    def _tell_directly(self) -> None:
        if self._tap is not None:
            self._tap.tell(self._tap.take_untold())

    async def _catch_up(self, tap: "_Tap", now_ms: int) -> None:
        """Read first, act then: reading may fail and be tried again, and must not leave half of it done."""
        known = self._takeover
        if known is None:
            return
        for funding in self._books.recent_funding:
            tap.note_settled(funding.symbol, funding.time_ms)
        past: list[Candle | FundingRate] = []
        for symbol in exposed_symbols(self._books):
            known_ms = known.known_ms[symbol]
            past += await self._market.candles(symbol, known_ms // MINUTE_MS * MINUTE_MS, now_ms)
            past += await self._market.fundings(symbol, known_ms + 1, now_ms)
        self._takeover = None
        tap.relive(sorted(past, key=_moment))


class _Tap:
    """Stands between the market's streams and the bot: the venue sees each price first, then the bot does.

    Before `go_live` the venue sees none, because its past is not complete; before `take_untold` its events are kept,
    because they are history the bot asks for.
    """

    def __init__(self, simulated: SimulatedExchange, sink: Sink) -> None:
        self._simulated = simulated
        self._sink = sink
        self._live = False
        self._asked = False
        self._untold = simulated.drain()
        self._tickers: dict[str, BookTicker] = {}
        self._marks: dict[str, MarkPrice] = {}
        self._due: dict[str, MarkPrice] = {}
        self._settled: dict[str, int] = {}

    def tell(self, events: Iterable[Event]) -> None:
        """Pass events on, or keep them while nobody has asked for history."""
        if not self._asked:
            self._untold += events
            return
        for event in events:
            self._sink.on_event(event)

    def take_untold(self) -> list[Event]:
        """Return what was kept; from now on events are told as they come."""
        self._asked = True
        untold, self._untold = self._untold, []
        return untold

    # the past

    def note_settled(self, symbol: str, at_ms: int) -> None:
        """Note a funding that is booked already."""
        self._settled[symbol] = max(at_ms // MINUTE_MS * MINUTE_MS, self._settled.get(symbol, 0))

    def relive(self, past: Iterable[Candle | FundingRate]) -> None:
        """Let the venue live through closed candles and settled fundings, in order."""
        for each in past:
            if isinstance(each, Candle):
                self._simulated.venue.advance(each.close_time)
                self.tell(self._simulated.examine(each))
            else:
                self._settle(each.symbol, each.rate, each.at_ms, each.mark)

    def go_live(self) -> None:
        """Follow the streams from their latest prices on."""
        self._live = True
        for ticker in self._tickers.values():
            self._quote(ticker)
        for mark in self._marks.values():
            self._mark(mark)

    def examine(self, candles: Iterable[Candle]) -> None:
        """Do what closed candles prove."""
        if self._live:
            for candle in candles:
                self.tell(self._simulated.examine(candle))

    # the Sink of the streams

    def market_ms(self) -> int:
        """Return the latest market time seen."""
        return self._sink.market_ms()

    def on_candle(self, candle: Candle, at_ms: int) -> None:
        """Take a closed candle: first what it proves, then its decision."""
        self.examine((candle,))
        self._sink.on_candle(candle, at_ms)

    def on_book_ticker(self, ticker: BookTicker) -> None:
        """Take best prices."""
        self._tickers[ticker.symbol] = ticker
        if self._live:
            self._quote(ticker)
        self._sink.on_book_ticker(ticker)

    def on_mark_price(self, mark: MarkPrice) -> None:
        """Take a mark price; settle the funding whose time has come."""
        self._marks[mark.symbol] = mark
        self._due.setdefault(mark.symbol, mark)
        if self._live:
            self._mark(mark)
        self._sink.on_mark_price(mark)

    def on_event(self, event: Event) -> None:
        """Pass an event on; the public half has none of its own."""
        self._sink.on_event(event)

    def on_stream_up(self, stream: str) -> None:
        """Pass on that a stream delivers."""
        self._sink.on_stream_up(stream)

    def on_stream_down(self, stream: str, why: str) -> None:
        """Pass on that a stream is gone."""
        self._sink.on_stream_down(stream, why)

    def _quote(self, ticker: BookTicker) -> None:
        bid, ask = _exact(ticker.bid), _exact(ticker.ask)
        if 0 < bid <= ask:
            self.tell(self._simulated.quote(ticker.symbol, bid, ask, ticker.at_ms))

    def _mark(self, mark: MarkPrice) -> None:
        due = self._due[mark.symbol]
        if 0 < due.next_funding_ms <= mark.at_ms:
            self._settle(mark.symbol, due.funding_rate, due.next_funding_ms, mark.mark)
        self._due[mark.symbol] = mark
        self.tell(self._simulated.mark(mark.symbol, mark.mark, mark.at_ms))

    def _settle(self, symbol: str, rate: Decimal, due_ms: int, mark: Decimal) -> None:
        if due_ms // MINUTE_MS * MINUTE_MS <= self._settled.get(symbol, 0):
            return
        self.note_settled(symbol, due_ms)
        self.tell(self._simulated.settle_funding(symbol, rate, due_ms, mark))


def _moment(past: Candle | FundingRate) -> tuple[int, bool]:
    if isinstance(past, Candle):
        return past.close_time, False
    return past.at_ms, True


def _exact(price: float) -> Decimal:  # float: best prices arrive so
    """Return the wire's decimal: a price of at most 15 digits comes back from its float by the shortest text."""
    return Decimal(repr(price))
