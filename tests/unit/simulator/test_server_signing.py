"""Who may ask: keys, time windows, HMAC and Ed25519 signatures over what was really sent."""

import base64

import pytest
from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

from simulator.server.options import Options
from simulator.server.signing import Credentials, check_message, check_request
from simulator.server.virtual import NOON_MS, VirtualSimulator
from simulator.venue.errors import VenueError

SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
NOW_MS = 1_499_827_320_000


def code_of(pending):
    return pending.json()["code"]


def test_documented_hmac_example_is_accepted_over_query_followed_by_body():
    query = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC"
    body = (
        "quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
        "&signature=0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77"
    )
    params = {
        "timestamp": "1499827319559",
        "recvWindow": "5000",
        "signature": "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77",
    }

    check_request(Credentials("key", SECRET), query, body, params, NOW_MS)


def test_signature_is_case_insensitive_and_may_stand_in_the_query():
    simulator = VirtualSimulator()
    query = f"timestamp={NOON_MS}"

    pending = simulator.request(
        "GET",
        "/fapi/v3/balance",
        f"{query}&signature={simulator.sign(query).upper()}",
        headers={"x-mbx-apikey": "demo-key"},
    )

    assert pending.answered.status == 200


def test_parameters_may_come_in_a_form_body_and_the_query_wins_a_duplicate():
    simulator = VirtualSimulator()
    query, body = "leverage=7", f"symbol=BTCUSDT&leverage=3&timestamp={NOON_MS}"

    pending = simulator.request(
        "POST",
        "/fapi/v1/leverage",
        query,
        f"{body}&signature={simulator.sign(query + body)}".encode(),
        {"x-mbx-apikey": "demo-key"},
    )

    assert pending.json()["leverage"] == 7


def test_changed_parameter_makes_the_signature_invalid():
    simulator = VirtualSimulator()
    query = f"symbol=BTCUSDT&leverage=3&timestamp={NOON_MS}"
    forged = query.replace("leverage=3", "leverage=9") + f"&signature={simulator.sign(query)}"

    pending = simulator.request("POST", "/fapi/v1/leverage", forged, headers={"x-mbx-apikey": "demo-key"})

    assert (pending.answered.status, code_of(pending)) == (400, -1022)


@pytest.mark.parametrize(("key", "code"), [("", -2014), ("another", -2015)])
def test_missing_and_wrong_keys_are_refused_with_401(key, code):
    pending = VirtualSimulator().request("POST", "/fapi/v1/listenKey", headers={"x-mbx-apikey": key})

    assert (pending.answered.status, code_of(pending)) == (401, code)


@pytest.mark.parametrize(
    ("timestamp", "message"),
    [
        (NOON_MS - 5_001, "Timestamp for this request is outside of the recvWindow."),
        (NOON_MS + 1_000, "Timestamp for this request was 1000ms ahead of the server's time."),
    ],
)
def test_timestamps_out_of_the_window_are_refused(timestamp, message):
    simulator = VirtualSimulator()
    query = f"timestamp={timestamp}"

    pending = simulator.request(
        "GET", "/fapi/v3/balance", f"{query}&signature={simulator.sign(query)}", headers={"x-mbx-apikey": "demo-key"}
    )

    assert pending.json() == {"code": -1021, "msg": message}


@pytest.mark.parametrize("timestamp", [NOON_MS - 5_000, NOON_MS + 999])
def test_timestamps_at_the_edge_of_the_window_pass(timestamp):
    simulator = VirtualSimulator()
    query = f"timestamp={timestamp}"

    pending = simulator.request(
        "GET", "/fapi/v3/balance", f"{query}&signature={simulator.sign(query)}", headers={"x-mbx-apikey": "demo-key"}
    )

    assert pending.answered.status == 200


def test_shifted_exchange_clock_refuses_the_same_request():
    simulator = VirtualSimulator()
    simulator.request("POST", "/sim/v1/clock", body=b'{"offset_ms": 10000}')

    assert code_of(simulator.call("GET", "/fapi/v3/balance")) == -1021


@pytest.mark.parametrize("name", ["timestamp", "signature"])
def test_unsigned_requests_name_what_is_missing(name):
    simulator = VirtualSimulator()
    query = "" if name == "timestamp" else f"timestamp={NOON_MS}"

    pending = simulator.request("GET", "/fapi/v3/balance", query, headers={"x-mbx-apikey": "demo-key"})

    assert pending.json()["code"] == -1102
    assert name in pending.json()["msg"]


def test_ed25519_signature_is_verified_over_the_raw_query():
    key = ECC.generate(curve="Ed25519")
    simulator = VirtualSimulator(Options(api_secret=key.public_key().export_key(format="PEM")))
    query = f"timestamp={NOON_MS}"
    signature = base64.b64encode(eddsa.new(key, "rfc8032").sign(query.encode())).decode()
    encoded = signature.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    headers = {"x-mbx-apikey": "demo-key"}

    good = simulator.request("GET", "/fapi/v3/balance", f"{query}&signature={encoded}", headers=headers)
    bad = simulator.request("GET", "/fapi/v3/balance", f"{query}&signature=AAAA", headers=headers)

    assert good.answered.status == 200
    assert code_of(bad) == -1022


def test_key_of_another_kind_is_refused_at_the_start():
    key = ECC.generate(curve="P-256")

    with pytest.raises(ValueError, match="Ed25519"):
        Credentials("key", key.export_key(format="PEM"))


def test_websocket_params_are_signed_sorted_by_name_whatever_their_order():
    simulator = VirtualSimulator()
    params = {"timestamp": str(NOON_MS), "symbol": "BTCUSDT", "apiKey": "demo-key"}
    params["signature"] = simulator.sign(f"apiKey=demo-key&symbol=BTCUSDT&timestamp={NOON_MS}")

    check_message(Credentials("demo-key", "demo-secret"), params, NOON_MS)
    with pytest.raises(VenueError, match="-1022"):
        check_message(Credentials("demo-key", "demo-secret"), {**params, "symbol": "ETHUSDT"}, NOON_MS)
