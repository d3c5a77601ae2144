"""Account endpoints: balances, positions, settings, income, listen keys (docs/wire.md B.2, B.3)."""

from typing import Any

from simulator.server.api import Api
from simulator.server.formats import short
from simulator.server.params import Params, choice, decimal, limit, text, truth, whole, window
from simulator.server.payloads import (
    account_answer,
    account_answer_v2,
    account_position_v2,
    balance_row,
    bracket_row,
    income_row,
    position_row,
    position_row_v2,
    symbol_config_row,
)
from simulator.server.trading import WEEK_MS
from simulator.venue.decimals import ZERO
from simulator.venue.errors import refusal
from simulator.venue.model import IncomeType, MarginType, PositionSide, PositionView, SymbolConfig

_SUCCESS = {"code": 200, "msg": "success"}


def balance(api: Api, _: Params) -> list[dict[str, Any]]:
    return [balance_row(row) for row in api.exchange.balances()]


def account(api: Api, _: Params) -> dict[str, Any]:
    return account_answer(api.exchange.account(), api.forms)


def account_v2(api: Api, _: Params) -> dict[str, Any]:
    rows = [
        account_position_v2(position, api.forms[position.symbol], config.max_notional)
        for position, config in _every_position(api, "")
    ]
    return account_answer_v2(api.exchange.account(), rows, multi_assets=api.exchange.is_multi_assets())


def positions(api: Api, params: Params) -> list[dict[str, Any]]:
    symbol = params.get("symbol", "")
    if symbol:
        api.board(symbol)
    return [position_row(position, api.forms[position.symbol]) for position in api.exchange.positions(symbol)]


def positions_v2(api: Api, params: Params) -> list[dict[str, Any]]:
    symbol = params.get("symbol", "")
    if symbol:
        api.board(symbol)
    return [
        position_row_v2(position, api.forms[position.symbol], config.max_notional)
        for position, config in _every_position(api, symbol)
    ]


def _every_position(api: Api, symbol: str) -> list[tuple[PositionView, SymbolConfig]]:
    """Pair every symbol's settings with its position, a flat one where there is none."""
    held = {position.symbol: position for position in api.exchange.positions(symbol)}
    return [(held.get(config.symbol) or _flat(api, config), config) for config in api.exchange.symbol_config(symbol)]


def _flat(api: Api, config: SymbolConfig) -> PositionView:
    return PositionView(
        symbol=config.symbol,
        position_side=PositionSide.BOTH,
        quantity=ZERO,
        entry_price=ZERO,
        break_even_price=ZERO,
        mark_price=api.exchange.market(config.symbol).mark,
        unrealized_profit=ZERO,
        liquidation_price=ZERO,
        isolated_margin=ZERO,
        isolated_wallet=ZERO,
        notional=ZERO,
        margin_asset=api.exchange.instrument(config.symbol).margin_asset,
        initial_margin=ZERO,
        maintenance_margin=ZERO,
        position_initial_margin=ZERO,
        open_order_initial_margin=ZERO,
        bid_notional=ZERO,
        ask_notional=ZERO,
        leverage=config.leverage,
        margin_type=config.margin_type,
        updated_ms=0,
    )


def account_config(api: Api, _: Params) -> dict[str, Any]:
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": api.exchange.is_dual(),
        "updateTime": 0,
        "multiAssetsMargin": api.exchange.is_multi_assets(),
        "tradeGroupId": -1,
    }


def symbol_config(api: Api, params: Params) -> list[dict[str, Any]]:
    symbol = params.get("symbol", "")
    if symbol:
        api.board(symbol)
    return [symbol_config_row(config) for config in api.exchange.symbol_config(symbol)]


def set_leverage(api: Api, params: Params) -> dict[str, Any]:
    config = api.exchange.set_leverage(api.board(text(params, "symbol")).symbol, whole(params, "leverage"))
    return {
        "symbol": config.symbol,
        "leverage": config.leverage,
        "maxNotionalValue": short(config.max_notional),
    }


def set_margin_type(api: Api, params: Params) -> dict[str, Any]:
    symbol = api.board(text(params, "symbol")).symbol
    api.exchange.set_margin_type(symbol, choice(params, "marginType", MarginType, -1130))
    return dict(_SUCCESS)


def modify_margin(api: Api, params: Params) -> dict[str, Any]:
    symbol = api.board(text(params, "symbol")).symbol
    moved = decimal(params, "amount")
    kind = whole(params, "type")
    if kind not in {1, 2}:
        raise refusal(-1130, "type")
    api.exchange.modify_isolated_margin(symbol, moved, add=kind == 1)
    return {"amount": short(moved), "code": 200, "msg": "Successfully modify position margin.", "type": kind}


def set_position_mode(api: Api, params: Params) -> dict[str, Any]:
    api.exchange.set_position_mode(dual=truth(params, "dualSidePosition"))
    return dict(_SUCCESS)


def position_mode(api: Api, _: Params) -> dict[str, Any]:
    return {"dualSidePosition": api.exchange.is_dual()}


def set_multi_assets(api: Api, params: Params) -> dict[str, Any]:
    api.exchange.set_multi_assets(on=truth(params, "multiAssetsMargin"))
    return dict(_SUCCESS)


def multi_assets(api: Api, _: Params) -> dict[str, Any]:
    return {"multiAssetsMargin": api.exchange.is_multi_assets()}


def fee_burn(_: Api, __: Params) -> dict[str, Any]:
    return {"feeBurn": False}


def income(api: Api, params: Params) -> list[dict[str, Any]]:
    symbol = params.get("symbol", "")
    if symbol:
        api.board(symbol)
    kind = choice(params, "incomeType", IncomeType, -1130) if params.get("incomeType") else None
    start_ms, end_ms = window(params)
    oldest_ms = api.exchange.now_ms - WEEK_MS if start_ms is None and end_ms is None else 0
    rows = api.exchange.income(symbol, kind, start_ms, end_ms, limit(params, 100, 1_000))
    return [income_row(row) for row in rows if row.time_ms >= oldest_ms]


def leverage_brackets(api: Api, params: Params) -> list[dict[str, Any]]:
    symbol = params.get("symbol", "")
    if symbol:
        api.board(symbol)
    found = api.exchange.leverage_brackets(symbol)
    return [bracket_row(name, list(brackets)) for name, brackets in found.items()]


def commission_rate(api: Api, params: Params) -> dict[str, Any]:
    symbol = api.board(text(params, "symbol")).symbol
    maker, taker = api.exchange.fee_rates(symbol)
    return {
        "symbol": symbol,
        "makerCommissionRate": f"{maker:.6f}",
        "takerCommissionRate": f"{taker:.6f}",
        "rpiCommissionRate": "0.000000",
    }


def order_rate_limits(api: Api, _: Params) -> list[dict[str, Any]]:
    return [
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": api.limits.orders_10s.limit},
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": api.limits.orders_1m.limit},
    ]


def start_user_stream(api: Api, _: Params) -> dict[str, Any]:
    return {"listenKey": api.user_streams.start(api.wall_ms)}


def keep_user_stream(api: Api, _: Params) -> dict[str, Any]:
    return {"listenKey": api.user_streams.keep_alive(api.wall_ms)}


def stop_user_stream(api: Api, _: Params) -> dict[str, Any]:
    api.user_streams.stop()
    return {}
