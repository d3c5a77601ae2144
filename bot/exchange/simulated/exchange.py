"""The simulated venue behind our commands and events, synchronous: the exchange of paper trading and backtest.

Everything answers at once and nothing is ever unknown: a command returns the events it caused, a market input those it
set off, in the venue's order. No clock and no task is needed; time comes with the market inputs.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from bot.domain.account import AccountSettings, AccountSnapshot, LeverageBracket, ReportedPosition
from bot.domain.commands import (
    CancelOrder,
    CancelStop,
    ExchangeCommand,
    LookUpOrder,
    LookUpStop,
    PlaceStop,
    SubmitOrder,
)
from bot.domain.errors import ConfigurationError
from bot.domain.events import (
    AlgoUpdated,
    CancelFailed,
    Event,
    FillRecovered,
    FundingPaid,
    OrderProvenAbsent,
    OrderRefused,
    OrderUpdated,
    StopCancelFailed,
    StopProvenAbsent,
    StopRefused,
    TransferSeen,
)
from bot.domain.fill import Funding, Transfer
from bot.domain.instrument import Instrument
from bot.domain.market import MINUTE_MS, Candle
from bot.domain.money import ZERO
from bot.domain.order import OrderRequest, StopRequest
from bot.exchange.simulated import translate
from simulator.venue.errors import CandleError, VenueError
from simulator.venue.exchange import Exchange as Venue
from simulator.venue.market import fires_when_falling
from simulator.venue.model import (
    AccountEvent,
    AccountReason,
    AlgoEvent,
    AlgoOrder,
    IncomeType,
    MarginType,
    Order,
    OrderEvent,
    Side,
)

_SECOND_MS = 1_000
_ALREADY_SO = frozenset({-4046, -4059, -4171})
_TRANSFERS = {
    AccountReason.DEPOSIT: "TRANSFER",
    AccountReason.WITHDRAW: "TRANSFER",
    AccountReason.INSURANCE_CLEAR: "INSURANCE_CLEAR",
}


class _Quote(Struct, frozen=True, gc=False):
    """A move of the path price that is nobody's trade."""

    symbol: str
    at_ms: int
    price: Decimal
    quantity: Decimal = ZERO
    buyer_is_maker: bool = False


class SimulatedExchange:
    """One account on a venue in this process. The venue's own inputs for candles and ticks are reached by `venue`.

    `wake_prices` and `next_funding_ms` are the venue's: what lets a backtest pass over candles.
    """

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.wake_prices: Final = venue.wake_prices
        self.next_funding_ms: Final = venue.next_funding_ms
        self._tops: dict[str, tuple[Decimal, Decimal]] = {}

    @property
    def now_ms(self) -> int:
        """The venue's market time (ms UTC)."""
        return self.venue.now_ms

    # reading

    def instruments(self, symbols: Iterable[str]) -> tuple[Instrument, ...]:
        """Return the contract filters; raises ConfigurationError for an unknown symbol."""
        known = frozenset(self.venue.symbols())
        for symbol in symbols:
            if symbol not in known:
                raise ConfigurationError(
                    f"the exchange has no contract {symbol}. Correct or remove [symbols.{symbol}]."
                )
        return tuple(translate.instrument(self.venue.instrument(symbol)) for symbol in symbols)

    def brackets(self, symbols: Iterable[str]) -> tuple[LeverageBracket, ...]:
        """Return the leverage brackets."""
        return tuple(
            translate.bracket(symbol, row) for symbol in symbols for row in self.venue.leverage_brackets(symbol)[symbol]
        )

    def account_settings(self, symbols: Sequence[str]) -> AccountSettings:
        """Return position mode, assets mode, leverage and margin types."""
        rows = [self.venue.symbol_config(symbol)[0] for symbol in symbols]
        return AccountSettings(
            hedge_mode=self.venue.is_dual(),
            multi_assets=self.venue.is_multi_assets(),
            leverage={row.symbol: row.leverage for row in rows},
            margin_type={row.symbol: row.margin_type.value for row in rows},
        )

    def snapshot(self) -> AccountSnapshot:
        """Return wallets, positions and everything open."""
        return AccountSnapshot(
            wallets={row.asset: row.wallet_balance for row in self.venue.balances() if row.wallet_balance},
            positions=tuple(
                ReportedPosition(row.symbol, row.quantity, row.entry_price)
                for row in self.venue.positions()
                if row.quantity
            ),
            open_orders=tuple(translate.order_report(order) for order in self.venue.open_orders()),
            open_algo_orders=tuple(translate.algo_report(algo) for algo in self.venue.open_algos()),
        )

    # settings

    def set_leverage(self, symbol: str, leverage: int) -> None:
        """Set the initial leverage; raises ConfigurationError when the venue refuses."""
        try:
            self.venue.set_leverage(symbol, leverage)
        except VenueError as error:
            raise _setting_refused(f"setting the leverage of {symbol} to {leverage}", error) from None

    def set_margin_type(self, symbol: str, margin_type: str) -> None:
        """Set ISOLATED or CROSSED; already being so is success."""
        try:
            self.venue.set_margin_type(symbol, MarginType(margin_type))
        except VenueError as error:
            if error.code not in _ALREADY_SO:
                raise _setting_refused(f"setting the margin type of {symbol} to {margin_type}", error) from None

    def set_one_way_mode(self) -> None:
        """Turn hedge mode off; already being off is success."""
        try:
            self.venue.set_position_mode(dual=False)
        except VenueError as error:
            if error.code not in _ALREADY_SO:
                raise _setting_refused("turning hedge mode off", error) from None

    def set_single_asset_mode(self) -> None:
        """Turn multi-assets margin off; already being off is success."""
        try:
            self.venue.set_multi_assets(on=False)
        except VenueError as error:
            if error.code not in _ALREADY_SO:
                raise _setting_refused("turning multi-assets mode off", error) from None

    # acting

    def execute(self, command: ExchangeCommand) -> list[Event]:
        """Carry out a command and return everything that came of it."""
        match command:
            case SubmitOrder():
                return self._submit(command.request)
            case PlaceStop():
                return self._place_stop(command.request)
            case CancelStop():
                return self._cancel_stop(command.symbol, command.client_algo_id)
            case CancelOrder():
                return self._cancel(command.symbol, command.client_order_id)
            case LookUpOrder():
                return self._look_up_order(command.symbol, command.client_order_id)
            case LookUpStop():
                return self._look_up_stop(command.symbol, command.client_algo_id)

    def drain(self) -> list[Event]:
        """Return what the venue did since the last call, after inputs given to `venue` itself."""
        told: list[Event] = []
        for event in self.venue.drain_events():
            if type(event) is OrderEvent:
                fill = translate.fill(event.trade) if event.trade else None
                told.append(OrderUpdated(event.at_ms, translate.order_report(event.order), fill))
            elif type(event) is AlgoEvent:
                told.append(AlgoUpdated(event.at_ms, translate.algo_report(event.algo)))
            elif type(event) is AccountEvent:
                told += self._tell_money(event)
        return told

    # the market by candles (backtest)

    def open_candle(
        self, candle: Candle, minute_notional: Decimal | None = None, mark: Candle | None = None
    ) -> list[Event]:
        """Start a candle: what was decided before it trades at its open, by `simulator.venue.candle_matching`.

        `minute_notional`: quote volume a minute of the candle before, for the liquidity tier; None = that of the
        candle given last, which is right when none was left out. `mark`: the mark price's own candle.
        """
        self.venue.open_candle(candle, minute_notional, mark)
        return self.drain() if self.venue.events else []

    def finish_candle(self, candle: Candle, detail: Sequence[Candle] = (), mark: Candle | None = None) -> list[Event]:
        """End the candle: stops and limits its high and low reached.

        `detail`: its finer candles, or ticks as candles without height, in time order. Raises ConfigurationError,
        naming the time, where they contradict the candle.
        """
        try:
            self.venue.finish_candle(candle, detail, mark)
        except CandleError as error:
            raise ConfigurationError(str(error)) from None
        return self.drain() if self.venue.events else []

    # the market by live prices (paper)

    def quote(self, symbol: str, bid: Decimal, ask: Decimal, at_ms: int) -> list[Event]:
        """Take best prices: limits fill when the other side reaches them, stops when the mid reaches their trigger."""
        self._tops[symbol] = bid, ask
        self.venue.set_top(symbol, bid, ask, at_ms)
        self.venue.on_tick(_Quote(symbol, at_ms, (bid + ask) / 2))
        return self.drain()

    def mark(self, symbol: str, mark: Decimal, at_ms: int) -> list[Event]:
        """Take a mark price; positions that have used up their margin are liquidated."""
        self.venue.set_mark(symbol, mark, mark, at_ms)
        return self.drain()

    def settle_funding(self, symbol: str, rate: Decimal, due_ms: int, mark: Decimal) -> list[Event]:
        """Settle the funding of `due_ms`, which may lie a little back, at a rate and a mark price."""
        self.venue.advance(due_ms)
        self.venue.set_mark(symbol, mark, mark, due_ms)
        before = self.drain()
        self.venue.fund(symbol, rate)
        return before + [_funded_at(event, due_ms) for event in self.drain()]

    def examine(self, candle: Candle) -> list[Event]:
        """Do what a closed candle proves must have happened although no quote showed it, by the candle rules.

        A stop fires when high or low reached it, and fills at the worse of its price and the open; a limit fills at
        its own price when the candle traded through it. Only what rested before the candle opened counts. The venue's
        time is not that of the candle unless it was there already: fills carry the time at which this is learned.
        """
        stops = [algo for algo in self.venue.open_algos(candle.symbol) if _is_reached(algo, candle)]
        limits = [order for order in self.venue.open_orders(candle.symbol) if _is_passed(order, candle)]
        if not stops and not limits:
            return []
        for order in limits:
            self._visit(candle.symbol, order.price)
        for algo in stops:
            self._visit(candle.symbol, _stop_fill_price(algo, candle))
        top = self._tops.get(candle.symbol)
        if top is None:
            return self.drain()
        events = self.drain()
        return events + self.quote(candle.symbol, *top, self.now_ms)

    def _visit(self, symbol: str, price: Decimal) -> None:
        self.venue.set_top(symbol, price, price, self.now_ms)
        self.venue.on_tick(_Quote(symbol, self.now_ms, price))

    # commands

    def _submit(self, request: OrderRequest) -> list[Event]:
        try:
            self.venue.place_order(translate.order_request(request))
        except VenueError as error:
            refused = OrderRefused(self.now_ms, request.symbol, request.client_order_id, error.code, error.message)
            return [*self.drain(), refused]
        return self.drain()

    def _cancel(self, symbol: str, client_order_id: str) -> list[Event]:
        try:
            self.venue.cancel_order(symbol, client_order_id=client_order_id)
        except VenueError as error:
            return [*self.drain(), CancelFailed(self.now_ms, symbol, client_order_id, error.code, error.message)]
        return self.drain()

    def _place_stop(self, request: StopRequest) -> list[Event]:
        try:
            self.venue.place_algo(translate.stop_request(request))
        except VenueError as error:
            refused = StopRefused(self.now_ms, request.symbol, request.client_algo_id, error.code, error.message)
            return [*self.drain(), refused]
        return self.drain()

    def _cancel_stop(self, symbol: str, client_algo_id: str) -> list[Event]:
        try:
            self.venue.cancel_algo(client_algo_id=client_algo_id)
        except VenueError as error:
            return [*self.drain(), StopCancelFailed(self.now_ms, symbol, client_algo_id, error.code, error.message)]
        return self.drain()

    def _look_up_order(self, symbol: str, client_order_id: str) -> list[Event]:
        try:
            order = self.venue.query_order(symbol, client_order_id=client_order_id)
        except VenueError:
            return [OrderProvenAbsent(self.now_ms, symbol, client_order_id)]
        return self._found(order)

    def _look_up_stop(self, symbol: str, client_algo_id: str) -> list[Event]:
        try:
            algo = self.venue.query_algo(client_algo_id=client_algo_id)
        except VenueError:
            return [StopProvenAbsent(self.now_ms, symbol, client_algo_id)]
        told: list[Event] = [AlgoUpdated(self.now_ms, translate.algo_report(algo))]
        if algo.actual_order_id:
            told += self._found(self.venue.query_order(symbol, order_id=algo.actual_order_id))
        return told

    def _found(self, order: Order) -> list[Event]:
        trades = self.venue.user_trades(order.symbol, order_id=order.order_id, from_id=0)
        return [
            *(FillRecovered(self.now_ms, translate.fill(trade)) for trade in trades),
            OrderUpdated(self.now_ms, translate.order_report(order)),
        ]

    def _tell_money(self, event: AccountEvent) -> list[Event]:
        if event.reason is AccountReason.ORDER:
            return []
        changes = [(row.asset, row.change) for row in event.balances if row.change]
        if event.reason is AccountReason.FUNDING_FEE:
            minute = event.due_ms // MINUTE_MS * MINUTE_MS
            return [
                FundingPaid(event.at_ms, Funding(event.symbol, event.reason.value, minute, asset, amount))
                for asset, amount in changes
            ]
        kind = _TRANSFERS.get(event.reason)
        if kind is None:
            return []
        second = event.at_ms // _SECOND_MS * _SECOND_MS
        return [
            TransferSeen(event.at_ms, Transfer(kind, second, self._symbol_of(event, amount), asset, amount))
            for asset, amount in changes
        ]

    def _symbol_of(self, event: AccountEvent, amount: Decimal) -> str:
        """Find the symbol of a transfer, which only the income row names."""
        if event.reason is not AccountReason.INSURANCE_CLEAR:
            return ""
        rows = self.venue.income(income_type=IncomeType.INSURANCE_CLEAR, start_ms=event.at_ms)
        return next((row.symbol for row in rows if row.time_ms == event.at_ms and row.amount == amount), "")


def _setting_refused(what: str, error: VenueError) -> ConfigurationError:
    return ConfigurationError(f"{what} was refused ({error.code}: {error.message}). Correct [account].")


def _funded_at(event: Event, due_ms: int) -> Event:
    if not isinstance(event, FundingPaid):
        return event
    return replace(event, funding=replace(event.funding, time_ms=due_ms // MINUTE_MS * MINUTE_MS))


def _is_reached(algo: AlgoOrder, candle: Candle) -> bool:
    if algo.created_ms > candle.open_time or not algo.trigger_price:
        return False
    return candle.low <= algo.trigger_price if fires_when_falling(algo) else candle.high >= algo.trigger_price


def _is_passed(order: Order, candle: Candle) -> bool:
    if order.created_ms > candle.open_time:
        return False
    return candle.low < order.price if order.side is Side.BUY else candle.high > order.price


def _stop_fill_price(algo: AlgoOrder, candle: Candle) -> Decimal:
    worse = min if fires_when_falling(algo) else max
    return worse(algo.trigger_price, candle.open)
