"""The tables of a report: months, groups of trades, hold times, what the money came from."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from math import prod

from backtest.regimes import DIRECTIONS, VOLATILITIES, Regimes
from backtest.report.run import ReportInput
from backtest.results import Trade
from backtest.statistics import EquityCurve, day_ends
from bot.domain.fill import Fill
from bot.domain.money import ZERO
from bot.trading.attribution import Attribution, attribute

SEED = 1
MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOURS = tuple(f"{hour:02}:00" for hour in range(24))
HOLD_EDGES_MS = tuple(minutes * 60_000 for minutes in (5, 15, 60, 240, 720, 1440))
HOLD_WORDS = (
    "under 5 min",
    "5 to 15 min",
    "15 to 60 min",
    "1 to 4 h",
    "4 to 12 h",
    "12 to 24 h",
    "a day or more",
)


@dataclass(frozen=True, slots=True)
class Split:
    """A round trip with the parts of its pnl."""

    trade: Trade
    parts: Attribution

    @property
    def held_ms(self) -> int:
        """Return how long it was held, from the candle of its entry to that of its exit."""
        return self.trade.exit_time - self.trade.entry_time


@dataclass(frozen=True, slots=True)
class Group:
    """Trades that have something in common. `parts` are the sums of theirs."""

    name: str
    trades: int
    wins: int
    parts: Attribution

    @property
    def pnl(self) -> Decimal:
        """Return the net pnl, USDT."""
        return self.parts.pnl

    @property
    def win_rate(self) -> float | None:
        """Return the share of trades that ended positive; None without trades."""
        return self.wins / self.trades if self.trades else None


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month (UTC) of the equity curve: its change in USDT, and as a share of what it began with."""

    year: int
    month: int
    change: float
    share: float | None


@dataclass(frozen=True, slots=True)
class Table:
    """Groups under one heading. `note` says how they were formed, where that is not plain."""

    title: str
    groups: tuple[Group, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class HoldTimes:
    """How long trades were held, in ms; zeros without trades."""

    shortest: int
    median: int
    longest: int
    mean: int


@dataclass(frozen=True, slots=True)
class Streaks:
    """The best and worst trade (USDT), the average win and loss, and the longest run of trades without a win."""

    best: Decimal
    worst: Decimal
    mean_win: Decimal
    mean_loss: Decimal
    longest_losing: int


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything a report shows beside curve and summary. `maker_share` is by traded notional, None without fills."""

    splits: tuple[Split, ...]
    total: Attribution
    months: tuple[Month, ...]
    tables: tuple[Table, ...]
    hold: HoldTimes
    streaks: Streaks
    maker_share: float | None
    fills: int


def analyse(run: ReportInput) -> Analysis:
    """Work out every table of a report."""
    splits = tuple(Split(trade, split(trade)) for trade in run.outcome.trades)
    return Analysis(
        splits=splits,
        total=_sum(splits),
        months=months(run.curve),
        tables=_tables(splits, Regimes(run.history)),
        hold=_hold_times(splits),
        streaks=_streaks(run.outcome.trades),
        maker_share=maker_share(run.outcome.fills),
        fills=len(run.outcome.fills),
    )


def split(trade: Trade) -> Attribution:
    """Return the parts of a trade's pnl."""
    return attribute(trade, trade.entry_decision_price, trade.exit_decision_price)


def months(curve: EquityCurve) -> tuple[Month, ...]:
    """Return the equity's change in every UTC month that has a candle; the first one begins at the opening balance."""
    found: list[Month] = []
    before = curve.opening
    days, equity = day_ends(curve)
    ends = {(day.year, day.month): value for day, value in zip(map(_utc, days.tolist()), equity.tolist(), strict=True)}
    for (year, month), value in ends.items():
        found.append(Month(year, month, value - before, value / before - 1 if before > 0 else None))
        before = value
    return tuple(found)


def change(found: Iterable[Month]) -> float:
    """Return the change of equity over these months, USDT."""
    return sum(month.change for month in found)


def year_share(found: Iterable[Month]) -> float | None:
    """Return the compounded share of these months; None where one is not defined."""
    shares = [month.share for month in found]
    return None if None in shares else prod(1 + share for share in shares if share is not None) - 1


def maker_share(fills: Sequence[Fill]) -> float | None:
    """Return the part of the traded notional that rested in the book; None without fills."""
    traded = sum((fill.price * fill.quantity for fill in fills), ZERO)
    rested = sum((fill.price * fill.quantity for fill in fills if fill.maker), ZERO)
    return float(rested / traded) if traded else None


def _tables(splits: Sequence[Split], regimes: Regimes) -> tuple[Table, ...]:
    def kind(each: Split) -> tuple[str, str]:
        day = regimes.of(each.trade.symbol, each.trade.entry_time)
        return day.volatility, day.direction

    return (
        Table("By symbol", _grouped(splits, lambda each: each.trade.symbol)),
        Table("By side", _grouped(splits, lambda each: each.trade.side, ("LONG", "SHORT"))),
        Table("By exit reason", _grouped(splits, lambda each: each.trade.exit_reason.replace("_", " "))),
        Table(
            "By volatility of the day",
            _grouped(splits, lambda each: kind(each)[0], VOLATILITIES),
            "Days of entry by range, (high - low) / open: terciles over all days of the symbol in the data.",
        ),
        Table(
            "By direction of the day",
            _grouped(splits, lambda each: kind(each)[1], DIRECTIONS),
            "A trend day ends at least half of its range away from where it began.",
        ),
        Table("By hold time", _grouped(splits, lambda each: hold_word(each.held_ms), HOLD_WORDS)),
        Table("By weekday of entry (UTC)", _grouped(splits, lambda each: WEEKDAYS[_entry(each).weekday()], WEEKDAYS)),
        Table("By hour of entry (UTC)", _grouped(splits, lambda each: HOURS[_entry(each).hour], HOURS)),
    )


def hold_word(held_ms: int) -> str:
    """Return the class of a hold time; a class begins with its lower edge."""
    return HOLD_WORDS[bisect_right(HOLD_EDGES_MS, held_ms)]


def _grouped(splits: Sequence[Split], name: Callable[[Split], str], order: Sequence[str] = ()) -> tuple[Group, ...]:
    """Group by name: in the order given and complete, else by pnl, best first."""
    members: dict[str, list[Split]] = defaultdict(list)
    for each in splits:
        members[name(each)].append(each)
    names = [*order, *sorted(set(members) - set(order))]
    groups = tuple(_group(each, members[each]) for each in names)
    return groups if order else tuple(sorted(groups, key=lambda group: (-group.pnl, group.name)))


def _group(name: str, splits: Sequence[Split]) -> Group:
    return Group(name, len(splits), sum(each.trade.pnl > 0 for each in splits), _sum(splits))


def _sum(splits: Iterable[Split]) -> Attribution:
    return sum((each.parts for each in splits), Attribution())


def _hold_times(splits: Sequence[Split]) -> HoldTimes:
    held = sorted(each.held_ms for each in splits)
    if not held:
        return HoldTimes(0, 0, 0, 0)
    middle = (held[(len(held) - 1) // 2] + held[len(held) // 2]) // 2
    return HoldTimes(held[0], middle, held[-1], sum(held) // len(held))


def _streaks(trades: Sequence[Trade]) -> Streaks:
    ended = sorted(trades, key=lambda trade: (trade.exit_time, trade.symbol))
    won = [trade.pnl for trade in ended if trade.pnl > 0]
    lost = [trade.pnl for trade in ended if trade.pnl <= 0]
    runs = [len(list(run)) for is_win, run in groupby(ended, key=lambda trade: trade.pnl > 0) if not is_win]
    return Streaks(
        best=max((trade.pnl for trade in ended), default=ZERO),
        worst=min((trade.pnl for trade in ended), default=ZERO),
        mean_win=_mean(won),
        mean_loss=_mean(lost),
        longest_losing=max(runs, default=0),
    )


def _mean(amounts: Sequence[Decimal]) -> Decimal:
    return sum(amounts, ZERO) / len(amounts) if amounts else ZERO


def _entry(each: Split) -> datetime:
    return _utc(each.trade.entry_time)


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1_000, UTC)
