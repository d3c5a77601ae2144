"""What to do about each definite refusal of the exchange, in one table (codes: Binance's error code page)."""

from enum import StrEnum
from typing import Final


class Policy(StrEnum):
    """What a refused attempt means for its intent."""

    RETRY = "retry"  # nothing was sent, or the exchange is busy: the next attempt, a second later
    REPRICE = "reprice"  # the price is out of place: the next attempt at the last close, a second later
    REFRESH = "refresh"  # a filter has changed: read the filters again, then the next attempt by the new ones
    DROP = "drop"  # this order cannot succeed as it is: give the intent up
    RECONCILE = "reconcile"  # we are wrong about account or position: give up and read them again
    LOOK_UP = "look_up"  # an order of this id is open: ours, so find out about it
    PAUSE = "pause"  # the symbol does not take this now: give up and leave it alone for a minute
    HALT = "halt"  # there is no such symbol: give up and halt it


POLICIES: Final[dict[int, Policy]] = {
    0: Policy.RETRY,
    -1001: Policy.RETRY,
    -1003: Policy.RETRY,
    -1008: Policy.RETRY,
    -1015: Policy.RETRY,
    -1021: Policy.RETRY,
    -1111: Policy.REFRESH,
    -4003: Policy.REFRESH,
    -4004: Policy.REFRESH,
    -4005: Policy.REFRESH,
    -4014: Policy.REFRESH,
    -4023: Policy.REFRESH,
    -4164: Policy.REFRESH,
    -4002: Policy.REPRICE,
    -4013: Policy.REPRICE,
    -4016: Policy.REPRICE,
    -4024: Policy.REPRICE,
    -4131: Policy.RETRY,
    -5022: Policy.REPRICE,
    -2018: Policy.RECONCILE,
    -2019: Policy.RECONCILE,
    -2022: Policy.RECONCILE,
    -2024: Policy.RECONCILE,
    -4050: Policy.RECONCILE,
    -4051: Policy.RECONCILE,
    -4118: Policy.RECONCILE,
    -4116: Policy.LOOK_UP,
    -1121: Policy.HALT,
    -1122: Policy.PAUSE,
    -4000: Policy.PAUSE,
    -4105: Policy.PAUSE,
    -4106: Policy.PAUSE,
    -4107: Policy.PAUSE,
    -4140: Policy.PAUSE,
    -4141: Policy.PAUSE,
    -4400: Policy.PAUSE,
    -4401: Policy.PAUSE,
}
WOULD_TRIGGER: Final = frozenset({-2021, -4142})


def policy(code: int) -> Policy:
    """Return what a refusal code means; codes that are not listed drop the intent."""
    return POLICIES.get(code, Policy.DROP)
