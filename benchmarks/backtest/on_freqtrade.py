"""The reference strategy on freqtrade's own backtesting, futures mode, without a network.

Timed: indicators, signals and the candle loop (`backtest_one_strategy`), not the reading of files nor the report.
Not expressed: the quantity is the stake at the open of the entry candle instead of the deciding close; a stop whose
candle opens beyond it fills at the stop unless the whole candle lies beyond; an entry signal on a candle at which a
position is closed acts on the next one; an exit signal on a candle with an entry signal is ignored.
"""

import logging
import tempfile
from pathlib import Path

import freqtrade
import pandas as pd
from freqtrade.configuration import TimeRange
from freqtrade.enums import CandleType, RunMode
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.resolvers import ExchangeResolver

from benchmarks.backtest import indicators, measure

_PAIR = "BTC/USDT:USDT"
_MARKET = {
    "id": "BTCUSDT",
    "symbol": _PAIR,
    "base": "BTC",
    "quote": "USDT",
    "settle": "USDT",
    "type": "swap",
    "spot": False,
    "margin": False,
    "swap": True,
    "future": False,
    "option": False,
    "contract": True,
    "linear": True,
    "inverse": False,
    "active": True,
    "taker": indicators.TAKER_FEE,
    "maker": 0.0002,
    "contractSize": 1,
    "precision": {"amount": 0.001, "price": 0.1},
    "limits": {
        "amount": {"min": 0.001, "max": 1_000},
        "price": {"min": 0.1, "max": 1_000_000},
        "cost": {"min": 100, "max": None},
        "leverage": {"min": 1, "max": 125},
    },
    "info": {},
}
_TIER = {
    "minNotional": 0.0,
    "maxNotional": 300_000.0,
    "maintenanceMarginRate": 0.004,
    "maxLeverage": 125,
    "maintAmt": 0,
}


def _config(folder: Path) -> dict:
    return {
        "runmode": RunMode.BACKTEST,
        "dry_run": True,
        "strategy": "VwapReversion",
        "strategy_path": str(Path(__file__).with_name("freqtrade_strategies")),
        "user_data_dir": folder,
        "datadir": folder,
        "dataformat_ohlcv": "feather",
        "timeframe": "1m",
        "trading_mode": "futures",
        "margin_mode": "isolated",
        "candle_type_def": CandleType.FUTURES,
        "stake_currency": "USDT",
        "stake_amount": indicators.NOTIONAL,
        "dry_run_wallet": 10_000,
        "max_open_trades": 1,
        "fee": indicators.TAKER_FEE,
        "entry_pricing": {"price_side": "other"},
        "exit_pricing": {"price_side": "other"},
        "unfilledtimeout": {"entry": 10, "exit": 10, "unit": "minutes"},
        "exchange": {"name": "binance", "key": "", "secret": "", "pair_whitelist": [_PAIR], "pair_blacklist": []},
        "pairlists": [{"method": "StaticPairList"}],
        "export": "none",
    }


def engine(folder: Path) -> Backtesting:
    config = _config(folder)
    exchange = ExchangeResolver.load_exchange(config, validate=False)
    exchange._markets = {_PAIR: _MARKET}  # noqa: SLF001 -- what a network would have answered
    exchange._api.markets = {_PAIR: _MARKET}  # noqa: SLF001
    exchange._leverage_tiers = {_PAIR: [_TIER]}  # noqa: SLF001
    backtesting = Backtesting(config, exchange)
    backtesting.funding_fee_timeframe_secs = 8 * 3_600
    backtesting.futures_data = {_PAIR: pd.DataFrame()}  # no funding
    backtesting.available_pairs = [_PAIR]
    return backtesting


def main() -> None:
    options = measure.arguments(__doc__)
    logging.disable(logging.CRITICAL)
    table = measure.candles(options.file)
    table = table.rename_axis("date").reset_index()
    with tempfile.TemporaryDirectory() as folder:
        backtesting = engine(Path(folder))

        def run() -> int:
            backtesting.backtest_one_strategy(backtesting.strategylist[0], {_PAIR: table.copy()}, TimeRange())
            return len(backtesting.all_bt_content["VwapReversion"]["results"])

        measure.report("freqtrade", freqtrade.__version__, len(table), run, options.repetitions)


if __name__ == "__main__":
    main()
