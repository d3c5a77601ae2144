"""Holds a backtest against the bot, decision by decision, and names the cause of every difference."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from backtest.parity.causes import RESTS, SPACING, Cause, cause_of
from backtest.parity.money import Parts, split
from backtest.parity.record import ENTER, EXIT, Key, Leg, Record, Trip
from bot.domain.market import MINUTE_MS
from bot.domain.money import ZERO, plain
from bot.domain.records import Decision

_SESSION_MS: Final = 1_740 * MINUTE_MS
_TAKEN: Final = frozenset({ENTER, EXIT})


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that was not the same: a decision, entry, exit or trip. `pnl` is what it moved (bot - backtest)."""

    at_ms: int
    symbol: str
    what: str
    cause: Cause
    detail: str
    pnl: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known beside the two records, all on the time of the recording.

    Both records begin at `lead_ms`; what happened from `from_ms` on is compared and counted, decisions only of candles
    that open before `end_ms`. `judged` are the minutes (open times) in which the bot was there to decide, `changed` the
    candles (open times by symbol) that were not the same on both sides.
    """

    lead_ms: int
    from_ms: int
    end_ms: int
    judged: frozenset[int]
    changed: Mapping[str, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of it. `decisions` and `orders` count what was compared, by cause; None = the same on both sides.

    `delays_ms` are how much later the bot's orders filled than the backtest's. `pnl` of completed round trips, and its
    difference (bot - backtest) by cause, add up exactly.
    """

    decisions: Mapping[Cause | None, int]
    orders: Mapping[Cause | None, int]
    fills: Mapping[Cause | None, int]
    differences: tuple[Difference, ...]
    delays_ms: tuple[int, ...]
    backtest_trips: int
    bot_trips: int
    matched_trips: int
    backtest_pnl: Decimal
    bot_pnl: Decimal
    parts: Parts

    @property
    def differing_share(self) -> float:
        """Return the part of the decisions that were not the same."""
        compared = sum(self.decisions.values())
        return 1 - self.decisions.get(None, 0) / compared if compared else 0.0


def compare(backtest: Record, bot: Record, known: Circumstances) -> Comparison:
    """Compare two records of the same period."""
    return _Walk(backtest, bot, known).comparison()


@dataclass(frozen=True, slots=True)
class _Why:
    """A cause in words. `same` = the exit was the same decision or trigger, only its fill can differ."""

    cause: Cause
    detail: str
    same: bool = False


class _Walk:
    """Goes through all decisions in time order: what differs either has a cause of its own or follows from before."""

    def __init__(self, backtest: Record, bot: Record, known: Circumstances) -> None:
        self._backtest = backtest
        self._bot = bot
        self._known = known
        self._decisions: Counter[Cause | None] = Counter()
        self._orders: Counter[Cause | None] = Counter()
        self._fills: Counter[Cause | None] = Counter()
        self._differences: list[Difference] = []
        self._delays_ms: list[int] = []
        self._entries: dict[Key, _Why] = {}
        self._parts = Parts()

    def comparison(self) -> Comparison:
        keys = {key for side in (self._backtest, self._bot) for key in side.decisions if self._is_known(key)}
        for key in sorted(keys, key=lambda each: each.order):
            self._compare_decision(key)
            if key.kind == ENTER:
                self._compare_outcome(key)
        self._add_unknown_trips()
        ended = [list(self._ended(side)) for side in (self._backtest, self._bot)]
        self._add_rest(ended)
        matched = {trip.entry_key for trip in ended[0]} & {trip.entry_key for trip in ended[1]} - {None}
        return Comparison(
            decisions=self._decisions,
            orders=self._orders,
            fills=self._fills,
            differences=tuple(sorted(self._differences, key=lambda each: (each.at_ms, each.symbol))),
            delays_ms=tuple(self._delays_ms),
            backtest_trips=len(ended[0]),
            bot_trips=len(ended[1]),
            matched_trips=len(matched),
            backtest_pnl=sum((trip.pnl for trip in ended[0]), ZERO),
            bot_pnl=sum((trip.pnl for trip in ended[1]), ZERO),
            parts=self._parts,
        )

    def _is_known(self, key: Key) -> bool:
        return self._known.lead_ms <= key.open_ms < self._known.end_ms

    def _is_counted(self, at_ms: int) -> bool:
        return at_ms >= self._known.from_ms

    def _ended(self, side: Record) -> Iterator[Trip]:
        for trips in side.trips.values():
            yield from (trip for trip in trips if trip.exit is not None and self._is_counted(trip.closed_ms))

    def _tell(self, found: Difference, counts: Counter[Cause | None]) -> None:
        """Count a difference and keep it, unless it was before the period."""
        if self._is_counted(found.at_ms):
            counts[found.cause] += 1
            self._differences.append(found)

    # one decision

    def _compare_decision(self, key: Key) -> None:
        ours, theirs = self._backtest.decisions.get(key), self._bot.decisions.get(key)
        if ours is not None and theirs is not None and _words(ours) == _words(theirs):
            self._decisions[None] += self._is_counted(key.close_ms)
            return
        why = self._explain(key, ours, theirs)
        told = f"{key.kind}: backtest {_told(ours)}, bot {_told(theirs)}; {why.detail}"
        self._tell(Difference(key.close_ms, key.symbol, "decision", why.cause, told), self._decisions)
        if key.kind == ENTER:
            self._entries[key] = why

    def _explain(self, key: Key, ours: Decision | None, theirs: Decision | None) -> _Why:
        if ours is None or theirs is None:
            return self._explain_missing(key, self._backtest if ours is None else self._bot)
        if ours.price != theirs.price:
            return self._by_candles(key, "decided at another close")
        if ours.action != theirs.action or ours.reason != theirs.reason:
            return self._explain_refusal(key, ours, theirs)
        if ours.side != theirs.side:
            return self._by_candles(key, "the other side")
        if key.kind == EXIT:
            return self._of_trip(key, "the position had another size")
        return _Why(Cause.FILTER, "sized to another step")

    def _explain_missing(self, key: Key, silent: Record) -> _Why:
        """Explain why one side did not even consider what the other did."""
        if silent is self._bot and not self._was_there(key.close_ms):
            return _Why(Cause.START_UP, "the bot was not running")
        held, entering = silent.holding(key.symbol, key.close_ms), silent.entering(key.symbol, key.close_ms)
        name = "the backtest" if silent is self._backtest else "the bot"
        if key.kind == ENTER and held is not None:
            return self._of_trip(key, f"{name} still held a position")
        if key.kind == ENTER and entering is not None:
            return self._of_entry(entering, f"{name}'s entry was still at work")
        if key.kind == EXIT and held is None:
            return self._of_trip(key, f"{name} held no position")
        if held is not None and held.exit_key is not None and held.exit_key < key:
            return _Why(Cause.LATENCY, f"{name}'s exit was still at work")
        return self._by_candles(key, f"no signal in {name}" if silent is self._backtest else "no signal in the bot")

    def _explain_refusal(self, key: Key, ours: Decision, theirs: Decision) -> _Why:
        for side, decision in ((self._bot, theirs), (self._backtest, ours)):
            other = ours if decision is theirs else theirs
            if decision.reason in {"signal", other.reason}:
                continue
            if (cause := cause_of(decision.reason)) is not None:
                return _Why(cause, decision.reason)
            if decision.reason in RESTS:
                return self._of_rest(key, side)
            if decision.reason == SPACING:
                return self._of_spacing(key)
        return _Why(Cause.EDGE, "no known reason")

    def _was_there(self, at_ms: int) -> bool:
        return at_ms in self._known.judged or any(key.close_ms == at_ms for key in self._bot.decisions)

    def _by_candles(self, key: Key, detail: str) -> _Why:
        changed = self._known.changed.get(key.symbol, ())
        if any(key.open_ms - _SESSION_MS < each <= key.open_ms for each in changed):
            return _Why(Cause.DATA, f"{detail}: the candles before it differ")
        return _Why(Cause.EDGE, detail)

    # what follows from before

    def _of_entry(self, entry: Key | None, detail: str) -> _Why:
        """Follow from an entry that both sides took, or only one."""
        if entry is None or not self._is_known(entry):
            return _Why(Cause.START_UP, f"{detail}, from before the period")
        known = self._entries.get(entry)
        if known is not None:
            return _Why(known.cause, f"{detail}, because of {_when(entry)}")
        return _Why(Cause.EXECUTION, f"{detail}: the entry of {_when(entry)} filled at another time")

    def _of_trip(self, key: Key, detail: str) -> _Why:
        """Follow from the round trips in which the two sides are, or were last."""
        trips = [self._latest(side, key) for side in (self._backtest, self._bot)]
        entries = [trip.entry_key if trip else None for trip in trips]
        if any(trip is not None and (trip.entry_key is None or not self._is_known(trip.entry_key)) for trip in trips):
            return _Why(Cause.START_UP, f"{detail}, from before the period")
        for entry in sorted({entry for entry in entries if entry is not None}, reverse=True):
            if entry in self._entries:
                return self._of_entry(entry, detail)
        ours, theirs = trips
        if ours is not None and theirs is not None and entries[0] == entries[1]:
            why = self._exit_cause(ours, theirs)
            return _Why(why.cause, f"{detail}: {why.detail}")
        latest = max((entry for entry in entries if entry is not None), default=None)
        return self._of_entry(latest, detail)

    def _of_rest(self, key: Key, side: Record) -> _Why:
        last = side.last_trip(key.symbol, key.close_ms)
        if last is None or last.entry_key is None or not self._is_known(last.entry_key):
            return _Why(Cause.START_UP, "rests after a round trip from before the period")
        ours, theirs = (each.last_trip(key.symbol, key.close_ms) for each in (self._backtest, self._bot))
        if ours is not None and theirs is not None and ours.entry_key == theirs.entry_key and ours.won != theirs.won:
            cause = Cause.SLIPPAGE if ours.entry.manner == theirs.entry.manner else Cause.EXECUTION
            return _Why(cause, "rests after a round trip that won on one side and lost on the other")
        return self._of_trip(key, "rests after a round trip that ended at another time")

    def _of_spacing(self, key: Key) -> _Why:
        ours, theirs = (side.last_entry(key.close_ms) for side in (self._backtest, self._bot))
        if ours == theirs and ours is not None:
            return _Why(Cause.LATENCY, f"too soon after {_when(ours)}, by the delay of its candle")
        latest = max((each for each in (ours, theirs) if each is not None), default=None, key=lambda each: each.order)
        return self._of_entry(latest, "too soon after another entry")

    def _latest(self, side: Record, key: Key) -> Trip | None:
        return side.holding(key.symbol, key.close_ms) or side.last_trip(key.symbol, key.close_ms)

    # what came of an entry

    def _compare_outcome(self, key: Key) -> None:
        taken = [self._is_taken(side, key) for side in (self._backtest, self._bot)]
        ours, theirs = self._backtest.trip_of(key), self._bot.trip_of(key)
        if all(taken):
            self._compare_orders(key)
        if ours is not None and theirs is not None:
            self._compare_trips(ours, theirs)
        elif ours is not None or theirs is not None:
            self._take_alone(key, ours, theirs)

    def _is_taken(self, side: Record, key: Key) -> bool:
        decision = side.decisions.get(key)
        return decision is not None and decision.action == ENTER

    def _compare_orders(self, key: Key) -> None:
        if not self._is_counted(key.close_ms):
            return
        ours, theirs = self._backtest.pending[key], self._bot.pending[key]
        same = ours.attempts[:1] == theirs.attempts[:1]
        self._orders[None if same else self._entries.get(key, _Why(Cause.EDGE, "")).cause] += 1

    def _take_alone(self, key: Key, ours: Trip | None, theirs: Trip | None) -> None:
        trip = ours or theirs
        why = self._entries.get(key) or self._unfilled(key, self._bot if theirs is None else self._backtest)
        self._entries[key] = why
        if trip is not None and trip.exit is not None:
            self._take_money(trip, why, "", by_bot=theirs is not None)

    def _take_money(self, trip: Trip, why: _Why, words: str, *, by_bot: bool) -> None:
        """Give the whole profit of a round trip that only one side completed to a cause."""
        amount = trip.pnl if by_bot else -trip.pnl
        name = "bot" if by_bot else "backtest"
        detail = f"{words or 'round trip'} in the {name} alone, {_money(trip.pnl)}: {why.detail}"
        if self._is_counted(trip.closed_ms):
            self._parts.add(why.cause, amount)
            self._tell(Difference(trip.closed_ms, trip.symbol, "trip", why.cause, detail, amount), self._fills)

    def _unfilled(self, key: Key, side: Record) -> _Why:
        """Explain why an entry that both sides took was filled on one alone."""
        name = "the backtest" if side is self._backtest else "the bot"
        pending = side.pending[key]
        if pending.until_ms >= self._known.end_ms:
            return _Why(Cause.END, "the period ends")
        refused = side.refusals.get(key)
        if refused is not None:
            return _Why(
                cause_of(refused.reason) or Cause.EXECUTION, f"{name} refused to send it again: {refused.reason}"
            )
        for event in side.events:
            if pending.since_ms <= event.at_ms <= pending.until_ms and event.kind in {"gate_closed", "pause", "halt"}:
                cause = cause_of(event.rule.removeprefix("gate_")) or Cause.GATE
                return _Why(cause, f"{name} took it back: {event.detail}")
        return _Why(Cause.EXECUTION, f"{name}'s order did not fill: {pending.words}")

    def _compare_trips(self, ours: Trip, theirs: Trip) -> None:
        entry = self._compare_leg("entry", ours, theirs)
        why = self._exit_cause(ours, theirs)
        counted = [trip.exit is not None and self._is_counted(trip.closed_ms) for trip in (ours, theirs)]
        if not all(counted):
            for trip in (ours, theirs):
                if trip.exit is not None and any(counted):
                    self._take_money(trip, why, "ended in the period", by_bot=trip is theirs)
            return
        leave = self._compare_leg("exit", ours, theirs, why)
        self._parts += split(ours, theirs, entry=entry, edge=None if why.same else why.cause, leave=leave)

    def _exit_cause(self, ours: Trip, theirs: Trip) -> _Why:
        """Explain why two round trips with the same entry ended as they did."""
        if ours.exit_key is not None and ours.exit_key == theirs.exit_key:
            return _Why(Cause.LATENCY, "the exit filled later", same=True)
        for trip in (theirs, ours):
            if (cause := cause_of(trip.exit_reason)) is not None:
                return _Why(cause, f"ended by {trip.exit_reason}")
        first, last = sorted((ours, theirs), key=lambda trip: trip.closed_ms)
        name = "bot" if last is theirs else "backtest"
        if self._is_last(first.closed_ms) and last.exit is None:
            return _Why(Cause.END, "the period ends")
        if first.exit_key is not None:
            return self._explain_stay(first.exit_key, last, name)
        return self._explain_stop(first, last, name)

    def _explain_stay(self, key: Key, last: Trip, name: str) -> _Why:
        """Explain why a side did not leave when the other one decided to."""
        if not last.held_at(key.close_ms):
            return _Why(Cause.EXECUTION, f"the {name}'s entry had not filled yet")
        if name == "bot" and not self._was_there(key.close_ms):
            return _Why(Cause.START_UP, "the bot was not running")
        return self._by_candles(key, f"no exit signal in the {name}")

    def _explain_stop(self, first: Trip, last: Trip, name: str) -> _Why:
        """Explain why a stop fired on one side, or in another candle than on the other side."""
        candle_ms = first.closed_ms - first.closed_ms % MINUTE_MS
        if last.exit_key is None and last.closed_ms < candle_ms + MINUTE_MS:
            if first.exit_decided == last.exit_decided:
                return _Why(Cause.EXECUTION, "the stop filled at another moment of the candle", same=True)
            return self._other_stop(first, last)
        if last.opened_ms > candle_ms:
            return _Why(Cause.EXECUTION, f"the {name}'s entry had not filled yet, or within the candle of the stop")
        if first.entry.price != last.entry.price:
            return self._other_stop(first, last)
        return self._by_candles(Key(candle_ms, EXIT, first.symbol), f"the stop did not fire in the {name}")

    def _other_stop(self, first: Trip, last: Trip) -> _Why:
        cause = Cause.SLIPPAGE if first.entry.manner == last.entry.manner else Cause.EXECUTION
        return _Why(cause, f"a stop at {plain(first.exit_decided)}, as the entry filled at another price")

    def _is_last(self, at_ms: int) -> bool:
        return at_ms + MINUTE_MS > self._known.end_ms

    # how it was filled

    def _compare_leg(self, what: str, ours: Trip, theirs: Trip, why: _Why | None = None) -> Cause:
        """Compare the fills of an entry or exit; return the cause that its difference in price belongs to."""
        mine, other = (ours.entry, theirs.entry) if what == "entry" else (ours.exit, theirs.exit)
        if mine is None or other is None:
            return Cause.END
        cause, words = self._manner_of_difference(mine, other, why)
        if not self._is_counted(mine.first_ms):
            return cause
        timed = mine.is_crossing and other.is_crossing and not words
        delay_ms = other.first_ms - mine.first_ms if timed else 0
        self._delays_ms += [delay_ms] if timed else []
        moved = mine.price != other.price
        if not words and not moved and not delay_ms:
            self._fills[None] += 1
            return cause
        words += [f"filled {delay_ms} ms later"] if delay_ms else []
        words += [f"at {_number(other.price)} instead of {_number(mine.price)}" if moved else "at the same price"]
        shown = cause if moved or not timed else Cause.LATENCY
        self._tell(Difference(mine.first_ms, ours.symbol, what, shown, ", ".join(words)), self._fills)
        return cause

    def _manner_of_difference(self, mine: Leg, other: Leg, why: _Why | None) -> tuple[Cause, list[str]]:
        if why is not None and not why.same:
            return why.cause, [f"left differently: {why.detail}"]
        if mine.manner != other.manner:
            return Cause.EXECUTION, [f"backtest {_manner(mine.manner)}, bot {_manner(other.manner)}"]
        if mine.quantity != other.quantity:
            return Cause.EXECUTION, [f"backtest filled {plain(mine.quantity)}, bot {plain(other.quantity)}"]
        return Cause.SLIPPAGE, []

    # the rest

    def _add_unknown_trips(self) -> None:
        """Take round trips that no known decision opened: from before, or opened by hand."""
        for side in (self._backtest, self._bot):
            for trip in self._ended(side):
                if trip.entry_key is None and self._known.lead_ms < trip.opened_ms:
                    why = _Why(Cause.PEOPLE, "no decision of ours opened it")
                elif trip.entry_key is None or trip.entry_key.open_ms < self._known.lead_ms:
                    why = _Why(Cause.START_UP, "opened before what is compared")
                elif not self._is_known(trip.entry_key):
                    why = _Why(Cause.END, "the period ends")
                else:
                    continue
                self._take_money(trip, why, "", by_bot=side is self._bot)

    def _add_rest(self, ended: Sequence[Sequence[Trip]]) -> None:
        """Show what no cause accounts for, so that the parts always add up and nothing is hidden."""
        backtest, bot = (sum((trip.pnl for trip in trips), ZERO) for trips in ended)
        rest = bot - backtest - self._parts.total
        if rest:
            self._parts.add(Cause.EDGE, rest)
            found = Difference(self._known.end_ms, "", "trip", Cause.EDGE, "profit that no cause accounts for", rest)
            self._tell(found, self._fills)


def _words(decision: Decision) -> tuple[object, ...]:
    return decision.action, decision.side, decision.reason, decision.price, decision.quantity


def _told(decision: Decision | None) -> str:
    if decision is None:
        return "nothing"
    if decision.action in _TAKEN:
        return f"{decision.side} {plain(decision.quantity)} at {plain(decision.price)}"
    return f"refused ({decision.reason})"


def _when(key: Key) -> str:
    minutes = key.close_ms // MINUTE_MS % 1_440
    return f"{key.symbol} {minutes // 60:02}:{minutes % 60:02}"


def _manner(manner: tuple[tuple[str, ...], str]) -> str:
    types, role = manner
    return f"{' then '.join(types) or 'STOP'} as {role}"


def _money(amount: Decimal) -> str:
    return f"{amount:+.8f} USDT"


def _number(price: Decimal) -> str:
    return plain(price.quantize(Decimal("1e-8")))
