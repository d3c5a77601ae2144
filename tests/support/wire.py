"""Plain doubles for the exchange adapter: a sink that keeps what it is told, and a network that answers by a script."""

import json
from urllib.parse import parse_qsl, urlsplit

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from bot.exchange.binance.account import Account
from bot.exchange.binance.budget import Budget
from bot.exchange.binance.rest import Rest
from bot.exchange.binance.settings import BinanceSettings
from bot.exchange.binance.signing import signer_for
from bot.runtime.transport import InlineExecutor

URLS = {"rest": "http://127.0.0.1:1", "ws_api": "ws://127.0.0.1:1/ws-fapi/v1", "streams": "ws://127.0.0.1:1"}


def settings(secret: str = "s3cr3t-canary", **changes) -> BinanceSettings:
    built = BinanceSettings.loopback(URLS, "k3y-canary", secret)
    return built if not changes else type(built)(**{name: getattr(built, name) for name in built.__slots__} | changes)


class RecordingSink:
    def __init__(self, market_ms: int = 1_760_000_000_000) -> None:
        self.now = market_ms
        self.events = []
        self.candles = []
        self.tickers = []
        self.marks = []
        self.streams = []

    def market_ms(self) -> int:
        return self.now

    def on_candle(self, candle, at_ms) -> None:
        self.candles.append(candle)

    def on_book_ticker(self, ticker) -> None:
        self.tickers.append(ticker)

    def on_mark_price(self, mark) -> None:
        self.marks.append(mark)

    def on_event(self, event) -> None:
        self.events.append(event)

    def on_stream_up(self, stream) -> None:
        self.streams.append(("up", stream))

    def on_stream_down(self, stream, why) -> None:
        self.streams.append(("down", stream))

    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


class RecordingSocket:
    """A socket that keeps what was sent, as decoded JSON; `gone` makes it refuse."""

    def __init__(self, listener=None) -> None:
        self.listener = listener
        self.sent = []
        self.gone = False
        self.closed = False

    def send(self, payload: bytes) -> None:
        if self.gone:
            raise ConnectionError("the connection is gone")
        self.sent.append(json.loads(payload))

    def close(self) -> None:
        self.closed = True


class Asked:
    """One HTTP request as the network saw it."""

    def __init__(self, request: PreparedRequest) -> None:
        parts = urlsplit(request.url)
        self.method = request.method
        self.path = parts.path
        self.query = parts.query
        self.params = dict(parse_qsl(parts.query))
        self.headers = request.headers


class ScriptedNetwork:
    """Answers each HTTP request by `answer(asked)`, which gives (status, body, headers) or raises.

    WebSockets: `connect_fails` attempts are refused first, then every socket is kept in `sockets`.
    """

    def __init__(self, answer=None, connect_fails: int = 0) -> None:
        self.answer = answer or (lambda asked: (404, {"code": -1099, "msg": "nothing here"}, {}))
        self.asked: list[Asked] = []
        self.sockets: list[RecordingSocket] = []
        self.urls: list[str] = []
        self._fails = connect_fails

    async def connect(self, url, listener):
        self.urls.append(url)
        if len(self.urls) <= self._fails:
            raise ConnectionError("refused")
        self.sockets.append(RecordingSocket(listener))
        return self.sockets[-1]

    def http_adapter(self) -> BaseAdapter:
        return _ScriptedAdapter(self)


class _ScriptedAdapter(BaseAdapter):
    def __init__(self, network: ScriptedNetwork) -> None:
        super().__init__()
        self._network = network

    def send(self, request, *args, **options):
        asked = Asked(request)
        self._network.asked.append(asked)
        status, body, headers = self._network.answer(asked)
        response = Response()
        response.status_code = status
        response.headers = CaseInsensitiveDict({"Content-Type": "application/json"} | headers)
        response._content = body if isinstance(body, bytes) else json.dumps(body).encode()
        response.url = request.url
        response.request = request
        response.encoding = "utf-8"
        return response

    def close(self) -> None:
        pass


def a_rest(network, clock, **changes) -> Rest:
    given = settings(**changes)
    return Rest(given, signer_for(given), clock, network, InlineExecutor(), Budget(clock))


def an_account(network, clock) -> Account:
    return Account(a_rest(network, clock), 5_000)


def an_order_answer(client_order_id="a0001e-1", order_id=7, status="NEW", executed="0", **changes) -> dict:
    return {
        "orderId": order_id,
        "symbol": "BTCUSDT",
        "status": status,
        "clientOrderId": client_order_id,
        "price": "100.10",
        "origQty": "0.010",
        "executedQty": executed,
        "timeInForce": "GTC",
        "type": "LIMIT",
        "reduceOnly": False,
        "closePosition": False,
        "side": "BUY",
        "positionSide": "BOTH",
        "updateTime": 1_760_000_000_001,
    } | changes


def a_trade_row(trade_id=1, order_id=7, **changes) -> dict:
    return {
        "symbol": "BTCUSDT",
        "id": trade_id,
        "orderId": order_id,
        "side": "BUY",
        "price": "100.10",
        "qty": "0.010",
        "commission": "0.00050050",
        "commissionAsset": "USDT",
        "realizedPnl": "0",
        "maker": False,
        "buyer": True,
        "quoteQty": "1.001",
        "time": 1_760_000_000_002,
        "positionSide": "BOTH",
    } | changes


def an_algo_row(client_algo_id="a0001s-1", algo_id=20, status="NEW", **changes) -> dict:
    return {
        "algoId": algo_id,
        "clientAlgoId": client_algo_id,
        "algoType": "CONDITIONAL",
        "orderType": "STOP_MARKET",
        "symbol": "BTCUSDT",
        "side": "SELL",
        "positionSide": "BOTH",
        "timeInForce": "GTC",
        "quantity": "0.000",
        "algoStatus": status,
        "triggerPrice": "99.00",
        "price": "0.00",
        "workingType": "CONTRACT_PRICE",
        "closePosition": True,
        "priceProtect": False,
        "reduceOnly": False,
        "activatePrice": "",
        "callbackRate": "",
        "createTime": 1_760_000_000_001,
        "updateTime": 1_760_000_000_001,
        "actualOrderId": "",
    } | changes
