"""Real sockets and real threads: what lies below the exchange adapter outside of the deterministic test bed."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import override
from urllib.parse import urlsplit

from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from requests.adapters import BaseAdapter, HTTPAdapter

from bot.ports import Socket, SocketListener

CONNECT_SECONDS = 10.0
HANDSHAKE_SECONDS = 5.0
PING_AFTER_SECONDS = 10.0
PONG_WITHIN_SECONDS = 10.0
LARGEST_FRAME_BYTES = 10 * 1024 * 1024
_ABNORMAL = "connection lost"
_log = logging.getLogger("bot.sockets")
_log.setLevel(logging.WARNING)  # what matters about connections is told by their owner


class PicowsTransport:
    """WebSockets by picows, HTTP by requests. A peer that answers no ping within 20 seconds is taken for gone."""

    async def connect(self, url: str, listener: SocketListener) -> Socket:
        """Open a WebSocket; raises ConnectionError or TimeoutError, neither of which repeats the URL's secrets."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                transport, _ = await ws_connect(
                    lambda: _Relay(listener),
                    url,
                    ssl_context=_trusted() if url.startswith("wss:") else None,
                    websocket_handshake_timeout=HANDSHAKE_SECONDS,
                    enable_auto_ping=True,
                    auto_ping_idle_timeout=PING_AFTER_SECONDS,
                    auto_ping_reply_timeout=PONG_WITHIN_SECONDS,
                    max_frame_size=LARGEST_FRAME_BYTES,
                    max_redirects=0,
                    logger_name=_log,
                )
        except TimeoutError:
            raise TimeoutError(f"{urlsplit(url).netloc} did not finish the handshake") from None
        except (OSError, WSError) as error:
            raise ConnectionError(f"{urlsplit(url).netloc} cannot be reached: {_cause(error)}") from None
        return _PicowsSocket(transport)

    def http_adapter(self) -> BaseAdapter:
        """Return an adapter that keeps one connection and never retries by itself."""
        return HTTPAdapter(pool_connections=1, pool_maxsize=1, max_retries=0)


@cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context()


def _cause(error: OSError | WSError) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return f"the handshake was refused ({type(error).__name__})"


class _PicowsSocket:
    def __init__(self, transport: WSTransport) -> None:
        self._transport = transport

    def send(self, payload: bytes) -> None:
        if self._transport.is_disconnected or self._transport.is_close_frame_sent:
            raise ConnectionError("the connection is gone")
        self._transport.send(WSMsgType.TEXT, payload)

    def close(self) -> None:
        self._transport.disconnect()


class _Relay(WSListener):
    """Joins fragments and passes whole text messages on."""

    def __init__(self, listener: SocketListener) -> None:
        self._listener = listener
        self._parts: list[bytes] = []
        self._why = _ABNORMAL

    @override
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind is WSMsgType.TEXT and frame.fin:
            self._listener.on_text(frame.get_payload_as_bytes())
        elif kind is WSMsgType.TEXT or kind is WSMsgType.CONTINUATION:
            self._join(frame)
        elif kind is WSMsgType.CLOSE:
            self._why = f"closed by the peer ({int(frame.get_close_code().value)})"
            transport.disconnect()

    def _join(self, frame: WSFrame) -> None:
        self._parts.append(frame.get_payload_as_bytes())
        if frame.fin:
            whole = b"".join(self._parts)
            self._parts.clear()
            self._listener.on_text(whole)

    @override
    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._listener.on_closed(self._why)


class ThreadExecutor:
    """A small pool of worker threads for calls that block."""

    def __init__(self, workers: int = 4) -> None:
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="exchange")

    async def run[T](self, call: Callable[[], T]) -> T:
        """Run `call` in a worker and return what it returns; what it raises is raised here."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def close(self) -> None:
        """Stop taking calls; those not begun are dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class InlineExecutor:
    """Runs calls at once on the caller's thread: for the deterministic test bed."""

    async def run[T](self, call: Callable[[], T]) -> T:
        """Run `call` now."""
        return call()

    def close(self) -> None:
        """Have nothing to let go of."""
