"""The simulated venue as a backtest wants it: candle mode, with the costs of the settings."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.domain.account import LeverageBracket
from bot.domain.market import FundingRate
from bot.exchange.simulated import translate
from bot.exchange.simulated.exchange import SimulatedExchange
from bot.trading.limits import Costs
from simulator.venue.exchange import Exchange as Venue
from simulator.venue.funding import ByTheClock, ConstantFunding, FundingSchedule, NoFunding, RecordedFunding, Settlement
from simulator.venue.instrument import CONSERVATIVE_BRACKETS, DEFAULT_BRACKETS
from simulator.venue.latency import ConstantLatency

_NAMED_BRACKETS = {"conservative": CONSERVATIVE_BRACKETS, "bitcoin": DEFAULT_BRACKETS}


class _Funding:
    """Recorded settlements where a symbol has a series, the constant ones of the settings where not."""

    def __init__(self, recorded: Mapping[str, Sequence[FundingRate]], otherwise: FundingSchedule) -> None:
        self._recorded = RecordedFunding(
            {symbol: [Settlement(row.at_ms, row.rate, row.mark) for row in rows] for symbol, rows in recorded.items()}
        )
        self._symbols = frozenset(recorded)
        self._otherwise = otherwise

    def next_settlement(self, symbol: str, after_ms: int) -> Settlement:
        source: FundingSchedule = self._recorded if symbol in self._symbols else self._otherwise
        return source.next_settlement(symbol, after_ms)

    def interval_ms(self, symbol: str, after_ms: int) -> int:
        source: FundingSchedule = self._recorded if symbol in self._symbols else self._otherwise
        return source.interval_ms(symbol, after_ms)


def open_candle_venue(
    exchange_info: dict[str, Any],
    *,
    balance: Decimal,
    start_ms: int,
    costs: Costs,
    brackets: Sequence[LeverageBracket] = (),
    funding: Mapping[str, Sequence[FundingRate]] | None = None,
    is_tacit: bool = False,
) -> SimulatedExchange:
    """Return an account of `balance` USDT on a venue in candle mode, before its first candle.

    `exchange_info` is an exchangeInfo answer cut to the symbols wanted. Symbols without `brackets` get the table that
    the costs name. `funding` holds recorded settlements in time order, at whole minutes, by symbol, with a mark of 0
    where none was recorded (then the price at that candle's open stands for it); other symbols settle by the costs.
    `is_tacit`: the first word about a market order is its fill or its end; until then it is open like any other.
    """
    symbols = [entry["symbol"] for entry in exchange_info["symbols"]]
    named = _NAMED_BRACKETS[costs.brackets]
    known = translate.venue_brackets(brackets)
    venue = Venue(
        exchange_info,
        balance=balance,
        start_ms=start_ms,
        maker_fee=costs.maker_rate,
        taker_fee=costs.taker_rate,
        brackets={symbol: known.get(symbol, named) for symbol in symbols},
        latency=ConstantLatency(costs.latency_ms) if costs.latency_ms else None,
        settlements=_Funding(funding or {}, _constant(costs)),
        costs=translate.candle_costs(costs),
        by_candles=True,
        is_brief=True,
        is_tacit=is_tacit,
    )
    return SimulatedExchange(venue)


def _constant(costs: Costs) -> FundingSchedule:
    if not costs.funding_rate:
        return NoFunding()
    return ByTheClock(ConstantFunding(costs.funding_rate, costs.funding_interval_hours))
