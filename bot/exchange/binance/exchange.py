"""Binance USD-M futures behind the `Exchange` port."""

from collections.abc import Iterable, Sequence

from bot.domain.account import AccountSettings, AccountSnapshot, LeverageBracket
from bot.domain.books import HistoryMark
from bot.domain.commands import ExchangeCommand
from bot.domain.errors import ConfigurationError, StopTrading
from bot.domain.events import Event
from bot.domain.instrument import Instrument
from bot.domain.market import Candle
from bot.exchange.binance.account import Account
from bot.exchange.binance.account_answers import (
    account_settings,
    read_account_config,
    read_brackets,
    read_symbol_configs,
)
from bot.exchange.binance.budget import Budget
from bot.exchange.binance.errors import ALREADY_SO, ApiFailure, domain_error, told_plainly
from bot.exchange.binance.history import History
from bot.exchange.binance.live import Live
from bot.exchange.binance.prices import Prices
from bot.exchange.binance.public_answers import read_exchange_info
from bot.exchange.binance.rest import Rest, Send
from bot.exchange.binance.settings import BinanceSettings
from bot.exchange.binance.signing import signer_for
from bot.exchange.binance.tasks import Tasks
from bot.ports import Clock, ExchangeHealth, Executor, Sink, Transport


class BinanceExchange:
    """One account: set-up and history through the official SDK, the rest over our own thin client."""

    def __init__(self, settings: BinanceSettings, clock: Clock, transport: Transport, executor: Executor) -> None:
        self._settings = settings
        self._clock = clock
        self._transport = transport
        self._executor = executor
        self._signer = signer_for(settings)
        self._budget = Budget(clock)
        self._rest = Rest(settings, self._signer, clock, transport, executor, self._budget)
        self._prices = Prices(self._rest, self._budget, settings.rest_url)
        self._account = Account(self._rest, settings.recv_window_ms)
        self._history = History(self._account)
        self._tasks = Tasks()
        self._opening: Live | None = None
        self._live: Live | None = None
        self._sink: Sink | None = None

    # Set-up

    async def connect(self) -> None:
        """Check reachability and credentials and measure the clock offset."""
        await self._prices.reach()
        with told_plainly("checking the API key"):
            window = self._settings.recv_window_ms
            await self._rest.read(lambda api: api.futures_account_configuration(recv_window=window), bytes)

    async def instruments(self, symbols: Sequence[str]) -> tuple[Instrument, ...]:
        """Read the contract filters; raises ConfigurationError for an unknown symbol."""
        info = read_exchange_info(await self._prices.exchange_info())
        try:
            return info.instruments(symbols)
        except KeyError as unknown:
            raise ConfigurationError(
                f"the exchange has no contract {unknown.args[0]}. Correct or remove [symbols.{unknown.args[0]}]."
            ) from None

    async def brackets(self, symbols: Sequence[str]) -> tuple[LeverageBracket, ...]:
        """Read the leverage brackets."""
        window = self._settings.recv_window_ms
        with told_plainly("reading the leverage brackets"):
            found = await self._rest.read(
                lambda api: api.notional_and_leverage_brackets(recv_window=window), read_brackets
            )
        wanted = frozenset(symbols)
        return tuple(bracket for bracket in found if bracket.symbol in wanted)

    async def account_settings(self, symbols: Sequence[str]) -> AccountSettings:
        """Read position mode, assets mode, leverage and margin types."""
        window = self._settings.recv_window_ms
        with told_plainly("reading the account's settings"):
            account = await self._rest.read(
                lambda api: api.futures_account_configuration(recv_window=window), read_account_config
            )
            per_symbol = await self._rest.read(
                lambda api: api.symbol_configuration(recv_window=window), read_symbol_configs
            )
        return account_settings(account, per_symbol, symbols)

    async def set_leverage(self, symbol: str, leverage: int) -> None:
        """Set the initial leverage of a symbol."""
        window = self._settings.recv_window_ms
        await self._set(
            f"setting the leverage of {symbol} to {leverage}",
            lambda api: api.change_initial_leverage(symbol, leverage, recv_window=window),
        )

    async def set_margin_type(self, symbol: str, margin_type: str) -> None:
        """Set ISOLATED or CROSSED; already being so is success."""
        window = self._settings.recv_window_ms
        await self._set(
            f"setting the margin type of {symbol} to {margin_type}",
            lambda api: api.change_margin_type(symbol, margin_type, recv_window=window),
        )

    async def set_one_way_mode(self) -> None:
        """Turn hedge mode off; already being off is success."""
        window = self._settings.recv_window_ms
        await self._set("turning hedge mode off", lambda api: api.change_position_mode("false", recv_window=window))

    async def set_single_asset_mode(self) -> None:
        """Turn multi-assets margin off; already being off is success."""
        window = self._settings.recv_window_ms
        await self._set(
            "turning multi-assets mode off", lambda api: api.change_multi_assets_mode("false", recv_window=window)
        )

    # Reading

    async def candles(self, symbol: str, start_ms: int, end_ms: int) -> tuple[Candle, ...]:
        """Read closed candles with start_ms <= open_time < end_ms, ascending; missing minutes are missing."""
        return await self._prices.candles(symbol, start_ms, end_ms, self._market_ms())

    async def snapshot(self, symbols: Sequence[str]) -> AccountSnapshot:
        """Read wallets, positions and everything open, for these symbols and every other with positions or orders."""
        with told_plainly("reading the account"):
            positions, touched = await self._account.positions()
            watched = sorted(touched.union(symbols))
            return AccountSnapshot(
                wallets=await self._account.wallets(),
                positions=positions,
                open_orders=await self._account.open_orders(watched),
                open_algo_orders=await self._account.open_algos(watched),
            )

    async def was_used(self, symbols: Sequence[str]) -> bool:
        """Say whether any income can still be read: trades, funding and transfers all make some."""
        del symbols
        with told_plainly("reading the account's income"):
            return bool(await self._account.income(1))

    async def history(self, mark: HistoryMark) -> list[Event]:
        """Read what happened since the mark, executions first."""
        with told_plainly("reading the account's history"):
            events = await self._history.since(mark, self._market_ms())
        if self._live is not None:
            self._live.saw(events)
        return events

    # Acting

    async def open_streams(self, symbols: Sequence[str], sink: Sink) -> None:
        """Open market, public, user and order connections and keep them open until `close`; returns at first data.

        Raises RetryLater when that takes long; asked again, it goes on waiting for the same connections.
        """
        self._sink = sink
        if self._opening is None:
            self._opening = Live(
                self._settings,
                self._signer,
                self._rest,
                self._account,
                self._budget,
                self._clock,
                self._transport,
                symbols,
                sink,
                self._tasks,
            )
        await self._opening.open()
        self._live = self._opening

    def execute(self, command: ExchangeCommand) -> None:
        """Start carrying out a command now; a look-up goes on until it is answered."""
        if self._live is None:
            raise StopTrading(
                "a command came before the streams were opened: nothing was sent. This is a fault of ours."
            )
        self._live.execute(command)

    def health(self) -> ExchangeHealth:
        """Return ages and counters for heartbeat and watchdogs."""
        return self._rest.health(self._live.health() if self._live is not None else ())

    def tasks(self) -> Iterable[str]:
        """Return names of background tasks that have died, for the supervisor; empty = all well."""
        return self._tasks.dead()

    async def close(self) -> None:
        """Close every connection and worker; resting orders stay as they are."""
        await self._tasks.close()
        self._executor.close()

    async def _set(self, what: str, send: Send) -> None:
        try:
            await self._rest.read(send, bytes)
        except ApiFailure as failure:
            if failure.code not in ALREADY_SO:
                raise domain_error(failure, what) from None

    def _market_ms(self) -> int:
        return self._sink.market_ms() if self._sink is not None else 0
