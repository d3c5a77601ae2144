"""REST through the SDK: our time and signature, exact numbers, and failures told apart by their body."""

import hashlib
import hmac
import logging
from decimal import Decimal

import pytest
from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa
from requests import ConnectionError as RequestsConnectionError
from requests import ConnectTimeout, ReadTimeout

from bot.domain.errors import ConfigurationError, RetryLater, StopTrading
from bot.domain.order import OrderRequest, OrderType, Side, StopRequest, TimeInForce
from bot.exchange.binance.account_answers import read_algo, read_order
from bot.exchange.binance.budget import Budget
from bot.exchange.binance.encode import Signing, order_arguments, order_params, stop_arguments
from bot.exchange.binance.errors import ApiFailure, Verdict, judge, scrub
from bot.exchange.binance.prices import Prices
from bot.exchange.binance.signing import HmacSigner, restamp, signer_for
from support.clocks import TestClock
from support.wire import ScriptedNetwork, a_rest, an_algo_row, an_order_answer, settings


def an_order(quantity="0.00001000", price="60000.10", **changes) -> OrderRequest:
    fields = {
        "symbol": "BTCUSDT", "client_order_id": "a0001e00000000000000000000-1", "side": Side.BUY,
        "type": OrderType.LIMIT, "quantity": Decimal(quantity), "price": Decimal(price),
        "time_in_force": TimeInForce.GTC, "reduce_only": False,
    }  # fmt: skip
    return OrderRequest(**fields | changes)


async def place(rest, request=None):
    arguments = order_arguments(request or an_order(), 5_000)
    return await rest.act(lambda api: api.new_order(**arguments), read_order)


def answering(status, body, headers=None):
    return ScriptedNetwork(lambda asked: (status, body, headers or {}))


async def test_the_measured_clock_offset_enters_the_sdks_signatures():
    network = answering(200, an_order_answer())
    rest = a_rest(network, TestClock(1_000))
    rest.server_clock.note(1_000_000, 1_007_500, 1_000_000)
    await place(rest)
    asked = network.asked[0]
    assert asked.params["timestamp"] == "1007500"
    payload, _, signature = asked.query.partition("&signature=")
    assert signature == hmac.new(b"s3cr3t-canary", payload.encode(), hashlib.sha256).hexdigest()


async def test_an_ed25519_key_signs_what_is_sent():
    key = ECC.generate(curve="Ed25519")
    network = answering(200, an_order_answer())
    await place(a_rest(network, TestClock(), secret=key.export_key(format="PEM")))
    asked = network.asked[0]
    payload, _, _ = asked.query.partition("&signature=")
    from base64 import b64decode

    eddsa.new(key.public_key(), "rfc8032").verify(payload.encode(), b64decode(asked.params["signature"]))


async def test_numbers_go_out_in_plain_notation():
    network = answering(200, an_order_answer())
    await place(a_rest(network, TestClock()), an_order(quantity="1E-8", price="1E+5"))
    assert network.asked[0].params["quantity"] == "0.00000001"
    assert network.asked[0].params["price"] == "100000"


async def test_a_stop_closes_the_whole_position_at_the_last_price():
    network = answering(200, an_algo_row())
    rest = a_rest(network, TestClock())
    arguments = stop_arguments(StopRequest("BTCUSDT", "a0001s-1", Side.SELL, Decimal("99.00")), 5_000)
    await rest.act(lambda api: api.new_algo_order(**arguments), read_algo)
    asked = network.asked[0]
    assert (asked.method, asked.path) == ("POST", "/fapi/v1/algoOrder")
    expected = {
        "type": "STOP_MARKET",
        "closePosition": "true",
        "workingType": "CONTRACT_PRICE",
        "triggerPrice": "99.00",
    }
    assert expected.items() <= asked.params.items()
    assert "quantity" not in asked.params
    assert "reduceOnly" not in asked.params


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (503, {"code": -1000, "msg": "Unknown error, please check your request or try again later."}, Verdict.UNKNOWN),
        (503, {"msg": "Unknown error, please check your request or try again later."}, Verdict.UNKNOWN),
        (503, {"code": -1007, "msg": "Timeout waiting for response from backend server."}, Verdict.UNKNOWN),
        (503, b"<html>503</html>", Verdict.UNKNOWN),
        (502, b"", Verdict.UNKNOWN),
        (408, {"msg": "timeout"}, Verdict.UNKNOWN),
        (403, b"<html>blocked</html>", Verdict.UNKNOWN),
        (400, {"code": -4116, "msg": "ClientOrderId is duplicated."}, Verdict.UNKNOWN),
        (503, {"msg": "Service Unavailable."}, Verdict.LATER),
        (
            503,
            {"code": -1001, "msg": "Internal error; unable to process your request. Please try again."},
            Verdict.LATER,
        ),
        (503, {"code": -1008, "msg": "Request throttled by system-level protection."}, Verdict.LATER),
        (429, {"code": -1003, "msg": "Too many requests"}, Verdict.LATER),
        (400, {"code": -1015, "msg": "Too many new orders"}, Verdict.LATER),
        (400, {"code": -2019, "msg": "Margin is insufficient."}, Verdict.REFUSED),
        (400, {"code": -2011, "msg": "Unknown order sent."}, Verdict.REFUSED),
        (400, {"code": -5022, "msg": "Post Only order will be rejected."}, Verdict.REFUSED),
        (401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}, Verdict.CONFIGURATION),
        (400, {"code": -1022, "msg": "Signature for this request is not valid."}, Verdict.CONFIGURATION),
    ],
)
async def test_a_failed_order_is_judged_by_the_body_the_sdk_throws_away(status, body, verdict):
    with pytest.raises(ApiFailure) as failure:
        await place(a_rest(answering(status, body), TestClock()))
    assert failure.value.verdict is verdict


@pytest.mark.parametrize(
    ("error", "verdict"), [(ReadTimeout("slow"), Verdict.UNKNOWN), (ConnectTimeout("no"), Verdict.LATER)]
)
async def test_no_answer_is_unknown_unless_the_connection_never_opened(error, verdict):
    def answer(asked):
        raise error

    with pytest.raises(ApiFailure) as failure:
        await place(a_rest(ScriptedNetwork(answer), TestClock()))
    assert failure.value.verdict is verdict


async def test_a_post_is_never_sent_twice_by_itself():
    network = answering(503, {"code": -1007, "msg": "Timeout"})
    with pytest.raises(ApiFailure):
        await place(a_rest(network, TestClock()))
    assert len(network.asked) == 1


async def test_a_read_is_tried_again_when_the_exchange_stumbles():
    answers = [(502, b"<html>", {}), (503, {"msg": "Service Unavailable."}, {}), (200, [], {})]
    network = ScriptedNetwork(lambda asked: answers.pop(0))
    assert await a_rest(network, TestClock()).read(lambda api: api.current_all_open_orders(), bytes) == b"[]"
    assert len(network.asked) == 3


@pytest.mark.parametrize("body", [b"", b"<html>ok</html>", {"surprise": 1}, an_order_answer(price="NaN")])
async def test_an_answer_that_cannot_be_read_leaves_the_outcome_open(body):
    with pytest.raises(ApiFailure) as failure:
        await place(a_rest(answering(200, body), TestClock()))
    assert failure.value.verdict is Verdict.UNKNOWN


async def test_a_read_that_is_refused_is_not_tried_again():
    network = answering(400, {"code": -1121, "msg": "Invalid symbol."})
    with pytest.raises(ApiFailure):
        await a_rest(network, TestClock()).read(lambda api: api.current_all_open_orders(), bytes)
    assert len(network.asked) == 1


async def test_a_request_outside_the_time_window_is_measured_and_sent_again():
    def answer(asked):
        if asked.path == "/fapi/v1/time":
            return 200, {"serverTime": 1_009_000}, {}
        if asked.params["timestamp"] == "1000000":
            return 400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}, {}
        return 200, an_order_answer(), {}

    rest = a_rest(ScriptedNetwork(answer), TestClock(1_000))
    assert (await place(rest)).order_id == 7
    assert rest.server_clock.offset_ms == 9_000


async def test_nothing_is_sent_while_banned():
    clock = TestClock()
    network = answering(429, {"code": -1003, "msg": "Too many requests"}, {"Retry-After": "30"})
    rest = a_rest(network, clock)
    with pytest.raises(ApiFailure):
        await rest.read(lambda api: api.current_all_open_orders(), bytes)
    with pytest.raises(ApiFailure) as failure:
        await rest.read(lambda api: api.current_all_open_orders(), bytes)
    assert len(network.asked) == 1
    assert not failure.value.sent
    assert failure.value.retry_after_seconds == 30


async def test_an_urgent_call_waits_for_the_end_of_a_ban():
    clock = TestClock(1_000)
    answers = [(429, {"code": -1003, "msg": "Too many requests"}, {"Retry-After": "30"}), (200, an_order_answer(), {})]
    rest = a_rest(ScriptedNetwork(lambda asked: answers.pop(0)), clock)
    with pytest.raises(ApiFailure):
        await place(rest)
    await place(rest)
    assert clock.monotonic() >= 1_030


async def test_secrets_stay_out_of_failures_and_logs(caplog):
    caplog.set_level(logging.DEBUG)

    def answer(asked):
        raise ReadTimeout(f"{asked.query} timed out")

    with pytest.raises(ApiFailure) as failure:
        await place(a_rest(ScriptedNetwork(answer), TestClock()))
    told = f"{failure.value!r} {failure.value.__cause__} {caplog.text} {settings()!r}"
    assert "signature=" not in told
    assert "s3cr3t-canary" not in told
    assert "k3y-canary" not in told


def test_signatures_listen_keys_and_api_keys_are_scrubbed():
    text = f"GET /x?signature=abc123&b=1 /ws?listenKey={'q' * 64}&events=A wss://h/private/ws/{'Z' * 64} apiKey=k"
    scrubbed = scrub(text)
    assert "abc123" not in scrubbed
    assert "q" * 10 not in scrubbed
    assert "Z" * 10 not in scrubbed
    assert "apiKey=***" in scrubbed


def test_an_unsigned_url_is_left_alone():
    url = "http://127.0.0.1:1/fapi/v1/time"
    assert restamp(url, 5, HmacSigner("x")) == url


def test_a_websocket_request_signs_its_sorted_parameters():
    signing = Signing("key", HmacSigner("secret"), 5_000)
    import json

    message = json.loads(signing.message("r1", "order.place", order_params(an_order()), 77, logged_on=False))
    params = message["params"]
    signature = params.pop("signature")
    payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
    assert signature == hmac.new(b"secret", payload.encode(), hashlib.sha256).hexdigest()
    assert params["quantity"] == "0.00001000"
    assert params["timestamp"] == 77


def test_a_market_order_has_neither_price_nor_time_in_force():
    params = order_params(an_order(type=OrderType.MARKET, reduce_only=True))
    assert "price" not in params
    assert "timeInForce" not in params
    assert params["reduceOnly"] == "true"


def reaching(network):
    clock = TestClock()
    return Prices(a_rest(network, clock), Budget(clock), "https://fapi.example.com").reach()


@pytest.mark.parametrize("failure", [ConnectTimeout(), ReadTimeout(), RequestsConnectionError()])
async def test_where_nobody_answers_the_start_fails_but_may_be_tried_again(failure):
    def silence(_):
        raise failure

    with pytest.raises(StopTrading, match=r"https://fapi\.example\.com.*rest URL in \[endpoints\]"):
        await reaching(ScriptedNetwork(silence))


@pytest.mark.parametrize(("status", "body"), [(404, b"<html>"), (200, b"<html>"), (200, {"time": "noon"})])
async def test_where_somebody_else_answers_a_person_must_correct_the_url(status, body):
    with pytest.raises(ConfigurationError, match="rest URL"):
        await reaching(answering(status, body))


@pytest.mark.parametrize("status", [429, 503, 500])
async def test_a_busy_exchange_is_waited_for(status):
    with pytest.raises(RetryLater):
        await reaching(answering(status, {}))


@pytest.mark.parametrize(
    "url", ["http://fapi.example.com", "ftp://127.0.0.1", "127.0.0.1:80", "", "http://[::1", "http://127.0.0.1:99999"]
)
def test_plain_text_to_anywhere_but_loopback_is_refused(url):
    with pytest.raises(ConfigurationError):
        settings(rest_url=url)


def test_a_key_that_is_no_ed25519_key_is_a_configuration_error():
    rsa_like = "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----"
    with pytest.raises(ConfigurationError, match="Ed25519"):
        signer_for(settings(secret=rsa_like))


def test_what_was_never_sent_can_be_sent_later():
    assert judge(0, 0, "", sent=False) is Verdict.LATER


async def test_a_stop_does_not_wait_for_request_weight_which_it_has_none_of():
    network = answering(200, an_algo_row(), {"X-MBX-USED-WEIGHT-1M": "2399"})
    clock = TestClock(1_000)
    rest = a_rest(network, clock)
    arguments = stop_arguments(StopRequest("BTCUSDT", "a0001s-1", Side.SELL, Decimal(90)), 5_000)
    for _ in range(2):
        await rest.place(lambda api: api.new_algo_order(**arguments), read_algo)
    assert len(network.asked) == 2
    assert clock.seconds == 1_000


async def test_the_clock_is_not_measured_while_banned():
    network = answering(418, {"code": -1003, "msg": "Way too many requests."}, {"Retry-After": "60"})
    rest = a_rest(network, TestClock(1_000))
    for _ in range(2):
        with pytest.raises(ApiFailure):
            await rest.measure_time()
    assert len(network.asked) == 1
