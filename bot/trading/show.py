"""Build what the core shows of itself from its state."""

from decimal import Decimal

from msgspec.structs import replace

from bot.domain.money import ONE, ZERO
from bot.domain.order import OrderState
from bot.domain.records import OrderRow
from bot.trading import audit, converge, exits
from bot.trading.positions import divide
from bot.trading.rule import Usage
from bot.trading.sizing import hopeless
from bot.trading.state import UNRECONCILED, State, SymbolState
from bot.trading.strategy import ENTER_LONG, ENTER_SHORT, EXIT_LONG, EXIT_SHORT, Verdict
from bot.trading.view import (
    EvaluationView,
    GateView,
    HaltView,
    OrderView,
    PositionView,
    Stake,
    SymbolWatch,
    View,
    Watch,
)

_FLAG_WORDS = {
    ENTER_LONG: "enter_long",
    ENTER_SHORT: "enter_short",
    EXIT_LONG: "exit_long",
    EXIT_SHORT: "exit_short",
}


def watch(state: State) -> Watch:
    """Return what could matter next."""
    symbols = {
        name: replace(symbol_watch(state.by_symbol[name]), levels=_levels(state.by_symbol[name]))
        for name in state.traded
    }
    return Watch(converge.deadline_ms(state), symbols, state.risk.wake(state).equity_at_or_below)


def view(state: State) -> View:
    """Return the core as it stands."""
    wallet, unrealized = state.wallet, state.unrealized
    equity = wallet + unrealized
    day_start = state.risk.day_start_equity
    return View(
        at_ms=state.now_ms,
        wallet=wallet,
        unrealized=unrealized,
        equity=equity,
        day_pnl=ZERO if day_start is None else equity - day_start,
        peak_equity=max(state.peak_equity, equity),
        positions=tuple(_position(each) for each in state.by_symbol.values() if each.track.quantity),
        orders=tuple(_order(each, row) for each in state.by_symbol.values() for row in _live(each)),
        gates=_gates(state),
        halts=_halts(state),
        paused=any(reason == "paused" for reason, _ in state.halted),
        risk={reason: _share(usage) for reason, usage in state.risk.usage(state).items()},
        last_decision_ms=state.last_decision_ms,
        evaluations=tuple(_evaluation(each, each.verdict) for each in state.by_symbol.values() if each.verdict),
        reconciled=state.reconciled,
    )


def symbol_watch(symbol: SymbolState) -> SymbolWatch:
    """Return what could matter next on one symbol, its price levels left out."""
    flags = exits.exit_flag(symbol) or (ENTER_LONG | ENTER_SHORT)
    return SymbolWatch(flags, (), _is_idle(symbol), symbol.entry_retry_ms)


def _levels(symbol: SymbolState) -> tuple[Decimal, ...]:
    resting = [row.report.price for row in _live(symbol) if row.report.price]
    triggers = [row.report.trigger_price for row in symbol.live_algos() if row.report.trigger_price]
    return (*resting, *triggers)


def stakes(state: State) -> tuple[Decimal, list[Stake]]:
    """Return the terms of equity: the wallet and every open position."""
    held = [
        Stake(symbol.symbol, symbol.track.quantity, symbol.track.cost)
        for symbol in state.by_symbol.values()
        if symbol.track.quantity
    ]
    return state.wallet, held


def _is_idle(symbol: SymbolState) -> bool:
    """Say whether nothing is under way: flat without a stop, or held with the one stop that is meant to rest."""
    if symbol.orders or symbol.under_way or symbol.wake_ms is not None or symbol.refreshing:
        return False
    if not symbol.track.quantity:
        return not symbol.algos
    stop = symbol.algos.get(symbol.stop_id)
    return len(symbol.algos) == 1 and stop is not None and stop.state is OrderState.RESTING


def _live(symbol: SymbolState) -> list[OrderRow]:
    return [row for row in symbol.orders.values() if not row.state.is_final]


def _position(symbol: SymbolState) -> PositionView:
    stop = symbol.algos.get(symbol.stop_id)
    return PositionView(
        symbol=symbol.symbol,
        trip=symbol.track.trip,
        quantity=symbol.track.quantity,
        entry_price=symbol.track.entry_price,
        last_close=symbol.last_close,
        unrealized=symbol.track.unrealized(symbol.mark),
        stop_price=stop.report.trigger_price if stop else ZERO,
        stop_client_algo_id=symbol.stop_id,
        stop_resting=any(row.state is OrderState.RESTING and row.intent_id for row in symbol.algos.values()),
        opened_ms=symbol.track.opened_ms,
        commission=symbol.track.commission,
        funding=symbol.funding,
    )


def _order(symbol: SymbolState, row: OrderRow) -> OrderView:
    intent = symbol.intents.get(row.intent_id)
    return OrderView(
        symbol=row.symbol,
        client_order_id=row.client_order_id,
        purpose=intent.purpose if intent else None,
        side=row.report.side,
        state=row.state,
        quantity=row.report.quantity,
        executed_quantity=symbol.executed_of(row),
        price=row.report.price,
        attempt=row.attempt,
        expires_ms=row.expires_ms,
    )


def _gates(state: State) -> tuple[GateView, ...]:
    closed = [GateView(gate, symbol, detail) for (gate, symbol), detail in state.gates.items()]
    if not state.reconciled:
        closed.append(GateView(UNRECONCILED, "", state.closed_gates("")[UNRECONCILED]))
    return tuple(closed)


def _halts(state: State) -> tuple[HaltView, ...]:
    kept = [HaltView(reason, symbol, 0, halt.detail) for (reason, symbol), halt in state.halted.items()]
    rules = state.risk.halts(state.now_ms)
    until_ms = state.risk.wake(state).deadline_ms or 0
    return (*kept, *(HaltView(reason, "", until_ms, detail) for reason, detail in rules.items()))


def _share(usage: Usage) -> Decimal:
    if not usage.limit:
        return ONE if usage.used else ZERO
    return divide(usage.used, usage.limit)


def _evaluation(symbol: SymbolState, verdict: Verdict) -> EvaluationView:
    words = [word for flag, word in _FLAG_WORDS.items() if verdict.flags & flag]
    return EvaluationView(
        symbol=symbol.symbol,
        strategy=audit.strategy_name(symbol),
        at_ms=symbol.verdict_ms,
        verdict=", ".join(words) or verdict.why or "no signal",
        inputs=audit.text_of(verdict.inputs),
    )


def capital_complaint(state: State) -> str:
    """Return the first symbol's reason why its position size cannot work with this equity, empty = all can.

    Where anything is open there is no complaint: it has to be looked after, and the rules refuse entries by themselves.
    """
    if any(symbol.busy for symbol in state.by_symbol.values()):
        return ""
    for symbol in state.by_symbol.values():
        strategy, instrument = symbol.strategy, symbol.instrument
        if strategy is None or instrument is None or not symbol.last_close:
            continue
        complaint = hopeless(instrument, strategy.notional, symbol.last_close, state.equity, state.plan.risk)
        if complaint:
            return complaint
    return ""
