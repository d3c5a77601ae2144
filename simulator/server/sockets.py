"""The socket shell: HTTP and WebSocket on one loopback port, by aiohttp; every decision is the protocol's.

Outgoing WebSocket frames are written by hand, straight to the transport: a frame is encoded once for all its
receivers, and a client that does not read cannot hold up the others.
"""

import asyncio
import contextlib
import socket
import struct
import time
from itertools import count
from typing import Any

from aiohttp import WSMsgType, web

from simulator.server.protocol import Server
from simulator.server.wire import Abort, Action, Close, HttpReply, HttpRequest, Ping, Reply, ResetRequest, Send

HOST = "127.0.0.1"
_TEXT, _CLOSE, _PING = 0x81, 0x88, 0x89
_LONGEST_BACKLOG = 64 * 1024 * 1024
_CLOSE_SECONDS = 1.0
_LEAST_SECONDS = 0.001
_LARGEST_MESSAGE = 1024 * 1024
_RESET_NOW = struct.pack("ii", 1, 0)


def wall_clock_ms() -> int:
    """Return wall time, ms UTC: the one clock of the simulator."""
    return time.time_ns() // 1_000_000


class Shell:
    """Sockets around a protocol server. Everything runs on the loop that called `start`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._ids = count(1)
        self._requests: dict[int, tuple[asyncio.Future[HttpReply | None], asyncio.Transport | None]] = {}
        self._transports: dict[int, asyncio.Transport] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._runner: web.ServerRunner | None = None
        self._last_ms = 0
        self._failed: asyncio.Future[None] | None = None

    async def start(self, port: int) -> dict[str, str]:
        """Listen on 127.0.0.1 and return the addresses; `OSError` when the port is taken."""
        handler = web.Server(self._handle, access_log=None, lingering_time=0)
        self._runner = web.ServerRunner(handler, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, port, backlog=1_024)
        await site.start()
        self._failed = asyncio.get_running_loop().create_future()
        self._arm()
        return addresses(self._runner.addresses[0][1])

    async def run_until(self, stopped: asyncio.Event) -> None:
        """Serve until `stopped` is set; a market that broke down raises what broke it."""
        if self._failed is None:
            raise RuntimeError("the shell has not been started")
        waiting = asyncio.ensure_future(stopped.wait())
        either: list[asyncio.Future[Any]] = [waiting, self._failed]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._failed.done():
            self._failed.result()

    async def stop(self) -> None:
        """Cut all connections and stop listening."""
        if self._timer is not None:
            self._timer.cancel()
        for transport in list(self._transports.values()):
            transport.abort()
        for future, _ in list(self._requests.values()):
            if not future.done():
                future.set_result(None)
        if self._runner is not None:
            await self._runner.cleanup()

    def flush(self) -> None:
        """Do what the protocol asks for, and wake up again when it next has something to do."""
        frames: dict[int, list[bytes]] = {}
        last_text, last_frame = "", b""
        for action in self._server.take():
            if isinstance(action, Send):
                if action.text is not last_text:
                    last_text, last_frame = action.text, _frame(_TEXT, action.text.encode())
                frames.setdefault(action.connection_id, []).append(last_frame)
                continue
            self._write(frames)
            self._do(action)
        self._write(frames)
        self._arm()

    def _write(self, frames: dict[int, list[bytes]]) -> None:
        for connection_id, parts in frames.items():
            transport = self._transports.get(connection_id)
            if transport is None or transport.is_closing():
                continue
            transport.write(b"".join(parts))
            if transport.get_write_buffer_size() > _LONGEST_BACKLOG:
                transport.abort()
        frames.clear()

    def _do(self, action: Action) -> None:
        match action:
            case Reply(request_id, reply):
                self._resolve(request_id, reply)
            case ResetRequest(request_id, in_order):
                self._cut_request(request_id, in_order=in_order)
            case Ping(connection_id, payload):
                self._write({connection_id: [_frame(_PING, payload)]})
            case Close(connection_id, code, reason):
                self._write({connection_id: [_frame(_CLOSE, code.to_bytes(2) + reason.encode())]})
                self._close_later(connection_id)
            case Abort(connection_id):
                transport = self._transports.get(connection_id)
                if transport is not None:
                    _reset(transport)
            case Send():
                raise AssertionError("frames are written in flush")

    def _resolve(self, request_id: int, reply: HttpReply | None) -> None:
        future, _ = self._requests.get(request_id, (None, None))
        if future is not None and not future.done():
            future.set_result(reply)

    def _cut_request(self, request_id: int, *, in_order: bool) -> None:
        _, transport = self._requests.get(request_id, (None, None))
        if transport is not None and in_order:
            transport.close()
        elif transport is not None:
            _reset(transport)
        self._resolve(request_id, None)

    def _close_later(self, connection_id: int) -> None:
        transport = self._transports.get(connection_id)
        if transport is not None:
            asyncio.get_running_loop().call_later(_CLOSE_SECONDS, transport.close)

    def _now_ms(self) -> int:
        self._last_ms = max(self._last_ms, wall_clock_ms())
        return self._last_ms

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        seconds = (self._server.next_due_wall_ms() - self._now_ms()) / 1_000
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(_LEAST_SECONDS, seconds), self._wake)

    def _wake(self) -> None:
        try:
            self._server.advance(self._now_ms())
            self.flush()
        except Exception as error:  # noqa: BLE001 - the edge of the market's task: whoever runs the shell ends with it
            if self._failed is not None and not self._failed.done():
                self._failed.set_exception(error)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._handle_websocket(request)
        body = await request.read()
        path, _, query = request.raw_path.partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        reply = await self._reply_to(request, HttpRequest(request.method, path, query, headers, body))
        if reply is None:
            return _hung_up(request)
        return web.Response(status=reply.status, body=reply.body, headers=dict(reply.headers))

    async def _reply_to(self, request: web.BaseRequest, received: HttpRequest) -> HttpReply | None:
        request_id = next(self._ids)
        future: asyncio.Future[HttpReply | None] = asyncio.get_running_loop().create_future()
        self._requests[request_id] = (future, request.transport)
        try:
            self._server.http(request_id, received, self._now_ms())
            self.flush()
            return await future
        finally:
            self._requests.pop(request_id, None)

    async def _handle_websocket(self, request: web.BaseRequest) -> web.StreamResponse:
        connection_id = next(self._ids)
        refusal = self._server.ws_open(connection_id, request.raw_path, self._now_ms())
        if refusal is not None and refusal.status:
            return web.Response(status=refusal.status)
        if refusal is not None:
            if request.transport is not None:
                _reset(request.transport)
            return _hung_up(request)
        websocket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=_LARGEST_MESSAGE)
        try:
            await websocket.prepare(request)
            if request.transport is None:
                return websocket
            self._transports[connection_id] = request.transport
            self.flush()
            await self._listen(connection_id, websocket)
        finally:
            self._transports.pop(connection_id, None)
            self._server.ws_closed(connection_id, self._now_ms())
            self.flush()
        return websocket

    async def _listen(self, connection_id: int, websocket: web.WebSocketResponse) -> None:
        while True:
            message = await websocket.receive()
            match message.type:
                case WSMsgType.TEXT:
                    self._server.ws_text(connection_id, message.data, self._now_ms())
                    self.flush()
                case WSMsgType.PONG:
                    self._server.ws_pong(connection_id, self._now_ms())
                case WSMsgType.PING:
                    with contextlib.suppress(ConnectionError):
                        await websocket.pong(message.data)
                case WSMsgType.BINARY | WSMsgType.CONTINUATION:
                    continue
                case _:
                    return


def addresses(port: int) -> dict[str, str]:
    """Return where the simulator answers; this is its ready line."""
    return {
        "rest": f"http://{HOST}:{port}",
        "ws_api": f"ws://{HOST}:{port}/ws-fapi/v1",
        "streams": f"ws://{HOST}:{port}",
        "control": f"http://{HOST}:{port}/sim/v1",
    }


def _frame(kind: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return bytes((kind, length)) + payload
    if length < 65_536:
        return bytes((kind, 126)) + length.to_bytes(2) + payload
    return bytes((kind, 127)) + length.to_bytes(8) + payload


def _reset(transport: asyncio.Transport) -> None:
    connected = transport.get_extra_info("socket")
    if connected is not None:
        with contextlib.suppress(OSError):
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_NOW)
    transport.abort()


def _hung_up(request: web.BaseRequest) -> web.Response:
    """Give aiohttp something to return for a connection that is already gone."""
    request.protocol.force_close()
    return web.Response()
