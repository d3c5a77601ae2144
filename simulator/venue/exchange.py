"""The exchange itself, as a table of contents: every request and every market input, in one synchronous object.

Nothing here does I/O or reads a clock: time comes with `advance`, `on_tick`, `set_mark` and candles, in market
milliseconds UTC that never go back. Refusals raise `VenueError`. What happened is collected as events in order;
`drain_events` hands them over. The same sequence of calls always gives the same ids, events and books.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from simulator.venue.funding import FundingSource
from simulator.venue.instrument import Bracket, Instrument
from simulator.venue.latency import Latency
from simulator.venue.liquidity import Liquidity
from simulator.venue.model import (
    AccountView,
    AlgoOrder,
    AlgoRequest,
    BalanceView,
    Book,
    FundingRate,
    Income,
    IncomeType,
    MarginType,
    MarketView,
    Order,
    OrderRequest,
    PositionView,
    SymbolConfig,
    Tick,
    Trade,
    VenueEvent,
)


class Exchange:
    """One account on a USD-M futures venue, one-way mode, all symbols of `exchange_info`.

    `exchange_info` is an exchangeInfo answer as on the wire and is kept (and served) as `exchange_info`.
    `balance` is the opening USDT wallet, or a wallet per asset. `brackets` by symbol; others get a built-in table.
    `latency` and `liquidity` default to none and to a deep book one tick wide; `funding` to a constant rate each 8 h.
    """

    now_ms: int
    exchange_info: dict[str, Any]
    is_held: bool

    def __init__(
        self,
        exchange_info: dict[str, Any],
        *,
        balance: Decimal | Mapping[str, Decimal],
        start_ms: int,
        maker_fee: Decimal = Decimal("0.0002"),
        taker_fee: Decimal = Decimal("0.0005"),
        brackets: Mapping[str, Sequence[Bracket]] | None = None,
        latency: Latency | None = None,
        liquidity: Liquidity | None = None,
        funding: FundingSource | None = None,
    ) -> None: ...

    # market input
    def advance(self, at_ms: int) -> None:
        """Move the clock to `at_ms` and do what fell due: funding, delayed orders, dead-man switches."""

    def on_tick(self, tick: Tick) -> None:
        """Move the path price; match resting orders, fire CONTRACT_PRICE triggers, then judge liquidation."""

    def set_mark(self, symbol: str, mark: Decimal, index: Decimal, at_ms: int) -> None:
        """Move the mark price; fire MARK_PRICE triggers, judge liquidation. Until the first call mark = path price."""

    def set_top(self, symbol: str, bid: Decimal, ask: Decimal, at_ms: int) -> None:
        """Take best bid and ask from a real book instead of deriving them from the path price (paper trading)."""

    def open_candle(self, symbol: str, open_time: int, open_price: Decimal) -> None:
        """Start a candle (candle mode, `candle_matching`): fill what was decided before it, at its open."""

    def finish_candle(self, symbol: str, high: Decimal, low: Decimal, close: Decimal) -> None:
        """End the candle: fire stops by its high and low, then move the price to its close."""

    def hold(self) -> None:
        """Let the exchange stand still: orders, cancels and amends answer 503, nothing matches, nothing falls due."""

    def release(self) -> None:
        """Go on after `hold`."""

    # orders
    def place_order(self, request: OrderRequest) -> Order:
        """Accept an order and match it at once; the answer is its state afterwards (RESULT; an ACK would say NEW)."""

    def modify_order(self, symbol: str, order_id: int = 0, client_order_id: str = "") -> Order:
        """Refuse: amending is not supported yet (-1020)."""

    def cancel_order(self, symbol: str, order_id: int = 0, client_order_id: str = "") -> Order:
        """Cancel an open order; -2011 when none is found by the id given."""

    def cancel_all(self, symbol: str) -> list[Order]:
        """Cancel every open order of a symbol (algo orders not among them)."""

    def countdown_cancel_all(self, symbol: str, countdown_ms: int) -> None:
        """Cancel all orders of the symbol after `countdown_ms` of MARKET time unless called again; 0 switches it off.

        A server running faster than the wall clock multiplies the client's countdown by its speed.
        """

    def query_order(self, symbol: str, order_id: int = 0, client_order_id: str = "") -> Order:
        """Find an order; -2013 when there is none or it is too old to be shown (facts B.2)."""

    def open_order(self, symbol: str, order_id: int = 0, client_order_id: str = "") -> Order:
        """Find an open order; -2013 otherwise."""

    def open_orders(self, symbol: str = "") -> list[Order]:
        """List open orders of a symbol, or of all with ""."""

    def all_orders(
        self,
        symbol: str = "",
        order_id: int = 0,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 500,
    ) -> list[Order]:
        """List orders, oldest first: from `order_id` on, or created in the window; the newest `limit` without either."""

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

    # algo orders
    def place_algo(self, request: AlgoRequest) -> AlgoOrder:
        """Accept a conditional order (no margin check before it triggers); -2021 when it would trigger at once."""

    def cancel_algo(self, algo_id: int = 0, client_algo_id: str = "") -> AlgoOrder:
        """Cancel an untriggered algo order; -2011 when none is found."""

    def cancel_all_algos(self, symbol: str) -> list[AlgoOrder]:
        """Cancel every untriggered algo order of a symbol."""

    def query_algo(self, algo_id: int = 0, client_algo_id: str = "") -> AlgoOrder:
        """Find an algo order; -2013 when there is none."""

    def open_algos(self, symbol: str = "") -> list[AlgoOrder]:
        """List untriggered algo orders of a symbol, or of all with ""."""

    def all_algos(
        self, symbol: str, algo_id: int = 0, start_ms: int | None = None, end_ms: int | None = None, limit: int = 500
    ) -> list[AlgoOrder]:
        """List algo orders, oldest first, as `all_orders`."""

    # account
    def account(self) -> AccountView:
        """Give the account as v3/account does."""

    def balances(self) -> list[BalanceView]:
        """Give every asset's balance as v3/balance does."""

    def positions(self, symbol: str = "") -> list[PositionView]:
        """Give rows with a position or an open order, as v3/positionRisk does."""

    def income(
        self,
        symbol: str = "",
        income_type: IncomeType | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 100,
    ) -> list[Income]:
        """List income rows, oldest first; from `start_ms` on, else the newest `limit`."""

    def transfer(self, asset: str, amount: Decimal) -> None:
        """Move `amount` into (positive) or out of (negative) the wallet; -2018 when it is not available."""

    def modify_isolated_margin(self, symbol: str, amount: Decimal, *, add: bool) -> None:
        """Move margin between the cross wallet and an isolated position (-4050, -4051, -4054, -4055)."""

    # settings
    def set_leverage(self, symbol: str, leverage: int) -> SymbolConfig:
        """Change the initial leverage (-4028, -4161, -2027, -2028)."""

    def set_margin_type(self, symbol: str, margin_type: MarginType) -> None:
        """Change the margin type (-4046, -4047, -4048, -4168)."""

    def set_position_mode(self, *, dual: bool) -> None:
        """Refuse or confirm the position mode (-4059, -4067, -4068; hedge mode is not supported yet: -1020)."""

    def is_dual(self) -> bool:
        """Tell whether the account is in hedge mode."""

    def set_multi_assets(self, *, on: bool) -> None:
        """Change multi-assets mode (-4167, -4170, -4171)."""

    def is_multi_assets(self) -> bool:
        """Tell whether multi-assets mode is on."""

    def symbol_config(self, symbol: str = "") -> list[SymbolConfig]:
        """Give leverage and margin type of one symbol, or of all with ""."""

    def leverage_brackets(self, symbol: str = "") -> dict[str, Sequence[Bracket]]:
        """Give the leverage table of one symbol, or of all with ""."""

    def fee_rates(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Give (maker, taker) as fractions; -1121 for an unknown symbol."""

    # market data
    def symbols(self) -> tuple[str, ...]:
        """List the symbols in exchangeInfo's order."""

    def instrument(self, symbol: str) -> Instrument:
        """Give a symbol's rules; -1121 for an unknown one."""

    def market(self, symbol: str) -> MarketView:
        """Give last, mark and index price and the next funding; prices are 0 before the first tick."""

    def book(self, symbol: str, depth: int = 20) -> Book:
        """Give the book's best `depth` levels a side; empty before the first tick."""

    def best(self, symbol: str) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """Give (bid, bid quantity, ask, ask quantity); zeros before the first tick."""

    def funding_history(
        self, symbol: str = "", start_ms: int | None = None, end_ms: int | None = None, limit: int = 100
    ) -> list[FundingRate]:
        """List settled funding rates since the start of the venue, oldest first."""

    # what happened
    def drain_events(self) -> list[VenueEvent]:
        """Hand over the events since the last call, in order."""

    def ledger(self) -> dict[str, Any]:
        """Give the books as `ledger.md` defines them: JSON-ready, decimals as plain text."""

    def counts(self) -> tuple[int, int]:
        """Give the number of orders with an id and of fills so far."""

    # what a person or the exchange does (faults)
    def fund(self, symbol: str) -> None:
        """Settle the symbol's funding now at its present rate."""

    def liquidate(self, symbol: str) -> None:
        """Liquidate the symbol's position now, whatever its margin."""

    def update_symbol(self, entry: dict[str, Any]) -> None:
        """Replace one symbol's exchangeInfo entry: other filters, another status."""

    def set_brackets(self, symbol: str, brackets: Sequence[Bracket]) -> None:
        """Replace one symbol's leverage table."""

    def force_position_mode(self, *, dual: bool) -> None:
        """Set the position mode without asking, as if a person had done it elsewhere."""
