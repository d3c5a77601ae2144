"""What a simulator can be told at its start."""

from dataclasses import dataclass
from pathlib import Path

DEMO_API_KEY = "demo-key"
DEMO_API_SECRET = "demo-secret"  # noqa: S105 - the documented pair of a loopback simulator opens nothing
DEFAULT_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


@dataclass(frozen=True)
class Options:
    """The options of `act simulator`; `start_ms` is market time, `speed` market seconds per wall second.

    `data` set means replay, else prices come from the generator with `seed`. `start_ms` None means the first 00:00 UTC
    with enough history (replay) or the latest 00:00 UTC (generator). `api_secret` is the HMAC secret, or an Ed25519 key
    in PEM form (private or public). `port` 0 takes any free port. `full_order_answers`
    adds avgPrice and cumQuote to the answers of POST and DELETE order, as they were before 2026-07.
    """

    port: int = 0
    symbols: tuple[str, ...] = DEFAULT_SYMBOLS
    seed: int = 1
    data: Path | None = None
    start_ms: int | None = None
    exchange_info: Path | None = None
    speed: float = 1.0
    api_key: str = DEMO_API_KEY
    api_secret: str = DEMO_API_SECRET
    balance: str = "10000"
    faults: Path | None = None
    ticks_per_minute: int = 60
    connection_life_ms: int = 86_400_000
    full_order_answers: bool = False
