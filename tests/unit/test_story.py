"""What `act why` says."""

import json
from decimal import Decimal

from msgspec.structs import replace

from bot.domain.fill import Fill
from bot.domain.order import AlgoReport, OrderReport, OrderState, Purpose, Side
from bot.domain.records import AlgoOrderRow, Decision, Intent, OrderRow, TradeRow
from bot.story import signed, tell, verdict
from database.views import OrderChain

AT = 1_763_600_000_000
REPORT = OrderReport(
    symbol="BTCUSDT",
    order_id=7,
    client_order_id="a1-1",
    status="FILLED",
    side=Side.BUY,
    type="LIMIT",
    time_in_force="GTC",
    quantity=Decimal("0.010"),
    price=Decimal("64210.5"),
    executed_quantity=Decimal("0.004"),
    updated_ms=AT,
)
ORDER = OrderRow("BTCUSDT", "a1-1", "i1", 1, OrderState.RESTING, REPORT, 0, AT, AT)
INTENT = Intent(
    intent_id="i1",
    symbol="BTCUSDT",
    purpose=Purpose.ENTRY,
    side=Side.BUY,
    quantity=Decimal("0.010"),
    executed_quantity=Decimal("0.004"),
    price=Decimal("64210.5"),
    stop_price=Decimal(63000),
    reason="signal",
    decision_id="d1",
    state="open",
    attempt=2,
    client_order_id="a1-2",
    created_ms=AT,
    updated_ms=AT,
)
DECISION = Decision(
    decision_id="d1",
    symbol="BTCUSDT",
    strategy="vwap_reversion",
    at_ms=AT,
    action="enter",
    side=Side.BUY,
    reason="signal",
    price=Decimal("64210.5"),
    quantity=Decimal("0.010"),
    inputs='{"adx":14.057544652320411}',
    gates='{"kill_switch":"ok","daily_loss":"ok"}',
    sizing='{"notional":"1000"}',
    intent_id="i1",
    retry_ms=0,
    config_hash="c",
    code_version="1",
)
REFUSED = replace(
    DECISION,
    action="refuse",
    reason="daily_loss",
    gates=json.dumps({"kill_switch": "ok", "daily_loss": "lost 501 USDT"}),
)
STOP = AlgoOrderRow(
    "BTCUSDT",
    "s1",
    "i2",
    OrderState.RESTING,
    AlgoReport(
        symbol="BTCUSDT",
        algo_id=9,
        client_algo_id="s1",
        status="NEW",
        side=Side.SELL,
        type="STOP_MARKET",
        quantity=Decimal(0),
        price=Decimal(0),
        trigger_price=Decimal(63000),
        working_type="CONTRACT_PRICE",
        close_position=True,
        reduce_only=False,
        updated_ms=AT,
    ),
    AT,
    AT,
)
FILL = Fill(
    symbol="BTCUSDT",
    trade_id=1,
    order_id=7,
    time_ms=AT,
    side=Side.BUY,
    price=Decimal("64210.5"),
    quantity=Decimal("0.004"),
    maker=True,
    commission=Decimal("0.0513"),
    commission_asset="USDT",
    realized_pnl=Decimal("1.5"),
)
TRADE = TradeRow(
    symbol="BTCUSDT",
    trip=1,
    side="LONG",
    quantity=Decimal("0.004"),
    entry_ms=AT,
    entry_price=Decimal("64210.5"),
    exit_ms=AT,
    exit_price=Decimal(64300),
    fees=Decimal("0.1"),
    funding=Decimal(-1),
    pnl=Decimal("0.25"),
    exit_reason="stop",
    entry_decision_id="d1",
)


def lines(**parts):
    return list(tell(OrderChain(**parts)))


def test_the_story_runs_from_the_decision_to_the_trade():
    told = lines(
        order=ORDER,
        intent=INTENT,
        decision=DECISION,
        attempts=(ORDER,),
        stops=(STOP,),
        fills=(FILL,),
        trade=TRADE,
    )
    assert told == [
        "decision   2025-11-20 00:53:20  enter BTCUSDT by vwap_reversion at 64210.5: signal",
        "inputs     adx 14.057545",
        "rules      2 of 2 passed",
        "sizing     notional 1000",
        "intent     2025-11-20 00:53:20  entry: BUY 0.01 BTCUSDT, executed 0.004, open after 2 attempts",
        "attempt 1  2025-11-20 00:53:20  LIMIT BUY 0.01 BTCUSDT at 64210.5, filled 0.004, order id 7: resting (a1-1)",
        "stop       2025-11-20 00:53:20  STOP_MARKET SELL BTCUSDT at 63000: resting (s1)",
        "fill       2025-11-20 00:53:20  BUY 0.004 at 64210.5 as maker, fee 0.0513 USDT, realized +1.5",
        "trade      2025-11-20 00:53:20  LONG 0.004 from 64210.5 to 64300, fees 0.1, funding -1, result +0.25 (stop)",
    ]


def test_a_refusal_is_told_in_the_rule_s_own_words():
    assert verdict(REFUSED) == "daily_loss: lost 501 USDT"
    assert "rules      1 of 2 passed, not daily_loss" in lines(decision=REFUSED)


def test_a_decision_that_passed_has_its_reason_alone():
    assert verdict(DECISION) == "signal"


def test_an_order_that_is_not_ours_says_so():
    (line,) = lines(order=replace(ORDER, intent_id=""), attempts=(replace(ORDER, intent_id=""),))
    assert "nothing we decided" in line


def test_a_stop_asked_for_by_name_is_told():
    (line,) = lines(algo_order=STOP)
    assert line.startswith("stop ")


def test_amounts_carry_their_sign():
    assert [signed(Decimal(text)) for text in ("1.50", "-1", "0.00")] == ["+1.5", "-1", "0"]
