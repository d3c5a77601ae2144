"""ccxt (`binanceusdm`) trades on the simulator unmodified but for its URLs."""

import ccxt
import pytest

from simulator.server.background import RunningSimulator
from simulator.server.options import Options

SYMBOL = "BTC/USDT:USDT"


@pytest.fixture(scope="module")
def exchange():
    with RunningSimulator(Options(symbols=("BTCUSDT", "ETHUSDT"), speed=60)) as simulator:
        client = ccxt.binanceusdm(
            {"apiKey": simulator.options.api_key, "secret": simulator.options.api_secret, "enableRateLimit": False}
        )
        client.has["fetchCurrencies"] = False
        for name in [name for name in client.urls["api"] if name.startswith("fapi")]:
            version = name[-2:].lower() if name[-2:] in {"V2", "V3"} else "v1"
            client.urls["api"][name] = f"{simulator.urls['rest']}/fapi/{version}"
        client.load_markets()
        yield client


def test_markets_and_prices(exchange):
    assert set(exchange.markets) == {SYMBOL, "ETH/USDT:USDT"}
    assert len(exchange.fetch_ohlcv(SYMBOL, "5m", limit=10)) == 10
    assert exchange.fetch_order_book(SYMBOL, 5)["bids"]
    assert exchange.fetch_bids_asks([SYMBOL])[SYMBOL]["bid"] > 0
    assert exchange.fetch_funding_rate(SYMBOL)["markPrice"] > 0
    assert exchange.fetch_trades(SYMBOL)


def test_balance_order_cancel_and_fill(exchange):
    assert exchange.fetch_balance()["USDT"]["total"] > 0
    resting = exchange.create_order(SYMBOL, "limit", "buy", 0.01, 100_000)
    assert exchange.fetch_order(resting["id"], SYMBOL)["status"] == "open"
    assert [order["id"] for order in exchange.fetch_open_orders(SYMBOL)] == [resting["id"]]
    assert exchange.cancel_order(resting["id"], SYMBOL)["status"] == "canceled"

    bought = exchange.create_order(SYMBOL, "market", "buy", 0.01)

    assert bought["filled"] == 0.01
    assert exchange.fetch_positions([SYMBOL])[0]["contracts"] == 0.01
    assert exchange.fetch_my_trades(SYMBOL)[0]["fee"]["currency"] == "USDT"
    assert len(exchange.fetch_orders(SYMBOL)) == 2
    assert exchange.fetch_ledger()


def test_stops_go_to_the_algo_endpoints(exchange):
    stop = exchange.create_order(SYMBOL, "STOP_MARKET", "sell", 0.01, None, {"stopPrice": 50_000})

    listed = exchange.fetch_open_orders(SYMBOL, params={"trigger": True})
    exchange.cancel_order(stop["id"], SYMBOL, params={"trigger": True})

    assert [order["id"] for order in listed] == [stop["id"]]
    assert exchange.fetch_open_orders(SYMBOL, params={"trigger": True}) == []


def test_settings(exchange):
    exchange.set_leverage(5, "ETH/USDT:USDT")

    assert exchange.fetch_leverages()["ETH/USDT:USDT"]["longLeverage"] == 5
    assert exchange.fetch_position_mode(SYMBOL)["hedged"] is False
    assert exchange.fetch_trading_fee(SYMBOL)["taker"] == 0.0005
    assert exchange.fetch_leverage_tiers()[SYMBOL]


def test_refusals_are_understood(exchange):
    ask = exchange.fetch_bids_asks([SYMBOL])[SYMBOL]["ask"]
    with pytest.raises(ccxt.InvalidOrder):
        exchange.create_order(SYMBOL, "limit", "buy", 0.01, ask * 1.01, {"postOnly": True})
    with pytest.raises(ccxt.OrderNotFound):
        exchange.fetch_order("1", SYMBOL)
