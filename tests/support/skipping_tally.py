"""What happened in a backtest, counted: a campaign in which nothing went wrong proves nothing."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations, pairwise

import numpy as np

from backtest.results import Outcome
from bot.domain.order import OrderState, OrderType
from bot.domain.records import Decision, OrderRow, RiskEvent, Row
from support.reference_backtest import DAY
from support.skipping import Case

Span = tuple[int, int]


def happenings(case: Case, skipped: Outcome, stepped: Outcome, rows: Sequence[Row]) -> Counter[str]:
    """Count what happened; `rows` are there only where the case is narrated."""
    held = _held(case, stepped)
    found = Counter(trade.exit_reason for trade in stepped.trades)
    found.update(
        {
            "candles": stepped.visited,
            "visited": skipped.visited,
            "sparse case": skipped.visited * 10 < stepped.visited,
            "case at a loss limit": bool(stepped.risk_events),
            "partial fill": _several(fill.order_id for fill in stepped.fills),
            "maker fill": sum(fill.maker for fill in stepped.fills),
            "funding": len(stepped.fundings),
            "funding inside a candle": sum(
                row.time_ms % case.recording.history.interval_ms > 0 for row in stepped.fundings
            ),
            "still open": len(stepped.open),
            "held over midnight": sum(first // DAY < last // DAY for spans in held.values() for first, last in spans),
            "held over a hole": sum(_over_a_hole(case, symbol, span) for symbol in held for span in held[symbol]),
            "two held at once": sum(
                _overlap(a, b) for one, two in combinations(held.values(), 2) for a in one for b in two
            ),
            "stop touched and no more": _touched(case, stepped),
        }
    )
    return found + _halts(stepped, held) + _refusals(rows) + _orders(rows)


def _held(case: Case, outcome: Outcome) -> dict[str, list[Span]]:
    """Return from when to when each symbol was held."""
    spans: dict[str, list[Span]] = defaultdict(list)
    quantity, since = Counter(), {}
    for fill in outcome.fills:
        before = quantity[fill.symbol]
        quantity[fill.symbol] += fill.side.sign * fill.quantity
        if not before:
            since[fill.symbol] = fill.time_ms
        if not quantity[fill.symbol]:
            spans[fill.symbol].append((since[fill.symbol], fill.time_ms))
    for position in outcome.open:
        last = int(case.recording.history.series[position.symbol].open_time[-1])
        spans[position.symbol].append((since[position.symbol], last))
    return spans


def _overlap(one: Span, two: Span) -> bool:
    return max(one[0], two[0]) < min(one[1], two[1])


def _over_a_hole(case: Case, symbol: str, span: Span) -> bool:
    times = case.recording.history.series[symbol].open_time
    inside = times[np.searchsorted(times, span[0]) : np.searchsorted(times, span[1], "right")]
    return any(after - before > case.recording.history.interval_ms for before, after in pairwise(inside.tolist()))


def _touched(case: Case, outcome: Outcome) -> int:
    """Count stops that the candle's extreme reached exactly."""
    count = 0
    for trade in outcome.trades:
        series = case.recording.history.series[trade.symbol]
        row = np.searchsorted(series.open_time, trade.exit_time)
        extreme = series.low[row] if trade.side == "LONG" else series.high[row]
        count += trade.exit_reason == "stop" and int(extreme) * series.tick == trade.exit_decision_price
    return count


def _halts(outcome: Outcome, held: dict[str, list[Span]]) -> Counter[str]:
    found: Counter[str] = Counter()
    fills = {fill.time_ms for fill in outcome.fills}
    for event in outcome.risk_events:
        found[f"{event.kind} by {event.rule}"] += 1
        if event.kind == "halt" and event.rule == "daily_loss":
            found["halt at exactly the limit"] += _is_exact(event)
            open_then = [span for spans in held.values() for span in spans if span[0] < event.at_ms <= span[1]]
            found["halt at a close, one held"] += event.at_ms not in fills and len(open_then) == 1
            found["halt at a close, several held"] += event.at_ms not in fills and len(open_then) > 1
    return found


def _is_exact(event: RiskEvent) -> bool:
    words = event.detail.replace(";", "").split()
    return words[1] == words[words.index("limit") + 1]


def _refusals(rows: Iterable[Row]) -> Counter[str]:
    decisions = [row for row in rows if isinstance(row, Decision)]
    return Counter(f"refused: {row.reason}" for row in decisions if row.action == "refuse")


def _orders(rows: Iterable[Row]) -> Counter[str]:
    found: Counter[str] = Counter()
    last = {row.client_order_id: row for row in rows if isinstance(row, OrderRow) and row.intent_id}
    for row in last.values():
        report = row.report
        found["refused by the exchange"] += row.state is OrderState.REJECTED
        found["time to live over"] += row.state is OrderState.CANCELLED
        found["post-only expired"] += row.state is OrderState.EXPIRED and report.time_in_force == "GTX"
        found["crossed"] += row.attempt > 1 and report.type == OrderType.MARKET and not report.reduce_only
    return found


def _several(order_ids: Iterable[int]) -> int:
    return sum(count > 1 for count in Counter(order_ids).values())
