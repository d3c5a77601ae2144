"""What is not right outside the core: closed gates, jumping prices, changed filters."""

from collections.abc import Iterable
from decimal import Decimal

from bot.domain.instrument import Instrument
from bot.domain.money import plain
from bot.domain.records import RiskEvent
from bot.trading.state import State


def close(state: State, gate: str, symbol: str, detail: str) -> None:
    """Allow no new exposure until the gate opens, and take back resting entries."""
    if (gate, symbol) in state.gates:
        return
    state.gates[gate, symbol] = detail
    state.record(_event(state, f"gate_{gate}", symbol, "gate_closed", detail))
    state.touch_all()


def open_again(state: State, gate: str, symbol: str) -> None:
    """Learn that the cause of a closed gate is gone."""
    if state.gates.pop((gate, symbol), None) is not None:
        state.record(_event(state, f"gate_{gate}", symbol, "gate_opened", ""))


def pause_volatile(state: State, symbol: str, percent: Decimal) -> None:
    """Pause a symbol's entries for a while of market time."""
    pause = state.by_symbol.get(symbol)
    if pause is None:
        return
    told = pause.volatile_until_ms > state.now_ms
    pause.volatile_until_ms = state.now_ms + state.plan.risk.volatility_pause_seconds * 1_000
    if not told:
        state.record(_event(state, "volatility", symbol, "pause", f"{plain(percent)} % within five seconds"))


def use_instruments(state: State, instruments: Iterable[Instrument]) -> None:
    """Take refreshed filters; what waited for them goes on."""
    for instrument in instruments:
        symbol = state.by_symbol.get(instrument.symbol)
        if symbol is None:
            continue
        if symbol.refreshing:
            symbol.refreshing = False
            state.touched[symbol.symbol] = None
        if instrument != symbol.instrument:
            symbol.instrument = instrument
            state.record(instrument)
            if symbol.strategy is not None:
                symbol.strategy.use(instrument)


def _event(state: State, rule: str, symbol: str, kind: str, detail: str) -> RiskEvent:
    return RiskEvent(f"{rule}-{symbol}-{state.now_ms}-{kind}", state.now_ms, rule, symbol, kind, detail)
