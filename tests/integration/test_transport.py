"""The real transport on real sockets: whole messages, ends of connections, and errors that keep secrets."""

import asyncio
import threading

import picows
import pytest

from bot.runtime.transport import InlineExecutor, PicowsTransport, ThreadExecutor

SECRET = "k" * 64


class Listener:
    def __init__(self) -> None:
        self.heard = []
        self.ends = []

    def on_text(self, payload) -> None:
        self.heard.append(payload)

    def on_closed(self, why) -> None:
        self.ends.append(why)


class Peer(picows.WSListener):
    """Answers each text by what it says."""

    def on_ws_frame(self, transport, frame):
        if frame.msg_type != picows.WSMsgType.TEXT:
            return
        text = frame.get_payload_as_bytes()
        match text:
            case b"fragments":
                transport.send(picows.WSMsgType.TEXT, b"in ", fin=False)
                transport.send(picows.WSMsgType.CONTINUATION, b"three ", fin=False)
                transport.send(picows.WSMsgType.CONTINUATION, b"parts")
            case b"close":
                transport.send_close(picows.WSCloseCode.GOING_AWAY)
                transport.disconnect()
            case b"reset":
                transport.underlying_transport.abort()
            case _:
                transport.send(picows.WSMsgType.TEXT, text)


@pytest.fixture
async def url():
    server = await picows.ws_create_server(lambda _: Peer(), "127.0.0.1", 0)
    yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/private/ws?listenKey={SECRET}"
    server.close()
    await server.wait_closed()


async def until(condition) -> None:
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came")


async def test_a_message_in_parts_arrives_whole(url):
    listener = Listener()
    socket = await PicowsTransport().connect(url, listener)
    socket.send(b"fragments")
    socket.send(b"plain")
    await until(lambda: len(listener.heard) == 2)
    assert listener.heard == [b"in three parts", b"plain"]
    socket.close()
    await until(lambda: listener.ends)


@pytest.mark.parametrize(("ask", "why"), [(b"close", "closed by the peer (1001)"), (b"reset", "connection lost")])
async def test_the_end_of_a_connection_is_told_once_with_its_cause(url, ask, why):
    listener = Listener()
    socket = await PicowsTransport().connect(url, listener)
    socket.send(ask)
    await until(lambda: listener.ends)
    await asyncio.sleep(0.02)
    assert listener.ends == [why]
    with pytest.raises(ConnectionError):
        socket.send(b"anybody?")
    socket.close()


async def test_a_refused_connection_says_where_but_not_the_listen_key():
    with pytest.raises(ConnectionError) as error:
        await PicowsTransport().connect(f"ws://127.0.0.1:9/private/ws?listenKey={SECRET}", Listener())
    assert "127.0.0.1:9" in str(error.value)
    assert SECRET not in str(error.value)
    assert error.value.__suppress_context__


async def test_a_server_that_refuses_the_handshake_is_a_connection_error():
    async def refuse(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(ConnectionError, match="handshake"):
        await PicowsTransport().connect(f"ws://127.0.0.1:{port}/x?listenKey={SECRET}", Listener())
    server.close()
    await server.wait_closed()


async def test_the_thread_executor_runs_elsewhere_and_hands_back_errors():
    executor = ThreadExecutor(1)
    assert await executor.run(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await executor.run(lambda: 1 // 0)
    executor.close()


async def test_the_inline_executor_runs_here():
    executor = InlineExecutor()
    assert await executor.run(threading.get_ident) == threading.get_ident()
    executor.close()
