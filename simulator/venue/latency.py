"""How long an accepted order takes to reach the matching engine, in market milliseconds."""

from typing import Protocol


class Latency(Protocol):
    """Decide each order's delay; 0 matches it within the call that places it."""

    def delay_ms(self, order_id: int) -> int:
        """Return the delay of this order, 0 or more."""


class ConstantLatency:
    """Match each order the same time after it was accepted."""

    def __init__(self, milliseconds: int) -> None:
        if milliseconds < 0:
            raise ValueError(f"a latency of {milliseconds} ms is impossible; give 0 or more")
        self._milliseconds = milliseconds

    def delay_ms(self, order_id: int) -> int:  # noqa: ARG002 - the protocol's argument
        """Return the constant."""
        return self._milliseconds
