"""What a rule is: it approves or refuses an entry, remembers what it must, and says when it has to be woken."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import ClassVar, Protocol

from msgspec import Struct, json

from bot.domain.order import Side
from bot.domain.records import RiskEvent, RiskState, Row
from bot.trading.limits import CorePlan


class Ask(Struct, frozen=True, gc=False):
    """An entry somebody wants: quantity in base asset, price = the deciding close, at_ms = market time.

    `worst_notional` is the largest position it may lead to at that price, with all that is live or unknown filled.
    """

    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    at_ms: int
    worst_notional: Decimal


class Refusal(Struct, frozen=True, gc=False):
    """Why an entry may not be. `retry_ms` is the market time from which asking again makes sense, 0 = unknown."""

    reason: str
    detail: str
    retry_ms: int = 0


class Exposure(Struct, frozen=True, gc=False):
    """What a symbol holds and may come to hold, in base asset.

    `position` is signed. `buying` and `selling` are what live *and unknown* orders could still fill on each side,
    reduce-only orders left out, because they cannot add exposure.
    """

    position: Decimal
    buying: Decimal
    selling: Decimal

    def worst_after(self, side: Side, quantity: Decimal) -> Decimal:
        """Return the largest absolute position if `quantity` more is ordered and the worse side fills alone."""
        bought = self.position + self.buying
        sold = self.position - self.selling
        if side is Side.BUY:
            return max(abs(bought + quantity), abs(sold))
        return max(abs(bought), abs(sold - quantity))

    @property
    def worst(self) -> Decimal:
        """Return the largest absolute position that what is live or unknown can lead to."""
        return max(abs(self.position + self.buying), abs(self.position - self.selling))


class Usage(Struct, frozen=True, gc=False):
    """How much of a limit is in use; both in the limit's own unit."""

    used: Decimal
    limit: Decimal


class Wake(Struct, frozen=True, gc=False):
    """When a rule's state changes though nobody asks: at a market time, or once equity is at or below a level."""

    deadline_ms: int | None = None
    equity_at_or_below: Decimal | None = None


class Standing(Protocol):
    """What a rule may read of the core. Amounts in USDT unless said otherwise."""

    @property
    def now_ms(self) -> int:
        """Return the market time now."""

    @property
    def symbols(self) -> Sequence[str]:
        """Return the traded symbols, and any other that has a position."""

    @property
    def equity(self) -> Decimal:
        """Return wallet + unrealized profit at the last closes."""

    @property
    def conditional_orders(self) -> int:
        """Return conditional orders resting, in flight or unknown, plus one for each live entry without its stop."""

    def exposure(self, symbol: str) -> Exposure:
        """Return what the symbol holds and may come to hold."""

    def last_close(self, symbol: str) -> Decimal:
        """Return the last closed candle's close, 0 before the first."""

    def closed_gates(self, symbol: str) -> Mapping[str, str]:
        """Return the closed gates that concern the symbol (its own and everybody's): gate -> detail."""

    def halts(self, symbol: str) -> Mapping[str, str]:
        """Return halts and pauses that concern the symbol, other than the rules' own: reason -> detail."""

    def volatility_pause_until_ms(self, symbol: str) -> int:
        """Return the market time until which a volatility breach pauses entries, 0 = no pause."""

    def largest_notional(self, symbol: str) -> Decimal:
        """Return the largest position notional the brackets allow at the configured leverage, 0 = none known."""


class Rule(ABC):
    """One reason to refuse an entry. A rule never looks at reducing orders: those always pass.

    Subclass it, name it in `bot.trading.risk.RULES`, and that is all. The class docstring says why the rule exists
    and how to tune it. Every hook but `check` does nothing here: override what the rule needs. Memory that must
    survive a restart is written by `remember` and read back by `restore`.
    """

    reason: ClassVar[str]
    setting: ClassVar[str] = ""

    def __init__(self, plan: CorePlan) -> None:
        """Take the plan; a rule reads its limits from it."""
        self.plan = plan

    @abstractmethod
    def check(self, ask: Ask, standing: Standing) -> Refusal | None:
        """Refuse the entry, or return None. Must not change anything: a rule may be asked at any time."""

    def wake(self, standing: Standing) -> Wake | None:  # noqa: ARG002 - a hook
        """Say when `judge` has to be called though nothing happens; None = never."""
        return None

    def usage(self, standing: Standing) -> Usage | None:  # noqa: ARG002 - a hook
        """Return how much of the limit is in use, for the heartbeat; None = not that kind of rule."""
        return None

    def judge(self, standing: Standing, equity: Decimal) -> list[Row]:  # noqa: ARG002 - a hook
        """Look at equity and day, at each minute boundary and each fill; return the rows that changed."""
        return []

    def entry_taken(self, symbol: str, at_ms: int) -> list[Row]:  # noqa: ARG002 - a hook
        """Learn that an entry was decided and its intent written; return the rows that changed."""
        return []

    def trip_ended(self, symbol: str, pnl: Decimal, at_ms: int) -> list[Row]:  # noqa: ARG002 - a hook
        """Learn that a position returned to flat with this net result; return the rows that changed."""
        return []

    def transferred(self, amount: Decimal, at_ms: int) -> list[Row]:  # noqa: ARG002 - a hook
        """Learn that money came (positive) or went other than by trading; return the rows that changed."""
        return []

    def halted(self, now_ms: int) -> str:  # noqa: ARG002 - a hook
        """Return why this rule halts all entries now, empty = it does not."""
        return ""

    def clear(self, who: str, at_ms: int) -> list[Row]:  # noqa: ARG002 - a hook
        """End this rule's halt because a person said so; return the rows that changed, none = was not halted."""
        return []

    def restore(self, row: RiskState) -> None:  # noqa: B027 - a rule without memory has nothing to take back
        """Take back a row that `remember` wrote in an earlier life."""

    def remember(self, memory: Struct, at_ms: int, symbol: str = "") -> list[Row]:
        """Build the row that keeps this rule's memory; none where nobody will ever restore it."""
        if not self.plan.narrated:
            return []
        return [RiskState(rule=self.reason, symbol=symbol, value=json.encode(memory).decode(), updated_ms=at_ms)]

    def tell(self, kind: str, detail: str, at_ms: int, symbol: str = "") -> RiskEvent:
        """Build the row that says a limit tripped or a halt began (`halt`) or ended (`halt_ended`)."""
        return RiskEvent(
            risk_event_id=f"{self.reason}-{symbol}-{at_ms}-{kind}",
            at_ms=at_ms,
            rule=self.reason,
            symbol=symbol,
            kind=kind,
            detail=detail,
        )
