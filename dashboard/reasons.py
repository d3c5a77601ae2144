"""Why a symbol is not being traded now, in words. Pure: what is known comes in, a box of markup comes out."""

from typing import Any

from dashboard import panels
from dashboard.data import Situation
from dashboard.format import clock, number, side_word, stamp, words

_BLOCKING = {"starting", "reconciling", "degraded", "paused", "draining", "halted", "stopped"}
_NAMES = {
    "close": "Close",
    "vwap": "VWAP",
    "lower": "Lower band",
    "upper": "Upper band",
    "adx": "ADX(14)",
    "session_candles": "Candles of the session",
    "candles": "Candles without a hole",
}
_PRICES = frozenset({"close", "vwap", "lower", "upper"})


def box(symbol: str, situation: Situation) -> str:
    """Build the box beside the chart: the verdict, the numbers behind it, and the last decision."""
    title = "Why the position is held" if situation.position else "Why no trade now"
    judged = f"judged at the close of {clock(situation.at_ms)}" if situation.at_ms else symbol
    return panels.why(title, verdict(situation), _facts(situation), judged) + _last_decision(situation)


def verdict(situation: Situation) -> str:
    """Say in one sentence what keeps the bot from trading, the strongest cause first."""
    beat = situation.sign.beat
    if not situation.sign.live or beat is None:
        return "The bot is not running, so nothing is traded. Stops rest at the exchange."
    if situation.position is not None:
        return _holding(situation)
    if beat.state in _BLOCKING:
        return f"Entries are off: the bot is {beat.state}{f' ({beat.reason})' if beat.reason else ''}."
    if not situation.at_ms:
        return "Not evaluated yet: no candle has closed since the start."
    return _market(situation) or words(situation.verdict) or "The strategy gave no reason."


def _holding(situation: Situation) -> str:
    position = situation.position
    if position is None:
        return ""
    side = side_word(position.quantity)
    vwap = _price(situation, "vwap")
    target = f"at the VWAP, now {vwap}," if vwap else "when the strategy says so"
    stop = number(position.stop_price, situation.places) if position.stop_price else "none"
    return f"A {side} is open: it leaves {target} or by its stop at {stop}."


def _market(situation: Situation) -> str:
    inputs = situation.inputs
    if not {"close", "lower", "upper", "adx"} <= inputs.keys():
        return ""
    close, lower, upper, adx = (_float(inputs[name]) for name in ("close", "lower", "upper", "adx"))
    inside = lower <= close <= upper
    trending = adx >= situation.adx_max
    if inside and trending:
        return f"Inside the band and trending: ADX {adx:.1f} is not below {situation.adx_max:g}."
    if inside:
        low, high = _price(situation, "lower"), _price(situation, "upper")
        return f"Quiet, but inside the band: a close below {low} or above {high} is needed."
    if trending:
        return f"Outside the band, but trending: ADX {adx:.1f} is not below {situation.adx_max:g}."
    return _refused(situation)


def _refused(situation: Situation) -> str:
    decision = situation.decision
    if decision is None or decision.action != "refuse" or decision.at_ms < situation.at_ms:
        return "Outside the band in a quiet market: that is a signal."
    return f"A signal was refused: {words(decision.reason)}."


def _facts(situation: Situation) -> list[tuple[str, str]]:
    known = [(name, situation.inputs[name]) for name in _NAMES if name in situation.inputs]
    others = [(name, value) for name, value in situation.inputs.items() if name not in _NAMES]
    return [(_NAMES.get(name, words(name)), _shown(situation, name, value)) for name, value in known + others]


def _shown(situation: Situation, name: str, value: Any) -> str:
    if name in _PRICES:
        return _price(situation, name)
    return f"{value:,.1f}" if isinstance(value, float) else str(value)


def _last_decision(situation: Situation) -> str:
    decision = situation.decision
    if decision is None:
        return panels.why("Last decision", "None yet: no signal has been given.", [])
    what = {"enter": "Entered", "exit": "Left", "refuse": "Refused"}.get(decision.action, decision.action)
    facts = [("Side", decision.side.value), ("Price", number(decision.price, situation.places))]
    facts += [("Quantity", f"{decision.quantity:f}")] if decision.quantity else []
    facts += [("Ask again", stamp(decision.retry_ms))] if decision.retry_ms else []
    reason = f": {words(decision.reason)}" if decision.reason else ""
    return panels.why("Last decision", f"{what}{reason}", facts, stamp(decision.at_ms))


def _price(situation: Situation, name: str) -> str:
    value = situation.inputs.get(name)
    return "" if value is None else number(_float(value), situation.places)


def _float(value: Any) -> float:
    return float(value)
