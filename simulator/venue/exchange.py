"""The exchange itself, as a table of contents: every request and every market input, in one synchronous object.

Nothing here does I/O or reads a clock: time comes with `advance`, `on_tick`, `set_mark` and candles, in market
milliseconds UTC that never go back. Refusals raise `VenueError`. What happened is collected as events in order;
`drain_events` hands them over. The same sequence of calls always gives the same ids, events and books.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from typing import Any, Final

from simulator.venue import account_settings, algo_orders, candle_matching, history, views
from simulator.venue.account import Account
from simulator.venue.costs import CandleCosts, sorted_tiers
from simulator.venue.decimals import ZERO
from simulator.venue.errors import refusal
from simulator.venue.execution import cancel, match_crossed, match_resting
from simulator.venue.fees import Fees
from simulator.venue.funding import ByTheClock, ConstantFunding, FundingSchedule, FundingSource
from simulator.venue.instrument import DEFAULT_BRACKETS, Bracket, Instrument, parse_instrument
from simulator.venue.latency import Latency
from simulator.venue.ledger import ledger
from simulator.venue.liquidation import judge, liquidate
from simulator.venue.liquidity import Liquidity
from simulator.venue.market import Market
from simulator.venue.model import (
    AccountView,
    AlgoOrder,
    AlgoRequest,
    AlgoStatus,
    BalanceView,
    Book,
    Candle,
    FundingRate,
    Income,
    IncomeType,
    Level,
    MarginType,
    MarketView,
    Order,
    OrderRequest,
    PositionView,
    Side,
    SymbolConfig,
    Tick,
    Trade,
    VenueEvent,
    WorkingType,
)
from simulator.venue.placing import place_order
from simulator.venue.restoring import Restored, restore
from simulator.venue.settlement import advance, schedule_funding, set_countdown, set_next_due, settle_funding
from simulator.venue.state import Markets, State
from simulator.venue.waking import wake_prices

DEFAULT_ASSET: Final = "USDT"
DEFAULT_MAKER_FEE: Final = Decimal("0.0002")
DEFAULT_TAKER_FEE: Final = Decimal("0.0005")
DEFAULT_LEVERAGE: Final = 20
NO_LEVEL: Final = Level(ZERO, ZERO)


class Exchange:
    """One account on a USD-M futures venue, one-way mode, all symbols of `exchange_info`.

    `exchange_info` is an exchangeInfo answer as on the wire and is kept (and served) as `exchange_info`.
    `balance` is the opening USDT wallet, or a wallet per asset. `brackets` by symbol; others get a built-in table.
    `latency` and `liquidity` default to none and to a deep book one tick wide; `funding` to a constant rate each 8 h,
    unless `settlements` are given instead.
    `by_candles`: candle mode (`candle_matching`), where the market is `open_candle` and `finish_candle` alone, and
    `costs` stand in for the book (default: neither spread nor slippage).
    `is_brief`: events leave out what only a user stream shows, the ACCOUNT_UPDATE of a fill and open notionals.
    `is_tacit`: market orders are not told NEW, for an owner who knows that one not refused is accepted.
    """

    def __init__(
        self,
        exchange_info: dict[str, Any],
        *,
        balance: Decimal | Mapping[str, Decimal],
        start_ms: int,
        maker_fee: Decimal = DEFAULT_MAKER_FEE,
        taker_fee: Decimal = DEFAULT_TAKER_FEE,
        brackets: Mapping[str, Sequence[Bracket]] | None = None,
        latency: Latency | None = None,
        liquidity: Liquidity | None = None,
        funding: FundingSource | None = None,
        settlements: FundingSchedule | None = None,
        costs: CandleCosts | None = None,
        by_candles: bool = False,
        is_brief: bool = False,
        is_tacit: bool = False,
    ) -> None:
        self.exchange_info = exchange_info
        markets = _markets(exchange_info, brackets or {}, liquidity or Liquidity(), by_candles=by_candles)
        opening = {DEFAULT_ASSET: balance} if isinstance(balance, Decimal) else balance
        margin_assets = {symbol: market.instrument.margin_asset for symbol, market in markets.items()}
        self._state = State(
            now_ms=start_ms,
            markets=markets,
            account=Account(opening, margin_assets, start_ms),
            fees=Fees(maker_fee, taker_fee),
            latency=latency,
            funding=settlements or ByTheClock(funding or ConstantFunding()),
            costs=_in_order(costs or CandleCosts()),
            by_candles=by_candles,
            is_brief=is_brief,
            is_tacit=is_tacit,
        )
        self.events: Final = self._state.events
        """What happened and was not handed over yet, in order; always this list."""
        for symbol, market in markets.items():
            self._state.account.positions[symbol].leverage = min(
                DEFAULT_LEVERAGE, max(row.initial_leverage for row in market.brackets)
            )
            schedule_funding(self._state, market, start_ms)
        set_next_due(self._state)

    def restore(self, account: Restored) -> None:
        """Take an account over from its owner's books, before anything else is asked (paper trading)."""
        restore(self._state, account)

    @property
    def now_ms(self) -> int:
        """The market's present time."""
        return self._state.now_ms

    @property
    def is_held(self) -> bool:
        """Whether the exchange stands still."""
        return self._state.is_held

    # market input
    def advance(self, at_ms: int) -> None:
        """Move the clock to `at_ms` and do what fell due: funding, delayed orders, dead-man switches."""
        if not self._state.is_held:
            advance(self._state, at_ms)

    def on_tick(self, tick: Tick) -> None:
        """Move the path price; match resting orders, fire CONTRACT_PRICE triggers, then judge liquidation."""
        state = self._state
        if state.is_held:
            return
        at_ms = tick.at_ms
        if at_ms >= state.next_due_ms:
            advance(state, at_ms)
        elif at_ms > state.now_ms:
            state.now_ms = at_ms
        market = state.market(tick.symbol)
        price = tick.price
        market.move(price, buyer_is_maker=tick.buyer_is_maker)
        if market.is_woken_by(price, price):
            if market.top is None or tick.quantity:
                match_resting(state, market, tick)
            algo_orders.fire_reached(state, market, WorkingType.CONTRACT_PRICE, price)
        if not market.explicit_mark:
            self._mark_moved(market)

    def set_mark(self, symbol: str, mark: Decimal, index: Decimal, at_ms: int) -> None:
        """Move the mark price; fire MARK_PRICE triggers, judge liquidation. Until the first call mark = path price."""
        state = self._state
        if state.is_held:
            return
        advance(state, at_ms)
        market = state.market(symbol)
        market.explicit_mark = mark
        market.explicit_index = index
        self._mark_moved(market)

    def set_top(self, symbol: str, bid: Decimal, ask: Decimal, at_ms: int) -> None:
        """Take best bid and ask from a real book (paper trading), and fill the resting orders it crosses.

        From the first call on, ticks move the path price but no longer the book, and one without a quantity, which is
        no trade, fills no resting order either: a price within the spread has not passed what rests there.
        """
        if self._state.is_held:
            return
        advance(self._state, at_ms)
        market = self._state.market(symbol)
        market.set_top(bid, ask)
        if market.is_woken_by(ask, bid):
            match_crossed(self._state, market)

    def open_candle(self, candle: Candle, minute_notional: Decimal | None = None, mark: Candle | None = None) -> None:
        """Start a candle (candle mode, `candle_matching`): fill what was decided before it, at its open.

        `minute_notional` is the quote volume a minute of the candle before, for the liquidity tier: None = that of the
        candle given last, which is right when none was left out. `mark` is the mark price's own candle.
        """
        candle_matching.open_candle(self._state, candle, minute_notional, mark)

    def finish_candle(self, candle: Candle, detail: Sequence[Candle] = (), mark: Candle | None = None) -> None:
        """End the candle: fill and fire what it reached, then move the price to its close.

        `detail`: finer candles or ticks of it in time order, judged one by one; raises CandleError where they
        contradict the candle.
        """
        candle_matching.finish_candle(self._state, candle, detail, mark)

    def wake_prices(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Return (low, high), in candle mode: a candle strictly between them changes nothing but the last price.

        With a series of mark prices that holds when their candle lies between them too. The candle of the next funding
        (`next_funding_ms`) has to be given as well while there is a position.
        """
        return wake_prices(self._state, self._state.markets[symbol])

    def next_funding_ms(self, symbol: str) -> int:
        """Return when the symbol's funding is settled next; far in the future where it never is."""
        return self._state.markets[symbol].next_funding_ms

    def hold(self) -> None:
        """Let the exchange stand still: orders, cancels and amends answer 503, nothing matches, nothing falls due."""
        self._state.is_held = True

    def release(self) -> None:
        """Go on after `hold`."""
        self._state.is_held = False

    # orders
    def place_order(self, request: OrderRequest) -> Order:
        """Accept an order and match it at once; the answer is its state afterwards (RESULT; an ACK would say NEW)."""
        return place_order(self._state, request)

    def modify_order(self, symbol: str, order_id: int = 0, client_order_id: str = "") -> Order:
        """Refuse: -2013 for an order that is not open, else -1020, amending not being supported yet."""
        self._state.check_not_held()
        self.open_order(symbol, order_id, client_order_id)
        raise refusal(-1020)

    def cancel_order(self, symbol: str, order_id: int = 0, client_order_id: str = "") -> Order:
        """Cancel an open order; -2011 when none is found by the id given."""
        self._state.check_not_held()
        order = history.find_order(self._state, symbol, order_id, client_order_id)
        if order is None or not order.is_open:
            raise refusal(-2011)
        return cancel(self._state, order)

    def cancel_all(self, symbol: str) -> list[Order]:
        """Cancel every open order of a symbol (algo orders not among them)."""
        self._state.check_not_held()
        return [cancel(self._state, order) for order in self._state.open_orders(symbol)]

    def countdown_cancel_all(self, symbol: str, countdown_ms: int) -> None:
        """Cancel all orders of the symbol after `countdown_ms` of MARKET time unless called again; 0 switches it off.

        A server running faster than the wall clock multiplies the client's countdown by its speed.
        """
        self._state.check_not_held()
        set_countdown(self._state, symbol, countdown_ms)

    def query_order(self, symbol: str, order_id: int = 0, client_order_id: str = "") -> Order:
        """Find an order; -2013 when there is none or it is too old to be shown (docs/wire.md B.2)."""
        order = history.find_order(self._state, symbol, order_id, client_order_id)
        if order is None or not history.is_shown(self._state, order):
            raise refusal(-2013)
        return order

    def open_order(self, symbol: str, order_id: int = 0, client_order_id: str = "") -> Order:
        """Find an open order; -2013 otherwise."""
        order = history.find_order(self._state, symbol, order_id, client_order_id)
        if order is None or not order.is_open:
            raise refusal(-2013)
        return order

    def open_orders(self, symbol: str = "") -> list[Order]:
        """List open orders of a symbol, or of all with ""."""
        return list(self._state.open_orders(symbol))

    def all_orders(
        self,
        symbol: str = "",
        order_id: int = 0,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 500,
    ) -> list[Order]:
        """List orders, oldest first: from `order_id` on, or created in the window, else the newest `limit`."""
        return history.orders(self._state, symbol, order_id, start_ms, end_ms, limit)

    def user_trades(
        self,
        symbol: str,
        order_id: int = 0,
        from_id: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 500,
    ) -> list[Trade]:
        """List fills, oldest first: from `from_id` on, or in the window; the newest `limit` without either."""
        return history.trades(self._state, symbol, order_id, from_id, start_ms, end_ms, limit)

    # algo orders
    def place_algo(self, request: AlgoRequest) -> AlgoOrder:
        """Accept a conditional order (no margin check before it triggers); -2021 when it would trigger at once."""
        return algo_orders.place_algo(self._state, request)

    def cancel_algo(self, algo_id: int = 0, client_algo_id: str = "") -> AlgoOrder:
        """Cancel an untriggered algo order; -2011 when none is found."""
        self._state.check_not_held()
        algo = history.find_algo(self._state, algo_id, client_algo_id)
        if algo is None or not algo.is_open:
            raise refusal(-2011)
        return algo_orders.end(self._state, algo, AlgoStatus.CANCELED)

    def cancel_all_algos(self, symbol: str) -> list[AlgoOrder]:
        """Cancel every untriggered algo order of a symbol."""
        self._state.check_not_held()
        return [algo_orders.end(self._state, algo, AlgoStatus.CANCELED) for algo in self._state.open_algos(symbol)]

    def query_algo(self, algo_id: int = 0, client_algo_id: str = "") -> AlgoOrder:
        """Find an algo order; -2013 when there is none."""
        algo = history.find_algo(self._state, algo_id, client_algo_id)
        if algo is None:
            raise refusal(-2013)
        return algo

    def open_algos(self, symbol: str = "") -> list[AlgoOrder]:
        """List untriggered algo orders of a symbol, or of all with ""."""
        return list(self._state.open_algos(symbol))

    def all_algos(
        self, symbol: str, algo_id: int = 0, start_ms: int | None = None, end_ms: int | None = None, limit: int = 500
    ) -> list[AlgoOrder]:
        """List algo orders, oldest first, as `all_orders`."""
        return history.algos(self._state, symbol, algo_id, start_ms, end_ms, limit)

    # account
    def account(self) -> AccountView:
        """Give the account as v3/account does."""
        return views.account_view(self._state)

    def balances(self) -> list[BalanceView]:
        """Give every asset's balance as v3/balance does."""
        return views.balance_views(self._state)

    def positions(self, symbol: str = "") -> list[PositionView]:
        """Give rows with a position or an open order, as v3/positionRisk does."""
        return views.position_views(self._state, symbol)

    def income(
        self,
        symbol: str = "",
        income_type: IncomeType | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 100,
    ) -> list[Income]:
        """List income rows, oldest first; from `start_ms` on, else the newest `limit`."""
        return history.incomes(self._state, symbol, income_type, start_ms, end_ms, limit)

    def transfer(self, asset: str, amount: Decimal) -> None:
        """Move `amount` into (positive) or out of (negative) the wallet; -2018 when it is not available."""
        account_settings.transfer(self._state, asset, amount)

    def modify_isolated_margin(self, symbol: str, amount: Decimal, *, add: bool) -> None:
        """Move margin between the cross wallet and an isolated position (-4050, -4051, -4054, -4055)."""
        account_settings.modify_isolated_margin(self._state, symbol, amount, add=add)

    # settings
    def set_leverage(self, symbol: str, leverage: int) -> SymbolConfig:
        """Change the initial leverage (-4028, -4161, -2027, -2028)."""
        return account_settings.set_leverage(self._state, symbol, leverage)

    def set_margin_type(self, symbol: str, margin_type: MarginType) -> None:
        """Change the margin type (-4046, -4047, -4048, -4168)."""
        account_settings.set_margin_type(self._state, symbol, margin_type)

    def set_position_mode(self, *, dual: bool) -> None:
        """Refuse or confirm the position mode (-4059, -4067, -4068; hedge mode is not supported yet: -1020)."""
        account_settings.set_position_mode(self._state, dual=dual)

    def is_dual(self) -> bool:
        """Tell whether the account is in hedge mode."""
        return self._state.is_dual

    def set_multi_assets(self, *, on: bool) -> None:
        """Change multi-assets mode (-4167, -4170, -4171)."""
        account_settings.set_multi_assets(self._state, on=on)

    def is_multi_assets(self) -> bool:
        """Tell whether multi-assets mode is on."""
        return self._state.is_multi_assets

    def symbol_config(self, symbol: str = "") -> list[SymbolConfig]:
        """Give leverage and margin type of one symbol, or of all with ""."""
        symbols = (symbol,) if symbol else self.symbols()
        return [account_settings.symbol_config(self._state, name) for name in symbols]

    def leverage_brackets(self, symbol: str = "") -> dict[str, Sequence[Bracket]]:
        """Give the leverage table of one symbol, or of all with ""."""
        symbols = (symbol,) if symbol else self.symbols()
        return {name: self._state.market(name).brackets for name in symbols}

    def fee_rates(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Give (maker, taker) as fractions; -1121 for an unknown symbol."""
        self._state.market(symbol)
        return self._state.fees.maker, self._state.fees.taker

    # market data
    def symbols(self) -> tuple[str, ...]:
        """List the symbols in exchangeInfo's order."""
        return tuple(self._state.markets)

    def instrument(self, symbol: str) -> Instrument:
        """Give a symbol's rules; -1121 for an unknown one."""
        return self._state.market(symbol).instrument

    def market(self, symbol: str) -> MarketView:
        """Give last, mark and index price and the next funding; prices are 0 before the first tick."""
        market = self._state.market(symbol)
        interval_ms = self._state.funding.interval_ms(symbol, self._state.now_ms)
        return MarketView(
            symbol=symbol,
            last=market.last,
            mark=market.mark,
            index=market.index,
            funding_rate=market.funding_rate,
            next_funding_ms=market.next_funding_ms,
            funding_interval_ms=interval_ms,
            time_ms=self._state.now_ms,
        )

    def book(self, symbol: str, depth: int = 20) -> Book:
        """Give the book's best `depth` levels a side; empty before the first tick."""
        market = self._state.market(symbol)
        return Book(
            bids=tuple(islice(market.levels(Side.SELL), depth)), asks=tuple(islice(market.levels(Side.BUY), depth))
        )

    def best(self, symbol: str) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """Give (bid, bid quantity, ask, ask quantity); zeros before the first tick."""
        market = self._state.market(symbol)
        bid = next(market.levels(Side.SELL), NO_LEVEL)
        ask = next(market.levels(Side.BUY), NO_LEVEL)
        return bid.price, bid.quantity, ask.price, ask.quantity

    def funding_history(
        self, symbol: str = "", start_ms: int | None = None, end_ms: int | None = None, limit: int = 100
    ) -> list[FundingRate]:
        """List settled funding rates since the start of the venue, oldest first."""
        return history.funding_rates(self._state, symbol, start_ms, end_ms, limit)

    # what happened
    def drain_events(self) -> list[VenueEvent]:
        """Hand over the events since the last call, in order."""
        events = self.events.copy()
        self.events.clear()
        return events

    def ledger(self) -> dict[str, Any]:
        """Give the books as `docs/ledger.md` defines them: JSON-ready, decimals as plain text."""
        return ledger(self._state)

    def counts(self) -> tuple[int, int]:
        """Give the number of orders with an id and of fills so far."""
        return len(self._state.orders), len(self._state.trades)

    # what a person or the exchange does (faults)
    def fund(self, symbol: str, rate: Decimal | None = None) -> None:
        """Settle the symbol's funding now, at `rate` or at its present one."""
        if rate is not None:
            self._state.market(symbol).funding_rate = rate
        settle_funding(self._state, symbol)

    def liquidate(self, symbol: str) -> None:
        """Liquidate the symbol's position now, whatever its margin."""
        position = self._state.position(symbol)
        if position.quantity:
            liquidate(self._state, self._state.market(symbol), position)

    def update_symbol(self, entry: dict[str, Any]) -> None:
        """Replace one symbol's exchangeInfo entry: other filters, another status."""
        instrument = parse_instrument(entry)
        self._state.market(instrument.symbol).instrument = instrument
        entries = self.exchange_info["symbols"]
        entries[:] = [entry if old["symbol"] == instrument.symbol else old for old in entries]

    def set_brackets(self, symbol: str, brackets: Sequence[Bracket]) -> None:
        """Replace one symbol's leverage table."""
        market = self._state.market(symbol)
        market.brackets, market.is_stale = tuple(brackets), True

    def force_position_mode(self, *, dual: bool) -> None:
        """Set the position mode without asking, as if a person had done it elsewhere."""
        self._state.is_dual = dual

    def _mark_moved(self, market: Market) -> None:
        state = self._state
        if market.waiting:
            algo_orders.fire_reached(state, market, WorkingType.MARK_PRICE, market.mark)
        judge(state, market)


def _in_order(costs: CandleCosts) -> CandleCosts:
    return replace(costs, tiers=sorted_tiers(costs.tiers))


def _markets(
    exchange_info: Mapping[str, Any],
    brackets: Mapping[str, Sequence[Bracket]],
    liquidity: Liquidity,
    *,
    by_candles: bool,
) -> Markets:
    instruments = [parse_instrument(entry) for entry in exchange_info["symbols"]]
    return Markets(
        {
            instrument.symbol: Market(
                instrument=instrument,
                brackets=tuple(brackets.get(instrument.symbol, DEFAULT_BRACKETS)),
                liquidity=liquidity,
                is_exact=by_candles,
            )
            for instrument in instruments
        }
    )
