"""A candle closes: equity is judged, exits are decided, then entries."""

from bot.domain.market import Candle
from bot.trading import entries, equity, exits
from bot.trading.state import State, SymbolState


def warm_up(state: State, candle: Candle) -> None:
    """Feed the strategy with a candle from before the start; it decides nothing."""
    symbol = state.by_symbol.get(candle.symbol)
    if symbol is not None:
        _evaluate(symbol, candle)


def close(state: State, candle: Candle, *, complete: bool) -> None:
    """Evaluate a closed candle and decide; `complete`: it is the last one of its minute over all symbols."""
    symbol = state.by_symbol.get(candle.symbol)
    if symbol is None:
        return
    close_ms = candle.close_time
    equity.before_candle(state, close_ms)
    _evaluate(symbol, candle)
    equity.after_candle(state, candle.symbol, close_ms, complete=complete)
    if symbol.strategy is None:
        return
    if symbol.track.quantity:
        exits.consider(state, symbol, candle)
    else:
        entries.consider(state, symbol, candle)


def _evaluate(symbol: SymbolState, candle: Candle) -> None:
    symbol.last_close = candle.close
    if symbol.strategy is not None:
        symbol.verdict = symbol.strategy.on_candle(candle)
        symbol.verdict_ms = candle.close_time
