"""Small sweeps: recordings from random candles, terms, and work that goes wrong in one place."""

import os
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np

from backtest.contracts import Contracts
from backtest.history import History, Series
from backtest.options import NO_PACING, NO_RISK_LIMITS
from backtest.run import Recording, Terms
from backtest.sweep.screen import Screen
from backtest.sweep.work import CONFIRMED, Job, Work, readings_of
from bot.exchange.simulated import translate
from bot.trading.limits import CorePlan, Costs, ExecutionRules, SymbolPlan
from simulator.venue.instrument import parse_instrument
from support.backtest_data import an_instrument
from support.random_candles import Case, random_case
from support.reference_backtest import MINUTE

BALANCE = Decimal(10_000)


def exact(number):
    """Return a whole number or Fraction as a Decimal."""
    return Decimal(number.numerator) / Decimal(number.denominator)


def parameters_of(rules):
    """Return the rules of the reference strategy as settings text."""
    names = ("k", "adx_max", "notional", "stop_pct", "min_session_candles", "warm_up")
    return {name: str(exact(getattr(rules, name))) for name in names}


def a_series(case: Case, symbol="BTCUSDT"):
    candles = case.candles
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    return Series(
        symbol,
        exact(case.filters.tick),
        exact(case.filters.step),
        np.array(candles.open_time, np.int64),
        *(np.array(column, np.float64) for column in columns),
    )


def a_recording(**cases: Case):
    """Make a recording of a random case for each symbol."""
    info = {"symbols": [an_instrument(symbol, case.filters) for symbol, case in cases.items()]}
    instruments = {entry["symbol"]: translate.instrument(parse_instrument(entry)) for entry in info["symbols"]}
    series = {symbol: a_series(case, symbol) for symbol, case in cases.items()}
    return Recording(Contracts(info, "made up"), instruments, History(MINUTE, series, ()))


def free_terms(*plans: SymbolPlan, from_ms=0, entry="market", **changed):
    """Trade at no cost but the taker fee and within no limits, as --no-limits does."""
    plan = CorePlan(
        symbols=plans,
        execution=ExecutionRules(entry=entry),
        risk=NO_RISK_LIMITS,
        pacing=NO_PACING,
        narrated=False,
    )
    return Terms(replace(plan, **changed), Costs.free(), BALANCE, from_ms, unlimited=True)


def a_plan(case: Case, symbol="BTCUSDT", **changed):
    return SymbolPlan(symbol, "vwap_reversion", parameters_of(case.rules) | changed)


def a_job(terms, number=0, state=CONFIRMED, *, is_exact=True):
    return Job(number, state, terms, is_exact=is_exact)


def some_work(seed=1, kind=Work):
    """Return work on one random case, and a function that makes a job of it with a k of one's own."""
    case = random_case(seed)
    recording = a_recording(BTCUSDT=case)
    terms = free_terms(a_plan(case), from_ms=case.from_ms)
    work = kind(recording, terms, readings_of(recording, terms.plan.symbols))

    def job(number, k="2", state=CONFIRMED):
        return a_job(free_terms(a_plan(case, k=k), from_ms=case.from_ms), number, state)

    return work, job


class FatalAtFive(Work):
    """Ends its process at combination 5, always."""

    def do(self, job):
        if job.number == 5:
            os._exit(9)
        return super().do(job)


class Misled(Work):
    """Screens at twice the notional, as a defect would."""

    @property
    def screen(self):
        real = Screen(self.recording.instruments, self.recording.history, self.base.from_ms)
        run = real.run

        def wrong(plan, flags, balance):
            larger = tuple(replace(each, parameters={**each.parameters, "notional": "2000"}) for each in plan.symbols)
            return run(replace(plan, symbols=larger), flags, balance)

        real.run = wrong
        return real


def memory_of(pid):
    """The names of the shared memory that a process has made for its workers and not given back."""
    return {path.name for path in Path("/dev/shm").glob(f"act-{pid}-*")}
