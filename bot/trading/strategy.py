"""The base class of every strategy: a closed candle in, a verdict out.

To write one, copy `strategies/vwap_reversion.py`, give it a `name`, subclass `Parameters` for its numbers, and fill in
`restart` and `evaluate`. A strategy sees neither orders nor positions: it says what the market looks like, the core
decides what that means for the position it holds.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from math import isfinite
from typing import Any, ClassVar, Final, Self

from msgspec import Struct, ValidationError, convert

from bot.domain.errors import ConfigurationError
from bot.domain.instrument import Instrument
from bot.domain.market import Candle
from bot.domain.order import Side

ENTER_LONG: Final = 1
ENTER_SHORT: Final = 2
EXIT_LONG: Final = 4
EXIT_SHORT: Final = 8


class Verdict(Struct, frozen=True, gc=False):
    """What a strategy says at a candle's close.

    `flags` are the ENTER_ and EXIT_ bits that hold now, whatever is held (position-free) and for as long as they hold
    (level-triggered). `inputs` are the numbers behind them, for the audit and the dashboard. `ready` is false while
    no entry is possible for lack of data, and `why` says which.
    """

    flags: int
    inputs: dict[str, str | int | float]
    ready: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The numbers every strategy has. Subclass it as a frozen dataclass to add more, each with a default.

    `notional` is a position's size in USDT, `stop_pct` the stop's distance from the entry in percent.
    """

    notional: Decimal = Decimal(1_000)
    stop_pct: Decimal = Decimal(1)

    @classmethod
    def read(cls, strategy: str, texts: Mapping[str, str]) -> Self:
        """Build the parameters from settings text; raises ConfigurationError that names the key and what it takes."""
        known = {each.name for each in fields(cls)}
        unknown = sorted(set(texts) - known)
        if unknown:
            names = ", ".join(sorted(known))
            raise ConfigurationError(f"strategy.{strategy}: unknown key {unknown[0]}. Known keys: {names}.")
        for each in fields(cls):
            if each.name in texts and not _is_a(texts[each.name], each.type):
                wanted = _WORDS.get(each.type, f"a {each.type}")
                raise ConfigurationError(f"strategy.{strategy}: {each.name} must be {wanted}, not {texts[each.name]}.")
        parameters = convert(dict(texts), cls, strict=False)
        endless = [name for name in sorted(known) if not _finite(getattr(parameters, name))]
        if endless:
            raise ConfigurationError(f"strategy.{strategy}: {endless[0]} must be a finite number.")
        complaint = parameters.complaint()
        if complaint:
            raise ConfigurationError(f"strategy.{strategy}: {complaint}")
        return parameters

    def complaint(self) -> str:
        """Say what is wrong with these numbers and what to do, empty = nothing. Extend it where you add numbers."""
        if self.notional <= 0:
            return f"notional must be above 0, not {self.notional}."
        if not 0 < self.stop_pct < 100:
            return f"stop_pct must lie between 0 and 100, not {self.stop_pct}."
        return ""


_WORDS: Final[dict[object, str]] = {
    int: "a whole number",
    float: "a number",
    Decimal: "a number",
    bool: "true or false",
}


def _is_a(text: str, kind: Any) -> bool:
    try:
        convert(text, kind, strict=False)
    except ValidationError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Kernel:
    """A strategy as pure functions over floats and tuples, which a backtest compiles and runs over arrays.

    `start()` -> state, called anew at every hole; `step(state, opens_session, high, low, close, volume)` -> (state,
    readings), prices in ticks and volume in steps as `Strategy.whole` gives them; `flags(readings, numbers)` -> bits;
    `numbers(parameters)` -> tuple of floats. None of them may look at anything but its arguments.
    """

    start: Callable[[], Any]
    step: Callable[..., Any]
    flags: Callable[..., int]
    numbers: Callable[[Any], tuple[float, ...]]


class Strategy(ABC):
    """Decides on one symbol. Fed with every closed candle in order, each once; live, paper and backtest alike."""

    name: ClassVar[str]
    parameters_type: ClassVar[type[Parameters]] = Parameters
    kernel: ClassVar[Kernel | None] = None

    def __init__(self, instrument: Instrument, parameters: Mapping[str, str] | None = None) -> None:
        """Take the contract and the settings' text; raises ConfigurationError for a setting it does not understand.

        There is no need to extend it: state belongs into `restart`, which is called before the first candle.
        """
        self.instrument = instrument
        self._tick = instrument.tick
        self._step = instrument.step()
        self._tick_worth = float(instrument.tick)
        self.parameters: Parameters = self.parameters_type.read(self.name, parameters or {})
        self._next_open_time = -1

    @abstractmethod
    def restart(self) -> None:
        """Forget all candles: called before the first one and at every hole, since no value may span a hole."""

    @abstractmethod
    def evaluate(self, candle: Candle) -> Verdict:
        """Take the next candle and say what holds at its close."""

    def on_candle(self, candle: Candle) -> Verdict:
        """Take a closed candle, noticing missing ones, and return what holds at its close."""
        if candle.open_time != self._next_open_time:
            self.restart()
        self._next_open_time = candle.close_time
        return self.evaluate(candle)

    def whole(self, candle: Candle) -> tuple[float, float, float, float]:
        """Return high, low and close in ticks and volume in steps: whole numbers as floats, for indicators."""
        tick = self._tick
        return (
            float(candle.high / tick),
            float(candle.low / tick),
            float(candle.close / tick),
            float(candle.volume / self._step),
        )

    def price(self, ticks: float) -> float:
        """Return what an indicator's ticks are in the quote asset, for people to look at; never for an order."""
        return ticks * self._tick_worth

    @property
    def notional(self) -> Decimal:
        """Return the wanted size of a position in USDT."""
        return self.parameters.notional

    def stop_price(self, side: Side, entry_price: Decimal) -> Decimal:
        """Return where the stop of a position entered by `side` (BUY = long) at this average price rests.

        `stop_pct` away, rounded to the tick towards the entry, but never closer than one tick.
        """
        return self.instrument.stop_price(side, entry_price, self.parameters.stop_pct)

    def use(self, instrument: Instrument) -> None:
        """Take refreshed contract filters. Running indicators keep their scale, prices are rounded by the new ones."""
        self.instrument = instrument


def _finite(setting: object) -> bool:
    if isinstance(setting, Decimal):
        return setting.is_finite()
    return not isinstance(setting, float) or isfinite(setting)
