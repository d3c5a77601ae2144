"""Laws that hold whatever happens in whatever order: lost answers, doubled and shuffled events, races, people."""

import random
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.domain.commands import (
    CancelOrder,
    CancelStop,
    LookUpOrder,
    LookUpStop,
    PlaceStop,
    Reconcile,
    RefreshInstruments,
    SubmitOrder,
)
from bot.domain.events import (
    AlgoUpdated,
    CancelFailed,
    FillRecovered,
    InstrumentsRefreshed,
    OrderOutcomeUnknown,
    OrderProvenAbsent,
    OrderRefused,
    OrderUpdated,
    PersonAsked,
    SnapshotTaken,
    StopCancelFailed,
    StopOutcomeUnknown,
    StopProvenAbsent,
    StopRefused,
)
from bot.domain.fill import Fill
from bot.domain.order import OrderState, OrderType, Side
from bot.domain.records import Incident, Intent, TradeRow
from bot.trading import exits, ids
from bot.trading.strategy import ENTER_LONG, ENTER_SHORT, EXIT_LONG, EXIT_SHORT
from support.core_bench import BTC, Bench, an_instrument

LIVE = {"NEW", "PARTIALLY_FILLED"}
PICKS = st.integers(0, 1_000)
PRICES = ["98.7", "99.5", "100", "100.4", "101.3"]
QUANTITIES = ["0.7", "3", "100"]
FATES = ["well", "well", "well", "lost", "never", "refused"]
FLAGS = [0, ENTER_LONG, ENTER_SHORT, EXIT_LONG | EXIT_SHORT]
WAITS = [1, 1_000, 10_000, 21_000]
REFUSALS = [0, -1008, -1111, -2019, -5022, -9999]
STOP_REFUSALS = [0, -1008, -2021, -4014, -4045]


class Market(RuleBasedStateMachine):
    """The core against a truthful exchange behind an untruthful network."""

    def __init__(self):
        super().__init__()
        self.wire = []
        self.stream = []
        self.answers = []
        self.hands = 0
        self.sent = Counter()

    @initialize(entry=st.sampled_from(["limit", "post_only", "market"]), on_ttl=st.sampled_from(["cross", "cancel"]))
    def begin(self, entry, on_ttl):
        self.plan = {"entry": entry, "on_ttl": on_ttl}
        self.bench = Bench(**self.plan)
        self.bench.exchange.wallet = Decimal(10_000)

    @property
    def exchange(self):
        return self.bench.exchange

    @property
    def symbol(self):
        return self.bench.state.by_symbol[BTC]

    # What happens to the core

    @rule(flags=st.sampled_from(FLAGS), price=st.sampled_from(PRICES))
    def candle(self, flags, price):
        self.wait(60_000 - self.bench.now % 60_000 - 1)
        self.put(self.bench.candle(flags, price))

    @rule(ms=st.sampled_from(WAITS))
    def wait(self, ms):
        self.put(self.bench.wait(ms))

    @precondition(lambda self: self.stream)
    @rule(pick=PICKS, twice=st.booleans())
    def deliver(self, pick, twice):
        event = self.stream.pop(pick % len(self.stream))
        self.hear(event)
        if twice:
            before = self.bench.frozen()
            assert self.bench.handle(event) == []
            assert self.bench.frozen() == before

    @precondition(lambda self: self.answers)
    @rule(pick=PICKS)
    def answer(self, pick):
        self.hear(self.answers.pop(pick % len(self.answers)))

    @precondition(lambda self: self.stream)
    @rule(pick=PICKS)
    def lose(self, pick):
        self.stream.pop(pick % len(self.stream))

    @rule()
    def recover(self):
        """Read history, then the account, as the shell does after a gap."""
        for fill in self.exchange.fills:
            self.hear(FillRecovered(self.bench.now, fill))
        for order in self.exchange.orders.values():
            self.hear(OrderUpdated(self.bench.now, order.report))
        for algo in self.exchange.algos.values():
            self.hear(AlgoUpdated(self.bench.now, algo))
        self.hear(SnapshotTaken(self.bench.now, self.exchange.snapshot()))

    @rule()
    def restart(self):
        """Die and start again from what was written; what was on the wire may or may not have arrived."""
        self.wire = [each for each in self.wire if isinstance(each, SubmitOrder | PlaceStop)]
        while self.wire:
            self.take(self.wire.pop(), "lost" if len(self.wire) % 2 else "never")
        self.stream.clear()
        self.answers.clear()
        self.bench = self.bench.restarted(**self.plan)
        self.recover()

    # What happens at the exchange

    @precondition(lambda self: self.wire)
    @rule(pick=PICKS, fate=st.sampled_from(FATES))
    def arrive(self, pick, fate):
        command = self.wire.pop(pick % len(self.wire))
        codes = STOP_REFUSALS if isinstance(command, PlaceStop) else REFUSALS
        self.take(command, fate, codes[pick % len(codes)])

    @rule(pick=PICKS, price=st.sampled_from(PRICES), quantity=st.sampled_from(QUANTITIES))
    def execute(self, pick, price, quantity):
        live = [key for key, each in self.exchange.orders.items() if each.report.status in LIVE and self.can_fill(each)]
        if live:
            now = self.bench.now
            self.stream.append(self.exchange.execute(live[pick % len(live)], now, Decimal(quantity), Decimal(price)))

    @rule()
    def stop_fires(self):
        for key, algo in tuple(self.exchange.algos.items()):
            if algo.status == "NEW" and self.exchange.quantity * algo.side.sign < 0:
                self.stream += self.exchange.trigger(key, self.bench.now)
                self.stream.append(self.exchange.execute(key, self.bench.now))
                self.stream.append(self.exchange.algo_word(key, "FINISHED", self.bench.now))
                return

    @rule(side=st.sampled_from(Side), quantity=st.sampled_from(["1", "12"]))
    def person_trades(self, side, quantity):
        self.hands += 1
        key = f"web_{self.hands}"
        self.stream.append(self.exchange.by_hand(side, Decimal(quantity), self.bench.now, key))
        self.stream.append(self.exchange.execute(key, self.bench.now))

    @rule()
    def person_resumes(self):
        self.hands += 1
        self.hear(PersonAsked(self.bench.now, f"r{self.hands}", "ann", "resume", {}))

    @rule()
    def person_flattens(self):
        self.hands += 1
        self.hear(PersonAsked(self.bench.now, f"r{self.hands}", "ann", "flatten", {}))

    @rule()
    def person_takes_stops_away(self):
        for key, algo in tuple(self.exchange.algos.items()):
            if algo.status == "NEW":
                self.stream.append(self.exchange.algo_word(key, "CANCELED", self.bench.now))

    # What must hold

    @invariant()
    def books_add_up(self):
        if not hasattr(self, "bench"):
            return
        fills = self.bench.all(Fill)
        assert self.symbol.track.quantity == sum((each.side.sign * each.quantity for each in fills), Decimal(0))
        earned = sum((each.realized_pnl - each.commission for each in fills), Decimal(0))
        assert self.bench.state.wallet == 10_000 + earned

    @invariant()
    def one_live_attempt_at_most_and_five_in_all(self):
        if not hasattr(self, "bench"):
            return
        live = Counter()
        for key, order in self.exchange.orders.items():
            if order.report.status in LIVE and ids.parse(key) and not order.report.algo_id:
                live[ids.parse(key).intent_id] += 1
        for key, algo in self.exchange.algos.items():
            if algo.status == "NEW":
                live[ids.parse(key).intent_id] += 1
        for command in self.wire:
            if isinstance(command, SubmitOrder):
                live[ids.parse(command.request.client_order_id).intent_id] += 1
            if isinstance(command, PlaceStop):
                live[ids.parse(command.request.client_algo_id).intent_id] += 1
        assert all(count <= 1 for count in live.values()), live
        assert all(count == 1 for count in self.sent.values()), "an id was used twice"
        assert all(intent.attempt <= 5 for intent in self.bench.all(Intent))

    @invariant()
    def every_position_is_protected(self):
        if not hasattr(self, "bench") or not self.symbol.track.quantity:
            return
        symbol = self.symbol
        stops = any(row.state is not OrderState.CANCELLING for row in symbol.live_algos())
        waits = symbol.stop_after_ms > self.bench.now or symbol.refreshing
        assert stops or exits.in_flight(symbol) or waits

    @invariant()
    def nothing_due_is_left_undone(self):
        if hasattr(self, "bench"):
            due = self.bench.engine.watch().deadline_ms
            assert due is None or due > self.bench.state.now_ms

    def teardown(self):
        """Once the network is well again, books and exchange are equal and nothing hangs about."""
        if not hasattr(self, "bench"):
            return
        for _ in range(60):
            self.calm()
            self.put(self.bench.wait(1_000))
        self.calm()
        assert not self.wire
        assert self.bench.engine.view().reconciled
        assert self.symbol.track.quantity == self.exchange.quantity
        assert not [row for row in self.bench.all(Incident) if row.code == "ledger_difference"]
        resting = [each for each in self.exchange.algos.values() if each.status == "NEW"]
        assert len(resting) == (1 if self.exchange.quantity else 0), resting
        assert not [key for key, each in self.exchange.orders.items() if each.report.status in LIVE and ids.parse(key)]
        assert len({row.trip for row in self.bench.all(TradeRow)}) == len(self.bench.all(TradeRow))

    # The network and the exchange

    def calm(self):
        self.fill_market_orders()
        while self.wire or self.stream or self.answers:
            heard, self.stream, self.answers = self.stream + self.answers, [], []
            for event in heard:
                self.hear(event)
            if self.wire:
                self.take(self.wire.pop(0), "well")
            self.fill_market_orders()
        self.recover()

    def fill_market_orders(self):
        for key, order in tuple(self.exchange.orders.items()):
            if order.report.status in LIVE and order.report.type == OrderType.MARKET and self.can_fill(order):
                self.stream.append(self.exchange.execute(key, self.bench.now))

    def hear(self, event):
        self.put(self.bench.handle(event))

    def put(self, commands):
        for command in commands:
            if isinstance(command, SubmitOrder):
                self.sent[command.request.client_order_id] += 1
            if isinstance(command, PlaceStop):
                self.sent[command.request.client_algo_id] += 1
        self.wire += commands

    def can_fill(self, order):
        if not order.report.reduce_only:
            return True
        if self.exchange.quantity * order.report.side.sign < 0:
            return True
        self.stream.append(self.exchange.cancel(order.report.client_order_id, self.bench.now, "EXPIRED"))
        return False

    def take(self, command, fate, code=0):
        now = self.bench.now
        match command:
            case SubmitOrder():
                self.take_order(command.request, fate, code)
            case PlaceStop():
                self.take_stop(command.request, fate, code)
            case CancelOrder():
                key = command.client_order_id
                live = key in self.exchange.orders and self.exchange.orders[key].report.status in LIVE
                if live and fate != "never":
                    self.stream.append(self.exchange.cancel(key, now))
                if not live or fate != "well":
                    self.answers.append(CancelFailed(now, BTC, key, -2011, "unknown"))
            case CancelStop():
                key = command.client_algo_id
                live = key in self.exchange.algos and self.exchange.algos[key].status == "NEW"
                if live and fate != "never":
                    self.stream.append(self.exchange.algo_word(key, "CANCELED", now))
                if not live or fate != "well":
                    self.answers.append(StopCancelFailed(now, BTC, key, -2011, "unknown"))
            case LookUpOrder():
                order = self.exchange.orders.get(command.client_order_id)
                absent = OrderProvenAbsent(now, BTC, command.client_order_id)
                self.answers.append(OrderUpdated(now, order.report) if order else absent)
            case LookUpStop():
                algo = self.exchange.algos.get(command.client_algo_id)
                absent = StopProvenAbsent(now, BTC, command.client_algo_id)
                self.answers.append(AlgoUpdated(now, algo) if algo else absent)
            case Reconcile():
                self.recover()
            case RefreshInstruments():
                self.hear(InstrumentsRefreshed(now, (an_instrument(),)))

    def take_order(self, request, fate, code):
        now, key = self.bench.now, request.client_order_id
        idle = request.reduce_only and self.exchange.quantity * request.side.sign >= 0
        if fate == "refused" or (idle and fate != "never"):
            self.answers.append(OrderRefused(now, BTC, key, -2022 if idle else code, "no"))
            return
        if fate != "never":
            self.stream.append(self.exchange.place(request, now))
        if fate != "well":
            self.hear(OrderOutcomeUnknown(now, BTC, key, "timeout"))

    def take_stop(self, request, fate, code):
        now, key = self.bench.now, request.client_algo_id
        if fate == "refused":
            self.answers.append(StopRefused(now, BTC, key, code, "no"))
            return
        if fate != "never":
            self.stream.append(self.exchange.place_stop(request, now))
        if fate != "well":
            self.hear(StopOutcomeUnknown(now, BTC, key, "timeout"))


Market.TestCase.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestWhateverHappens = Market.TestCase


def a_long_run(seed, steps=400):
    """Drive the market by chance, denser than a search for the smallest failure would."""
    chance = random.Random(seed)
    market = Market()
    market.begin(chance.choice(["limit", "post_only", "market"]), chance.choice(["cross", "cancel"]))
    well = chance.choice([0.05, 0.3, 0.8])
    acts = [
        (3, lambda: market.candle(chance.choice(FLAGS), chance.choice(PRICES))),
        (3, lambda: market.wait(chance.choice(WAITS))),
        (6, lambda: market.execute(pick(), chance.choice(PRICES), chance.choice(QUANTITIES))),
        (0.5, lambda: market.recover()),
        (0.2, lambda: market.restart()),
        (0.3, lambda: market.stop_fires()),
        (0.2, lambda: market.person_trades(chance.choice(list(Side)), chance.choice(["1", "12"]))),
        (0.1, lambda: market.person_takes_stops_away()),
        (0.5, lambda: market.person_resumes()),
        (0.1, lambda: market.person_flattens()),
        (9, lambda: market.wire and market.arrive(pick(), "well" if chance.random() < well else chance.choice(FATES))),
        (6, lambda: market.answers and market.answer(pick())),
        (12, lambda: market.stream and market.deliver(pick() if chance.random() < 0.3 else 0, chance.random() < 0.3)),
        (0.5, lambda: market.stream and market.lose(pick())),
    ]

    def pick():
        return chance.randrange(1_000)

    for _ in range(steps):
        chance.choices([act for _, act in acts], [weight for weight, _ in acts])[0]()
        market.books_add_up()
        market.one_live_attempt_at_most_and_five_in_all()
        market.every_position_is_protected()
        market.nothing_due_is_left_undone()
    market.teardown()
    return market


@pytest.mark.parametrize("seed", range(6))
def test_a_long_run_of_mishaps_ends_with_equal_books(seed):
    market = a_long_run(seed)
    assert market.bench.all(TradeRow)
