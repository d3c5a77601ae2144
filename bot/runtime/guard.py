"""Keeps the simulated exchange and the backtest out of a process that trades on a real one."""

from collections.abc import Iterable
from typing import Final

from bot.domain.errors import SimulationLoaded

SIMULATION: Final = frozenset({"backtest", "simulator"})


def refuse_simulation(loaded: Iterable[str], mode: str) -> None:
    """Raise SimulationLoaded when any of the loaded modules (names as in `sys.modules`) belongs to the simulation."""
    found = sorted(name for name in loaded if name.partition(".")[0] in SIMULATION)
    if found:
        raise SimulationLoaded(
            f"{found[0]} is loaded in a process that is to trade on an exchange ({mode}): what it trades on could be "
            "simulated. Nothing was started. Remove whatever imports it (a strategy? sitecustomize?), then start again."
        )
