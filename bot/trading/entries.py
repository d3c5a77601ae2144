"""Entries: a signal is sized, asked of every rule, checked against every filter, and only then approved."""

from decimal import Decimal
from typing import Final

from bot.domain.instrument import Instrument
from bot.domain.market import MINUTE_MS, Candle
from bot.domain.money import ZERO
from bot.domain.order import FINAL_STATES, OrderType, Purpose, Side, TimeInForce
from bot.domain.records import Intent
from bot.trading import audit, ids, orders
from bot.trading.orders import ApprovedOrder
from bot.trading.pacing import GlobalTradeSpacing, SymbolCooldown
from bot.trading.risk import PASSED, Assessment
from bot.trading.rule import Ask, Refusal
from bot.trading.sizing import Sizing, size
from bot.trading.state import OPEN, State, SymbolState
from bot.trading.strategy import ENTER_LONG, ENTER_SHORT

STALE_SIGNAL: Final = "stale_signal"
EXIT_IN_CANDLE: Final = "exit_in_candle"
STOP_PENDING: Final = "stop_pending"
SYMBOL_REFUSED: Final = "symbol_refused"
PACING: Final = frozenset({GlobalTradeSpacing.reason, SymbolCooldown.reason})
_ENTRIES: Final = ENTER_LONG | ENTER_SHORT
_SIDES: Final = {ENTER_LONG: Side.BUY, ENTER_SHORT: Side.SELL}  # with both flags up none is asked for
_TIME_IN_FORCE: Final = {"limit": TimeInForce.GTC, "post_only": TimeInForce.GTX}


def consider(state: State, symbol: SymbolState, candle: Candle) -> None:
    """Decide about an entry at a candle's close: nothing happens unless flat, idle and asked for."""
    side = _SIDES.get(symbol.verdict.flags & _ENTRIES) if symbol.verdict else None
    if side is None or symbol.track.quantity or symbol.under_way:
        return
    intent_id = _intent_id(symbol, candle)
    if orders.known(state, symbol, intent_id):
        return
    signal_id = f"{symbol.symbol}-{candle.open_time}-enter"
    audit.signal(state, symbol, signal_id, "entry", side)
    strategy, instrument = symbol.trading
    sizing = _size(state, strategy.notional, instrument, candle.close)
    ask = _ask(state, symbol, side, sizing.quantity, candle.close)
    assessment = state.risk.assess(ask, state)
    refusal = _untimely(state, symbol, candle) or assessment.refusal or _unfit(state, symbol, instrument, ask)
    if refusal is not None:
        symbol.entry_retry_ms = refusal.retry_ms
        _refuse(state, symbol, signal_id, ask, refusal, assessment, sizing)
        return
    audit.decide(
        state,
        symbol,
        signal_id,
        action="enter",
        side=side,
        reason="signal",
        price=ask.price,
        quantity=ask.quantity,
        gates=assessment.verdicts,
        sizing=sizing.inputs() if state.narrated else audit.NOTHING,
        intent_id=intent_id,
    )
    _enter(state, symbol, ask, intent_id, signal_id)


def again(state: State, symbol: SymbolState, intent: Intent, *, cross: bool) -> None:
    """Send the next attempt for what is left of an entry, or give it up if it may not be any more."""
    left = intent.quantity - intent.executed_quantity
    price = symbol.last_close
    _, instrument = symbol.trading
    market = _market(state, cross=cross)
    quantity = instrument.floor_quantity(left, market=market)
    ask = _ask(state, symbol, intent.side, quantity, price)
    assessment = state.risk.assess(ask, state)
    refusal = _unpaced_refusal(assessment) or _unfit(state, symbol, instrument, ask, market=market)
    if refusal is not None:
        decision_id = f"{intent.intent_id}-{intent.attempt + 1}"
        _refuse(state, symbol, decision_id, ask, refusal, assessment, intent_id=intent.intent_id)
        orders.close_intent(state, symbol, intent, "given_up")
        return
    orders.submit(state, symbol, _approve(state, symbol, intent, ask, cross=cross))


def withdraw(state: State, symbol: SymbolState) -> None:
    """Want no entry any more: what rests of it is cancelled, what is unknown is cancelled once it is found."""
    for intent in list(symbol.intents.values()):
        if intent.purpose is Purpose.ENTRY and intent.state == OPEN:
            orders.close_intent(state, symbol, intent, "given_up")
            state.touched[symbol.symbol] = None


def deadline_ms(state: State, intent: Intent) -> int:
    """Return when an entry's resting order ends (market time)."""
    return intent.created_ms + state.plan.execution.ttl_seconds * 1_000


def _ask(state: State, symbol: SymbolState, side: Side, quantity: Decimal, price: Decimal) -> Ask:
    worst = symbol.exposure().worst_after(side, quantity) * price
    return Ask(symbol.symbol, side, quantity, price, state.now_ms, worst)


def _intent_id(symbol: SymbolState, candle: Candle) -> str:
    strategy = audit.strategy_name(symbol)
    return ids.intent_id(Purpose.ENTRY, f"{symbol.symbol}|{strategy}|{Purpose.ENTRY}|{candle.open_time}")


def _enter(state: State, symbol: SymbolState, ask: Ask, intent_id: str, decision_id: str) -> None:
    intent = Intent(
        intent_id=intent_id,
        symbol=symbol.symbol,
        purpose=Purpose.ENTRY,
        side=ask.side,
        quantity=ask.quantity,
        executed_quantity=ZERO,
        price=ask.price,
        stop_price=symbol.trading[0].stop_price(ask.side, ask.price) if state.narrated else ZERO,
        reason="signal",
        decision_id=decision_id,
        state=OPEN,
        attempt=0,
        client_order_id="",
        created_ms=state.now_ms,
        updated_ms=state.now_ms,
    )
    for row in state.risk.entry_taken(symbol.symbol, state.now_ms):
        state.record(row)
    orders.submit(state, symbol, _approve(state, symbol, intent, ask, cross=False))


def _approve(state: State, symbol: SymbolState, intent: Intent, ask: Ask, *, cross: bool) -> ApprovedOrder:
    if _market(state, cross=cross):
        return ApprovedOrder(intent, OrderType.MARKET, ask.quantity, ZERO, TimeInForce.GTC, 0, ask.price)
    return ApprovedOrder(
        intent=intent,
        type=OrderType.LIMIT,
        quantity=ask.quantity,
        price=_limit_price(symbol, ask),
        time_in_force=_TIME_IN_FORCE[state.plan.execution.entry],
        expires_ms=deadline_ms(state, intent),
        decision_price=ask.price,
    )


def _market(state: State, *, cross: bool) -> bool:
    return cross or state.plan.execution.entry == "market"


def _limit_price(symbol: SymbolState, ask: Ask) -> Decimal:
    _, instrument = symbol.trading
    # A close off the tick grid (filters changed) is rounded away from the market, never through it.
    return instrument.floor_price(ask.price) if ask.side is Side.BUY else instrument.ceil_price(ask.price)


def _size(state: State, notional: Decimal, instrument: Instrument, price: Decimal) -> Sizing:
    resting = size(instrument, notional, price, market=False)
    may_cross = state.plan.execution.entry == "market" or state.plan.execution.on_ttl == "cross"
    if instrument.has_one_grid or not may_cross:
        return resting
    crossing = size(instrument, notional, price, market=True)
    return crossing if crossing.quantity < resting.quantity else resting


def _untimely(state: State, symbol: SymbolState, candle: Candle) -> Refusal | None:
    late_ms = state.now_ms - candle.close_time
    if late_ms >= MINUTE_MS:
        return Refusal(STALE_SIGNAL, f"the candle closed {late_ms} ms ago", candle.close_time + MINUTE_MS)
    if symbol.last_reduced_ms >= candle.open_time:
        return Refusal(EXIT_IN_CANDLE, "an exit or stop filled during this candle", candle.close_time + MINUTE_MS)
    if state.now_ms < symbol.refused_until_ms:
        return Refusal(SYMBOL_REFUSED, "the exchange takes no such order on it now", symbol.refused_until_ms)
    if symbol.intents:
        return Refusal(STOP_PENDING, "the stop of the last position is not yet proven ended")
    return None


def _unfit(
    state: State, symbol: SymbolState, instrument: Instrument, ask: Ask, *, market: bool | None = None
) -> Refusal | None:
    if instrument.status != "TRADING":
        return Refusal("not_trading", f"{symbol.symbol} is {instrument.status}")
    if market is None:
        market = state.plan.execution.entry == "market"
    open_orders = sum([row.state not in FINAL_STATES for row in symbol.orders.values()])
    price = ask.price if market else _limit_price(symbol, ask)
    complaint = instrument.refusal(ask.quantity, price, market=market, side=ask.side, open_orders=open_orders)
    return Refusal(complaint.filter.lower(), complaint.message) if complaint else None


def _unpaced_refusal(assessment: Assessment) -> Refusal | None:
    """Leave pacing out: it keeps entries apart, and this one has been counted already."""
    if assessment.refusal is not None and assessment.refusal.reason not in PACING:
        return assessment.refusal
    for reason, verdict in assessment.verdicts.items():
        if verdict != PASSED and reason not in PACING:
            return Refusal(reason, verdict)
    return None


def _refuse(
    state: State,
    symbol: SymbolState,
    decision_id: str,
    ask: Ask,
    refusal: Refusal,
    assessment: Assessment,
    sizing: Sizing | None = None,
    intent_id: str = "",
) -> None:
    audit.decide(
        state,
        symbol,
        decision_id,
        action="refuse",
        side=ask.side,
        reason=refusal.reason,
        price=ask.price,
        quantity=ask.quantity,
        gates=assessment.verdicts | {refusal.reason: refusal.detail},
        sizing=sizing.inputs() if sizing and state.narrated else audit.NOTHING,
        intent_id=intent_id,
        retry_ms=refusal.retry_ms,
    )
