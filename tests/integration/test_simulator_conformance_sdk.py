"""The official SDK trades on the simulator unmodified but for its URLs: REST, WebSocket API, streams, user data."""

import asyncio
import logging

import pytest
from binance_common.errors import BadRequestError, UnauthorizedError
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
    DerivativesTradingUsdsFutures,
)
from binance_sdk_derivatives_trading_usds_futures.websocket_streams import models

from simulator.server.background import RunningSimulator
from simulator.server.options import Options
from simulator.server.virtual import VirtualSimulator

pytestmark = [
    pytest.mark.filterwarnings("ignore:parameter 'timeout' of type 'float':DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def simulator():
    with RunningSimulator(Options(symbols=("BTCUSDT", "ETHUSDT", "SOLUSDT"), speed=60)) as running:
        yield running


@pytest.fixture(autouse=True)
def quiet_sdk():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def a_client(simulator, secret=None):
    keys = {"api_key": simulator.options.api_key, "api_secret": secret or simulator.options.api_secret}
    return DerivativesTradingUsdsFutures(
        config_rest_api=ConfigurationRestAPI(**keys, base_path=simulator.urls["rest"], retries=0, timeout=5_000),
        config_ws_api=ConfigurationWebSocketAPI(**keys, stream_url=simulator.urls["ws_api"]),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=simulator.urls["streams"], reconnect_delay=0),
    )


def data(reply):
    """The typed answer; a raw dict would mean that the SDK could not read ours."""
    found = reply.data()
    assert not isinstance(found, dict), found
    return found


def test_market_data_is_typed(simulator):
    rest = a_client(simulator).rest_api

    assert data(rest.check_server_time()).server_time > 0
    assert [symbol.symbol for symbol in data(rest.exchange_information()).symbols] == list(simulator.options.symbols)
    assert len(data(rest.kline_candlestick_data("BTCUSDT", "1m", limit=1_500))) == 1_500
    assert data(rest.order_book("BTCUSDT", limit=5)).last_update_id > 0
    assert data(rest.mark_price("BTCUSDT")).actual_instance.symbol == "BTCUSDT"
    assert data(rest.get_funding_rate_history("BTCUSDT"))[0].funding_rate
    assert data(rest.symbol_order_book_ticker("BTCUSDT")).actual_instance.bid_price
    assert data(rest.symbol_price_ticker_v2("BTCUSDT")).actual_instance.price
    assert data(rest.compressed_aggregate_trades_list("BTCUSDT"))


def test_an_order_lives_and_dies(simulator):
    rest = a_client(simulator).rest_api
    order = data(
        rest.new_order(
            "BTCUSDT", "BUY", "LIMIT", quantity="0.010", price="100000.0", time_in_force="GTC",
            new_client_order_id="sdk-1",
        )
    )  # fmt: skip

    assert data(rest.query_order("BTCUSDT", orig_client_order_id="sdk-1")).order_id == order.order_id
    assert [row.order_id for row in data(rest.current_all_open_orders("BTCUSDT"))] == [order.order_id]
    assert data(rest.cancel_order("BTCUSDT", order_id=order.order_id)).status == "CANCELED"
    assert data(rest.cancel_all_open_orders("BTCUSDT")).code == 200
    with pytest.raises(BadRequestError) as refused:
        rest.cancel_order("BTCUSDT", order_id=order.order_id)
    assert refused.value.status_code == -2011


def test_a_fill_is_seen_from_every_side(simulator):
    rest = a_client(simulator).rest_api
    data(rest.change_initial_leverage("ETHUSDT", 3))
    order = data(rest.new_order("ETHUSDT", "BUY", "MARKET", quantity="0.500", new_order_resp_type="RESULT"))
    data(rest.new_order("ETHUSDT", "SELL", "MARKET", quantity="0.100", reduce_only="true"))

    assert order.status == "FILLED"
    assert {row.symbol for row in data(rest.position_information_v3("ETHUSDT"))} == {"ETHUSDT"}
    assert data(rest.account_trade_list("ETHUSDT"))[0].order_id == order.order_id
    assert order.order_id in {row.order_id for row in data(rest.all_orders("ETHUSDT"))}
    assert data(rest.get_income_history(symbol="ETHUSDT"))
    assert float(data(rest.account_information_v3()).total_wallet_balance) > 0
    assert data(rest.futures_account_balance_v3())[0].asset == "USDT"


def test_a_stop_is_placed_found_and_canceled(simulator):
    rest = a_client(simulator).rest_api
    stop = data(
        rest.new_algo_order(
            algo_type="CONDITIONAL", symbol="BTCUSDT", side="SELL", type="STOP_MARKET", trigger_price="50000.0",
            close_position="true",
        )
    )  # fmt: skip

    assert data(rest.query_algo_order(algo_id=stop.algo_id)).algo_status == "NEW"
    assert [row.algo_id for row in data(rest.current_all_algo_open_orders(symbol="BTCUSDT"))] == [stop.algo_id]
    assert data(rest.cancel_algo_order(algo_id=stop.algo_id)).code == "200"
    assert data(rest.query_all_algo_orders("BTCUSDT"))[-1].algo_status == "CANCELED"


def test_settings_and_tables(simulator):
    rest = a_client(simulator).rest_api

    assert data(rest.change_margin_type("SOLUSDT", "ISOLATED")).msg == "success"
    assert data(rest.symbol_configuration(symbol="SOLUSDT"))[0].margin_type == "ISOLATED"
    assert data(rest.futures_account_configuration()).dual_side_position is False
    assert data(rest.get_current_position_mode()).dual_side_position is False
    assert data(rest.get_current_multi_assets_mode()).multi_assets_margin is False
    assert data(rest.user_commission_rate("BTCUSDT")).taker_commission_rate == "0.000500"
    assert data(rest.notional_and_leverage_brackets("BTCUSDT")).actual_instance[0].brackets
    assert data(rest.auto_cancel_all_open_orders("BTCUSDT", 0)).symbol == "BTCUSDT"
    assert data(rest.query_user_rate_limit())


def test_a_wrong_secret_is_an_invalid_signature_and_a_wrong_key_is_unauthorized(simulator):
    with pytest.raises(BadRequestError) as signature:
        a_client(simulator, secret="another").rest_api.futures_account_balance_v3()
    keys = ConfigurationRestAPI(api_key="nobody", api_secret="x", base_path=simulator.urls["rest"], retries=0)
    with pytest.raises(UnauthorizedError):
        DerivativesTradingUsdsFutures(config_rest_api=keys).rest_api.futures_account_balance_v3()

    assert signature.value.status_code == -1022


async def test_websocket_api_trades_and_reads(simulator):
    connection = await a_client(simulator).websocket_api.create_connection()
    try:
        order = data(
            await connection.new_order(
                symbol="BTCUSDT", side="BUY", type="LIMIT", quantity="0.010", price="100000.0", time_in_force="GTC"
            )
        ).result
        assert data(await connection.query_order(symbol="BTCUSDT", order_id=order.order_id)).result.status == "NEW"
        assert (
            data(await connection.cancel_order(symbol="BTCUSDT", order_id=order.order_id)).result.status == "CANCELED"
        )
        again = (await connection.cancel_order(symbol="BTCUSDT", order_id=order.order_id)).data()
        assert again == {"error": {"code": -2011, "msg": "Unknown order sent."}}
        stop = data(
            await connection.new_algo_order(
                algo_type="CONDITIONAL", symbol="BTCUSDT", side="SELL", type="STOP_MARKET", trigger_price="50000.0",
                close_position="true",
            )
        ).result  # fmt: skip
        assert data(await connection.cancel_algo_order(algo_id=stop.algo_id)).result.msg == "success"
        for ask in (
            connection.account_information,
            connection.account_information_v2,
            connection.futures_account_balance,
            connection.futures_account_balance_v2,
            connection.position_information,
            connection.position_information_v2,
            connection.symbol_price_ticker,
            connection.symbol_order_book_ticker,
            connection.start_user_data_stream,
            connection.keepalive_user_data_stream,
        ):
            data(await ask())
        assert data(await connection.order_book("BTCUSDT", limit=5)).result.last_update_id > 0
    finally:
        await connection.close_connection(close_session=True)


async def test_streams_and_user_data_are_delivered_typed(simulator):
    client = a_client(simulator)
    rest = client.rest_api
    key = (await asyncio.to_thread(rest.start_user_data_stream)).data().listen_key
    connection = await client.websocket_streams.create_connection()
    arrivals = asyncio.Queue()
    wanted = {
        "market": ["btcusdt@kline_1m", "btcusdt@aggTrade", "btcusdt@markPrice@1s"],
        "public": ["btcusdt@bookTicker", "btcusdt@depth5@100ms"],
    }
    missing = {"OrderTradeUpdate", "TradeLite", "AccountUpdate"}.union(*wanted.values())
    try:
        for route, streams in wanted.items():
            await connection.subscribe(streams, response_model=models.KlineCandlestickStreamsResponse, stream_url=route)
            for stream in streams:
                connection.on("message", lambda _, stream=stream: arrivals.put_nowait(stream), stream)
        user = await connection.user_data(key)
        user.on("message", lambda event: arrivals.put_nowait(type(event.actual_instance).__name__))
        await asyncio.sleep(0.1)
        await asyncio.to_thread(rest.new_order, "BTCUSDT", "BUY", "MARKET", quantity="0.010")
        async with asyncio.timeout(10):
            while missing:
                missing.discard(await arrivals.get())
    finally:
        await connection.close_connection(close_session=True)

    assert not missing


@pytest.mark.parametrize(
    ("route", "stream", "model"),
    [
        ("market", "btcusdt@kline_1m", models.KlineCandlestickStreamsResponse),
        ("market", "btcusdt@aggTrade", models.AggregateTradeStreamsResponse),
        ("market", "btcusdt@markPrice", models.MarkPriceStreamResponse),
        ("public", "btcusdt@bookTicker", models.IndividualSymbolBookTickerStreamsResponse),
        ("public", "btcusdt@depth", models.DiffBookDepthStreamsResponse),
        ("public", "btcusdt@depth10", models.PartialBookDepthStreamsResponse),
    ],
)
def test_frames_have_the_fields_of_their_model_and_no_other(route, stream, model):
    simulator = VirtualSimulator(Options(symbols=("BTCUSDT",)))
    line = simulator.connect(f"/{route}/ws/{stream}")
    simulator.run(4_000)
    frame = line.frames()[0]

    assert set(frame) <= set(model.model_fields) - {"additional_properties"}
    assert model.model_validate(frame).additional_properties == {}
