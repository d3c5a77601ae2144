"""The reference strategy on nautilus_trader: its backtest engine over bars, with signals computed when the run starts.

Not expressed: a market order fills at the close at which it was decided, not at the next open. The engine has no ADX:
TA-Lib computes it over the whole column (faster than its own streaming indicators). The stop rests from the fill on.
"""

from decimal import Decimal

import nautilus_trader
import numpy as np
import pandas as pd
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CryptoPerpetual
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.trading.strategy import Strategy

from benchmarks.backtest import indicators, measure

_VENUE = Venue("BINANCE")
_ID = InstrumentId(Symbol("BTCUSDT-PERP"), _VENUE)
_BAR_TYPE = BarType.from_str(f"{_ID}-1-MINUTE-LAST-EXTERNAL")


class VwapReversion(Strategy):
    def __init__(self, columns: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.columns = columns
        self.at = -1
        self.side = 0
        self.not_before = 0  # no entry is decided on the candle that closed the last position
        self.trades = 0

    def on_start(self) -> None:
        high, low, close, volume = (self.columns[name] for name in ("high", "low", "close", "volume"))
        found = indicators.signals(indicators.read(high, low, close, volume), close)
        self.enter = (found.enter_long.astype(int) - found.enter_short).tolist()
        self.leave_long, self.leave_short = found.exit_long.tolist(), found.exit_short.tolist()
        self.quantities = indicators.quantities(close)
        self.instrument = self.cache.instrument(_ID)
        self.subscribe_bars(_BAR_TYPE)

    def on_bar(self, _bar: Bar) -> None:
        self.at += 1
        at = self.at
        if self.side:
            if (self.leave_long if self.side > 0 else self.leave_short)[at]:
                self.cancel_all_orders(_ID)
                self.close_all_positions(_ID)
        elif self.enter[at] and at >= self.not_before:
            quantity = Quantity(self.quantities[at], 3)
            side = OrderSide.BUY if self.enter[at] > 0 else OrderSide.SELL
            self.submit_order(self.order_factory.market(_ID, side, quantity))

    def on_position_opened(self, event) -> None:
        self.side = 1 if event.entry == OrderSide.BUY else -1
        ticks = event.avg_px_open * (1 - self.side * indicators.STOP) * 10
        stop = np.ceil(ticks - 1e-6) if self.side > 0 else np.floor(ticks + 1e-6)
        order = self.order_factory.stop_market(
            _ID,
            OrderSide.SELL if self.side > 0 else OrderSide.BUY,
            event.quantity,
            trigger_price=Price(stop / 10, 1),
            reduce_only=True,
        )
        self.submit_order(order)

    def on_position_closed(self, _event) -> None:
        self.side = 0
        self.trades += 1
        self.not_before = self.at + 2  # a bar that fires the stop reaches `on_bar` only afterwards


def instrument() -> CryptoPerpetual:
    return CryptoPerpetual(
        instrument_id=_ID,
        raw_symbol=Symbol("BTCUSDT"),
        base_currency=BTC,
        quote_currency=USDT,
        settlement_currency=USDT,
        is_inverse=False,
        price_precision=1,
        price_increment=Price.from_str("0.1"),
        size_precision=3,
        size_increment=Quantity.from_str("0.001"),
        max_quantity=Quantity.from_str("1000.000"),
        min_quantity=Quantity.from_str("0.001"),
        min_notional=Money(100, USDT),
        margin_init=Decimal("0.05"),
        margin_maint=Decimal("0.025"),
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
        ts_event=0,
        ts_init=0,
    )


def engine(table: pd.DataFrame) -> tuple[BacktestEngine, VwapReversion]:
    bench = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), run_analysis=False))
    bench.add_venue(_VENUE, OmsType.NETTING, AccountType.MARGIN, [Money(10_000, USDT)])
    bench.add_instrument(instrument())
    bench.add_data(BarDataWrangler(_BAR_TYPE, instrument()).process(table, ts_init_delta=60_000_000_000))
    strategy = VwapReversion(measure.columns(table))
    bench.add_strategy(strategy)
    return bench, strategy


def main() -> None:
    options = measure.arguments(__doc__)
    table = measure.candles(options.file)
    bench, strategy = engine(table)

    def run() -> int:
        bench.run()
        return strategy.trades

    measure.report("nautilus", nautilus_trader.__version__, len(table), run)


if __name__ == "__main__":
    main()
