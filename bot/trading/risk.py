"""The rules an entry has to pass, one small class each, and the one place that asks them all."""

from collections.abc import Iterable
from decimal import Decimal
from typing import ClassVar, Final

from msgspec import Struct, json

from bot.domain.account import LeverageBracket
from bot.domain.market import DAY_MS
from bot.domain.money import ZERO, plain
from bot.domain.records import RiskState, Row
from bot.trading.limits import CorePlan
from bot.trading.pacing import GlobalTradeSpacing, SymbolCooldown
from bot.trading.rule import Ask, Refusal, Rule, Standing, Usage, Wake

KILL_SWITCH: Final = "kill_switch"
DATA_STALE: Final = "data_stale"
CONDITIONAL_ORDER_SLOTS: Final = 200
PASSED: Final = "ok"


class Assessment(Struct, frozen=True, gc=False):
    """What the rules say about an ask: the first refusal in the order of RULES, and every rule's verdict by reason.

    A verdict is "ok" or the refusal's detail.
    """

    refusal: Refusal | None
    verdicts: dict[str, str]


class DayStart(Struct, frozen=True, gc=False):
    """Equity at a day's 00:00 UTC, and when the day's loss limit tripped (0 = not)."""

    day_ms: int
    equity: Decimal
    tripped_ms: int = 0


class KillSwitch(Rule):
    """Stops entries at once while the file `status/KILL` exists or a person has said so.

    Why: somebody must be able to stop the bot within a second without knowing anything about it. There is nothing
    to tune; positions keep their stops and exits still act.
    """

    reason = KILL_SWITCH

    def check(self, ask: Ask, standing: Standing) -> Refusal | None:
        detail = standing.closed_gates(ask.symbol).get(KILL_SWITCH)
        return None if detail is None else Refusal(self.reason, detail or "the kill switch is on")


class DataStale(Rule):
    """Refuses entries on a symbol whose market data has stopped.

    Why: a decision on an old price is a guess. The watchdog outside the core closes the gate, by wall time. Tune:
    `max_data_age_seconds` well above the longest quiet spell of the symbol's bookTicker, below a candle.
    """

    reason = DATA_STALE
    setting = "risk.max_data_age_seconds"

    def check(self, ask: Ask, standing: Standing) -> Refusal | None:
        detail = standing.closed_gates(ask.symbol).get(DATA_STALE)
        return None if detail is None else Refusal(self.reason, detail or f"no fresh data on {ask.symbol}")


class OpenGates(Rule):
    """Refuses entries while any other gate is closed: database, clock, reconciliation, streams, ...

    Why: where the state is not proven right, no new exposure. The refusal carries the gate's own name. Not tunable:
    a gate opens when its cause is gone.
    """

    reason = "gates"

    def check(self, ask: Ask, standing: Standing) -> Refusal | None:
        closed = standing.closed_gates(ask.symbol)
        if not closed:
            return None
        for gate, detail in closed.items():
            if gate not in {KILL_SWITCH, DATA_STALE}:
                return Refusal(gate, detail or f"gate {gate} is closed")
        return None


class NotHalted(Rule):
    """Refuses entries while a person has paused the bot, or an incident has halted it or the symbol.

    Why: what a person or a broken invariant stopped, only a person starts again (`act resume`). Not tunable.
    """

    reason = "halts"

    def check(self, ask: Ask, standing: Standing) -> Refusal | None:
        halts = standing.halts(ask.symbol)
        if not halts:
            return None
        reason, detail = next(iter(halts.items()))
        return Refusal(reason, detail or f"halted: {reason}")


class DailyLoss(Rule):
    """Halts entries until the next UTC day once equity has fallen by the limit since 00:00 UTC.

    Why: a broken strategy or market loses a bounded amount a day. Unrealized profit counts, so an open position can
    trip it; it keeps its stop and its exit. Transfers move the day's start, they are no loss. The halt does not end
    when equity recovers. Tune: two to three times a usual losing day.
    """

    reason = "daily_loss"
    setting = "risk.daily_loss"

    def __init__(self, plan: CorePlan) -> None:
        super().__init__(plan)
        self._limit = plan.risk.daily_loss
        self._day: DayStart | None = None

    @property
    def day_start_equity(self) -> Decimal | None:
        """Return equity at the day's start, None before the first judgement."""
        return None if self._day is None else self._day.equity

    def check(self, ask: Ask, standing: Standing) -> Refusal | None:  # noqa: ARG002 - halts every symbol
        detail = self.halted(standing.now_ms)
        return Refusal(self.reason, detail, _day_of(standing.now_ms) + DAY_MS) if detail else None

    def wake(self, standing: Standing) -> Wake | None:
        midnight_ms = _day_of(standing.now_ms) + DAY_MS
        if self._day is None or self._day.tripped_ms:
            return Wake(midnight_ms)
        return Wake(midnight_ms, self._day.equity - self._limit)

    def usage(self, standing: Standing) -> Usage | None:
        lost = ZERO if self._day is None else self._day.equity - standing.equity
        return Usage(max(ZERO, lost), self._limit)

    def judge(self, standing: Standing, equity: Decimal) -> list[Row]:
        rows: list[Row] = []
        day = self._day
        if day is None or standing.now_ms >= day.day_ms + DAY_MS:
            if day is not None and day.tripped_ms:
                rows.append(self.tell("halt_ended", "a new UTC day has begun", standing.now_ms))
            day = DayStart(_day_of(standing.now_ms), equity)
        lost = day.equity - equity
        if not day.tripped_ms and lost >= self._limit:
            day = DayStart(day.day_ms, day.equity, standing.now_ms)
            rows.append(self.tell("halt", _loss(lost, self._limit), standing.now_ms))
        if day is not self._day:
            rows += self._keep(day, standing.now_ms)
        return rows

    def transferred(self, amount: Decimal, at_ms: int) -> list[Row]:
        if self._day is None:
            return []
        return self._keep(DayStart(self._day.day_ms, self._day.equity + amount, self._day.tripped_ms), at_ms)

    def halted(self, now_ms: int) -> str:
        if self._day is None or not self._day.tripped_ms or now_ms >= self._day.day_ms + DAY_MS:
            return ""
        return f"lost {plain(self._limit)} USDT or more since 00:00 UTC; entries resume at the next 00:00 UTC"

    def clear(self, who: str, at_ms: int) -> list[Row]:
        if self._day is None or not self._day.tripped_ms:
            return []
        rows: list[Row] = [self.tell("halt_ended", f"cleared by {who}", at_ms)]
        return [*rows, *self._keep(DayStart(self._day.day_ms, self._day.equity), at_ms)]

    def restore(self, row: RiskState) -> None:
        self._day = json.decode(row.value, type=DayStart)

    def _keep(self, day: DayStart, at_ms: int) -> list[Row]:
        if day == self._day:
            return []
        self._day = day
        return self.remember(day, at_ms)


class VolatilityPause(Rule):
    """Pauses a symbol's entries for a while after its mid price jumped within five seconds.

    Why: in a jump the book is thin and the fair price unknown. Tune: `volatility_percent` above the symbol's usual
    five-second range, `volatility_pause_seconds` as long as books take to refill.
    """

    reason = "volatility"
    setting = "risk.volatility_percent"

    def check(self, ask: Ask, standing: Standing) -> Refusal | None:
        until_ms = standing.volatility_pause_until_ms(ask.symbol)
        if standing.now_ms >= until_ms:
            return None
        return Refusal(self.reason, f"{ask.symbol} jumped within five seconds, entries are paused", until_ms)


class ConditionalOrderSlots(Rule):
    """Reserves a conditional-order slot for the stop before an entry is placed.

    Why: the exchange takes 200 conditional orders an account; an entry whose stop finds no slot is unprotected. One
    more slot stays free, because a stop is replaced by placing the new one first. The 200 is the exchange's.
    """

    reason = "conditional_order_slots"

    def check(self, ask: Ask, standing: Standing) -> Refusal | None:
        used = standing.conditional_orders
        if used + 2 <= CONDITIONAL_ORDER_SLOTS:
            return None
        detail = f"{used} of {CONDITIONAL_ORDER_SLOTS} conditional orders in use, no slot for the stop of {ask.symbol}"
        return Refusal(self.reason, detail)

    def usage(self, standing: Standing) -> Usage | None:
        return Usage(Decimal(standing.conditional_orders), Decimal(CONDITIONAL_ORDER_SLOTS))


class LeverageBracketCap(Rule):
    """Refuses an entry that could lead to a position larger than the exchange allows at the set leverage.

    Why: the exchange would refuse it (-2027), or a part of it, at the worst moment. Tune: `account.leverage`.
    """

    reason = "leverage_bracket"
    setting = "account.leverage"

    def check(self, ask: Ask, standing: Standing) -> Refusal | None:
        cap, worst = standing.largest_notional(ask.symbol), ask.worst_notional
        if worst <= cap:
            return None
        return Refusal(self.reason, f"worst case {plain(worst)} USDT > bracket cap {plain(cap)} on {ask.symbol}")


class MaxSymbolNotional(Rule):
    """Limits a symbol's worst-case position (filled + resting + unknown), in USDT at the deciding close.

    Why: no bug, double fill or parameter may put more than this on one symbol. Tune: a small multiple of the
    strategy's notional.
    """

    reason = "max_symbol_notional"
    setting = "risk.max_symbol_notional"

    def __init__(self, plan: CorePlan) -> None:
        super().__init__(plan)
        self._limit = plan.risk.max_symbol_notional

    def check(self, ask: Ask, standing: Standing) -> Refusal | None:  # noqa: ARG002 - the ask says it all
        if ask.worst_notional <= self._limit:
            return None
        worst = f"worst case {plain(ask.worst_notional)} USDT"
        return Refusal(self.reason, f"{worst} > {plain(self._limit)} on {ask.symbol}")

    def usage(self, standing: Standing) -> Usage | None:
        return Usage(_largest_worst_notional(standing), self._limit)


class MaxSymbolShare(Rule):
    """Limits a symbol's worst-case position to a share of equity.

    Why: the notional limit alone does not shrink with the account; after losses or a withdrawal this one does. Tune:
    one divided by the number of positions the capital shall carry at once.
    """

    reason = "max_symbol_share"
    setting = "risk.max_symbol_share"

    def __init__(self, plan: CorePlan) -> None:
        super().__init__(plan)
        self._share = plan.risk.max_symbol_share

    def check(self, ask: Ask, standing: Standing) -> Refusal | None:
        limit, worst = self._limit(standing), ask.worst_notional
        if worst <= limit:
            return None
        detail = f"worst case {plain(worst)} USDT > {plain(limit)} = {plain(self._share)} of equity on {ask.symbol}"
        return Refusal(self.reason, detail)

    def usage(self, standing: Standing) -> Usage | None:
        return Usage(_largest_worst_notional(standing), self._limit(standing))

    def _limit(self, standing: Standing) -> Decimal:
        return max(ZERO, standing.equity * self._share)


RULES: Final[tuple[type[Rule], ...]] = (
    KillSwitch,
    OpenGates,
    NotHalted,
    DataStale,
    DailyLoss,
    VolatilityPause,
    GlobalTradeSpacing,
    SymbolCooldown,
    ConditionalOrderSlots,
    LeverageBracketCap,
    MaxSymbolNotional,
    MaxSymbolShare,
)


class Risk:
    """All rules together. Each method that changes a rule's memory returns the rows to record with the decision."""

    rules: ClassVar[tuple[type[Rule], ...]] = RULES

    def __init__(self, plan: CorePlan, kept: Iterable[RiskState] = ()) -> None:
        """Build every rule; `kept` is what an earlier process remembered (rows of unknown rules are ignored)."""
        self._rules = {rule.reason: rule(plan) for rule in self.rules}
        self._checks = [(reason, rule.check) for reason, rule in self._rules.items()]
        self._judging = self._that_override("judge")
        self._waking = self._that_override("wake")
        self._counting_entries = self._that_override("entry_taken")
        self._counting_trips = self._that_override("trip_ended")
        self._halting = self._that_override("halted")
        for row in kept:
            if row.rule in self._rules:
                self._rules[row.rule].restore(row)

    @property
    def day_start_equity(self) -> Decimal | None:
        """Return equity at 00:00 UTC of the day last judged, None before the first judgement."""
        rule = self._rules[DailyLoss.reason]
        return rule.day_start_equity if isinstance(rule, DailyLoss) else None

    def assess(self, ask: Ask, standing: Standing) -> Assessment:
        """Ask every rule about an entry. Changes nothing; call `entry_taken` when the entry is taken."""
        refusal: Refusal | None = None
        verdicts: dict[str, str] = {}
        for reason, check in self._checks:
            answer = check(ask, standing)
            verdicts[reason] = PASSED if answer is None else answer.detail
            refusal = refusal or answer
        return Assessment(refusal, verdicts)

    def judge(self, standing: Standing, equity: Decimal | None = None) -> list[Row]:
        """Judge equity (None = read it here) and the day: at each minute boundary, each fill, and when `wake` says so.

        A RiskEvent among the rows is news for people; kind `halt` means that entries stop now.
        """
        if equity is None:
            equity = standing.equity
        rows: list[Row] = []
        for rule in self._judging:
            rows += rule.judge(standing, equity)
        return rows

    def entry_taken(self, symbol: str, at_ms: int) -> list[Row]:
        """Tell the rules that an entry was decided, in the same `handle()` that writes its intent."""
        return [row for rule in self._counting_entries for row in rule.entry_taken(symbol, at_ms)]

    def trip_ended(self, symbol: str, pnl: Decimal, at_ms: int) -> list[Row]:
        """Tell the rules that a position returned to flat; `pnl` is net of fees and funding."""
        return [row for rule in self._counting_trips for row in rule.trip_ended(symbol, pnl, at_ms)]

    def transferred(self, amount: Decimal, at_ms: int) -> list[Row]:
        """Tell the rules that the wallet changed for a reason other than trading and funding."""
        return [row for rule in self._rules.values() for row in rule.transferred(amount, at_ms)]

    def clear(self, reason: str, who: str, at_ms: int) -> list[Row]:
        """End the halt of the rule named `reason`; no rows = it was not halted, or there is no such rule."""
        rule = self._rules.get(reason)
        return [] if rule is None else rule.clear(who, at_ms)

    def halts(self, now_ms: int) -> dict[str, str]:
        """Return the rules that halt all entries now: reason -> detail."""
        halts: dict[str, str] = {}
        for rule in self._halting:
            detail = rule.halted(now_ms)
            if detail:
                halts[rule.reason] = detail
        return halts

    def usage(self, standing: Standing) -> dict[str, Usage]:
        """Return how much of each limit is in use."""
        return {reason: usage for reason, rule in self._rules.items() if (usage := rule.usage(standing))}

    def wake(self, standing: Standing) -> Wake:
        """Return the earliest deadline and the highest equity level at which `judge` has to be called."""
        wakes = [wake for rule in self._waking if (wake := rule.wake(standing))]
        if len(wakes) == 1:
            return wakes[0]
        return Wake(
            min((wake.deadline_ms for wake in wakes if wake.deadline_ms is not None), default=None),
            max((wake.equity_at_or_below for wake in wakes if wake.equity_at_or_below is not None), default=None),
        )

    def _that_override(self, hook: str) -> tuple[Rule, ...]:
        """Return the rules that do something at this hook, in their order."""
        return tuple(rule for rule in self._rules.values() if getattr(type(rule), hook) is not getattr(Rule, hook))


def bracket_cap(brackets: Iterable[LeverageBracket], symbol: str, leverage: int) -> Decimal:
    """Return the largest position notional the symbol's brackets allow at this leverage, 0 = none."""
    caps = (row.cap for row in brackets if row.symbol == symbol and row.leverage >= leverage)
    return max(caps, default=ZERO)


def _largest_worst_notional(standing: Standing) -> Decimal:
    return max((standing.exposure(each).worst * standing.last_close(each) for each in standing.symbols), default=ZERO)


def _day_of(at_ms: int) -> int:
    return at_ms - at_ms % DAY_MS


def _loss(lost: Decimal, limit: Decimal) -> str:
    return f"lost {plain(lost)} USDT since 00:00 UTC, limit {plain(limit)}; no entries until the next 00:00 UTC"
