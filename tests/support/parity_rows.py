"""Plain builders of what one side of a comparison recorded: decisions, orders, fills and round trips as rows."""

from decimal import Decimal

from backtest.parity.compare import Circumstances, compare
from backtest.parity.record import record_of
from bot.domain.fill import Fill
from bot.domain.order import AlgoReport, OrderReport, OrderState, Purpose, Side
from bot.domain.records import AlgoOrderRow, Decision, Intent, OrderRow, RiskEvent, TradeRow

MINUTE = 60_000
MIDNIGHT = 1_747_958_400_000  # 2025-05-23T00:00Z
D = Decimal


def at(minute):
    """Return the open of a minute of the day."""
    return MIDNIGHT + minute * MINUTE


class Story:
    """What one side did, told minute by minute; `late_ms` is how much later than the close its orders fill."""

    def __init__(self, late_ms=0, shift_ms=0):
        self.rows = []
        self.late_ms = late_ms
        self.shift_ms = shift_ms
        self._number = 0

    def refuse(self, minute, reason, side="BUY", price="100", symbol="BTCUSDT"):
        """Refuse an entry at the close of a minute."""
        return self._decide(f"{symbol}-{self._open(minute)}-enter", minute, "refuse", side, reason, price, "1", symbol)

    def refuse_again(self, minute, entry, reason, symbol="BTCUSDT"):
        """Refuse to send an entry again."""
        self._decide(f"{entry}-2", minute, "refuse", "BUY", reason, "100", "1", symbol, intent=entry)

    def enter(
        self, minute, side="BUY", price="100", quantity="1", *, fill=None, symbol="BTCUSDT", kind="MARKET", maker=False,
        state="done", fills_in=0, ends_in=0,
    ):  # fmt: skip
        """Decide an entry at the close of a minute; `fill` is its price, None = it never fills. Return its intent."""
        decided = f"{symbol}-{self._open(minute)}-enter"
        intent = f"e{minute}{symbol}"
        self._decide(decided, minute, "enter", side, "signal", price, quantity, symbol, intent=intent)
        filled = D(quantity) if fill else D(0)
        order = self._order(intent, minute, side, kind, quantity, price, symbol, filled, ends_in)
        word = state if fill else "given_up" if state == "done" else state
        self._intent(intent, Purpose.ENTRY, minute, side, quantity, price, decided, word, filled, symbol)
        if fill:
            self._fill(order, minute, side, fill, quantity, symbol, maker=maker, fills_in=fills_in)
        return intent

    def leave(self, minute, side="SELL", price="110", quantity="1", *, fill="110", symbol="BTCUSDT", reason="signal"):
        """Decide an exit at the close of a minute, and fill it."""
        decided = f"{symbol}-{self._open(minute)}-exit"
        intent = f"x{minute}{symbol}"
        self._decide(decided, minute, "exit", side, reason, price, quantity, symbol, intent=intent)
        order = self._order(intent, minute, side, "MARKET", quantity, "0", symbol, D(quantity), 0)
        self._intent(intent, Purpose.EXIT, minute, side, quantity, price, decided, "done", D(quantity), symbol)
        self._fill(order, minute, side, fill, quantity, symbol)

    def stop(self, minute, trigger, fill, side="SELL", quantity="1", *, symbol="BTCUSDT", second=59):
        """Let a stop fire within a minute."""
        self._number += 1
        when = at(minute) + second * 1_000 + self.shift_ms
        algo = AlgoReport(
            symbol, self._number, f"s{self._number}", "FINISHED", Side(side), "STOP_MARKET", D(0), D(0), D(trigger),
            "CONTRACT_PRICE", True, True, when, self._number,
        )  # fmt: skip
        self.rows.append(AlgoOrderRow(symbol, f"s{self._number}", "s", OrderState.FILLED, algo, when, when))
        report = OrderReport(
            symbol, self._number, f"s{self._number}", "FILLED", Side(side), "MARKET", "GTC", D(quantity), D(0),
            D(quantity), when, True, True, algo_id=self._number,
        )  # fmt: skip
        self.rows.append(OrderRow(symbol, f"s{self._number}", "", 0, OrderState.FILLED, report, 0, when, when))
        self.rows.append(self._made(self._number, when, side, fill, quantity, symbol))

    def trip(self, entered, pnl, reason="signal", side="LONG", *, symbol="BTCUSDT", fees="0", funding="0"):
        """Complete the round trip of the last fills; `entered` is the minute of its decision, None = not ours."""
        fills = [row for row in self.rows if isinstance(row, Fill) and row.symbol == symbol]
        opening = "BUY" if side == "LONG" else "SELL"
        last = fills[-1]
        first = [fill for fill in fills if fill.side == opening][-1]
        decided = "" if entered is None else f"{symbol}-{self._open(entered)}-enter"
        self.rows.append(
            TradeRow(
                symbol,
                len(self.rows),
                side,
                first.quantity,
                first.time_ms,
                first.price,
                last.time_ms,
                last.price,
                D(fees),
                D(funding),
                D(pnl),
                reason,
                decided,
            )
        )

    def event(self, minute, rule, kind, second=10):
        """Record a risk event."""
        when = at(minute) + second * 1_000 + self.shift_ms
        self.rows.append(RiskEvent(f"{rule}-{when}", when, rule, "", kind, f"{rule} at work"))

    def record(self, until_minute=1_440):
        """Return the record made of it."""
        return record_of(self.rows, self.shift_ms, at(until_minute))

    def _open(self, minute):
        return at(minute) + self.shift_ms

    def _close(self, minute):
        return at(minute + 1) + self.shift_ms

    def _decide(self, decision_id, minute, action, side, reason, price, quantity, symbol, intent=""):
        self.rows.append(
            Decision(
                decision_id,
                symbol,
                "vwap_reversion",
                self._close(minute),
                action,
                Side(side),
                reason,
                D(price),
                D(quantity),
                "{}",
                "{}",
                "{}",
                intent,
                0,
                "hash",
                "1",
            )
        )

    def _order(self, intent, minute, side, kind, quantity, price, symbol, filled, ends_in):
        self._number += 1
        when, ended = self._close(minute), self._close(minute) + ends_in
        limit = D(price) if kind == "LIMIT" else D(0)
        report = OrderReport(
            symbol, self._number, f"{intent}-1", "FILLED" if filled else "CANCELED", Side(side), kind, "GTC",
            D(quantity), limit, filled, ended, intent.startswith("x"),
        )  # fmt: skip
        state = OrderState.FILLED if filled else OrderState.CANCELLED
        self.rows.append(OrderRow(symbol, f"{intent}-1", intent, 1, state, report, 0, when, ended, D(price)))
        return self._number

    def _intent(self, intent, purpose, minute, side, quantity, price, decided, state, filled, symbol):
        when = self._close(minute)
        self.rows.append(
            Intent(
                intent,
                symbol,
                purpose,
                Side(side),
                D(quantity),
                filled,
                D(price),
                D(0),
                "signal",
                decided,
                state,
                1,
                f"{intent}-1",
                when,
                when,
            )
        )

    def _fill(self, order, minute, side, price, quantity, symbol, *, maker=False, fills_in=0):
        when = self._close(minute) + self.late_ms + fills_in
        self.rows.append(self._made(order, when, side, price, quantity, symbol, maker=maker))

    def _made(self, order, when, side, price, quantity, symbol, *, maker=False):
        number = len(self.rows)
        return Fill(symbol, number, order, when, Side(side), D(price), D(quantity), maker, D(0), "USDT", D(0))


def compared(backtest, bot, *, lead=0, since=0, end=1_440, absent=(), changed=None):
    """Compare two stories of a day; `absent` are minutes at whose close the bot was not there."""
    judged = frozenset(at(minute + 1) for minute in range(1_440) if minute not in absent)
    known = Circumstances(at(lead), at(since), at(end - 1), judged, changed or {})
    return compare(backtest.record(end), bot.record(end), known)


def causes(found):
    """Return the causes of all differences, in order."""
    return [each.cause.value for each in found.differences]
