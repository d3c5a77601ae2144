"""The canonical ledger of the bot's own rows: bytes that must equal the exchange's, and how two of them differ.

Money movements are the wire's, copied; positions and wallets are calculated here from the rows, which is the proof.
Rules R2 and R3: a position is (quantity, cost); reducing releases cost in proportion, rounded half away to 8 decimals.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from bot.domain.errors import GiveUp, RetryLater
from bot.domain.fill import Fill, Funding, OpeningBalance, Transfer
from bot.domain.money import ZERO, plain, round_half_away
from bot.domain.records import AlgoOrderRow, OrderRow
from database.exact import DIGITS, ExactReader, Total, settled_in
from database.session import reading_engine, unreadable

SCHEMA = "act-ledger/1"

type Entry = dict[str, str | int | bool]

_KEYS: dict[str, tuple[str, ...]] = {
    "opening": ("asset",),
    "orders": ("symbol", "order_id"),
    "algo_orders": ("symbol", "algo_id"),
    "fills": ("symbol", "trade_id"),
    "funding": ("time_ms", "symbol", "kind"),
    "transfers": ("time_ms", "kind", "symbol", "asset", "amount"),
    "positions": ("symbol", "position_side"),
    "totals": ("asset",),
    "wallets": ("asset",),
}


@dataclass(slots=True)
class _Position:
    """A position by rule R2: signed quantity and the cost of what is held."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO

    def take(self, fill: Fill) -> None:
        signed = fill.quantity * fill.side.sign
        if self.quantity * signed >= ZERO:
            self.quantity += signed
            self.cost += fill.price * fill.quantity
            return
        if fill.quantity > abs(self.quantity):  # a flip: a full close, then an open at the fill price
            self.quantity += signed
            self.cost = fill.price * abs(self.quantity)
            return
        held = abs(self.quantity)
        whole = fill.quantity == held
        self.cost -= self.cost if whole else round_half_away(self.cost * fill.quantity / held)
        self.quantity += signed

    @property
    def entry_price(self) -> Decimal:
        return round_half_away(self.cost / abs(self.quantity))


def canonical(act_url: str) -> bytes:
    """Return the ledger as canonical bytes, from the bot's own tables alone; raises RetryLater when unreadable."""
    try:
        with reading_engine(act_url).connect() as connection:
            return encode(ledger_of(connection))
    except DBAPIError as error:
        raise RetryLater(unreadable("the bot's database", error)) from error


def encode(ledger: Mapping[str, Any]) -> bytes:
    """Return one JSON object as canonical bytes: keys sorted, no spaces, one final newline."""
    text = json.dumps(ledger, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def ledger_of(connection: Connection) -> dict[str, Any]:
    """Return the ledger as lists of plain entries, each list sorted by its key."""
    reader = ExactReader(connection)
    with localcontext(prec=DIGITS):
        opening = reader.opening()
        fills = reader.rows(Fill)
        funding = [row for row in reader.rows(Funding) if row.amount]
        transfers = [row for row in reader.rows(Transfer) if row.amount]
        algo_orders = [row for row in reader.rows(AlgoOrderRow) if row.report.algo_id]
        totals = _totals(fills, funding, transfers, reader.margin_assets())
        lists: dict[str, Iterable[Entry]] = {
            "opening": (_opening(each) for each in opening if each.balance),
            "orders": _orders(reader.rows(OrderRow), algo_orders, fills),
            "algo_orders": (_algo_order(row) for row in algo_orders),
            "fills": (_fill(fill) for fill in fills),
            "funding": (_funding(row) for row in funding),
            "transfers": (_transfer(row) for row in transfers),
            "positions": _positions(fills),
            "totals": (_total(asset, total) for asset, total in totals.items()),
            "wallets": _wallets(opening, totals),
        }
    ordered = {name: sorted(entries, key=_sorting(name)) for name, entries in lists.items()}
    return {"schema": SCHEMA, "from_ms": max((each.from_ms for each in opening), default=0), **ordered}


def difference(one: bytes, other: bytes, limit: int = 20) -> list[str]:
    """Return the first differing rows by list and key, one line each; empty = equal. Raises GiveUp for no ledger."""
    if one == other:
        return []
    first, second = _parse(one), _parse(other)
    lines = [
        f"{name}: {first.get(name)!r} != {second.get(name)!r}"
        for name in ("schema", "from_ms")
        if first.get(name) != second.get(name)
    ]
    for name, keys in _KEYS.items():
        lines.extend(_differing(name, keys, first.get(name, []), second.get(name, [])))
        if len(lines) >= limit:
            break
    return lines[:limit] or ["the same rows, written in different bytes"]


def _opening(each: OpeningBalance) -> Entry:
    return {"asset": each.asset, "balance": plain(each.balance)}


def _orders(rows: Iterable[OrderRow], algo_orders: Iterable[AlgoOrderRow], fills: Iterable[Fill]) -> Iterable[Entry]:
    quotes: dict[tuple[str, int], Decimal] = defaultdict(lambda: ZERO)
    for fill in fills:
        quotes[fill.symbol, fill.order_id] += fill.price * fill.quantity
    born_from = {(row.symbol, row.report.actual_order_id): row.report.algo_id for row in algo_orders}
    for row in rows:
        report = row.report
        if not report.order_id:
            continue
        key = (row.symbol, report.order_id)
        yield {
            "symbol": row.symbol,
            "order_id": report.order_id,
            "client_order_id": row.client_order_id,
            "algo_id": report.algo_id or born_from.get(key, 0),
            "side": report.side.value,
            "position_side": report.position_side,
            "type": report.type,
            "time_in_force": report.time_in_force,
            "quantity": plain(report.quantity),
            "price": plain(report.price),
            "reduce_only": report.reduce_only,
            "close_position": report.close_position,
            "status": report.status,
            "executed_quantity": plain(report.executed_quantity),
            "executed_quote": plain(quotes[key]),
        }


def _algo_order(row: AlgoOrderRow) -> Entry:
    report = row.report
    return {
        "symbol": row.symbol,
        "algo_id": report.algo_id,
        "client_algo_id": row.client_algo_id,
        "type": report.type,
        "side": report.side.value,
        "position_side": report.position_side,
        "quantity": "0" if report.close_position else plain(report.quantity),
        "price": plain(report.price),
        "trigger_price": plain(report.trigger_price),
        "working_type": report.working_type,
        "close_position": report.close_position,
        "reduce_only": report.reduce_only,
        "activate_price": plain(report.activate_price),
        "callback_rate": plain(report.callback_rate),
        "status": report.status,
        "actual_order_id": report.actual_order_id,
    }


def _fill(fill: Fill) -> Entry:
    return {
        "symbol": fill.symbol,
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "time_ms": fill.time_ms,
        "side": fill.side.value,
        "position_side": fill.position_side,
        "price": plain(fill.price),
        "quantity": plain(fill.quantity),
        "maker": fill.maker,
        "commission": plain(fill.commission),
        "commission_asset": fill.commission_asset,
        "realized_pnl": plain(fill.realized_pnl),
    }


def _funding(row: Funding) -> Entry:
    return {
        "symbol": row.symbol,
        "kind": row.kind,
        "time_ms": row.time_ms,
        "asset": row.asset,
        "amount": plain(row.amount),
    }


def _transfer(row: Transfer) -> Entry:
    return {
        "kind": row.kind,
        "time_ms": row.time_ms,
        "symbol": row.symbol,
        "asset": row.asset,
        "amount": plain(row.amount),
    }


def _positions(fills: Iterable[Fill]) -> Iterable[Entry]:
    """Replay every fill in trade id order."""
    positions: dict[tuple[str, str], _Position] = defaultdict(_Position)
    for fill in sorted(fills, key=lambda fill: (fill.symbol, fill.trade_id)):
        positions[fill.symbol, fill.position_side].take(fill)
    for (symbol, position_side), position in positions.items():
        if position.quantity:
            yield {
                "symbol": symbol,
                "position_side": position_side,
                "quantity": plain(position.quantity),
                "entry_price": plain(position.entry_price),
            }


def _totals(
    fills: Iterable[Fill], funding: Iterable[Funding], transfers: Iterable[Transfer], margin: Mapping[str, str]
) -> dict[str, Total]:
    totals: dict[str, Total] = defaultdict(Total)
    for fill in fills:
        totals[margin.get(fill.symbol) or settled_in(fill.symbol)].realized_pnl += fill.realized_pnl
        totals[fill.commission_asset].commission += fill.commission
    for settlement in funding:
        totals[settlement.asset].funding += settlement.amount
    for transfer in transfers:
        totals[transfer.asset].transfers += transfer.amount
    return totals


def _total(asset: str, total: Total) -> Entry:
    return {
        "asset": asset,
        "realized_pnl": plain(total.realized_pnl),
        "commission": plain(total.commission),
        "funding": plain(total.funding),
        "transfers": plain(total.transfers),
    }


def _wallets(opening: Iterable[OpeningBalance], totals: Mapping[str, Total]) -> Iterable[Entry]:
    balances: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for each in opening:
        balances[each.asset] += each.balance
    for asset, total in totals.items():
        balances[asset] += total.change
    return ({"asset": asset, "balance": plain(balance)} for asset, balance in balances.items() if balance)


def _sorting(name: str) -> Callable[[Entry], tuple[Any, ...]]:
    keys = _KEYS[name]
    return lambda entry: tuple(Decimal(str(entry[key])) if key == "amount" else entry[key] for key in keys)


def _differing(name: str, keys: tuple[str, ...], ours: list[Entry], theirs: list[Entry]) -> Iterable[str]:
    first = {tuple(entry.get(key) for key in keys): entry for entry in ours}
    second = {tuple(entry.get(key) for key in keys): entry for entry in theirs}
    if len(first) < len(ours) or len(second) < len(theirs):
        yield f"{name}: a key stands twice in the {'first' if len(first) < len(ours) else 'second'}"
    for key in sorted({**first, **second}, key=lambda key: [(str(type(part)), part) for part in key]):
        one, other = first.get(key), second.get(key)
        shown = f"{name} {' '.join(map(str, key))}"
        if one is None:
            yield f"{shown}: only in the second: {other}"
        elif other is None:
            yield f"{shown}: only in the first: {one}"
        elif one != other:
            fields = [each for each in sorted({**one, **other}) if one.get(each) != other.get(each)]
            yield f"{shown}: " + ", ".join(f"{each} {one.get(each)!r} != {other.get(each)!r}" for each in fields)


def _parse(text: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise GiveUp(f"this is no ledger: {error}") from error
    if not isinstance(parsed, dict) or parsed.get("schema") != SCHEMA:
        raise GiveUp(f"this is no ledger of schema {SCHEMA}")
    for name in _KEYS:
        entries = parsed.get(name, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise GiveUp(f"this is no ledger: {name} is no list of entries")
    return parsed
