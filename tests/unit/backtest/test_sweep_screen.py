"""The screen trades exactly like the core, trade by trade, wherever no limit binds, and says where it cannot."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from random import Random

import numpy as np
import pytest

from backtest.options import NO_RISK_LIMITS
from backtest.run import flags_of, run
from backtest.statistics import summarize
from backtest.sweep import kernels
from backtest.sweep.screen import Screen, rules_of, trades_of
from backtest.sweep.work import CONFIRMED, FAILED, SCREENED, Work, first_difference, readings_of
from bot.loader import strategy_class
from bot.trading.limits import AccountRules, Costs, PacingLimits
from support.backtest_outcomes import a_trade
from support.random_candles import random_case
from support.sweep_cases import Misled, a_job, a_plan, a_recording, free_terms, some_work

SEEDS = 120


def screened(recording, terms):
    flags = {
        each.symbol: flags_of(
            each,
            recording.history.series[each.symbol],
            recording.instruments[each.symbol],
            recording.history.interval_ms,
        )
        for each in terms.plan.symbols
    }
    screen = Screen(recording.instruments, recording.history, terms.from_ms)
    assert screen.refusal(terms.plan) == ""
    found = screen.run(terms.plan, flags, terms.balance)
    steps = {symbol: each.step(market=True) for symbol, each in recording.instruments.items()}
    return found, trades_of(found.trips, recording.history.series, steps)


def is_near(ours, theirs):
    return ours is theirs is None or ours == pytest.approx(theirs, rel=1e-8)


@pytest.mark.parametrize("start", range(0, SEEDS, 20))
def test_random_candles_give_the_same_trades_and_figures_as_the_core(start):
    total = 0
    for seed in range(start, start + 20):
        case = random_case(seed)
        recording = a_recording(BTCUSDT=case)
        terms = free_terms(a_plan(case), from_ms=case.from_ms)
        found, trades = screened(recording, terms)
        outcome = run(recording, terms).outcome
        assert first_difference(trades, outcome.trades) is None, seed
        core = summarize(outcome, recording.history, case.from_ms)
        for name in ("candles", "trades", "pnl", "fees", "win_rate"):
            assert getattr(found.summary, name) == getattr(core, name), (seed, name)
        for name in ("sharpe", "sortino", "profit_factor", "exposure"):
            assert is_near(getattr(found.summary, name), getattr(core, name)), (seed, name)
        assert found.summary.max_drawdown == pytest.approx(core.max_drawdown, abs=Decimal("0.000001")), seed
        open_rows = found.trips["BTCUSDT"][found.trips["BTCUSDT"][:, kernels.EXIT_ROW] < 0]
        times = recording.history.series["BTCUSDT"].open_time[open_rows[:, kernels.ENTRY_ROW]]
        assert times.tolist() == [position.entry_time for position in outcome.open], seed
        total += len(trades)
    assert total > 50


def test_the_kernel_runs_as_it_stands_and_as_machine_code_alike():
    case = random_case(4)
    recording = a_recording(BTCUSDT=case)
    terms = free_terms(a_plan(case), from_ms=case.from_ms)
    found, trades = screened(recording, terms)
    series, plan = recording.history.series["BTCUSDT"], terms.plan.symbols[0]
    parameters = strategy_class("vwap_reversion").parameters_type.read("vwap_reversion", plan.parameters)
    rules = rules_of(parameters, terms.plan.taker_rate, recording.instruments["BTCUSDT"], series)
    bits = flags_of(plan, series, recording.instruments["BTCUSDT"], 60_000)
    trips, curve = np.empty((len(bits), kernels.COLUMNS), np.int64), np.zeros(2)
    first = int(np.searchsorted(series.open_time, case.from_ms))
    arrays = (series.open, series.high, series.low, series.close)
    count = kernels.screen_loop(bits, *arrays, first, tuple(rules), trips, curve)
    assert len(trades) > 3
    assert trips[:count].tolist() == found.trips["BTCUSDT"].tolist()


def test_several_symbols_on_one_account_trade_as_in_the_core():
    cases = {"BTCUSDT": random_case(1), "ETHUSDT": random_case(8), "LINKUSDT": random_case(19)}
    recording = a_recording(**cases)
    terms = free_terms(*(a_plan(case, symbol) for symbol, case in cases.items()))
    found, trades = screened(recording, terms)
    outcome = run(recording, terms).outcome
    assert len({trade.symbol for trade in trades}) == 3
    assert first_difference(trades, outcome.trades) is None
    core = summarize(outcome, recording.history, 0)
    assert found.summary.pnl == core.pnl
    assert found.summary.sharpe == pytest.approx(core.sharpe, rel=1e-8)
    assert found.summary.max_drawdown >= core.max_drawdown
    assert found.summary.exposure >= core.exposure


def test_older_prices_off_the_tick_keep_the_stop_on_it():
    case = random_case(19)
    recording = a_recording(BTCUSDT=case)
    old = recording.history.series["BTCUSDT"]
    finer = replace(
        old,
        tick=old.tick / 10,
        open=old.open * 10 + 3,
        high=old.high * 10 + 7,
        low=old.low * 10,
        close=old.close * 10 + 5,
    )
    recording = replace(recording, history=replace(recording.history, series={"BTCUSDT": finer}))
    terms = free_terms(a_plan(case, stop_pct="0.37"))
    _, trades = screened(recording, terms)
    assert {trade.exit_reason for trade in trades} == {"signal", "stop"}
    assert first_difference(trades, run(recording, terms).outcome.trades) is None


def test_a_rebate_is_rounded_away_from_zero_as_a_fee_is():
    case = random_case(1)
    recording = a_recording(BTCUSDT=case)
    free = free_terms(a_plan(case, notional="777.77"), taker_rate=Decimal("-0.000123"))
    terms = replace(free, costs=replace(Costs.free(), taker_rate=Decimal("-0.000123")))
    _, trades = screened(recording, terms)
    assert len(trades) > 3
    assert all(trade.fees < 0 for trade in trades)
    assert first_difference(trades, run(recording, terms).outcome.trades) is None


# what cannot be screened


def refusal(recording, terms):
    return Screen(recording.instruments, recording.history, 0).refusal(terms.plan)


def test_limit_entries_are_refused():
    case = random_case(1)
    assert "market entries only" in refusal(a_recording(BTCUSDT=case), free_terms(a_plan(case), entry="limit"))


def test_amounts_that_do_not_fit_64_bits_are_refused():
    case = random_case(1)
    plan = a_plan(case, notional="1000000000000000")
    assert "64 bits" in refusal(a_recording(BTCUSDT=case), free_terms(plan))


def test_a_contract_that_does_not_trade_is_refused():
    case = random_case(1)
    recording = a_recording(BTCUSDT=case)
    instrument = recording.instruments["BTCUSDT"]
    settling = {"BTCUSDT": type(instrument)(**{**fields_of(instrument), "status": "SETTLING"})}
    assert "SETTLING" in refusal(replace(recording, instruments=settling), free_terms(a_plan(case)))


def test_different_grids_of_limit_and_market_orders_are_refused():
    case = random_case(1)
    recording = a_recording(BTCUSDT=case)
    instrument = recording.instruments["BTCUSDT"]
    coarse = {"market_step_size": instrument.step_size * 10, "market_min_quantity": instrument.step_size * 10}
    odd = {"BTCUSDT": type(instrument)(**{**fields_of(instrument), **coarse})}
    assert "quantity grids" in refusal(replace(recording, instruments=odd), free_terms(a_plan(case)))


def fields_of(instrument):
    return {name: getattr(instrument, name) for name in instrument.__struct_fields__}


# a combination's way through a worker


def test_confirmed_work_was_compared_with_its_screen():
    work, job = some_work()
    found = work.do(job(3))
    assert (found.number, found.state, found.is_checked, found.limits, found.defect) == (3, CONFIRMED, True, (), "")
    assert found.figures["trades"] == work.do(job(3, state=SCREENED)).figures["trades"] > 0


def test_a_screen_that_trades_otherwise_is_a_defect_that_names_the_first_trade():
    work, job = some_work(kind=Misled)
    defect = work.do(job(0)).defect
    assert defect.startswith("screen BTCUSDT ")
    assert ", core BTCUSDT " in defect


def test_a_limit_that_binds_explains_the_difference_and_is_named():
    case = random_case(1)
    recording = a_recording(BTCUSDT=case)
    free = free_terms(a_plan(case), pacing=PacingLimits())
    work = Work(recording, free, readings_of(recording, free.plan.symbols))
    found = work.do(a_job(free))
    assert found.state == CONFIRMED
    assert found.limits == ("symbol_cooldown_active",)
    assert found.defect == ""
    assert work.do(a_job(free, state=SCREENED)).figures == found.figures


def test_a_leverage_that_liquidates_before_the_stop_goes_to_the_core():
    case = random_case(1)
    recording = a_recording(BTCUSDT=case)
    terms = free_terms(a_plan(case, stop_pct="20"), account=AccountRules(leverage=100))
    found = Work(recording, terms, readings_of(recording, terms.plan.symbols)).do(a_job(terms, state=SCREENED))
    assert found.state == CONFIRMED
    assert "liquidation" in found.limits


def within_limits(chance, case):
    """Draw limits some of which bind in some cases."""
    unbound = NO_RISK_LIMITS.daily_loss
    notional = Decimal(str(float(case.rules.notional)))
    risk = replace(
        NO_RISK_LIMITS,
        daily_loss=chance.choice((unbound, unbound, Decimal(2), Decimal(10), Decimal(40))),
        max_symbol_notional=chance.choice((unbound, unbound, notional * 2, notional, notional / 2)),
        max_symbol_share=chance.choice((unbound, unbound, Decimal(1), Decimal("0.3"))),
    )
    pacing = PacingLimits(*(chance.choice((0, 0, 0, seconds)) for seconds in (300, 600, 1_200)))
    account = AccountRules(chance.choice((1, 3, 20, 75)), chance.choice(("ISOLATED", "CROSSED")))
    terms = free_terms(a_plan(case), from_ms=case.from_ms, risk=risk, pacing=pacing, account=account)
    balance = notional * chance.choice((1, 2, 20))
    return replace(terms, unlimited=chance.random() < 0.3, balance=balance)


@pytest.mark.parametrize("start", range(0, 120, 40))
def test_what_stays_screened_trades_like_the_core_whatever_the_limits(start):
    states = Counter()
    for seed in range(start, start + 40):
        case = random_case(seed)
        recording = a_recording(BTCUSDT=case)
        terms = within_limits(Random(seed), case)
        found = Work(recording, terms, readings_of(recording, terms.plan.symbols)).do(a_job(terms, state=SCREENED))
        states[found.state] += 1
        assert found.defect == "", seed
        if found.state == SCREENED:
            _, trades = screened(recording, terms)
            assert first_difference(trades, run(recording, terms).outcome.trades) is None, (seed, terms)
    assert min(states[SCREENED], states[CONFIRMED]) > 5, states


def test_a_daily_loss_that_halts_explains_the_difference():
    case = random_case(12)
    recording = a_recording(BTCUSDT=case)
    halted = free_terms(a_plan(case), risk=replace(NO_RISK_LIMITS, daily_loss=Decimal(20)))
    found = Work(recording, halted, readings_of(recording, halted.plan.symbols)).do(a_job(halted))
    assert "daily_loss" in found.limits
    assert found.defect == ""


def test_what_a_strategy_refuses_becomes_a_failed_combination():
    work, job = some_work()
    found = work.do(job(7, k="-1"))
    assert (found.number, found.state) == (7, FAILED)
    assert "k and adx_max must be above 0" in found.error


def test_combinations_that_differ_in_size_only_share_their_bits():
    case = random_case(1)
    recording = a_recording(BTCUSDT=case)
    small, large = free_terms(a_plan(case, notional="100")), free_terms(a_plan(case, notional="900"))
    work = Work(recording, small, readings_of(recording, small.plan.symbols))
    for terms in (small, large):
        work.do(a_job(terms, state=SCREENED))
    assert work.bits_kept == 1


# the first trade that differs


def test_the_earliest_difference_of_any_symbol_counts():
    one, two = a_trade(1_000, 2_000, symbol="A"), a_trade(500, 3_000, symbol="B")
    other = a_trade(700, 3_000, symbol="B")
    assert first_difference([one, two], [one, two]) is None
    assert first_difference([one, two], [one, other]).at_ms == 500
    assert first_difference([one], [one, two]).text.endswith("in the core only")
    assert first_difference([one, two], [one]).text.endswith("in the screen only")


def test_a_pnl_that_differs_in_the_last_digit_is_a_difference():
    assert first_difference([a_trade(fees="0.00000001")], [a_trade(fees="0.00000002")]) is not None
