"""What falls due by the clock: funding, delayed orders, dead-man switches."""

from decimal import Decimal

from simulator.venue.decimals import round8
from simulator.venue.execution import arrive, cancel
from simulator.venue.market import Market
from simulator.venue.model import AccountReason, FundingRate, IncomeType
from simulator.venue.state import FAR_FUTURE_MS, State


def advance(state: State, at_ms: int) -> None:
    """Move the clock to `at_ms`, doing on the way what falls due, each thing at its own time."""
    if at_ms >= state.next_due_ms:
        _catch_up(state, at_ms)
    elif at_ms > state.now_ms:
        state.now_ms = at_ms


def _catch_up(state: State, at_ms: int) -> None:
    while state.next_due_ms <= at_ms:
        state.now_ms = max(state.now_ms, state.next_due_ms)
        _do_due(state)
        set_next_due(state)
    state.now_ms = max(state.now_ms, at_ms)


def settle_funding(state: State, symbol: str) -> None:
    """Settle now at the present mark price; the rate is recorded without a position too."""
    market = state.market(symbol)
    state.funding_rates.append(FundingRate(symbol, market.funding_rate, state.now_ms, market.mark))
    _pay(state, market, market.mark, state.now_ms)


def settle_until(state: State, market: Market, until_ms: int) -> None:
    """Settle what has fallen due on candles up to a time, each at its own time and mark price, if it has one.

    Without a position nothing is recorded. The price that stands for a mark price nobody recorded is the present one.
    """
    symbol = market.instrument.symbol
    position = state.account.positions[symbol]
    while position.quantity and market.next_funding_ms <= until_ms:
        mark = market.funding_mark or market.mark
        state.funding_rates.append(FundingRate(symbol, market.funding_rate, market.next_funding_ms, mark))
        _pay(state, market, mark, market.next_funding_ms)
        schedule_funding(state, market, market.next_funding_ms)
    if market.next_funding_ms <= until_ms:
        schedule_funding(state, market, until_ms)


def _pay(state: State, market: Market, mark: Decimal, due_ms: int) -> None:
    """Pay or receive funding at a mark price (docs/ledger.md R4)."""
    symbol = market.instrument.symbol
    position = state.account.positions[symbol]
    amount = round8(-position.quantity * mark * market.funding_rate)
    if not amount:
        return
    state.earn(IncomeType.FUNDING_FEE, amount, position.margin_asset, symbol=symbol, time_ms=due_ms)
    if position.is_isolated:
        position.isolated_wallet += amount
        market.is_stale = True
    shown = position if position.is_isolated else None
    state.tell_account(
        AccountReason.FUNDING_FEE, position.margin_asset, position=shown, change=amount, symbol=symbol, due_ms=due_ms
    )


def set_countdown(state: State, symbol: str, countdown_ms: int) -> None:
    """Arm, renew or (0) disarm a symbol's dead-man switch."""
    state.market(symbol)
    state.countdowns.pop(symbol, None)
    if countdown_ms > 0:
        state.countdowns[symbol] = state.now_ms + countdown_ms
    set_next_due(state)


def schedule_funding(state: State, market: Market, after_ms: int) -> None:
    """Look up when the symbol's next funding is, and at which rate."""
    settlement = state.funding.next_settlement(market.instrument.symbol, after_ms)
    market.next_funding_ms = settlement.time_ms
    market.funding_rate = settlement.rate
    market.funding_mark = settlement.mark


def set_next_due(state: State) -> None:
    """Recompute when something falls due next; on candles funding waits for its symbol's candle."""
    dues = [] if state.by_candles else [market.next_funding_ms for market in state.markets.values()]
    dues.extend(due_ms for due_ms, _ in state.arrivals)
    dues.extend(state.countdowns.values())
    state.next_due_ms = min(dues, default=FAR_FUTURE_MS)


def _do_due(state: State) -> None:
    now_ms = state.now_ms
    due = sorted(arrival for arrival in state.arrivals if arrival[0] <= now_ms)
    state.arrivals = [arrival for arrival in state.arrivals if arrival[0] > now_ms]
    for _, order_id in due:
        arrive(state, order_id)
    for symbol in sorted(symbol for symbol, due_ms in state.countdowns.items() if due_ms <= now_ms):
        del state.countdowns[symbol]
        for order in state.open_orders(symbol):
            cancel(state, order)
    if state.by_candles:
        return
    for symbol, market in state.markets.items():
        if market.next_funding_ms <= now_ms:
            settle_funding(state, symbol)
            schedule_funding(state, market, now_ms)
