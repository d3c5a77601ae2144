"""What anybody may read by REST: time, contracts, candles and settled fundings. No key, nothing signed."""

from functools import partial

from bot.domain.errors import ActError, ConfigurationError, StopTrading
from bot.domain.market import MINUTE_MS, Candle, FundingRate
from bot.exchange.binance.budget import Budget
from bot.exchange.binance.errors import ApiFailure, Verdict, domain_error, told_plainly
from bot.exchange.binance.public_answers import ExchangeInfo, read_candles, read_exchange_info, read_funding_rates
from bot.exchange.binance.rest import Rest

_CANDLES_PER_PAGE = 1_500
_FUNDINGS_PER_PAGE = 1_000


class Prices:
    """Reads public data, a page after another. Raises ConfigurationError and RetryLater, `reach` StopTrading too."""

    def __init__(self, rest: Rest, budget: Budget, url: str) -> None:
        self._rest = rest
        self._budget = budget
        self._url = url

    async def reach(self) -> None:
        """Check that the exchange answers and measure the offset of its clock.

        Raises StopTrading when nobody answers, which may pass, and ConfigurationError when somebody else does.
        """
        try:
            await self._rest.measure_time()
        except ApiFailure as failure:
            raise self._unreached(failure) from None

    async def exchange_info(self) -> bytes:
        """Read contracts and published limits; the limits are obeyed from then on."""
        with told_plainly("reading the contracts"):
            info, body = await self._rest.read(lambda api: api.exchange_information(), _info_and_body)
        self._budget.learn(info.rate_limits)
        return body

    async def candles(self, symbol: str, start_ms: int, end_ms: int, market_ms: int) -> tuple[Candle, ...]:
        """Read candles with start_ms <= open_time < end_ms that have closed by `market_ms` (0 = by the server's clock).

        Ascending; missing minutes are missing.
        """
        candles: list[Candle] = []
        while start_ms < end_ms:
            limit = min(_CANDLES_PER_PAGE, -(-(end_ms - start_ms) // MINUTE_MS))
            page = await self._candle_page(symbol, start_ms, end_ms, limit)
            candles += page
            if len(page) < limit:
                break
            start_ms = page[-1].close_time
        now = market_ms or self._rest.server_clock.now_ms()
        return tuple(candle for candle in candles if candle.close_time <= now)

    async def fundings(self, symbol: str, start_ms: int, end_ms: int) -> tuple[FundingRate, ...]:
        """Read the fundings settled with start_ms <= time < end_ms, ascending."""
        rows: list[FundingRate] = []
        while start_ms < end_ms:
            page = await self._funding_page(symbol, start_ms, end_ms)
            rows += page
            if len(page) < _FUNDINGS_PER_PAGE:
                break
            start_ms = page[-1].at_ms + 1
        return tuple(rows)

    def _unreached(self, failure: ApiFailure) -> ActError:
        if failure.http_status == 0:
            return StopTrading(self._told(failure.message))
        if failure.verdict is Verdict.LATER or failure.http_status >= 500:
            return domain_error(failure, "asking the exchange for its time")
        return ConfigurationError(self._told(str(failure)))

    def _told(self, why: str) -> str:
        return (
            f"the exchange cannot be reached at {self._url}: {why}. Check the rest URL in [endpoints] and the network."
        )

    async def _candle_page(self, symbol: str, start_ms: int, end_ms: int, limit: int) -> list[Candle]:
        with told_plainly(f"reading candles of {symbol}"):
            return await self._rest.read(
                lambda api: api.kline_candlestick_data(
                    symbol, "1m", start_time=start_ms, end_time=end_ms - 1, limit=limit
                ),
                partial(read_candles, symbol),
            )

    async def _funding_page(self, symbol: str, start_ms: int, end_ms: int) -> tuple[FundingRate, ...]:
        with told_plainly(f"reading fundings of {symbol}"):
            return await self._rest.read(
                lambda api: api.get_funding_rate_history(
                    symbol, start_time=start_ms, end_time=end_ms - 1, limit=_FUNDINGS_PER_PAGE
                ),
                read_funding_rates,
            )


def _info_and_body(body: bytes) -> tuple[ExchangeInfo, bytes]:
    return read_exchange_info(body), body
