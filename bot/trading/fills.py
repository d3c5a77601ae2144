"""Executions are booked: wallet, position, round trip. Each once, whatever comes twice or late."""

from bisect import insort
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from bot.domain.fill import Fill, Funding
from bot.domain.money import ZERO, plain
from bot.domain.order import Purpose, Side
from bot.domain.records import OrderRow, PositionRow, TradeRow
from bot.trading import audit, equity, ids, ledger
from bot.trading.positions import Followed, Track, Trip, follow, follow_all
from bot.trading.state import State, SymbolState

_KEPT_FILLS: Final = 512
_KEPT_TRADE_IDS: Final = 8_192
FORCED_ORDERS: Final = {
    "autoclose-": "liquidation",
    "adl_autoclose": "adl",
    "settlement_autoclose-": "settlement",
}
"""Client order ids by which the exchange closes positions itself (docs/wire.md B.8)."""


def book(state: State, symbol: SymbolState, fill: Fill) -> None:
    """Book an execution unless it is booked already."""
    if fill.trade_id in symbol.trade_ids:
        return
    if fill.trade_id <= symbol.forgotten_trade_id:
        state.ask_reconcile("forgotten_fill")
        return
    remember(symbol, fill)
    state.record(fill)
    ledger.pay_fill(state, fill)
    _follow(state, symbol, fill)
    if state.narrated:
        record_position(state, symbol)
    equity.judge(state)


def remember(symbol: SymbolState, fill: Fill) -> None:
    """Know a fill as booked, so that seeing it again changes nothing."""
    symbol.trade_ids[fill.trade_id] = None
    symbol.executed[fill.order_id] = symbol.executed.get(fill.order_id, ZERO) + fill.quantity
    if len(symbol.trade_ids) > _KEPT_TRADE_IDS:
        oldest = next(iter(symbol.trade_ids))
        del symbol.trade_ids[oldest]
        symbol.forgotten_trade_id = max(symbol.forgotten_trade_id, oldest)


def verify(state: State, symbol: SymbolState) -> None:
    """Compare the realized profit of every kept fill with rule R3, once all fills are known to be here."""
    if not symbol.unverified:
        return
    symbol.unverified = False
    for fill, step in zip(symbol.fills, _replay(state, symbol), strict=True):
        if step.expected != fill.realized_pnl:
            ledger.report_difference(state, symbol, fill, step.expected)


def book_funding(state: State, funding: Funding) -> None:
    """Book a settlement and give it to the round trip it belongs to."""
    symbol = ledger.book_funding(state, funding)
    if symbol is None:
        return
    if symbol.track.quantity and funding.time_ms >= symbol.track.opened_ms - symbol.track.opened_ms % 60_000:
        symbol.funding += funding.amount
        record_position(state, symbol)
    elif symbol.last_trade is not None:
        trade = symbol.last_trade
        symbol.last_trade = replace(trade, funding=trade.funding + funding.amount, pnl=trade.pnl + funding.amount)
        state.record(symbol.last_trade)


def attribute(state: State, symbol: SymbolState, row: OrderRow) -> None:
    """Name the round trip's decision and exit reason when an order is reported after its fills."""
    order_id = row.report.order_id
    trade = symbol.last_trade
    if trade is not None and symbol.last_exit_order_id == order_id:
        named = replace(trade, exit_reason=_exit_reason(symbol, order_id))
        if named != trade:
            symbol.last_trade = named
            state.record(named)
    if symbol.track.quantity and symbol.track.entry_order_id == order_id:
        record_position(state, symbol)


def record_position(state: State, symbol: SymbolState) -> None:
    """Record where the symbol stands."""
    if not state.narrated:
        return
    track = symbol.track
    stop = symbol.algos.get(symbol.stop_id) if track.quantity else None
    row = PositionRow(
        symbol=symbol.symbol,
        quantity=track.quantity,
        cost=track.cost,
        entry_price=track.entry_price,
        stop_price=stop.report.trigger_price if stop else ZERO,
        stop_client_algo_id=stop.client_algo_id if stop else "",
        opened_ms=track.opened_ms,
        entry_decision_id=_entry_decision(symbol, track.entry_order_id),
        realized_pnl=track.realized,
        commission=track.commission,
        funding=symbol.funding,
        updated_ms=state.now_ms,
        trip=track.trip,
    )
    state.record(row)


def _follow(state: State, symbol: SymbolState, fill: Fill) -> None:
    if fill.trade_id > symbol.track.last_trade_id:
        symbol.fills.append(fill)
        _take_step(state, symbol, fill, follow(symbol.track, fill, state.margin_asset))
    else:
        _insert(state, symbol, fill)
    if len(symbol.fills) > _KEPT_FILLS and not symbol.unverified:
        _forget_old_fills(symbol)


def _insert(state: State, symbol: SymbolState, fill: Fill) -> None:
    closed_before = symbol.track.trip - (1 if symbol.track.quantity else 0)
    if fill.trade_id < symbol.base.last_trade_id:
        base = follow(symbol.base, fill, state.margin_asset).track
        symbol.base = replace(base, last_trade_id=symbol.base.last_trade_id)
        state.ask_reconcile("late_fill")
    else:
        insort(symbol.fills, fill, key=lambda each: each.trade_id)
    steps = _replay(state, symbol)
    symbol.tracks = [step.track for step in steps]
    symbol.unverified = any(step.expected != each.realized_pnl for each, step in zip(symbol.fills, steps, strict=True))
    symbol.track = symbol.tracks[-1] if steps else symbol.base
    symbol.last_reduced_ms = max(symbol.last_reduced_ms, fill.time_ms)
    for step in steps:
        if step.closed is not None and step.track.last_trade_id >= fill.trade_id:
            _close(state, symbol, step.closed, news=step.closed.trip > closed_before)


def _take_step(state: State, symbol: SymbolState, fill: Fill, step: Followed) -> None:
    symbol.track = step.track
    symbol.tracks.append(step.track)
    if step.expected != fill.realized_pnl:
        symbol.unverified = True
        state.ask_reconcile("ledger_difference")
    if step.reduced:
        symbol.last_reduced_ms = max(symbol.last_reduced_ms, fill.time_ms)
    if step.closed is not None:
        _close(state, symbol, step.closed, news=True)
    if step.opened:
        symbol.stops_lost = 0


def _close(state: State, symbol: SymbolState, trip: Trip, *, news: bool) -> None:
    funding = symbol.funding if news else _funding_of_trip(symbol, trip.trip)
    symbol.funding = ZERO if news else symbol.funding
    trade = TradeRow(
        symbol=symbol.symbol,
        trip=trip.trip,
        side=side_word(trip.side),
        quantity=trip.quantity,
        entry_ms=trip.entry_ms,
        entry_price=trip.entry_price,
        exit_ms=trip.exit_ms,
        exit_price=trip.exit_price,
        fees=trip.commission,
        funding=funding,
        pnl=trip.realized - trip.commission + funding,
        exit_reason=_exit_reason(symbol, trip.exit_order_id),
        entry_decision_id=_entry_decision(symbol, trip.entry_order_id),
    )
    symbol.last_trade = trade
    symbol.last_exit_order_id = trip.exit_order_id
    symbol.stop_basis = ZERO
    audit.close_incident(state, "dust", symbol.symbol)
    state.record(trade)
    if news:
        state.remember_risk(state.risk.trip_ended(symbol.symbol, trade.pnl, state.now_ms))
        if state.narrated:
            _tell_exit(state, trade)


def _funding_of_trip(symbol: SymbolState, trip: int) -> Decimal:
    known = symbol.last_trade
    return known.funding if known is not None and known.trip == trip else ZERO


def _tell_exit(state: State, trade: TradeRow) -> None:
    minutes = (trade.exit_ms - trade.entry_ms) / 60_000
    title = f"CLOSED {trade.side} {trade.symbol} {plain(trade.quantity)} @ {plain(trade.exit_price)}"
    text = (
        f"result {_signed(trade.pnl)} USDT, fees {plain(trade.fees)}, funding {plain(trade.funding)}, "
        f"{minutes:.1f} min, reason {trade.exit_reason}"
    )
    thread = audit.thread_of(trade.symbol, trade.trip)
    audit.alert(state, audit.INFO, "exit", trade.symbol, trade.trip, title, text, thread)


def side_word(side: int) -> str:
    """Return LONG or SHORT."""
    return "LONG" if side > 0 else "SHORT"


def closing_side(track: Track) -> Side:
    """Return the order side that reduces the position."""
    return Side.SELL if track.quantity > 0 else Side.BUY


def _signed(amount: Decimal) -> str:
    return f"+{plain(amount)}" if amount > 0 else plain(amount)


def _exit_reason(symbol: SymbolState, order_id: int) -> str:
    row = symbol.order_by_id(order_id)
    if row is None:
        return "unknown"
    if row.intent_id:
        intent = symbol.intents.get(row.intent_id)
        return intent.reason if intent else Purpose.EXIT.name.lower()
    if row.report.algo_id:
        return "stop" if ids.parse(row.client_order_id) else "manual"
    return next((reason for start, reason in FORCED_ORDERS.items() if row.client_order_id.startswith(start)), "manual")


def _entry_decision(symbol: SymbolState, order_id: int) -> str:
    row = symbol.order_by_id(order_id)
    intent = symbol.intents.get(row.intent_id) if row and row.intent_id else None
    if intent is None:
        return symbol.entry_decisions.get(order_id, "")
    symbol.entry_decisions = {order_id: intent.decision_id}
    return intent.decision_id


def _replay(state: State, symbol: SymbolState) -> list[Followed]:
    return follow_all(symbol.base, symbol.fills, state.margin_asset)


def _forget_old_fills(symbol: SymbolState) -> None:
    tracks = symbol.tracks
    flat = next((at for at in range(len(tracks) // 2, len(tracks)) if not tracks[at].quantity), None)
    if flat is not None:
        symbol.base = tracks[flat]
        del symbol.fills[: flat + 1], tracks[: flat + 1]
