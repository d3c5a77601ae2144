"""What falls due by the clock: funding, delayed orders, dead-man switches."""

from simulator.venue.decimals import round8
from simulator.venue.execution import arrive, cancel
from simulator.venue.funding import next_settlement
from simulator.venue.market import Market
from simulator.venue.model import AccountReason, FundingRate, IncomeType
from simulator.venue.state import FAR_FUTURE_MS, State


def advance(state: State, at_ms: int) -> None:
    """Move the clock to `at_ms`, doing on the way what falls due, each thing at its own time."""
    while state.next_due_ms <= at_ms:
        state.now_ms = max(state.now_ms, state.next_due_ms)
        _do_due(state)
        set_next_due(state)
    state.now_ms = max(state.now_ms, at_ms)


def settle_funding(state: State, symbol: str) -> None:
    """Pay or receive funding at the mark price (docs/ledger.md R4); the rate is recorded without a position too."""
    market = state.market(symbol)
    position = state.position(symbol)
    state.funding_rates.append(FundingRate(symbol, market.funding_rate, state.now_ms, market.mark))
    amount = round8(-position.quantity * market.mark * market.funding_rate)
    if not amount:
        return
    state.earn(IncomeType.FUNDING_FEE, amount, position.margin_asset, symbol=symbol)
    if position.is_isolated:
        position.isolated_wallet += amount
    shown = position if position.is_isolated else None
    state.tell_account(AccountReason.FUNDING_FEE, position.margin_asset, position=shown, change=amount, symbol=symbol)


def set_countdown(state: State, symbol: str, countdown_ms: int) -> None:
    """Arm, renew or (0) disarm a symbol's dead-man switch."""
    state.market(symbol)
    state.countdowns.pop(symbol, None)
    if countdown_ms > 0:
        state.countdowns[symbol] = state.now_ms + countdown_ms
    set_next_due(state)


def schedule_funding(state: State, symbol: str, market: Market) -> None:
    """Look up when the symbol's next funding is, and at which rate."""
    market.next_funding_ms = next_settlement(state.now_ms, state.funding.funding_interval_hours(symbol))
    market.funding_rate = state.funding.funding_rate(symbol, market.next_funding_ms)


def set_next_due(state: State) -> None:
    """Recompute when something falls due next."""
    dues = [market.next_funding_ms for market in state.markets.values()]
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
    for symbol, market in state.markets.items():
        if market.next_funding_ms <= now_ms:
            settle_funding(state, symbol)
            schedule_funding(state, symbol, market)
