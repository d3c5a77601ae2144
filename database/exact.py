"""Exact reads for recovery and proof: rows as structs with every digit they came with, and sums by asset."""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, RowMapping, UnaryExpression, func, select

from bot.domain.fill import Fill, Funding, OpeningBalance, Transfer
from bot.domain.money import ZERO
from database.columns import to_units
from database.rows import MAPS, RowMap, read
from database.tables import Instruments, WideValues, table_of

DIGITS = 60
_WIDE = table_of(WideValues)
_INSTRUMENTS = table_of(Instruments)
_SETTLED_IN = ("USDT", "USDC", "FDUSD", "BUSD", "USD1", "BNFCR", "BTC", "ETH")


@dataclass(slots=True)
class Total:
    """Everything that moved one asset's wallet, each as booked: commission is positive when paid."""

    realized_pnl: Decimal = ZERO
    commission: Decimal = ZERO
    funding: Decimal = ZERO
    transfers: Decimal = ZERO

    @property
    def change(self) -> Decimal:
        return self.realized_pnl - self.commission + self.funding + self.transfers


class ExactReader:
    """Reads within one transaction that the caller holds and ends soon."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._wide: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(dict)
        for row in connection.execute(select(_WIDE)).mappings():
            self._wide[row["table_name"], row["row_key"]][row["column_name"]] = Decimal(row["value"])
        self._wide_tables = {name for name, _ in self._wide}

    def rows[R: Struct](
        self,
        kind: type[R],
        *where: ColumnElement[bool],
        order_by: tuple[ColumnElement[Any] | UnaryExpression[Any], ...] = (),
    ) -> tuple[R, ...]:
        """Return the rows of a struct's table that meet every condition."""
        mapping = MAPS[kind]
        statement = select(mapping.table).where(*where).order_by(*order_by)
        found = self._connection.execute(statement).mappings()
        if mapping.table.name not in self._wide_tables:
            return tuple(read(kind, row) for row in found)
        return tuple(read(kind, {**row, **self._wide.get(_key(mapping, row), {})}) for row in found)

    def opening(self) -> tuple[OpeningBalance, ...]:
        """Return what the wallets held before the first row, by asset; empty = these books were never opened."""
        return self.rows(OpeningBalance, order_by=(MAPS[OpeningBalance].table.c.asset,))

    def totals(self) -> dict[str, Total]:
        """Return the sums of every asset that has any row."""
        totals: dict[str, Total] = defaultdict(Total)
        margin = self.margin_assets()
        with localcontext(prec=DIGITS):
            for symbol, realized in self._sums(Fill, "symbol", "realized_pnl").items():
                totals[margin.get(symbol) or settled_in(symbol)].realized_pnl += realized
            for asset, commission in self._sums(Fill, "commission_asset", "commission").items():
                totals[asset].commission += commission
            for asset, amount in self._sums(Funding, "asset", "amount").items():
                totals[asset].funding += amount
            for asset, amount in self._sums(Transfer, "asset", "amount").items():
                totals[asset].transfers += amount
        return dict(totals)

    def wallets(self) -> dict[str, Decimal]:
        """Return each wallet as calculated: opening + realized - commission + funding + transfers."""
        wallets = {each.asset: each.balance for each in self.opening()}
        with localcontext(prec=DIGITS):
            for asset, total in self.totals().items():
                wallets[asset] = wallets.get(asset, ZERO) + total.change
        return wallets

    def margin_assets(self) -> dict[str, str]:
        """Return the asset that each known contract settles in."""
        known = self._connection.execute(select(_INSTRUMENTS.c.symbol, _INSTRUMENTS.c.margin_asset))
        return dict(known.all())

    def _sums(self, kind: type[Struct], by: str, column: str) -> dict[str, Decimal]:
        table = MAPS[kind].table
        if table.name in self._wide_tables:
            sums: dict[str, Decimal] = defaultdict(lambda: ZERO)
            for row in self.rows(kind):
                sums[getattr(row, by)] += getattr(row, column)
            return sums
        statement = select(table.c[by], func.sum(table.c[column])).group_by(table.c[by])
        return {row[0]: row[1] for row in self._connection.execute(statement)}


def settled_in(symbol: str) -> str:
    """Return the asset a contract settles in by its name, for symbols whose contract was never read."""
    name = symbol.partition("_")[0]
    for asset in _SETTLED_IN:
        if name.endswith(asset):
            return asset
    return _SETTLED_IN[0]


def _key(mapping: RowMap, row: RowMapping) -> tuple[str, str]:
    return mapping.table.name, "|".join(_as_stored(row[column]) for column in mapping.keys)


def _as_stored(value: object) -> str:
    return str(to_units(value)) if isinstance(value, Decimal) else str(value)
