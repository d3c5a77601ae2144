"""The simulated venue behind commands and events: every command and every answer."""

import os
from pathlib import Path

import msgspec
import pytest

from bot.domain.errors import ConfigurationError
from bot.domain.events import (
    AlgoUpdated,
    CancelFailed,
    FillRecovered,
    FundingPaid,
    OrderProvenAbsent,
    OrderRefused,
    OrderUpdated,
    StopCancelFailed,
    StopProvenAbsent,
    StopRefused,
    TransferSeen,
)
from bot.domain.order import Side
from bot.exchange.binance.public_answers import read_exchange_info
from bot.exchange.simulated.exchange import SimulatedExchange
from simulator.market.instruments import builtin_exchange_info
from simulator.venue.exchange import Exchange as Venue
from support.paper import (
    BTC,
    START_MS,
    a_candle,
    a_simulated,
    cancel,
    cancel_stop,
    d,
    look_up,
    look_up_stop,
    place_stop,
    quote,
    submit,
)

RECORDED = os.environ.get("ACT_TEST_DATA", "")
EIGHT_HOURS_MS = 8 * 3_600_000


def statuses(events):
    return [event.order.status for event in events if isinstance(event, OrderUpdated)]


def fills(events):
    return [event.fill for event in events if isinstance(event, OrderUpdated) and event.fill]


def words(events):
    return [
        event.algo.status if isinstance(event, AlgoUpdated) else type(event).__name__
        for event in events
        if not isinstance(event, OrderUpdated)
    ]


# orders


def test_a_market_order_is_accepted_and_filled_at_the_touch():
    events = a_simulated().execute(submit(quantity="0.001", reduce_only=False))
    assert statuses(events) == ["NEW", "FILLED"]
    (fill,) = fills(events)
    assert (fill.price, fill.quantity, fill.maker, fill.side) == (d("100000.1"), d("0.001"), False, Side.BUY)
    assert fill.commission == d("0.05000005")
    assert fill.order_id == events[-1].order.order_id


def test_a_market_order_larger_than_the_touch_fills_at_several_prices():
    executed = fills(a_simulated().execute(submit(quantity="0.05")))
    assert len({fill.price for fill in executed}) > 1
    assert sum(fill.quantity for fill in executed) == d("0.05")


def test_a_limit_order_rests_until_the_other_side_reaches_it_and_fills_as_maker():
    simulated = a_simulated()
    assert statuses(simulated.execute(submit(price="99999"))) == ["NEW"]
    assert quote(simulated, "99999", ask="99999.1", at=1) == []
    (told,) = quote(simulated, "99998.9", ask="99999", at=2)
    assert (told.order.status, told.fill.price, told.fill.maker) == ("FILLED", d(99_999), True)
    assert told.at_ms == START_MS + 2


def test_a_price_within_a_wide_spread_fills_nothing():
    simulated = a_simulated()
    simulated.execute(submit(price="99999"))
    assert quote(simulated, "99990", ask="100001", at=1) == []


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (submit(quantity="5"), -2019),
        (submit(quantity="0.0001", price="100000"), -1111),
        (submit(quantity="0.0005"), -1111),
        (submit(side="SELL", reduce_only=True), -2022),
        (submit(price="100001", tif="GTX"), -5022),
    ],
)
def test_a_refused_order_is_told_with_the_venue_s_code(command, code):
    (told,) = a_simulated().execute(command)
    assert isinstance(told, OrderRefused)
    assert (told.symbol, told.client_order_id, told.code) == (BTC, "a0000e1-1", code)
    assert told.message


def test_a_client_order_id_in_use_is_refused():
    simulated = a_simulated()
    simulated.execute(submit(price="99999"))
    (told,) = simulated.execute(submit(price="99998"))
    assert told.code == -4116


def test_a_cancel_ends_a_resting_order():
    simulated = a_simulated()
    simulated.execute(submit(price="99999"))
    assert statuses(simulated.execute(cancel())) == ["CANCELED"]
    assert simulated.snapshot().open_orders == ()


def test_a_cancel_that_lost_the_race_fails_with_the_venue_s_code():
    simulated = a_simulated()
    simulated.execute(submit())
    (told,) = simulated.execute(cancel())
    assert isinstance(told, CancelFailed)
    assert told.code == -2011


def test_a_standing_market_refuses_orders_and_cancels():
    simulated = a_simulated()
    simulated.execute(submit(price="99999"))
    simulated.venue.hold()
    assert isinstance(simulated.execute(submit(order_id="a0000e2-1"))[0], OrderRefused)
    assert isinstance(simulated.execute(cancel())[0], CancelFailed)


def test_a_look_up_finds_an_order_with_its_executions_first():
    simulated = a_simulated()
    simulated.execute(submit(quantity="0.001"))
    recovered, found = simulated.execute(look_up())
    assert isinstance(recovered, FillRecovered)
    assert found.order.status == "FILLED"
    assert found.fill is None


def test_a_look_up_of_an_unknown_order_proves_it_absent_at_once():
    assert a_simulated().execute(look_up()) == [OrderProvenAbsent(START_MS, BTC, "a0000e1-1")]


# stops


def with_position(**options):
    simulated = a_simulated(**options)
    simulated.execute(submit(quantity="0.001"))
    return simulated


def test_a_stop_rests_and_fires_when_the_price_reaches_it():
    simulated = with_position()
    (told,) = simulated.execute(place_stop("99000"))
    assert (told.algo.status, told.algo.trigger_price, told.algo.close_position) == ("NEW", d(99_000), True)
    assert told.algo.working_type == "CONTRACT_PRICE"
    events = quote(simulated, "98999", at=1)
    assert words(events) == ["TRIGGERING", "TRIGGERED", "FINISHED"]
    assert statuses(events) == ["NEW", "FILLED"]
    (fill,) = fills(events)
    assert (fill.price, fill.side) == (d(98_999), Side.SELL)
    (child,) = {event.order.algo_id for event in events if isinstance(event, OrderUpdated)}
    assert child == told.algo.algo_id
    assert simulated.snapshot().positions == ()


def test_a_stop_that_would_fire_at_once_is_refused():
    (told,) = with_position().execute(place_stop("100001"))
    assert isinstance(told, StopRefused)
    assert (told.code, told.client_algo_id) == (-2021, "a0000s1-1")


def test_a_stop_is_cancelled_once():
    simulated = with_position()
    simulated.execute(place_stop("99000"))
    (ended,) = simulated.execute(cancel_stop())
    assert ended.algo.status == "CANCELED"
    (told,) = simulated.execute(cancel_stop())
    assert isinstance(told, StopCancelFailed)
    assert told.code == -2011


def test_a_look_up_finds_a_stop_and_the_order_it_gave_birth_to():
    simulated = with_position()
    simulated.execute(place_stop("99000"))
    assert [event.algo.status for event in simulated.execute(look_up_stop())] == ["NEW"]
    quote(simulated, "98999", at=1)
    algo, recovered, child = simulated.execute(look_up_stop())
    assert algo.algo.status == "FINISHED"
    assert child.order.order_id == algo.algo.actual_order_id == recovered.fill.order_id


def test_a_look_up_of_an_unknown_stop_proves_it_absent():
    assert a_simulated().execute(look_up_stop()) == [StopProvenAbsent(START_MS, BTC, "a0000s1-1")]


# money


def test_funding_is_told_at_the_minute_it_was_due():
    simulated = with_position()
    simulated.mark(BTC, d(100_000), START_MS + EIGHT_HOURS_MS + 700)
    (told,) = simulated.settle_funding(BTC, d("0.0002"), START_MS + EIGHT_HOURS_MS + 12, d(100_010))
    assert isinstance(told, FundingPaid)
    assert told.funding.time_ms == START_MS + EIGHT_HOURS_MS
    assert told.funding.amount == d("-0.020002")
    assert (told.funding.symbol, told.funding.kind, told.funding.asset) == (BTC, "FUNDING_FEE", "USDT")


def test_a_deposit_is_a_transfer():
    simulated = a_simulated()
    simulated.venue.transfer("USDT", d(5))
    (told,) = simulated.drain()
    assert isinstance(told, TransferSeen)
    assert (told.transfer.kind, told.transfer.amount, told.transfer.symbol) == ("TRANSFER", d(5), "")


def test_a_liquidation_is_told_with_its_order_and_what_the_insurance_fund_took():
    simulated = a_simulated()
    simulated.set_leverage(BTC, 100)
    simulated.set_margin_type(BTC, "ISOLATED")
    simulated.execute(submit(quantity="0.01"))
    quote(simulated, "99400", at=1)
    events = simulated.mark(BTC, d("99390"), START_MS + 2)
    assert events[0].order.client_order_id.startswith("autoclose-")
    (transfer,) = [event.transfer for event in events if isinstance(event, TransferSeen)]
    assert (transfer.kind, transfer.symbol) == ("INSURANCE_CLEAR", BTC)


def test_the_snapshot_shows_wallets_positions_and_everything_open():
    simulated = with_position()
    simulated.execute(submit(price="99000", order_id="a0000e2-1"))
    simulated.execute(place_stop("98000"))
    shown = simulated.snapshot()
    assert shown.wallets == {"USDT": d("9999.94999995")}
    assert [(row.symbol, row.quantity, row.entry_price) for row in shown.positions] == [
        (BTC, d("0.001"), d("100000.1"))
    ]
    assert [order.client_order_id for order in shown.open_orders] == ["a0000e2-1"]
    assert [algo.client_algo_id for algo in shown.open_algo_orders] == ["a0000s1-1"]


# settings


def test_the_account_is_set_up_and_what_is_so_already_is_success():
    simulated = a_simulated()
    for _ in range(2):
        simulated.set_margin_type(BTC, "ISOLATED")
        simulated.set_leverage(BTC, 3)
        simulated.set_one_way_mode()
        simulated.set_single_asset_mode()
    found = simulated.account_settings([BTC])
    assert (found.leverage, found.margin_type) == ({BTC: 3}, {BTC: "ISOLATED"})
    assert (found.hedge_mode, found.multi_assets) == (False, False)


def test_a_setting_the_venue_refuses_is_the_person_s_to_correct():
    simulated = with_position()
    with pytest.raises(ConfigurationError, match="-4048"):
        simulated.set_margin_type(BTC, "ISOLATED")
    with pytest.raises(ConfigurationError, match="-4028"):
        simulated.set_leverage(BTC, 1_000)


def test_contracts_and_brackets_are_those_of_the_venue():
    simulated = a_simulated()
    (instrument,) = simulated.instruments([BTC])
    assert (instrument.tick_size, instrument.step_size, instrument.min_notional) == (d("0.1"), d("0.001"), d(100))
    first = simulated.brackets([BTC])[0]
    assert (first.symbol, first.leverage, first.maintenance_rate) == (BTC, 125, d("0.004"))


def both_readings(info, symbols):
    simulated = SimulatedExchange(Venue(info, balance=d(10_000), start_ms=START_MS))
    return simulated.instruments(symbols), read_exchange_info(msgspec.json.encode(info)).instruments(symbols)


def test_the_venue_reads_contracts_as_the_other_adapter_does():
    symbols = (BTC, "ETHUSDT", "SOLUSDT", "SIM07USDT")
    ours, theirs = both_readings(builtin_exchange_info(symbols), symbols)
    assert ours == theirs


@pytest.mark.skipif(not RECORDED, reason="recorded market data: ACT_TEST_DATA is not set")
def test_the_venue_reads_recorded_contracts_as_the_other_adapter_does():
    path = Path(RECORDED) / "rest" / "fapi_v1_exchangeInfo_mainnet_2025-08-07_25symbols.json"
    info = msgspec.json.decode(path.read_bytes())
    symbols = tuple(entry["symbol"] for entry in info["symbols"])
    ours, theirs = both_readings(info, symbols)
    assert len(symbols) == 25
    assert ours == theirs


def test_an_unknown_symbol_is_named():
    with pytest.raises(ConfigurationError, match="NOPEUSDT"):
        a_simulated().instruments(["NOPEUSDT"])


# what a closed candle proves


def test_a_candle_that_reached_the_stop_fires_it_although_no_quote_did():
    simulated = with_position()
    simulated.execute(place_stop("99000"))
    quote(simulated, "100000", at=119_000)
    events = simulated.examine(a_candle(1, "100000", low="98990"))
    assert [(fill.price, fill.quantity) for fill in fills(events)] == [(d(99_000), d("0.001"))]
    assert simulated.venue.best(BTC)[0] == d(100_000)


def test_a_candle_that_opened_beyond_the_stop_fills_it_at_the_open():
    simulated = with_position()
    simulated.execute(place_stop("99000"))
    events = simulated.examine(a_candle(1, "98500", opening="98800", low="98000"))
    assert [fill.price for fill in fills(events)] == [d(98_800)]


def test_a_candle_that_traded_through_a_limit_fills_it_at_its_own_price_as_maker():
    simulated = a_simulated()
    simulated.execute(submit(price="99900"))
    assert simulated.examine(a_candle(1, "100000", low="99900")) == []
    (fill,) = fills(simulated.examine(a_candle(2, "100000", low="99899.9")))
    assert (fill.price, fill.maker) == (d(99_900), True)


def test_a_candle_proves_nothing_about_what_was_placed_inside_it():
    simulated = with_position()
    quote(simulated, "100000", at=61_000)
    simulated.execute(place_stop("99000"))
    simulated.execute(submit(price="99900", order_id="a0000e2-1"))
    assert simulated.examine(a_candle(1, "100000", low="98000")) == []


# by candles, as the backtest will


def test_by_candles_an_order_trades_at_the_next_open_and_its_stop_at_the_worse_price():
    simulated = a_simulated(by_candles=True)
    simulated.open_candle(a_candle(0, "100000"))
    simulated.finish_candle(a_candle(0, "100000"))
    assert statuses(simulated.execute(submit(quantity="0.01"))) == ["NEW"]
    (fill,) = fills(simulated.open_candle(a_candle(1, "100500", opening="100100")))
    assert fill.price == d(100_100)
    simulated.execute(place_stop("99000"))
    assert fills(simulated.finish_candle(a_candle(1, "100500", opening="100100", low="99500"))) == []
    opened = simulated.open_candle(a_candle(2, "98000", opening="99200"))
    finished = simulated.finish_candle(a_candle(2, "98000", opening="99200", low="97000"))
    assert [fill.price for fill in fills(opened + finished)] == [d(99_000)]
