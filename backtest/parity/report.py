"""What `act parity` prints and writes."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from statistics import median
from typing import Any

from backtest.parity.causes import UNEXPLAINED, Cause
from backtest.parity.compare import Comparison, Difference
from bot.domain.money import ZERO, plain
from simulator.market.recordings import iso


def as_json(found: Comparison, from_ms: int, to_ms: int, shift_days: int) -> dict[str, Any]:
    """Return the comparison for machines: amounts as text, times in ms UTC of the recording."""
    return {
        "from": iso(from_ms),
        "to": iso(to_ms),
        "shift_days": shift_days,
        "decisions": _counts(found.decisions),
        "orders": _counts(found.orders),
        "fills": _counts(found.fills),
        "trades": {"backtest": found.backtest_trips, "bot": found.bot_trips, "matched": found.matched_trips},
        "pnl": {
            "backtest": plain(found.backtest_pnl),
            "bot": plain(found.bot_pnl),
            "difference": plain(found.bot_pnl - found.backtest_pnl),
            "by_cause": {cause.value: plain(amount) for cause, amount in _by_size(found)},
        },
        "delay_ms": _delays(found),
        "unexplained": sum(each.cause in UNEXPLAINED for each in found.differences),
        "differences": [_difference(each) for each in found.differences],
    }


def lines(found: Comparison, from_ms: int, to_ms: int, shift_days: int) -> Iterator[str]:
    """Yield the comparison for people."""
    moved = f", the bot's clock {shift_days} days later" if shift_days else ""
    yield f"{iso(from_ms)} to {iso(to_ms)}{moved}"
    for each in found.differences:
        amount = f"  {each.pnl:+.4f} USDT" if each.pnl else ""
        yield f"{_when(each)}  {each.symbol:<10} {each.cause.value:<10} {each.what:<8} {each.detail}{amount}"
    yield from summary(found)


def summary(found: Comparison) -> Iterator[str]:
    """Yield the counts and the profit, without the differences themselves."""
    for name, counts in (("decisions", found.decisions), ("orders", found.orders), ("fills", found.fills)):
        yield f"{name}: {_sentence(counts)}"
    if found.delays_ms:
        delays = _delays(found)
        yield f"delay of market orders: median {delays['median']} ms, longest {delays['max']} ms"
    trades = f"{found.backtest_trips} in the backtest, {found.bot_trips} of the bot, {found.matched_trips} matched"
    yield f"round trips: {trades}"
    yield f"profit: {_profit(found)}"


def headline(found: Comparison) -> str:
    """Return the comparison in a line, for an alert."""
    compared = sum(found.decisions.values())
    differing = compared - found.decisions.get(None, 0)
    return f"PARITY {differing} of {compared} decisions differ, {found.bot_pnl - found.backtest_pnl:+.4f} USDT"


def _counts(counts: Mapping[Cause | None, int]) -> dict[str, Any]:
    return {
        "compared": sum(counts.values()),
        "same": counts.get(None, 0),
        "different": {cause.value: count for cause, count in sorted(counts.items(), key=str) if cause is not None},
    }


def _sentence(counts: Mapping[Cause | None, int]) -> str:
    known = _counts(counts)
    words = [f"{known['compared']} compared, {known['same']} the same"]
    return ", ".join([*words, *(f"{count} {cause}" for cause, count in known["different"].items())])


def _profit(found: Comparison) -> str:
    difference = found.bot_pnl - found.backtest_pnl
    parts = " ".join(f"{_signed(amount)} {cause.value}" for cause, amount in _by_size(found)) or "0"
    return f"backtest {plain(found.backtest_pnl)}, bot {plain(found.bot_pnl)}, difference {plain(difference)} = {parts}"


def _by_size(found: Comparison) -> list[tuple[Cause, Decimal]]:
    return sorted(found.parts.amounts.items(), key=lambda each: -abs(each[1]))


def _delays(found: Comparison) -> dict[str, int]:
    return {"median": round(median(found.delays_ms)), "max": max(found.delays_ms)} if found.delays_ms else {}


def _difference(each: Difference) -> dict[str, Any]:
    return {
        "at": each.at_ms,
        "symbol": each.symbol,
        "what": each.what,
        "cause": each.cause.value,
        "detail": each.detail,
        "pnl": plain(each.pnl),
    }


def _signed(amount: Decimal) -> str:
    return f"{'-' if amount < ZERO else '+'} {plain(abs(amount))}"


def _when(each: Difference) -> str:
    return datetime.fromtimestamp(each.at_ms / 1000, UTC).strftime("%m-%d %H:%M:%S")
