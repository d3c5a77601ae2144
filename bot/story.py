"""Tells in words what led to an order and what came of it: `act why`."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from bot.domain.fill import Fill
from bot.domain.money import ZERO, plain
from bot.domain.order import OrderReport
from bot.domain.records import AlgoOrderRow, Decision, Intent, OrderRow, TradeRow
from database.views import OrderChain

_PASSED = "ok"
_LABEL_WIDTH = 10


def tell(chain: OrderChain) -> Iterator[str]:
    """Yield the lines of the story, in the order in which it happened."""
    for label, line in _parts(chain):
        yield f"{label:<{_LABEL_WIDTH}} {line}"


def utc(at_ms: int) -> str:
    """Write a time as people read it, UTC, to the second."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def signed(amount: Decimal) -> str:
    """Write an amount with its sign, + as well as -."""
    return f"+{plain(amount)}" if amount > ZERO else plain(amount)


def verdict(decision: Decision) -> str:
    """Return a decision's reason and, where a rule refused, that rule's own words."""
    detail = json.loads(decision.gates or "{}").get(decision.reason, _PASSED)
    return decision.reason if detail == _PASSED else f"{decision.reason}: {detail}"


def _parts(chain: OrderChain) -> Iterator[tuple[str, str]]:
    if chain.order is not None and not chain.order.intent_id:
        yield "order", f"{_order(chain.order.report)}; nothing we decided: by hand, by a conditional order, or forced"
    if chain.decision is not None:
        yield from _decision(chain.decision)
    if chain.intent is not None:
        yield "intent", _intent(chain.intent)
    for attempt in chain.attempts:
        if attempt.intent_id:
            yield f"attempt {attempt.attempt}", _attempt(attempt)
    if chain.algo_order is not None and chain.algo_order not in chain.stops:
        yield "stop", _stop(chain.algo_order)
    for stop in chain.stops:
        yield "stop", _stop(stop)
    for fill in chain.fills:
        yield "fill", _fill(fill)
    if chain.trade is not None:
        yield "trade", _trade(chain.trade)
    for metric in chain.metrics:
        yield "measured", f"{metric.name} {metric.value:g}"


def _decision(decision: Decision) -> Iterator[tuple[str, str]]:
    what = f"{decision.action} {decision.symbol} by {decision.strategy} at {plain(decision.price)}"
    yield "decision", f"{utc(decision.at_ms)}  {what}: {verdict(decision)}"
    if inputs := json.loads(decision.inputs or "{}"):
        yield "inputs", ", ".join(f"{name} {_number(value)}" for name, value in inputs.items())
    if rules := json.loads(decision.gates or "{}"):
        failed = [name for name, detail in rules.items() if detail != _PASSED]
        yield "rules", ", not ".join([f"{len(rules) - len(failed)} of {len(rules)} passed", *failed])
    if sizing := json.loads(decision.sizing or "{}"):
        yield "sizing", ", ".join(f"{name} {_number(value)}" for name, value in sizing.items())


def _intent(intent: Intent) -> str:
    wanted = f"{intent.purpose.name.lower()}: {intent.side} {plain(intent.quantity)} {intent.symbol}"
    done = f"executed {plain(intent.executed_quantity)}" if intent.executed_quantity else "nothing executed"
    return f"{utc(intent.created_ms)}  {wanted}, {done}, {intent.state} after {_count(intent.attempt, 'attempt')}"


def _attempt(row: OrderRow) -> str:
    return f"{utc(row.created_ms)}  {_order(row.report)}: {row.state} ({row.client_order_id})"


def _order(report: OrderReport) -> str:
    price = f" at {plain(report.price)}" if report.price else ""
    filled = f", filled {plain(report.executed_quantity)}" if report.executed_quantity else ""
    reduces = ", reduce-only" if report.reduce_only else ""
    number = f", order id {report.order_id}" if report.order_id else ""
    return f"{report.type} {report.side} {plain(report.quantity)} {report.symbol}{price}{reduces}{filled}{number}"


def _stop(row: AlgoOrderRow) -> str:
    report = row.report
    what = f"{report.type} {report.side} {report.symbol} at {plain(report.trigger_price)}"
    return f"{utc(row.created_ms)}  {what}: {row.state} ({row.client_algo_id})"


def _fill(fill: Fill) -> str:
    role = "maker" if fill.maker else "taker"
    money = f"fee {plain(fill.commission)} {fill.commission_asset}, realized {signed(fill.realized_pnl)}"
    return f"{utc(fill.time_ms)}  {fill.side} {plain(fill.quantity)} at {plain(fill.price)} as {role}, {money}"


def _trade(trade: TradeRow) -> str:
    what = f"{trade.side} {plain(trade.quantity)} from {plain(trade.entry_price)} to {plain(trade.exit_price)}"
    money = f"fees {plain(trade.fees)}, funding {signed(trade.funding)}, result {signed(trade.pnl)}"
    return f"{utc(trade.exit_ms)}  {what}, {money} ({trade.exit_reason})"


def _number(value: object) -> str:
    return f"{value:.8g}" if isinstance(value, float) else str(value)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
