"""From the bot's own books to the venue's account: a pretended account survives its process in no other place."""

from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct

from bot.domain.books import Books
from bot.domain.fill import Fill
from bot.domain.money import ZERO
from bot.domain.records import AlgoOrderRow, OrderRow
from bot.exchange.simulated import translate
from simulator.venue.model import MarginType
from simulator.venue.restoring import Restored


class Takeover(Struct, frozen=True):
    """The account to restore, and per symbol the market time up to which the books know what happened (ms UTC)."""

    account: Restored
    known_ms: dict[str, int]

    @property
    def last_ms(self) -> int:
        """Return the latest moment of the books, 0 = none."""
        return max(self.known_ms.values(), default=0)


def exposed_symbols(books: Books) -> tuple[str, ...]:
    """Return the symbols with a position, an open order or an open stop."""
    return tuple(
        dict.fromkeys(
            (
                *(row.symbol for row in books.positions if row.quantity),
                *(row.symbol for row in books.orders if _is_known(row) and not row.state.is_final),
                *(row.symbol for row in books.algo_orders if _is_known(row) and not row.state.is_final),
            )
        )
    )


def take_over(books: Books, symbols: Iterable[str], leverage: int, margin_type: str) -> Takeover:
    """Return what these books say of the venue's account.

    The books are what happened: an order they never saw acknowledged does not exist, and an execution that was not
    booked before the process ended did not happen. Symbols that are not among the venue's are left out.
    """
    wanted = frozenset(symbols)
    fills = {(fill.symbol, fill.trade_id): fill for fill in (*books.recent_fills, *books.fills)}
    orders = [row for row in books.orders if _is_known(row)]
    algos = [row for row in books.algo_orders if _is_known(row)]
    account = Restored(
        wallets=dict(books.wallets),
        positions={
            row.symbol: (row.quantity, row.cost) for row in books.positions if row.quantity and row.symbol in wanted
        },
        orders=tuple(
            translate.known_order(row.report, row.created_ms, _executed_quote(row, fills.values()))
            for row in sorted(orders, key=lambda row: row.report.order_id)
            if row.symbol in wanted
        ),
        algos=tuple(
            translate.known_algo(row.report, row.created_ms)
            for row in sorted(algos, key=lambda row: row.report.algo_id)
            if row.symbol in wanted
        ),
        leverage=leverage,
        margin_type=MarginType(margin_type),
        next_order_id=1 + max((row.report.order_id for row in orders), default=0),
        next_trade_id=1 + max((fill.trade_id for fill in fills.values()), default=0),
        next_algo_id=1 + max((row.report.algo_id for row in algos), default=0),
    )
    return Takeover(account, _known_ms(books, fills.values()))


def _is_known(row: OrderRow | AlgoOrderRow) -> bool:
    number = row.report.order_id if isinstance(row, OrderRow) else row.report.algo_id
    return bool(number and row.report.status)


def _executed_quote(row: OrderRow, fills: Iterable[Fill]) -> Decimal:
    of_order = (fill for fill in fills if fill.symbol == row.symbol and fill.order_id == row.report.order_id)
    return sum((fill.price * fill.quantity for fill in of_order), ZERO)


def _known_ms(books: Books, fills: Iterable[Fill]) -> dict[str, int]:
    times: dict[str, int] = {}
    seen = (
        *((row.symbol, row.updated_ms) for row in books.positions),
        *((row.symbol, row.report.updated_ms) for row in books.orders),
        *((row.symbol, row.report.updated_ms) for row in books.algo_orders),
        *((fill.symbol, fill.time_ms) for fill in fills),
        *((funding.symbol, funding.time_ms) for funding in books.recent_funding),
    )
    for symbol, at_ms in seen:
        times[symbol] = max(at_ms, times.get(symbol, 0))
    return times
