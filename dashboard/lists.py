"""The tables of the pages: what stands in each column, how it is signed and named. Pure: rows in, markup out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.domain.order import OrderState
from bot.domain.records import Alert, TradeRow
from dashboard.format import (
    clock,
    duration,
    exact,
    number,
    percent,
    side_word,
    signed,
    stamp,
    tone,
    words,
)
from dashboard.panels import Cell, events, table
from database.views import FillView, NumberedAlert, OpenOrder, OpenPosition


@dataclass(frozen=True, slots=True)
class Market:
    """What rows need to be shown: market time now, decimals of each symbol's tick, newest closes."""

    at_ms: int
    places: Mapping[str, int]
    closes: Mapping[str, Decimal]

    def price(self, symbol: str, price: Decimal | None) -> str:
        """Write a price with the decimals of its symbol's tick."""
        return number(price, self.places.get(symbol, 2))


def unrealized(row: OpenPosition) -> Decimal | None:
    """Return size x direction x (last close - entry), which is what the bot's equity counts; None without a close."""
    return None if row.last_close is None else row.quantity * (row.last_close - row.entry_price)


def positions(rows: Sequence[OpenPosition], market: Market) -> str:
    """List the open positions, each with its stop and whether that rests at the exchange."""
    columns = [
        *("Symbol", "Side", "Quantity", "Entry", "Last close", "Unrealized", "ROI", "Notional"),
        *("Stop", "Stop away", "Stop rests", "Costs", "Open for", "Reason"),
    ]
    lines = [_position(row, market) for row in rows]
    return table(
        "Open positions",
        columns,
        lines,
        empty="No positions yet: the bot is waiting for a close outside the VWAP band in a quiet market.",
        note="USDT, at the last closed candle",
    )


def orders(rows: Sequence[OpenOrder], market: Market) -> str:
    """List the open orders with the life they have left and the attempt they are."""
    columns = (
        "Symbol",
        "Side",
        "Purpose",
        "Type",
        "Price",
        "Away",
        "Quantity",
        "Filled",
        "TTL left",
        "Attempt",
        "State",
    )
    return table(
        "Open orders",
        columns,
        [_order(row, market) for row in rows],
        empty="No open orders: entries live for seconds, exits fill at once, stops stand with their positions.",
    )


def fills(rows: Sequence[FillView], market: Market) -> str:
    """List the latest executions."""
    columns = ("Time UTC", "Symbol", "Side", "Purpose", "Price", "Quantity", "Role", "Fee", "Realized")
    return table(
        "Fills",
        columns,
        [_fill(row, market) for row in rows],
        empty="No fills yet: nothing has been traded.",
        note="newest first",
    )


def trades(rows: Sequence[TradeRow], market: Market) -> str:
    """List the latest round trips."""
    columns = ("Closed UTC", "Symbol", "Side", "Quantity", "Entry", "Exit", "Fees", "Funding", "PnL", "Held", "Exit by")
    return table(
        "Round trips",
        columns,
        [_trade(row, market) for row in rows],
        empty="No round trips yet: none of the positions has been closed.",
        note="newest first, USDT after fees and funding",
    )


def history(trips: Sequence[TradeRow], executions: Sequence[FillView], market: Market) -> str:
    """Lay out round trips and fills side by side."""
    return f'<div class="act-pair">{trades(trips, market)}{fills(executions, market)}</div>'


def alerts(rows: Sequence[NumberedAlert]) -> str:
    """List the latest alerts, one line each."""
    lines = [_alert(row.alert) for row in rows]
    return events("Latest alerts", lines, empty="No alerts yet: the bot has not told of anything.")


def _alert(alert: Alert) -> tuple[str, str, str]:
    shade = {"CRITICAL": "down", "WARNING": "warn"}.get(alert.severity, "")
    mark = f"{alert.severity} " if shade else ""
    return stamp(alert.at_ms), f"{mark}{alert.title}", shade


def _position(row: OpenPosition, market: Market) -> list[Cell]:
    gain = unrealized(row)
    cost = abs(row.quantity) * row.entry_price
    last = row.last_close or row.entry_price
    return [
        Cell(row.symbol),
        _side(side_word(row.quantity)),
        _number(exact(abs(row.quantity))),
        _number(market.price(row.symbol, row.entry_price)),
        _number(market.price(row.symbol, row.last_close)),
        Cell(signed(gain), tone(gain), numeric=True),
        Cell(_signed_percent(gain, cost), tone(gain), numeric=True, title="unrealized / entry notional"),
        _number(number(abs(row.quantity) * last)),
        _number(market.price(row.symbol, row.stop_price) if row.stop_price else "none"),
        _number(percent(abs(row.stop_price / last - 1), 2) if row.stop_price and last else "-"),
        Cell("at exchange", "up") if row.stop_rests else Cell("NOT RESTING", "down", title=row.stop_state),
        _number(number(row.commission - row.funding)),
        _number(duration((market.at_ms - row.opened_ms) / 1_000)),
        Cell(words(row.reason)),
    ]


def _order(row: OpenOrder, market: Market) -> list[Cell]:
    filled = row.executed_quantity / row.quantity if row.quantity else Decimal(0)
    last = market.closes.get(row.symbol)
    left = duration((row.expires_ms - market.at_ms) / 1_000) if row.expires_ms else "-"
    return [
        Cell(row.symbol),
        _side(row.side.value),
        Cell(row.purpose or "not ours", "" if row.purpose else "warn"),
        Cell(row.type),
        _number(market.price(row.symbol, row.price) if row.price else "market"),
        _number(percent(abs(row.price / last - 1), 2) if row.price and last else "-"),
        _number(exact(row.quantity) if row.quantity else "all"),
        _number(percent(filled, 0)),
        _number(left),
        _number(f"{row.attempt}/5" if row.attempt else "-"),
        Cell(words(row.state.value), "warn" if row.state is OrderState.UNKNOWN else ""),
    ]


def _fill(row: FillView, market: Market) -> list[Cell]:
    fill = row.fill
    return [
        Cell(stamp(fill.time_ms), "muted"),
        Cell(fill.symbol),
        _side(fill.side.value),
        Cell(row.purpose or "not ours", "" if row.purpose else "warn"),
        _number(market.price(fill.symbol, fill.price)),
        _number(exact(fill.quantity)),
        Cell("maker" if fill.maker else "taker", "muted"),
        _number(f"{number(fill.commission, 4)} {fill.commission_asset}"),
        Cell(signed(fill.realized_pnl) if fill.realized_pnl else "-", tone(fill.realized_pnl), numeric=True),
    ]


def _trade(row: TradeRow, market: Market) -> list[Cell]:
    return [
        Cell(stamp(row.exit_ms), "muted", title=f"entered {clock(row.entry_ms)}"),
        Cell(row.symbol),
        _side(row.side),
        _number(exact(row.quantity)),
        _number(market.price(row.symbol, row.entry_price)),
        _number(market.price(row.symbol, row.exit_price)),
        _number(number(row.fees)),
        _number(signed(row.funding) if row.funding else "-"),
        Cell(signed(row.pnl), tone(row.pnl), numeric=True),
        _number(duration((row.exit_ms - row.entry_ms) / 1_000)),
        Cell(words(row.exit_reason), "down" if row.exit_reason == "stop" else ""),
    ]


def _side(word: str) -> Cell:
    return Cell(word, "up" if word in {"LONG", "BUY"} else "down" if word in {"SHORT", "SELL"} else "flat")


def _number(text: str) -> Cell:
    return Cell(text, numeric=True)


def _signed_percent(amount: Decimal | None, base: Decimal) -> str:
    return "-" if amount is None or not base else f"{signed(amount / base * 100)} %"
