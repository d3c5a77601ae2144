"""The user stream: the listen key's life, the private connection, and what its frames mean for the account.

Quiet is normal here: no event may come for hours. So its life is proven by the key (REST says it is valid), by pings
below the Transport seam, and by the cross-check that compares the account by REST (docs/wire.md B.8).
"""

from collections import Counter
from collections.abc import Callable

import structlog

from bot.exchange.binance.account_answers import read_listen_key
from bot.exchange.binance.errors import NO_SUCH_LISTEN_KEY, ApiFailure
from bot.exchange.binance.exact import UNREADABLE
from bot.exchange.binance.rest import Rest
from bot.exchange.binance.tasks import Tasks
from bot.exchange.binance.user_frames import UserNews, read_user_frame
from bot.ports import Clock, Sink, Socket

_log = structlog.get_logger()

_KEEP_ALIVE_SECONDS = 1_800.0
_RETRY_KEEP_ALIVE_SECONDS = 60.0
_EVENTS = "ORDER_TRADE_UPDATE/ACCOUNT_UPDATE/ALGO_UPDATE/ACCOUNT_CONFIG_UPDATE/MARGIN_CALL/listenKeyExpired"


class UserStream:
    """Delivers the account's events, and tells `on_news` what must be asked besides."""

    name = "user"

    def __init__(
        self, base_url: str, rest: Rest, clock: Clock, sink: Sink, tasks: Tasks, on_news: Callable[[UserNews], None]
    ) -> None:
        self.up = False
        self.opened_count = 0
        self.restart: Callable[[str], None] = lambda _why: None
        self._base_url = base_url
        self._rest = rest
        self._clock = clock
        self._sink = sink
        self._tasks = tasks
        self._on_news = on_news
        self._proven_at = clock.monotonic()
        self._keep_alive_at = float("inf")
        self._odd: Counter[str] = Counter()

    async def url(self) -> str:
        """Create or extend the listen key and return the URL that names it: a credential, never logged."""
        key = await self._rest.act(lambda api: api.start_user_data_stream(), read_listen_key)
        self._keep_alive_at = self._clock.monotonic() + _KEEP_ALIVE_SECONDS
        return f"{self._base_url}/ws?listenKey={key}&events={_EVENTS}"

    async def opened(self, socket: Socket) -> None:
        """Take a connection with a key that REST has just called valid: it is alive until something says otherwise."""
        del socket
        self.opened_count += 1
        self.proven()
        self.up = True
        self._sink.on_stream_up(self.name)

    def text(self, payload: bytes) -> None:
        """Decode a frame and deliver it."""
        try:
            news = read_user_frame(payload)
        except UNREADABLE:
            news = UserNews(unknown="malformed")
        self.proven()
        for event in news.events:
            self._sink.on_event(event)
        self._on_news(news)
        if news.margin_call:
            _log.error("exchange.margin_call", symbols=news.margin_call)
        if news.unknown:
            self._count_odd(news.unknown, len(payload))
        if news.key_expired:
            self.restart("the listen key expired")

    def lost(self, why: str) -> None:
        """Take the end of the connection: a gap begins, nothing is replayed."""
        self._keep_alive_at = float("inf")
        if self.up:
            self.up = False
            self._sink.on_stream_down(self.name, why)

    def proven(self) -> None:
        """Note a proof of life."""
        self._proven_at = self._clock.monotonic()

    def age_ms(self) -> int:
        """Return the wall time since the last proof of life, in ms."""
        return round((self._clock.monotonic() - self._proven_at) * 1_000)

    def check(self) -> None:
        """Keep the listen key alive; call it every half second."""
        if self._clock.monotonic() >= self._keep_alive_at:
            self._keep_alive_at = float("inf")
            self._tasks.spawn("listen key keep-alive", self._keep_alive())

    async def _keep_alive(self) -> None:
        try:
            await self._rest.act(lambda api: api.keepalive_user_data_stream(), bytes)
        except ApiFailure as failure:
            _log.warning("exchange.keep_alive_failed", why=str(failure))
            self._keep_alive_at = self._clock.monotonic() + _RETRY_KEEP_ALIVE_SECONDS
            if failure.code == NO_SUCH_LISTEN_KEY:
                self.restart("the listen key is gone")
            return
        self.proven()
        self._keep_alive_at = self._clock.monotonic() + _KEEP_ALIVE_SECONDS

    def _count_odd(self, what: str, size: int) -> None:
        self._odd[what] += 1
        if self._odd[what] == 1:
            _log.warning("exchange.odd_frame", stream=self.name, what=what[:200], bytes=size)
