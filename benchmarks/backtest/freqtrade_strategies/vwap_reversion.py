"""The reference strategy as freqtrade's users write one; loaded by freqtrade from this folder."""

from freqtrade.strategy import IStrategy
from pandas import DataFrame

from benchmarks.backtest import indicators


class VwapReversion(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "1m"
    can_short = True
    startup_candle_count = 0  # the warm-up is in the signals, so that every engine sees the same candles
    minimal_roi = {"0": 1_000.0}  # noqa: RUF012 -- freqtrade's own form; never reached
    stoploss = -indicators.STOP
    use_exit_signal = True
    order_types = {"entry": "market", "exit": "market", "stoploss": "market", "stoploss_on_exchange": False}  # noqa: RUF012 -- freqtrade's own form

    def populate_indicators(self, dataframe: DataFrame, metadata: dict) -> DataFrame:  # noqa: ARG002 -- freqtrade's signature
        high, low, close, volume = (dataframe[name].to_numpy() for name in ("high", "low", "close", "volume"))
        self.found = indicators.signals(indicators.read(high, low, close, volume), close)
        return dataframe

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:  # noqa: ARG002 -- freqtrade's signature
        dataframe["enter_long"] = self.found.enter_long.astype(int)
        dataframe["enter_short"] = self.found.enter_short.astype(int)
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:  # noqa: ARG002 -- freqtrade's signature
        dataframe["exit_long"] = self.found.exit_long.astype(int)
        dataframe["exit_short"] = self.found.exit_short.astype(int)
        return dataframe
