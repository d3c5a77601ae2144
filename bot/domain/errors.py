"""Errors, split by what the caller does next.

ActError
|- ConfigurationError   a person must fix settings, credentials or data: exit 78
|  `- SimulationLoaded  code of the simulation is in a process that is to trade on an exchange
|- RetryLater           a passing fault: try again after `retry_after_seconds`
|- GiveUp               this order or request cannot succeed: refuse it and go on
|- StopTrading          state cannot be proven right: halt, keep positions protected
`- StoreError           the database did not take a write: no order may leave
"""


class ActError(Exception):
    """The base: every message says what happened, why, and what to do."""


class ConfigurationError(ActError):
    """Settings, credentials or data that a person must fix."""


class SimulationLoaded(ConfigurationError):  # noqa: N818 - says what happened
    """The simulator or the backtest is in the process of a bot that trades on an exchange."""


class RetryLater(ActError):  # noqa: N818 - named for what to do, like its siblings
    """A passing fault. The attempt had no effect, or its effect will be looked up."""

    def __init__(self, message: str, retry_after_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class GiveUp(ActError):  # noqa: N818 - named for what to do
    """This one request cannot succeed as it is. `code` is the exchange's, 0 = ours."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class StopTrading(ActError):  # noqa: N818 - named for what to do
    """The bot must halt and say why."""


class StoreError(ActError):
    """A write did not happen. Nothing of it was written."""
