"""The trading core: one event in, what to record and do out. No clock, no I/O, no chance."""

from collections.abc import Iterable, Mapping

from bot.domain.account import LeverageBracket
from bot.domain.books import Books
from bot.domain.commands import Command
from bot.domain.events import Event
from bot.domain.instrument import Instrument
from bot.trading.limits import CorePlan
from bot.trading.strategy import Strategy
from bot.trading.view import View, Watch


class Engine:
    """Everything the bot decides. `books` may hold the open ends of an earlier process: they are adopted.

    Orders that an earlier process may have sent are looked up at the first `SnapshotTaken`; before it no entry is made.
    `strategies` are keyed by symbol.
    """

    def __init__(
        self,
        plan: CorePlan,
        strategies: Mapping[str, Strategy],
        instruments: Iterable[Instrument],
        brackets: Iterable[LeverageBracket],
        books: Books,
    ) -> None: ...

    def handle(self, event: Event) -> list[Command]:
        """Take one event and return all `Record`s, then the rest; [] when the event changes nothing."""

    def watch(self) -> Watch:
        """Return what could matter next; deliver `TimeAdvanced` when market time reaches its deadline."""

    def view(self) -> View:
        """Return the core as it stands, for heartbeat, equity points and evaluations."""
