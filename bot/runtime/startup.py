"""The steps from nothing to running: the account as configured, streams open, indicators warm, books equal."""

from collections.abc import Sequence

import structlog

from bot.domain.account import AccountSettings
from bot.domain.errors import ConfigurationError, StopTrading
from bot.domain.events import CandleWarmedUp
from bot.domain.market import MINUTE_MS, Candle
from bot.ports import Clock, Exchange, Store
from bot.runtime.loop import Shell
from bot.trading.limits import AccountRules

_log = structlog.get_logger()

HISTORY_MINUTES = 1_740
FIRST_DATA_SECONDS = 30.0


async def set_up_account(exchange: Exchange, symbols: Sequence[str], rules: AccountRules) -> None:
    """Make the account what the configuration says; raises ConfigurationError when positions or orders forbid it."""
    found = await exchange.account_settings(symbols)
    if not found.can_trade:
        raise ConfigurationError("the exchange says that this account may not trade. Enable futures for the API key.")
    if found.hedge_mode:
        await exchange.set_one_way_mode()
    if found.multi_assets:
        await exchange.set_single_asset_mode()
    for symbol in symbols:
        await _set_up_symbol(exchange, symbol, found, rules)


async def _set_up_symbol(exchange: Exchange, symbol: str, found: AccountSettings, rules: AccountRules) -> None:
    if found.margin_type.get(symbol) != rules.margin_type:
        await exchange.set_margin_type(symbol, rules.margin_type)
    if found.leverage.get(symbol) != rules.leverage:
        await exchange.set_leverage(symbol, rules.leverage)


async def first_market_time(shell: Shell, clock: Clock) -> int:
    """Wait until the market streams have told the market's time; raises StopTrading when they stay silent."""
    waited = 0.0
    while not shell.market_ms():
        if waited > FIRST_DATA_SECONDS:
            raise StopTrading("the market streams brought no data for 30 s. Check the stream URLs in [endpoints].")
        await clock.sleep(0.02)
        waited += 0.02
    return shell.market_ms()


async def warm_up(exchange: Exchange, store: Store, shell: Shell, symbol: str) -> Candle | None:
    """Feed the candles before now to the indicators; return the newest, None when there is none."""
    now = shell.market_ms() // MINUTE_MS * MINUTE_MS
    candles = await exchange.candles(symbol, now - HISTORY_MINUTES * MINUTE_MS, now)
    for candle in candles:
        shell.handle(CandleWarmedUp(shell.market_ms(), candle))
    store.defer(candles)
    _log.info("candle.warmed_up", symbol=symbol, candles=len(candles))
    return candles[-1] if candles else None
