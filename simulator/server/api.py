"""What every endpoint works on, and how endpoints are written down."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from simulator.market.tape import Tape
from simulator.server.board import SymbolBoard
from simulator.server.formats import SymbolFormat
from simulator.server.limits import Limits
from simulator.server.params import Params
from simulator.server.signing import Credentials
from simulator.server.user_streams import UserStreams
from simulator.venue.exchange import Exchange


@dataclass
class Api:
    """The parts behind the endpoints; `wall_ms` is the moment of the request at hand."""

    exchange: Exchange
    tape: Tape
    boards: Mapping[str, SymbolBoard]
    user_streams: UserStreams
    limits: Limits
    credentials: Credentials
    speed: float
    full_order_answers: bool
    wall_ms: int = 0
    forms: dict[str, SymbolFormat] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Keep the formats at hand."""
        self.forms = {symbol: board.form for symbol, board in self.boards.items()}

    def board(self, symbol: str) -> SymbolBoard:
        """Return a symbol's board, -1121 for an unknown symbol."""
        self.exchange.instrument(symbol)
        return self.boards[symbol]

    def form(self, symbol: str) -> SymbolFormat:
        """Return a symbol's format, -1121 for an unknown symbol."""
        return self.board(symbol).form


class Security(Enum):
    """What a request must prove."""

    NONE = auto()
    KEY = auto()
    SIGNED = auto()


type Handler = Callable[[Api, Params], Any]
type Weight = int | Callable[[Params], int]


@dataclass(frozen=True)
class Endpoint:
    """One endpoint. `parameters` are named as in docs/wire.md B.2, a star behind the mandatory ones."""

    handler: Handler
    parameters: str = ""
    weight: Weight = 1
    security: Security = Security.NONE
    orders: int = 0
    own_pool: bool = False

    @property
    def mandatory(self) -> tuple[str, ...]:
        """Names that must be sent."""
        return tuple(name[:-1] for name in self.parameters.split() if name.endswith("*"))

    @property
    def known(self) -> frozenset[str]:
        """Names that may be sent."""
        return frozenset(self.parameters.replace("*", "").split())

    def weight_of(self, params: Params) -> int:
        """Return the request weight of a call."""
        return self.weight if isinstance(self.weight, int) else self.weight(params)


def by_symbol(one: int, every: int) -> Weight:
    """Return a weight that depends on whether a symbol is named."""
    return lambda params: one if params.get("symbol") else every
