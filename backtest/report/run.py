"""What a report is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from backtest.history import History
from backtest.results import Outcome
from backtest.statistics import EquityCurve, Summary


@dataclass(frozen=True, slots=True)
class ReportInput:
    """A finished backtest with everything its report has to state.

    `assumptions` are sentences, `costs` and `timing` names with their values as text. `settings` is the resolved
    configuration as JSON (`Settings.resolved()`). `from_ms` is the first moment that trades, 0 = all of the data;
    `to_ms` is the first millisecond after the last candle.
    """

    outcome: Outcome
    history: History
    curve: EquityCurve
    summary: Summary
    strategy: str
    symbols: tuple[str, ...]
    from_ms: int
    to_ms: int
    assumptions: tuple[str, ...]
    costs: Mapping[str, str]
    settings: str
    config_hash: str
    code_version: str
    timing: Mapping[str, str] = field(default_factory=dict)

    @property
    def began_ms(self) -> int:
        """Return the open of the first candle that traded (ms UTC)."""
        return int(self.curve.times[0]) - self.history.interval_ms if self.curve.times.size else self.from_ms
