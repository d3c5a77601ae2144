"""Income as the exchange lists it, to fundings and transfers (docs/ledger.md)."""

from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct

from bot.domain.events import Event, FundingPaid, TransferSeen
from bot.domain.fill import Funding, Transfer
from bot.domain.market import MINUTE_MS
from bot.domain.money import ZERO
from bot.exchange.binance.exact import exact

SECOND_MS = 1_000
FUNDING_KINDS = frozenset({"FUNDING_FEE", "SPECIAL_FUNDING_FEE"})
DEPOSITS = frozenset({"DEPOSIT", "WITHDRAW"})
_TRADING_KINDS = frozenset({"COMMISSION", "REALIZED_PNL"})


class Income(Struct, frozen=True, rename={"kind": "incomeType", "amount": "income", "id": "tranId"}):
    """One row of the income history; `id` is unique within one kind only."""

    symbol: str
    kind: str
    amount: str
    asset: str
    time: int
    id: int | str


def income_events(rows: Iterable[Income], at_ms: int) -> list[Event]:
    """Turn income into fundings (summed per symbol, kind and minute) and transfers; trading's own kinds are skipped."""
    sums: dict[tuple[int, str, str, str], Decimal] = {}
    transfers: list[Event] = []
    for row in rows:
        if row.kind in FUNDING_KINDS:
            key = (floor_to(row.time, MINUTE_MS), row.symbol, row.kind, row.asset)
            sums[key] = sums.get(key, ZERO) + exact(row.amount)
        elif row.kind not in _TRADING_KINDS:
            transfers += transfer_events(row.kind, row.time, row.symbol, row.asset, exact(row.amount), at_ms)
    fundings: list[Event] = [
        FundingPaid(at_ms, Funding(symbol, kind, time_ms, asset, amount))
        for (time_ms, symbol, kind, asset), amount in sorted(sums.items())
        if amount
    ]
    return fundings + transfers


def transfer_events(kind: str, time_ms: int, symbol: str, asset: str, amount: Decimal, at_ms: int) -> list[Event]:
    """Tell a transfer by its ledger key, its time floored to the second; [] for none at all."""
    if not amount:
        return []
    name = "TRANSFER" if kind in DEPOSITS else kind
    return [TransferSeen(at_ms, Transfer(name, floor_to(time_ms, SECOND_MS), symbol, asset, amount))]


def floor_to(time_ms: int, length_ms: int) -> int:
    """Floor a time to whole seconds or minutes."""
    return time_ms - time_ms % length_ms
