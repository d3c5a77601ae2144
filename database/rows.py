"""Which row goes to which table, and how its fields become columns and back: the one mapping of both directions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from operator import attrgetter
from re import compile as pattern
from typing import Any

from msgspec import Struct, convert
from msgspec.structs import fields
from sqlalchemy import Compiled, Dialect, RowMapping, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.compiler import SQLCompiler
from sqlmodel import SQLModel

from bot.domain import account, fill, instrument, market, records
from bot.domain.money import round_half_away
from bot.domain.order import OrderState, Purpose, Side
from database import tables
from database.columns import Money, to_amount, to_units, to_units_towards_zero

FINAL_STATES = (OrderState.FILLED, OrderState.CANCELLED, OrderState.EXPIRED, OrderState.REJECTED)

_OURS = pattern(r"a[a-z0-9]{4}[a-z][0-9a-f]{20}-[0-9]+")
_TEXT_ENUMS = (Side, Purpose, OrderState)


class Ninth(Enum):
    """What to do with an amount that has a ninth decimal."""

    REFUSE = auto()  # ours: whoever made it has forgotten to round
    KEEP_TEXT = auto()  # the wire's, or calculated from it exactly: the table beside keeps every digit
    ROUND = auto()  # shown to people only, never added up


@dataclass(frozen=True, slots=True)
class RowMap:
    """One struct, one table. `values` returns the fields in column order, amounts still as Decimals."""

    struct: type[Struct]
    table: Table
    keys: tuple[str, ...]
    ninth: Ninth
    columns: tuple[str, ...]
    values: Callable[[Any], tuple[Any, ...]]
    money: tuple[int, ...]
    texts: tuple[int, ...]

    def encode(self, row: Struct) -> list[Any]:
        """Return what the driver takes, in column order; raises InexactAmountError for a ninth decimal."""
        values = list(self.values(row))
        for place in self.money:
            values[place] = to_units(values[place])
        for place in self.texts:
            values[place] = values[place].value
        return values

    def rounded(self, row: Struct) -> list[Any]:
        """Return the same with amounts rounded half away from zero to 8 decimals."""
        values = list(self.values(row))
        for place in self.money:
            values[place] = to_units(_rounded(values[place]))
        for place in self.texts:
            values[place] = values[place].value
        return values

    def cut(self, row: Struct) -> tuple[list[Any], list[int]]:
        """Return the same with amounts cut towards zero to what fits, and the places of those that did not fit."""
        values = list(self.values(row))
        cut: list[int] = []
        for place in self.money:
            exact = values[place]
            values[place] = to_units_towards_zero(exact)
            if to_amount(values[place]) != exact:
                cut.append(place)
        for place in self.texts:
            values[place] = values[place].value
        return values, cut

    def key_of(self, values: list[Any]) -> str:
        """Return the row's key as one text, from encoded values."""
        return "|".join(str(values[self.columns.index(key)]) for key in self.keys)

    def upsert(self, dialect: Dialect) -> str:
        """Return the statement that writes a row or replaces the one with the same key."""
        return upsert(self.table, self.columns, self.keys, dialect)


def upsert(
    table: Table, columns: tuple[str, ...], keys: tuple[str, ...], dialect: Dialect, *, replace: bool = True
) -> str:
    """Return an insert with positional parameters in column order; a row with the same key is replaced or kept."""
    insert = (sqlite if dialect.name == "sqlite" else postgresql).insert(table).values(dict.fromkeys(columns))
    replaced = {name: insert.excluded[name] for name in columns if name not in keys}
    if replace and replaced:
        insert = insert.on_conflict_do_update(index_elements=list(keys), set_=replaced)
    else:
        insert = insert.on_conflict_do_nothing(index_elements=list(keys))
    return positional(insert.compile(dialect=dialect, column_keys=list(columns)), columns)


def positional(compiled: Compiled, names: tuple[str, ...]) -> str:
    """Return the text of a compiled statement after proving that its parameters stand in the given order."""
    found = tuple(compiled.positiontup or ()) if isinstance(compiled, SQLCompiler) else ()
    if found != names:
        raise ValueError(f"parameters stand in the order {found}, not {names}: {compiled}")
    return str(compiled)


def read[R: Struct](kind: type[R], row: RowMapping | Mapping[str, Any]) -> R:
    """Return the struct of a row that was read through Core."""
    if kind is records.OrderRow or kind is records.AlgoOrderRow:
        report = {**row, "updated_ms": row["reported_ms"]}
        return convert({**row, "report": report}, kind, strict=False)
    return convert(dict(row), kind, strict=False)


def _rounded(amount: Decimal) -> Decimal:
    return round_half_away(amount) if amount.is_finite() else amount


def _order_key(row: records.OrderRow) -> int:
    return 0 if row.intent_id or _OURS.fullmatch(row.client_order_id) else row.report.order_id


def _map(struct: type[Struct], model: type[SQLModel], ninth: Ninth, keys: tuple[str, ...] = ()) -> RowMap:
    table = tables.table_of(model)
    columns = tuple(column.name for column in table.columns if column.name not in {"number", "order_key"})
    own = {field.name for field in fields(struct)}
    paths = tuple(_path(column, own) for column in columns)
    values: Callable[[Any], tuple[Any, ...]] = attrgetter(*paths)
    if struct is records.OrderRow:
        plain = values
        values = lambda row: (*plain(row), _order_key(row))  # noqa: E731 - one more column than the struct has fields
        columns = (*columns, "order_key")
    return RowMap(
        struct=struct,
        table=table,
        keys=keys or tuple(column.name for column in table.primary_key),
        ninth=ninth,
        columns=columns,
        values=values,
        money=tuple(place for place, name in enumerate(columns) if isinstance(table.columns[name].type, Money)),
        texts=tuple(place for place, path in enumerate(paths) if _is_text_enum(struct, path)),
    )


def _path(column: str, own: set[str]) -> str:
    if column in own:
        return column
    return "report.updated_ms" if column == "reported_ms" else f"report.{column}"


def _is_text_enum(struct: type[Struct], path: str) -> bool:
    kinds = {field.name: field.type for field in fields(struct)}
    first, _, rest = path.partition(".")
    return _is_text_enum(kinds[first], rest) if rest else kinds[first] in _TEXT_ENUMS


MAPS: dict[type[Struct], RowMap] = {
    each.struct: each
    for each in (
        _map(records.Intent, tables.Intents, Ninth.REFUSE),
        _map(records.OrderRow, tables.Orders, Ninth.KEEP_TEXT),
        _map(records.AlgoOrderRow, tables.AlgoOrders, Ninth.KEEP_TEXT),
        _map(fill.Fill, tables.Fills, Ninth.KEEP_TEXT),
        _map(fill.Funding, tables.FundingEvents, Ninth.KEEP_TEXT),
        _map(fill.Transfer, tables.Transfers, Ninth.KEEP_TEXT),
        _map(fill.OpeningBalance, tables.OpeningBalances, Ninth.KEEP_TEXT),
        _map(records.PositionRow, tables.Positions, Ninth.KEEP_TEXT),
        _map(records.TradeRow, tables.Trades, Ninth.ROUND),
        _map(records.SignalRow, tables.Signals, Ninth.REFUSE),
        _map(records.Decision, tables.Decisions, Ninth.REFUSE),
        _map(records.RiskEvent, tables.RiskEvents, Ninth.REFUSE),
        _map(records.RiskState, tables.RiskStates, Ninth.REFUSE),
        _map(records.EquityPoint, tables.Equity, Ninth.ROUND),
        _map(records.Evaluation, tables.Strategies, Ninth.REFUSE),
        _map(records.CommandRow, tables.Commands, Ninth.REFUSE),
        _map(records.Alert, tables.Alerts, Ninth.REFUSE, keys=("alert_id",)),
        _map(records.Incident, tables.Incidents, Ninth.REFUSE),
        _map(records.ExecutionMetric, tables.ExecutionMetrics, Ninth.REFUSE),
        _map(records.ConfigVersion, tables.ConfigVersions, Ninth.REFUSE),
        _map(instrument.Instrument, tables.Instruments, Ninth.KEEP_TEXT),
        _map(account.LeverageBracket, tables.LeverageBrackets, Ninth.KEEP_TEXT),
        _map(market.Candle, tables.Candles, Ninth.KEEP_TEXT),
    )
}
