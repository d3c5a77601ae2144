"""Each rule: what it refuses, when asking again makes sense, what it remembers, when it has to be woken."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from msgspec.structs import replace

from bot.domain.account import LeverageBracket
from bot.domain.market import DAY_MS
from bot.domain.order import Side
from bot.domain.records import RiskEvent, RiskState
from bot.trading.limits import CorePlan, PacingLimits, RiskLimits
from bot.trading.risk import RULES, Risk, bracket_cap
from bot.trading.rule import Ask, Exposure, Refusal, Rule, Usage, Wake

MIDNIGHT = 20_000 * DAY_MS
NOON = MIDNIGHT + DAY_MS // 2
NEXT_MIDNIGHT = MIDNIGHT + DAY_MS
FLAT = Exposure(Decimal(0), Decimal(0), Decimal(0))


@dataclass
class Stands:
    """A core that stands as a test says."""

    now_ms: int = NOON
    equity: Decimal = Decimal(10_000)
    symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT")
    conditional_orders: int = 0
    exposures: dict[str, Exposure] = field(default_factory=dict)
    closes: dict[str, Decimal] = field(default_factory=dict)
    gates: dict[str, str] = field(default_factory=dict)
    stops: dict[str, str] = field(default_factory=dict)
    pause_until_ms: int = 0
    cap: Decimal = Decimal(1_000_000)

    def exposure(self, symbol: str) -> Exposure:
        return self.exposures.get(symbol, FLAT)

    def last_close(self, symbol: str) -> Decimal:
        return self.closes.get(symbol, Decimal(100))

    def closed_gates(self, symbol: str) -> Mapping[str, str]:
        return self.gates if symbol == "BTCUSDT" else {}

    def halts(self, symbol: str) -> Mapping[str, str]:
        return self.stops if symbol == "BTCUSDT" else {}

    def volatility_pause_until_ms(self, symbol: str) -> int:
        return self.pause_until_ms if symbol == "BTCUSDT" else 0

    def largest_notional(self, symbol: str) -> Decimal:
        return self.cap


def a_risk(*kept: RiskState, risk: RiskLimits | None = None, pacing: PacingLimits | None = None) -> Risk:
    return Risk(CorePlan(symbols=(), risk=risk or RiskLimits(), pacing=pacing or PacingLimits()), kept)


def an_ask(symbol: str = "BTCUSDT", side: Side = Side.BUY, quantity: str = "10", price: str = "100") -> Ask:
    return Ask(symbol, side, Decimal(quantity), Decimal(price), NOON, Decimal(quantity) * Decimal(price))


def exposure(position: str = "0", buying: str = "0", selling: str = "0") -> Exposure:
    return Exposure(Decimal(position), Decimal(buying), Decimal(selling))


def memories(rows: list) -> list[RiskState]:
    return [row for row in rows if isinstance(row, RiskState)]


def news(rows: list) -> list[RiskEvent]:
    return [row for row in rows if isinstance(row, RiskEvent)]


def refusal(risk: Risk, standing: Stands, ask: Ask | None = None) -> Refusal | None:
    ask = ask or an_ask()
    worst = standing.exposure(ask.symbol).worst_after(ask.side, ask.quantity) * ask.price
    return risk.assess(replace(ask, worst_notional=worst), standing).refusal


def test_with_nothing_in_the_way_every_rule_says_ok():
    assessment = a_risk().assess(an_ask(), Stands())
    assert assessment.refusal is None
    assert set(assessment.verdicts) == {rule.reason for rule in RULES}
    assert set(assessment.verdicts.values()) == {"ok"}


def test_asking_changes_nothing():
    risk, standing = a_risk(), Stands()
    risk.judge(standing)
    assert risk.assess(an_ask(), standing) == risk.assess(an_ask(), standing)
    assert risk.judge(standing) == []


def test_the_first_refusal_counts_and_every_verdict_is_kept():
    standing = Stands(gates={"data_stale": "no data for 12 s", "kill_switch": "file status/KILL"}, cap=Decimal(1))
    assessment = a_risk().assess(an_ask(), standing)
    assert assessment.refusal == Refusal("kill_switch", "file status/KILL")
    assert assessment.verdicts["data_stale"] == "no data for 12 s"
    assert assessment.verdicts["leverage_bracket"] == "worst case 1000 USDT > bracket cap 1 on BTCUSDT"
    assert assessment.verdicts["daily_loss"] == "ok"


@pytest.mark.parametrize(
    ("gate", "detail", "reason"),
    [
        ("kill_switch", "the kill switch is on", "kill_switch"),
        ("data_stale", "no fresh data on BTCUSDT", "data_stale"),
        ("database", "gate database is closed", "database"),
    ],
)
def test_a_closed_gate_refuses_under_its_own_name(gate, detail, reason):
    standing = Stands(gates={gate: ""})
    assert refusal(a_risk(), standing) == Refusal(reason, detail)
    assert refusal(a_risk(), standing, an_ask("ETHUSDT")) is None


def test_a_halt_refuses_under_its_own_name():
    assert refusal(a_risk(), Stands(stops={"paused": "by anna"})) == Refusal("paused", "by anna")
    assert refusal(a_risk(), Stands(stops={"liquidation": ""})) == Refusal("liquidation", "halted: liquidation")


# Daily loss


def test_a_day_that_loses_the_limit_halts_until_the_next_day():
    risk = a_risk()
    risk.judge(Stands(now_ms=MIDNIGHT))
    assert risk.judge(Stands(equity=Decimal("9500.01"))) == []
    rows = risk.judge(Stands(equity=Decimal(9_500)))
    assert [(row.rule, row.kind) for row in news(rows)] == [("daily_loss", "halt")]
    assert "lost 500 USDT" in news(rows)[0].detail
    refused = refusal(risk, Stands(now_ms=NOON))
    assert (refused.reason, refused.retry_ms) == ("daily_loss", NEXT_MIDNIGHT)
    assert "daily_loss" in risk.halts(NOON)


def test_a_recovery_does_not_end_the_days_halt_and_it_trips_once():
    risk = a_risk()
    risk.judge(Stands(now_ms=MIDNIGHT))
    risk.judge(Stands(equity=Decimal(9_400)))
    assert risk.judge(Stands(equity=Decimal(10_400))) == []
    assert risk.judge(Stands(equity=Decimal(9_000))) == []
    assert refusal(risk, Stands()).reason == "daily_loss"


def test_the_next_day_starts_from_its_own_equity():
    risk = a_risk()
    risk.judge(Stands(now_ms=MIDNIGHT))
    risk.judge(Stands(equity=Decimal(9_400)))
    assert refusal(risk, Stands(now_ms=NEXT_MIDNIGHT)) is None
    rows = risk.judge(Stands(now_ms=NEXT_MIDNIGHT, equity=Decimal(9_300)))
    assert [row.kind for row in news(rows)] == ["halt_ended"]
    assert risk.day_start_equity == Decimal(9_300)
    assert risk.halts(NEXT_MIDNIGHT) == {}


def test_the_last_millisecond_belongs_to_the_old_day():
    risk = a_risk()
    risk.judge(Stands(now_ms=MIDNIGHT))
    risk.judge(Stands(now_ms=NEXT_MIDNIGHT - 1, equity=Decimal(9_400)))
    assert refusal(risk, Stands(now_ms=NEXT_MIDNIGHT - 1)).retry_ms == NEXT_MIDNIGHT
    assert risk.day_start_equity == Decimal(10_000)


def test_a_transfer_is_no_loss():
    risk = a_risk()
    assert risk.transferred(Decimal(-5_000), MIDNIGHT) == []
    risk.judge(Stands(now_ms=MIDNIGHT))
    rows = risk.transferred(Decimal(-5_000), NOON)
    assert [row.rule for row in memories(rows)] == ["daily_loss"]
    assert risk.judge(Stands(equity=Decimal(5_000))) == []
    assert risk.day_start_equity == Decimal(5_000)


def test_the_days_halt_survives_a_restart():
    risk = a_risk()
    rows = risk.judge(Stands(now_ms=MIDNIGHT)) + risk.judge(Stands(equity=Decimal(9_400)))
    reborn = a_risk(memories(rows)[-1])
    assert refusal(reborn, Stands()).reason == "daily_loss"
    assert reborn.day_start_equity == Decimal(10_000)
    assert reborn.judge(Stands(equity=Decimal(9_300))) == []


def test_a_person_can_clear_the_days_halt():
    risk = a_risk()
    assert risk.clear("daily_loss", "anna", NOON) == []
    risk.judge(Stands(now_ms=MIDNIGHT))
    assert risk.clear("daily_loss", "anna", NOON) == []
    risk.judge(Stands(equity=Decimal(9_400)))
    rows = risk.clear("daily_loss", "anna", NOON)
    assert [(row.kind, row.detail) for row in news(rows)] == [("halt_ended", "cleared by anna")]
    assert refusal(risk, Stands()) is None
    assert risk.clear("no_such_rule", "anna", NOON) == []


def test_daily_loss_wakes_at_its_level_and_at_midnight():
    risk = a_risk()
    assert risk.wake(Stands()) == Wake(NEXT_MIDNIGHT, None)
    risk.judge(Stands(now_ms=MIDNIGHT))
    assert risk.wake(Stands()) == Wake(NEXT_MIDNIGHT, Decimal(9_500))
    risk.judge(Stands(equity=Decimal(9_500)))
    assert risk.wake(Stands()) == Wake(NEXT_MIDNIGHT, None)


# Volatility, slots, brackets


def test_after_a_jump_the_symbol_pauses():
    standing = Stands(pause_until_ms=NOON + 60_000)
    assert refusal(a_risk(), standing).reason == "volatility"
    assert refusal(a_risk(), standing).retry_ms == NOON + 60_000
    standing.now_ms = NOON + 60_000
    assert refusal(a_risk(), standing) is None


def test_an_entry_needs_a_slot_for_its_stop_and_one_to_replace_it():
    assert refusal(a_risk(), Stands(conditional_orders=198)) is None
    assert refusal(a_risk(), Stands(conditional_orders=199)).reason == "conditional_order_slots"


def test_the_bracket_caps_the_worst_case():
    assert refusal(a_risk(), Stands(cap=Decimal(1_000))) is None
    refused = refusal(a_risk(), Stands(cap=Decimal(1_000), exposures={"BTCUSDT": exposure(buying="0.1")}))
    assert refused == Refusal("leverage_bracket", "worst case 1010 USDT > bracket cap 1000 on BTCUSDT")


def test_the_cap_is_the_largest_bracket_that_allows_the_leverage():
    def bracket(cap: int, leverage: int, symbol: str = "BTCUSDT") -> LeverageBracket:
        return LeverageBracket(symbol, Decimal(0), Decimal(cap), leverage, Decimal("0.01"), Decimal(0))

    rows = [bracket(300, 100), bracket(800, 20), bracket(5_000, 3), bracket(9_000, 2), bracket(70_000, 3, "ETHUSDT")]
    assert bracket_cap(rows, "BTCUSDT", 3) == 5_000
    assert bracket_cap(rows, "BTCUSDT", 125) == 0
    assert bracket_cap(rows, "SOLUSDT", 3) == 0


# Position limits


@pytest.mark.parametrize(
    ("held", "side", "worst"),
    [
        (exposure(), Side.BUY, "10"),
        (exposure("5"), Side.BUY, "15"),
        (exposure("5"), Side.SELL, "5"),
        (exposure("-5"), Side.SELL, "15"),
        (exposure("5", buying="3"), Side.BUY, "18"),
        (exposure("5", buying="3", selling="40"), Side.BUY, "35"),
        (exposure("-5", selling="7"), Side.BUY, "12"),
    ],
)
def test_the_worst_case_counts_what_is_resting_or_unknown_on_the_worse_side(held, side, worst):
    assert held.worst_after(side, Decimal(10)) == Decimal(worst)


def test_a_symbol_may_hold_exactly_its_limit():
    limits = RiskLimits(max_symbol_notional=Decimal(1_500), max_symbol_share=Decimal(1))
    held = {"BTCUSDT": exposure("2", buying="3")}
    assert refusal(a_risk(risk=limits), Stands(exposures=held)) is None
    refused = refusal(a_risk(risk=limits), Stands(exposures=held), an_ask(quantity="10.001"))
    assert refused == Refusal("max_symbol_notional", "worst case 1500.1 USDT > 1500 on BTCUSDT")


def test_a_symbols_share_shrinks_with_equity():
    assert refusal(a_risk(), Stands(equity=Decimal(4_000))) is None
    refused = refusal(a_risk(), Stands(equity=Decimal(3_999)))
    assert refused.reason == "max_symbol_share"
    assert refused.detail == "worst case 1000 USDT > 999.75 = 0.25 of equity on BTCUSDT"
    assert refusal(a_risk(), Stands(equity=Decimal(-1))).reason == "max_symbol_share"


def test_usage_names_each_limit():
    risk = a_risk()
    risk.judge(Stands(now_ms=MIDNIGHT))
    held = {"ETHUSDT": exposure("-2", selling="1"), "BTCUSDT": exposure("1")}
    standing = Stands(equity=Decimal(9_900), exposures=held, closes={"ETHUSDT": Decimal(300)}, conditional_orders=3)
    assert risk.usage(standing) == {
        "daily_loss": Usage(Decimal(100), Decimal(500)),
        "conditional_order_slots": Usage(Decimal(3), Decimal(200)),
        "max_symbol_notional": Usage(Decimal(900), Decimal(10_000)),
        "max_symbol_share": Usage(Decimal(900), Decimal(2_475)),
    }


def test_a_gain_uses_nothing_of_the_daily_loss():
    risk = a_risk()
    assert risk.usage(Stands())["daily_loss"].used == 0
    risk.judge(Stands(now_ms=MIDNIGHT))
    assert risk.usage(Stands(equity=Decimal(10_500)))["daily_loss"].used == 0


# Pacing


def test_entries_lie_a_minute_apart_on_whatever_symbols():
    risk = a_risk()
    rows = risk.entry_taken("ETHUSDT", NOON)
    refused = refusal(risk, Stands(now_ms=NOON + 59_999))
    assert (refused.reason, refused.retry_ms) == ("global_trade_spacing", NOON + 60_000)
    assert refused.detail == "last entry 59.999 s ago on any symbol, 60 s wanted before BTCUSDT"
    assert refusal(risk, Stands(now_ms=NOON + 60_000)) is None
    assert refusal(a_risk(*memories(rows)), Stands(now_ms=NOON + 1)).reason == "global_trade_spacing"


@pytest.mark.parametrize(("pnl", "seconds"), [("0.01", 600), ("-0.01", 2_700), ("0", 2_700)])
def test_a_symbol_rests_longer_after_a_trip_that_did_not_win(pnl, seconds):
    risk = a_risk()
    rows = risk.trip_ended("BTCUSDT", Decimal(pnl), NOON)
    until = NOON + seconds * 1_000
    for each in (risk, a_risk(*memories(rows))):
        refused = refusal(each, Stands(now_ms=until - 1))
        assert (refused.reason, refused.retry_ms) == ("symbol_cooldown_active", until)
        assert refusal(each, Stands(now_ms=until - 1), an_ask("ETHUSDT")) is None
        assert refusal(each, Stands(now_ms=until)) is None


def test_spacing_and_cooldown_can_be_switched_off():
    off = PacingLimits(min_seconds_between_trades=0, cooldown_after_win_seconds=0, cooldown_after_loss_seconds=0)
    risk = a_risk(pacing=off)
    risk.entry_taken("BTCUSDT", NOON)
    risk.trip_ended("BTCUSDT", Decimal(-5), NOON)
    assert refusal(risk, Stands(now_ms=NOON)) is None


# All rules


def test_every_rule_says_why_it_exists_and_how_it_is_tuned():
    reasons = [rule.reason for rule in RULES]
    assert len(set(reasons)) == len(reasons)
    for rule in RULES:
        text = rule.__doc__ or ""
        assert "Why:" in text, rule
        assert "Tune:" in text or "tune" in text or "tunable" in text or "exchange's" in text, rule
        section, _, key = rule.setting.partition(".")
        assert not section or hasattr(getattr(CorePlan(symbols=()), section), key), rule


def test_memory_of_a_rule_that_no_longer_exists_is_ignored():
    assert refusal(a_risk(RiskState("gone", "", "{}", 0)), Stands()) is None


class NeverOnFriday(Rule):
    """Why: an example. Tune: no."""

    reason = "friday"

    def check(self, ask: Ask, standing: Stands) -> Refusal | None:
        return Refusal(self.reason, "it is Friday")


def test_a_new_rule_needs_only_its_check():
    rule = NeverOnFriday(CorePlan(symbols=()))
    rule.restore(RiskState("friday", "", "", 0))
    assert rule.check(an_ask(), Stands()) == Refusal("friday", "it is Friday")
    assert rule.wake(Stands()) is rule.usage(Stands()) is None
    assert rule.halted(NOON) == ""
    changed = [
        rule.judge(Stands(), Decimal(10_000)),
        rule.entry_taken("BTCUSDT", NOON),
        rule.trip_ended("BTCUSDT", Decimal(1), NOON),
    ]
    assert [*changed, rule.transferred(Decimal(1), NOON), rule.clear("anna", NOON)] == [[]] * 5
