"""Everything that exists while streams are open: four connections, the lanes for orders and stops, and the watches."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from bot.domain.commands import (
    CancelOrder,
    CancelStop,
    ExchangeCommand,
    LookUpOrder,
    LookUpStop,
    PlaceStop,
    SubmitOrder,
)
from bot.domain.events import AlgoUpdated, Event, OrderUpdated
from bot.domain.market import MINUTE_MS
from bot.exchange.binance.account import Account
from bot.exchange.binance.budget import Budget
from bot.exchange.binance.crosscheck import CrossCheck
from bot.exchange.binance.errors import ApiFailure
from bot.exchange.binance.income import floor_to, income_events
from bot.exchange.binance.kept_streams import KeptStreams
from bot.exchange.binance.lookups import LookUps
from bot.exchange.binance.order_lane import OrderLane
from bot.exchange.binance.rest import Rest
from bot.exchange.binance.settings import BinanceSettings
from bot.exchange.binance.signing import Signer
from bot.exchange.binance.stops import Stops
from bot.exchange.binance.streams import market_routes
from bot.exchange.binance.tasks import Tasks
from bot.exchange.binance.user_frames import UserNews
from bot.exchange.binance.user_stream import UserStream
from bot.exchange.binance.witness import StreamWitness
from bot.ports import Clock, Sink, StreamHealth, Transport

_log = structlog.get_logger()

_INCOME_LOOK_BACK_MS = 120_000


class Live:
    """Plugs the parts together and carries out commands."""

    def __init__(
        self,
        settings: BinanceSettings,
        signer: Signer,
        rest: Rest,
        account: Account,
        budget: Budget,
        clock: Clock,
        transport: Transport,
        symbols: Sequence[str],
        sink: Sink,
        tasks: Tasks,
    ) -> None:
        self._settings = settings
        self._rest = rest
        self._account = account
        self._clock = clock
        self._sink = sink
        self._tasks = tasks
        self._lookups = LookUps(account, clock, sink)
        self._stops = Stops(rest, account, clock, sink, tasks, settings.recv_window_ms)
        self._user = UserStream(settings.private_stream_url, rest, clock, sink, tasks, self._take_news)
        self._orders = OrderLane(settings, signer, rest, budget, clock, sink, tasks, self._later)
        streams = (*market_routes(settings, symbols, clock, sink), self._user, self._orders)
        self._streams = KeptStreams(streams, settings, clock, transport, tasks)
        self._crosscheck = CrossCheck(
            account,
            self._lookups,
            budget,
            clock,
            sink,
            symbols,
            stream_is_up=lambda: self._user.up,
            witness=StreamWitness(clock, sink, self._user_stream_life),
            on_agreed=self._user.proven,
            on_silent=self._user.restart,
        )

    async def open(self) -> None:
        """Connect everything and return when each stream has proven to be alive."""
        await self._streams.open()
        self._tasks.spawn("cross-check", self._crosscheck.run())
        self._tasks.spawn("clock measurement", self._rest.keep_time())

    def execute(self, command: ExchangeCommand) -> None:
        """Start carrying out a command now."""
        match command:
            case SubmitOrder(request=request):
                self._stops.order_asked(request.symbol)
                self._orders.submit(request)
            case CancelOrder(symbol=symbol, client_order_id=client_order_id):
                self._stops.order_asked(symbol)
                self._orders.cancel(symbol, client_order_id)
            case PlaceStop(request=stop):
                self._tasks.spawn(f"stop {stop.client_algo_id}", self._stops.place(stop))
            case CancelStop(symbol=symbol, client_algo_id=client_algo_id):
                self._tasks.spawn(f"cancel stop {client_algo_id}", self._stops.cancel(symbol, client_algo_id))
            case LookUpOrder(symbol=symbol, client_order_id=client_order_id):
                self._stops.order_lost(symbol)
                self._tasks.spawn(f"look up {client_order_id}", self._lookups.order(symbol, client_order_id))
            case LookUpStop(symbol=symbol, client_algo_id=client_algo_id):
                self._tasks.spawn(f"look up {client_algo_id}", self._lookups.stop(symbol, client_algo_id))

    def saw(self, events: Sequence[Event]) -> None:
        """Note what a recovery has told already."""
        self._crosscheck.read_back(events)

    def health(self) -> tuple[StreamHealth, ...]:
        """Return each stream's state."""
        return self._streams.health()

    def _user_stream_life(self) -> int:
        """Return the number of the user stream's connection, 0 while there is none to judge."""
        market_is_up = any(stream.up for stream in self._streams.health() if stream.name == "market")
        return self._user.opened_count if self._user.up and market_is_up else 0

    def _later(self, event: Event) -> None:
        """Answer a command that needs no waiting, but not before `execute` has returned."""
        asyncio.get_running_loop().call_soon(self._sink.on_event, event)

    def _take_news(self, news: UserNews) -> None:
        self._crosscheck.saw(news.events)
        for event in news.events:
            match event:
                case OrderUpdated(order=order):
                    self._lookups.mention(order.client_order_id)
                case AlgoUpdated(algo=algo):
                    self._lookups.mention(algo.client_algo_id)
        if news.ask_fills_of is not None:
            self._tasks.spawn("executions without fees", self._read_order(*news.ask_fills_of))
        if news.ask_income:
            self._tasks.spawn("funding without symbol", self._read_income())

    async def _read_order(self, symbol: str, order_id: int) -> None:
        async def ask() -> list[Event]:
            return await self._lookups.found(await self._account.order_by_id(symbol, order_id))

        await self._until_read(ask)

    async def _read_income(self) -> None:
        async def ask() -> list[Event]:
            now = self._sink.market_ms()
            return income_events(await self._account.income(floor_to(now - _INCOME_LOOK_BACK_MS, MINUTE_MS)), now)

        await self._until_read(ask)

    async def _until_read(self, ask: Callable[[], Awaitable[list[Event]]]) -> None:
        while True:
            try:
                events = await ask()
            except ApiFailure as failure:
                _log.warning("exchange.unread", why=str(failure))
                await self._clock.sleep(max(1.0, failure.retry_after_seconds))
                continue
            for event in events:
                self._sink.on_event(event)
            self._crosscheck.saw(events)
            return
