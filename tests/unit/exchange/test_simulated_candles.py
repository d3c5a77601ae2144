"""The venue of a backtest behind commands and events: its costs, its funding, its brackets, and what it assumes."""

from itertools import pairwise

import pytest

from bot.domain.account import LeverageBracket
from bot.domain.errors import ConfigurationError
from bot.domain.events import AlgoUpdated, FundingPaid, OrderUpdated
from bot.domain.market import MINUTE_MS, FundingRate
from bot.exchange.simulated.assumptions import assumptions
from bot.exchange.simulated.candles import open_candle_venue
from bot.trading.limits import Costs, LiquidityTier
from simulator.market.instruments import builtin_exchange_info
from support.paper import BTC, START_MS, a_candle, cancel, d, look_up, place_stop, submit

ETH = "ETHUSDT"


def a_backtest(*, costs=None, symbols=(BTC,), **options):
    costs = costs or Costs.free()
    return open_candle_venue(
        builtin_exchange_info(symbols), balance=d(10_000), start_ms=START_MS, costs=costs, **options
    )


def play(simulated, candle):
    return simulated.open_candle(candle) + simulated.finish_candle(candle)


def filled(simulated):
    """Buy at the close of a candle of 100,000 USDT, and return the fill at the open of the next."""
    play(simulated, a_candle(0, "100000"))
    simulated.execute(submit(quantity="0.01"))
    told = simulated.open_candle(a_candle(1, "100000"))
    return next(event.fill for event in told if isinstance(event, OrderUpdated) and event.fill)


def test_free_costs_are_the_taker_s_fee_and_nothing_else():
    fill = filled(a_backtest())
    assert (fill.price, fill.commission) == (d(100_000), d("0.5"))


def test_the_costs_of_the_settings_reach_the_venue():
    tiers = (LiquidityTier(d(0), d(10), d(10)), LiquidityTier(d(100_000), d(1), d(1)))
    fill = filled(a_backtest(costs=Costs(taker_rate=d("0.001"), tiers=tiers)))
    assert (fill.price, fill.commission) == (d("100015.0"), d("1.00015"))


def test_an_order_takes_the_latency_of_the_settings_to_arrive():
    simulated = a_backtest(costs=Costs(tiers=(), latency_ms=30_000))
    play(simulated, a_candle(0, "100000"))
    simulated.execute(submit(quantity="0.01"))
    candle = a_candle(1, "101000", opening="100000")
    assert simulated.open_candle(candle) == []
    (new,) = [event.fill for event in simulated.finish_candle(candle) if isinstance(event, OrderUpdated)]
    assert (new.price, new.time_ms) == (d("100500.0"), START_MS + MINUTE_MS + 30_000)


def test_a_recorded_funding_is_told_with_its_own_time_and_amount():
    rows = [FundingRate(BTC, START_MS + 3 * MINUTE_MS, d("0.0001"), d("100500"))]
    simulated = a_backtest(funding={BTC: rows})
    filled(simulated)
    assert simulated.next_funding_ms(BTC) == START_MS + 3 * MINUTE_MS
    simulated.finish_candle(a_candle(1, "100000"))
    (told,) = simulated.open_candle(a_candle(7, "100000"))
    assert isinstance(told, FundingPaid)
    assert (told.funding.time_ms, told.funding.amount) == (START_MS + 3 * MINUTE_MS, d("-0.1005"))


def test_a_symbol_without_a_series_settles_by_the_costs():
    simulated = a_backtest(costs=Costs(funding_interval_hours=4), symbols=(BTC, ETH), funding={ETH: []})
    assert simulated.next_funding_ms(BTC) == START_MS + 4 * 60 * MINUTE_MS
    assert simulated.next_funding_ms(ETH) > START_MS + 10**12
    assert a_backtest().next_funding_ms(BTC) > START_MS + 10**12


def test_brackets_are_the_given_ones_else_those_the_costs_name():
    row = LeverageBracket(ETH, d(0), d(1_000), 7, d("0.03"), d(0))
    simulated = a_backtest(costs=Costs(), symbols=(BTC, ETH), brackets=[row])
    assert simulated.brackets([ETH]) == (row,)
    assert [each.leverage for each in simulated.brackets([BTC])] == [25, 20, 10, 5, 4, 2, 1]
    assert a_backtest(costs=Costs(brackets="bitcoin")).brackets([BTC])[0].leverage == 125


def test_bracket_tables_are_continuous():
    for name in ("conservative", "bitcoin"):
        rows = a_backtest(costs=Costs(brackets=name)).brackets([BTC])
        for row, following in pairwise(rows):
            assert row.cap == following.floor
            assert row.cap * row.maintenance_rate - row.cum == row.cap * following.maintenance_rate - following.cum


def test_wake_prices_are_the_venue_s():
    simulated = a_backtest()
    filled(simulated)
    simulated.finish_candle(a_candle(1, "100000"))
    simulated.execute(submit(quantity="0.01", price="99000", order_id="a0000e2-1"))
    low, high = simulated.wake_prices(BTC)
    assert low > high


def test_detail_that_contradicts_its_candle_is_the_person_s_to_correct():
    simulated = a_backtest()
    simulated.open_candle(a_candle(0, "100000"))
    with pytest.raises(ConfigurationError, match=r"2025-10-10T00:00:00.*outside"):
        simulated.finish_candle(a_candle(0, "100000"), (a_candle(0, "100001"),))


# the first word about a market order


def words(events):
    """Name what is told, in order."""
    return [
        event.order.status if isinstance(event, OrderUpdated) else f"algo {event.algo.status}"
        for event in events
        if isinstance(event, OrderUpdated | AlgoUpdated)
    ]


def a_tacit(**options):
    simulated = a_backtest(is_tacit=True, **options)
    play(simulated, a_candle(0, "100000"))
    return simulated


def test_a_market_order_is_told_when_it_is_accepted_and_when_it_fills():
    simulated = a_backtest()
    play(simulated, a_candle(0, "100000"))
    assert words(simulated.execute(submit())) == ["NEW"]
    assert words(simulated.open_candle(a_candle(1, "100000"))) == ["FILLED"]


def test_a_tacit_venue_tells_a_market_order_by_its_fill_alone():
    simulated = a_tacit()
    assert simulated.execute(submit()) == []
    assert words(simulated.open_candle(a_candle(1, "100000"))) == ["FILLED"]


def test_an_order_that_was_not_told_is_open_and_can_be_found_and_cancelled():
    simulated = a_tacit()
    simulated.execute(submit())
    (shown,) = simulated.snapshot().open_orders
    assert (shown.client_order_id, shown.status) == ("a0000e1-1", "NEW")
    assert words(simulated.execute(look_up())) == ["NEW"]
    assert words(simulated.execute(cancel())) == ["CANCELED"]
    assert simulated.open_candle(a_candle(1, "100000")) == []


def test_an_exit_that_was_not_told_is_told_to_expire_when_the_stop_was_first():
    simulated = a_tacit(costs=Costs(taker_rate=d(0), tiers=(), latency_ms=30_000))
    simulated.execute(submit())
    play(simulated, a_candle(1, "100000"))
    simulated.execute(place_stop("99000"))
    assert simulated.execute(submit("SELL", reduce_only=True, order_id="a0000x1-1")) == []
    told = simulated.open_candle(a_candle(2, "98000"))
    exits = [event for event in told if isinstance(event, OrderUpdated) and event.order.client_order_id == "a0000x1-1"]
    assert words(exits) == ["EXPIRED"]


def test_a_tacit_venue_tells_the_order_of_a_stop_as_ever():
    simulated = a_tacit()
    simulated.execute(submit())
    simulated.open_candle(a_candle(1, "100000"))
    simulated.execute(place_stop("99000"))
    simulated.finish_candle(a_candle(1, "100000"))
    told = words(simulated.open_candle(a_candle(2, "98000")))
    assert told == ["algo TRIGGERING", "NEW", "FILLED", "algo TRIGGERED", "algo FINISHED"]


def test_what_rests_is_told_by_a_tacit_venue_too():
    simulated = a_tacit()
    assert words(simulated.execute(submit(price="99000"))) == ["NEW"]


# what is assumed


def test_every_number_that_is_assumed_is_said():
    said = " ".join(assumptions(Costs(latency_ms=250, touch_share=d("0.5"), funding_interval_hours=4)))
    for number in (
        "0.05 %",
        "0.02 %",
        "5 + 5 bps from 0 USDT",
        "10 %",
        "50 % of that",
        "250 ms",
        "0.01 % each 4 hours",
    ):
        assert number in said


def test_free_costs_assume_neither_spread_nor_funding_nor_latency():
    said = assumptions(Costs.free())
    assert "Takers pay neither spread nor slippage." in said
    assert "Orders reach the exchange at once." in said
    assert any("not at all where they are not" in sentence for sentence in said)
    assert all(sentence.endswith(".") for sentence in said)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"maker_rate": "2"}, "costs.maker_rate"),
        ({"taker_rate": "-1"}, "costs.taker_rate"),
        ({"funding_rate": "1"}, "costs.funding_rate"),
        ({"volume_share": "1.1"}, "costs.volume_share must lie between 0 and 1, not 1.1"),
        ({"touch_share": "-0.1"}, "costs.touch_share"),
        ({"latency_ms": -1}, "costs.latency_ms"),
        ({"funding_interval_hours": 0}, "costs.funding_interval_hours"),
        ({"tiers": (LiquidityTier(d(0), d(-1), d(0)),)}, "costs.tiers"),
    ],
)
def test_costs_that_cannot_be_are_refused_by_name(numbers, message):
    values = {name: d(value) if isinstance(value, str) else value for name, value in numbers.items()}
    with pytest.raises(ConfigurationError) as caught:
        Costs(**values)
    assert message in str(caught.value)
