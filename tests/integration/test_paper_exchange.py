"""Paper trading on a scripted market, with its own database: it trades, dies after any commit, and goes on."""

from decimal import Decimal

import pytest

from bot.domain.books import Books
from bot.domain.errors import ConfigurationError, RetryLater, StopTrading
from bot.domain.market import MINUTE_MS
from bot.exchange.simulated.paper import PaperExchange
from bot.trading.strategy import ENTER_LONG, ENTER_SHORT, EXIT_SHORT
from support.paper import ACCOUNT, BTC, START_MS, ScriptedMarket, a_candle, d, submit
from support.paper_life import Killed, Life


@pytest.fixture
async def lives(tmp_path):
    """Start one process after another on the same home; each ends when the next begins."""
    begun = []

    async def begin(market=None, **options):
        if begun:
            begun[-1].end()
        begun.append(Life(tmp_path / "home", market or (begun[-1].market if begun else None), **options))
        return await begun[-1].begin()

    yield begin
    for each in begun[-1:]:
        each.end()


def position(life):
    return sum(
        (Decimal(row["quantity"]) for row in life.books()["positions"]),
        Decimal(0),
    )


def assert_consistent(life):
    """Position = sum of fills, nothing doubled, the pretended account equal to the books."""
    books = life.books()
    signs = {"BUY": 1, "SELL": -1}
    held = sum((signs[row["side"]] * Decimal(row["quantity"]) for row in books["fills"]), Decimal(0))
    assert held == position(life)
    for name, key in (("orders", "order_id"), ("orders", "client_order_id"), ("algo_orders", "client_algo_id")):
        ids = [row[key] for row in books[name] if not (key == "client_order_id" and row["algo_id"])]
        assert len(ids) == len(set(ids)), name
    shown = life.exchange._venue.snapshot()
    assert {row["asset"]: Decimal(row["balance"]) for row in books["wallets"]} == shown.wallets
    assert sum((row.quantity for row in shown.positions), Decimal(0)) == held
    assert len(shown.open_algo_orders) == (1 if held else 0)
    assert life.view.reconciled
    assert life.asked == []


async def test_an_entry_fills_at_the_touch_and_its_stop_rests(lives):
    life = await lives()
    assert (await life.settings()).leverage == {BTC: 3}
    life.candle(a_candle(0, "100000"), ENTER_LONG)
    (held,) = life.view.positions
    assert held.stop_resting
    assert life.books()["fills"][0]["price"] == "100000.1"
    assert_consistent(life)


async def test_the_stop_fires_when_the_book_falls_to_it(lives):
    life = await lives()
    life.candle(a_candle(0, "100000"), ENTER_LONG)
    life.market.show("98990")
    assert life.view.positions == ()
    assert life.books()["fills"][-1]["price"] == "98990"
    assert_consistent(life)


async def test_a_limit_entry_rests_and_is_filled_as_maker_when_the_book_crosses_it(lives):
    life = await lives(entry="limit")
    life.candle(a_candle(0, "99999"), ENTER_LONG)
    (order,) = life.view.orders
    assert order.price == d(99_999)
    life.market.show("99998.8")
    (fill,) = life.books()["fills"]
    assert (fill["maker"], fill["price"]) == (True, "99999")
    assert_consistent(life)


async def test_funding_is_settled_once_at_the_rate_told_before_it_was_due(lives):
    life = await lives()
    life.candle(a_candle(0, "100000"), ENTER_LONG)
    held = life.view.positions[0].quantity
    due = life.market.next_funding_ms
    life.market.at(8 * 60)
    life.market.next_funding_ms += 8 * 60 * MINUTE_MS
    life.market.mark("100100", rate="0.0003")
    life.market.mark("100200", rate="0.0003")
    (row,) = life.books()["funding"]
    assert (row["time_ms"], Decimal(row["amount"])) == (due, -held * d("100100") * d("0.0001"))
    assert_consistent(life)


async def test_a_quiet_restart_finds_everything_as_it_was_left(lives):
    life = await lives(entry="limit")
    life.candle(a_candle(0, "100000"), ENTER_LONG)
    life.market.show("99999.7")
    before = life.books()
    again = await lives(entry="limit")
    assert again.books() == before
    assert (await again.settings()).margin_type == {BTC: "ISOLATED"}
    assert_consistent(again)
    again.candle(a_candle(1, "100000"), 0)
    again.market.show("98000")
    assert again.view.positions == ()
    assert_consistent(again)


async def test_a_resting_entry_is_adopted_by_the_next_process(lives):
    life = await lives(entry="limit")
    life.candle(a_candle(0, "99990"), ENTER_LONG)
    again = await lives(entry="limit")
    (order,) = again.view.orders
    assert order.client_order_id == life.view.orders[0].client_order_id
    again.market.show("99989")
    assert [row["maker"] for row in again.books()["fills"]] == [True]
    assert_consistent(again)


async def test_a_stop_reached_while_the_process_was_gone_has_fired_at_its_price(lives):
    life = await lives()
    life.candle(a_candle(0, "100000"), ENTER_LONG)
    stop = life.view.positions[0].stop_price
    market = life.market
    market.past += [a_candle(1, "100000"), a_candle(2, "100500", low="98000"), a_candle(3, "101000")]
    market.at(4)
    market.tops[BTC] = d("101000")
    again = await lives()
    assert again.view.positions == ()
    assert Decimal(again.books()["fills"][-1]["price"]) == stop
    assert again.books()["fills"][-1]["time_ms"] == START_MS + 3 * MINUTE_MS
    assert_consistent(again)


async def test_funding_due_while_the_process_was_gone_is_settled_at_the_published_rate_once(lives):
    life = await lives()
    life.candle(a_candle(0, "100000"), ENTER_LONG)
    held = life.view.positions[0].quantity
    life.market.settle(START_MS + 8 * 60 * MINUTE_MS + 4, rate="0.0002", mark="100300")
    life.market.at(9 * 60)
    again = await lives()
    (row,) = again.books()["funding"]
    assert (row["time_ms"], Decimal(row["amount"])) == (START_MS + 480 * MINUTE_MS, -held * d("100300") * d("0.0002"))
    third = await lives()
    assert third.books()["funding"] == [row]
    assert_consistent(third)


async def test_a_failed_reading_of_the_past_can_be_tried_again(lives):
    life = await lives()
    life.candle(a_candle(0, "100000"), ENTER_LONG)
    life.market.past.append(a_candle(1, "100000", low="98000"))
    life.market.at(2)
    life.market.failures = [RetryLater("later")]
    with pytest.raises(RetryLater):
        await lives()
    again = await lives()
    assert again.view.positions == ()
    assert_consistent(again)


async def test_prices_that_come_while_the_past_is_read_move_the_venue_only_afterwards(lives):
    life = await lives()
    life.candle(a_candle(0, "100000"), ENTER_LONG)
    market = life.market
    market.past.append(a_candle(1, "100000"))
    market.at(2)
    market.meanwhile = [lambda: market.show("98500"), lambda: market.show("99990")]
    again = await lives()
    assert len(again.view.positions) == 1
    market.show("98500")
    assert again.view.positions == ()
    assert_consistent(again)


async def test_a_limit_passed_while_the_process_was_gone_has_filled_at_its_price(lives):
    life = await lives(entry="limit")
    life.candle(a_candle(0, "99990"), ENTER_LONG)
    life.market.past.append(a_candle(1, "100000", low="99980"))
    life.market.at(2)
    again = await lives(entry="limit")
    (fill,) = again.books()["fills"]
    assert (fill["price"], fill["maker"], fill["time_ms"]) == ("99990", True, START_MS + 2 * MINUTE_MS)
    assert_consistent(again)


async def test_renewed_contracts_reach_the_venue(lives):
    life = await lives()
    (entry,) = life.market.info["symbols"]
    entry["status"] = "CLOSE"
    (renewed,) = await life.exchange.instruments((BTC,))
    assert renewed.status == "CLOSE"
    life.candle(a_candle(0, "100000"), ENTER_LONG)
    assert life.books()["fills"] == []


async def test_streams_and_tasks_are_those_of_the_market(lives):
    life = await lives()
    lost, back = [], []
    life.shell.on_stream_lost = lambda *told: lost.append(told)
    life.shell.on_stream_back = back.append
    life.market.sink.on_stream_down("market", "reset")
    life.market.sink.on_stream_up("market")
    assert (lost, back) == ([("market", "reset")], ["market"])
    assert life.exchange.health() == life.market.health()
    assert life.exchange.tasks() == ("market connection",)


async def test_a_closed_candle_fires_a_stop_that_no_quote_showed(lives):
    life = await lives()
    life.candle(a_candle(0, "100000"), ENTER_LONG)
    life.candle(a_candle(1, "100000", low="98999"))
    assert life.view.positions == ()
    assert_consistent(life)


async def test_back_filled_candles_fire_it_too(lives):
    life = await lives()
    life.candle(a_candle(0, "100000"), ENTER_LONG)
    life.market.past.append(a_candle(1, "100000", low="98000"))
    life.market.at(2)
    await life.exchange.candles(BTC, START_MS, life.market.now)
    assert life.view.positions == ()


async def play(life, begin_at=0):
    """Enter long and be stopped out, then enter short and exit by signal; return the step at which it died."""
    steps = (
        lambda: life.candle(a_candle(0, "100000"), ENTER_LONG),
        lambda: life.market.show("100010"),
        lambda: life.market.show("98900"),
        lambda: life.candle(a_candle(1, "98900"), 0),
        lambda: life.candle(a_candle(2, "98900"), ENTER_SHORT),
        lambda: life.market.show("98890"),
        lambda: life.candle(a_candle(3, "98890"), EXIT_SHORT),
        lambda: life.market.show("98880"),
    )
    for at, step in enumerate(steps[begin_at:], begin_at):
        try:
            step()
        except Killed:
            return at
    return None


@pytest.mark.parametrize("acts", [True, False], ids=["having acted on it", "before acting on it"])
async def test_a_process_killed_after_any_commit_leaves_books_that_the_next_one_goes_on_with(tmp_path, acts):
    whole = await Life(tmp_path / "whole").begin()
    beginning = whole.store.commits
    assert await play(whole) is None
    assert_consistent(whole)
    assert len(whole.books()["fills"]) >= 4
    commits = whole.store.commits
    whole.end()
    for number in range(beginning + 1, commits):
        home = tmp_path / str(number)
        first = await Life(home, dies_after=number, acts=acts).begin()
        died_at = await play(first)
        first.end()
        second = await Life(home, first.market).begin()
        assert_consistent(second)
        await play(second, died_at + 1)
        assert_consistent(second)
        second.end()


async def test_an_unknown_symbol_is_named():
    exchange = PaperExchange(ScriptedMarket(), ACCOUNT, _no_books())
    with pytest.raises(ConfigurationError, match="NOPEUSDT"):
        await exchange.instruments(("NOPEUSDT",))


async def test_a_command_before_the_streams_is_our_own_fault():
    exchange = PaperExchange(ScriptedMarket(), ACCOUNT, _no_books())
    with pytest.raises(StopTrading):
        exchange.execute(submit())


def _no_books():
    return Books("ab12", {})
