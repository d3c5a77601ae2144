"""Every account answer and user event of the wire, key for key (docs/wire.md B.3, B.6, B.8)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from simulator.server.formats import SymbolFormat, amount, number, short
from simulator.venue.instrument import Bracket
from simulator.venue.model import (
    AccountConfigEvent,
    AccountEvent,
    AccountView,
    AlgoEvent,
    AlgoOrder,
    AlgoStatus,
    BalanceView,
    Income,
    MarginType,
    Order,
    OrderEvent,
    OrderStatus,
    PositionView,
    SymbolConfig,
    Trade,
)

type Row = dict[str, Any]
_ZERO = Decimal(0)
_ALIAS = "SimSimSimSim"


def order_answer(order: Order, form: SymbolFormat, *, full: bool) -> Row:
    """Answer of POST and DELETE order; `full` adds what newer answers leave out (avgPrice, cumQuote)."""
    row = _order(order, form)
    row["cumQty"] = row["executedQty"]
    if full:
        row["avgPrice"] = form.average(order.average_price)
        row["cumQuote"] = form.quote(order.executed_quote)
    return row


def order_acknowledged(order: Order, form: SymbolFormat, *, full: bool) -> Row:
    """Answer of POST order with newOrderRespType ACK: as it came in, whatever has happened to it since."""
    row = order_answer(order, form, full=full)
    nothing = form.quantity(_ZERO)
    row.update(status=OrderStatus.NEW.value, executedQty=nothing, cumQty=nothing, updateTime=order.created_ms)
    if full:
        row.update(avgPrice=form.average(_ZERO), cumQuote=form.quote(_ZERO))
    return row


def order_row(order: Order, form: SymbolFormat) -> Row:
    """Answer of GET order, openOrder and each row of openOrders."""
    row = _order(order, form)
    row["avgPrice"] = form.average(order.average_price)
    row["cumQuote"] = form.quote(order.executed_quote)
    row["time"] = order.created_ms
    return row


def order_history_row(order: Order, form: SymbolFormat) -> Row:
    """Return one row of allOrders."""
    return {**order_row(order, form), "pair": order.symbol, "cumBase": form.quantity(order.executed_quantity)}


def _order(order: Order, form: SymbolFormat) -> Row:
    return {
        "orderId": order.order_id,
        "symbol": order.symbol,
        "status": order.status.value,
        "clientOrderId": order.client_order_id,
        "price": form.price(order.price),
        "origQty": form.quantity(order.quantity),
        "executedQty": form.quantity(order.executed_quantity),
        "timeInForce": order.time_in_force.value,
        "type": order.type.value,
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_position,
        "side": order.side.value,
        "positionSide": order.position_side.value,
        "stopPrice": form.price(_ZERO),
        "workingType": order.working_type.value,
        "priceProtect": False,
        "origType": order.type.value,
        "priceMatch": order.price_match,
        "selfTradePreventionMode": order.self_trade_prevention,
        "goodTillDate": 0,
        "updateTime": order.updated_ms,
    }


def algo_answer(algo: AlgoOrder, form: SymbolFormat) -> Row:
    """Answer of POST algoOrder."""
    return {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_algo_id,
        "algoType": "CONDITIONAL",
        "orderType": algo.type.value,
        "symbol": algo.symbol,
        "side": algo.side.value,
        "positionSide": algo.position_side.value,
        "timeInForce": algo.time_in_force.value,
        "quantity": form.quantity(algo.quantity),
        "algoStatus": algo.status.value,
        "triggerPrice": form.price(algo.trigger_price),
        "price": form.price(algo.price),
        "icebergQuantity": None,
        "selfTradePreventionMode": algo.self_trade_prevention,
        "workingType": algo.working_type.value,
        "priceMatch": algo.price_match,
        "closePosition": algo.close_position,
        "priceProtect": algo.price_protect,
        "reduceOnly": algo.reduce_only,
        "activatePrice": short(algo.activate_price) if algo.activate_price else "",
        "callbackRate": short(algo.callback_rate) if algo.callback_rate else "",
        "createTime": algo.created_ms,
        "updateTime": algo.updated_ms,
        "triggerTime": algo.triggered_ms,
        "goodTillDate": 0,
    }


def algo_row(algo: AlgoOrder, form: SymbolFormat) -> Row:
    """Answer of GET algoOrder and each row of the algo lists: after the trigger also what it gave birth to."""
    row = algo_answer(algo, form)
    row["tpTriggerPrice"] = form.price(_ZERO)
    row["tpPrice"] = form.price(_ZERO)
    row["slTriggerPrice"] = form.price(_ZERO)
    row["slPrice"] = form.price(_ZERO)
    row["tpOrderType"] = ""
    row["actualOrderId"] = str(algo.actual_order_id) if algo.actual_order_id else ""
    row["actualPrice"] = form.average(algo.actual_price)
    if algo.actual_order_id:
        row["actualQty"] = form.quantity(algo.actual_quantity)
        row["actualType"] = algo.actual_type
    return row


def algo_canceled(algo: AlgoOrder) -> Row:
    """Answer of DELETE algoOrder; its code is a text."""
    return {"algoId": algo.algo_id, "clientAlgoId": algo.client_algo_id, "code": "200", "msg": "success"}


def trade_row(trade: Trade, form: SymbolFormat) -> Row:
    """Return one row of userTrades."""
    return {
        "buyer": trade.side.value == "BUY",
        "commission": amount(trade.commission),
        "commissionAsset": trade.commission_asset,
        "id": trade.trade_id,
        "maker": trade.maker,
        "orderId": trade.order_id,
        "price": form.price(trade.price),
        "qty": form.quantity(trade.quantity),
        "quoteQty": form.quote(trade.quote),
        "baseQty": form.quantity(trade.quantity),
        "realizedPnl": amount(trade.realized_pnl),
        "side": trade.side.value,
        "positionSide": trade.position_side.value,
        "symbol": trade.symbol,
        "pair": trade.symbol,
        "marginAsset": trade.commission_asset,
        "time": trade.time_ms,
    }


def income_row(income: Income) -> Row:
    """Return one row of income; tradeId is a text, empty where there was no trade."""
    return {
        "symbol": income.symbol,
        "incomeType": income.type.value,
        "income": amount(income.amount),
        "asset": income.asset,
        "time": income.time_ms,
        "info": income.info,
        "tranId": income.transaction_id,
        "tradeId": str(income.trade_id) if income.trade_id else "",
    }


def balance_row(balance: BalanceView) -> Row:
    """Return one row of v3/balance."""
    return {
        "accountAlias": _ALIAS,
        "asset": balance.asset,
        "balance": amount(balance.wallet_balance),
        "crossWalletBalance": amount(balance.cross_wallet_balance),
        "crossUnPnl": amount(balance.cross_unrealized),
        "availableBalance": amount(balance.available_balance),
        "maxWithdrawAmount": amount(balance.max_withdraw),
        "marginAvailable": True,
        "updateTime": balance.updated_ms,
    }


def position_row(position: PositionView, form: SymbolFormat) -> Row:
    """Return one row of v3/positionRisk."""
    return {
        "symbol": position.symbol,
        "positionSide": position.position_side.value,
        "positionAmt": form.quantity(position.quantity),
        "entryPrice": _entry(position.entry_price),
        "breakEvenPrice": _entry(position.break_even_price),
        "markPrice": amount(position.mark_price),
        "unRealizedProfit": amount(position.unrealized_profit),
        "liquidationPrice": short(position.liquidation_price),
        "isolatedMargin": amount(position.isolated_margin),
        "notional": short(position.notional),
        "marginAsset": position.margin_asset,
        "isolatedWallet": short(position.isolated_wallet),
        "initialMargin": short(position.initial_margin),
        "maintMargin": short(position.maintenance_margin),
        "positionInitialMargin": short(position.position_initial_margin),
        "openOrderInitialMargin": short(position.open_order_initial_margin),
        "adl": 1 if position.quantity else 0,
        "bidNotional": short(position.bid_notional),
        "askNotional": short(position.ask_notional),
        "updateTime": position.updated_ms,
    }


def position_row_v2(position: PositionView, form: SymbolFormat, max_notional: Decimal) -> Row:
    """Return one row of v2/positionRisk and account.position, which still name leverage and margin type."""
    return {
        "symbol": position.symbol,
        "positionAmt": form.quantity(position.quantity),
        "entryPrice": _entry(position.entry_price),
        "breakEvenPrice": _entry(position.break_even_price),
        "markPrice": amount(position.mark_price),
        "unRealizedProfit": amount(position.unrealized_profit),
        "liquidationPrice": short(position.liquidation_price),
        "leverage": str(position.leverage),
        "maxNotionalValue": short(max_notional),
        "marginType": _event_margin(position.margin_type),
        "isolatedMargin": amount(position.isolated_margin),
        "isAutoAddMargin": "false",
        "positionSide": position.position_side.value,
        "notional": short(position.notional),
        "isolatedWallet": short(position.isolated_wallet),
        "updateTime": position.updated_ms,
        "isolated": position.margin_type is MarginType.ISOLATED,
        "adlQuantile": 1 if position.quantity else 0,
    }


def account_answer(account: AccountView, forms: dict[str, SymbolFormat]) -> Row:
    """Answer of v3/account."""
    return {
        **_totals(account),
        "assets": [asset_row(balance) for balance in account.balances],
        "positions": [_account_position(position, forms[position.symbol]) for position in account.positions],
    }


def _totals(account: AccountView) -> Row:
    return {
        "totalInitialMargin": amount(account.total_initial_margin),
        "totalMaintMargin": amount(account.total_maintenance_margin),
        "totalWalletBalance": amount(account.total_wallet_balance),
        "totalUnrealizedProfit": amount(account.total_unrealized_profit),
        "totalMarginBalance": amount(account.total_margin_balance),
        "totalPositionInitialMargin": amount(account.total_position_initial_margin),
        "totalOpenOrderInitialMargin": amount(account.total_open_order_initial_margin),
        "totalCrossWalletBalance": amount(account.total_cross_wallet_balance),
        "totalCrossUnPnl": amount(account.total_cross_unrealized),
        "availableBalance": amount(account.available_balance),
        "maxWithdrawAmount": amount(account.max_withdraw),
    }


def account_answer_v2(account: AccountView, positions: list[Row], *, multi_assets: bool) -> Row:
    """Answer of v2/account and account.status: `positions` for every symbol."""
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "feeBurn": False,
        "tradeGroupId": -1,
        "updateTime": 0,
        "multiAssetsMargin": multi_assets,
        **_totals(account),
        "assets": [{**asset_row(balance), "marginAvailable": True} for balance in account.balances],
        "positions": positions,
    }


def account_position_v2(position: PositionView, form: SymbolFormat, max_notional: Decimal) -> Row:
    """Return one row of the positions of v2/account."""
    return {
        "symbol": position.symbol,
        "initialMargin": short(position.initial_margin),
        "maintMargin": short(position.maintenance_margin),
        "unrealizedProfit": amount(position.unrealized_profit),
        "positionInitialMargin": short(position.position_initial_margin),
        "openOrderInitialMargin": short(position.open_order_initial_margin),
        "leverage": str(position.leverage),
        "isolated": position.margin_type is MarginType.ISOLATED,
        "entryPrice": _entry(position.entry_price),
        "breakEvenPrice": _entry(position.break_even_price),
        "maxNotional": short(max_notional),
        "positionSide": position.position_side.value,
        "positionAmt": form.quantity(position.quantity),
        "notional": short(position.notional),
        "isolatedWallet": short(position.isolated_wallet),
        "updateTime": position.updated_ms,
        "bidNotional": short(position.bid_notional),
        "askNotional": short(position.ask_notional),
    }


def asset_row(balance: BalanceView) -> Row:
    """Return one row of the assets of an account answer."""
    return {
        "asset": balance.asset,
        "walletBalance": amount(balance.wallet_balance),
        "unrealizedProfit": amount(balance.unrealized_profit),
        "marginBalance": amount(balance.margin_balance),
        "maintMargin": amount(balance.maintenance_margin),
        "initialMargin": amount(balance.initial_margin),
        "positionInitialMargin": amount(balance.position_initial_margin),
        "openOrderInitialMargin": amount(balance.open_order_initial_margin),
        "crossWalletBalance": amount(balance.cross_wallet_balance),
        "crossUnPnl": amount(balance.cross_unrealized),
        "availableBalance": amount(balance.available_balance),
        "maxWithdrawAmount": amount(balance.max_withdraw),
        "updateTime": balance.updated_ms,
    }


def _account_position(position: PositionView, form: SymbolFormat) -> Row:
    return {
        "symbol": position.symbol,
        "positionSide": position.position_side.value,
        "positionAmt": form.quantity(position.quantity),
        "unrealizedProfit": amount(position.unrealized_profit),
        "isolatedMargin": amount(position.isolated_margin),
        "notional": short(position.notional),
        "isolatedWallet": short(position.isolated_wallet),
        "initialMargin": short(position.initial_margin),
        "maintMargin": short(position.maintenance_margin),
        "updateTime": position.updated_ms,
    }


def symbol_config_row(config: SymbolConfig) -> Row:
    """Return one row of symbolConfig."""
    return {
        "symbol": config.symbol,
        "marginType": config.margin_type.value,
        "isAutoAddMargin": False,
        "leverage": config.leverage,
        "maxNotionalValue": short(config.max_notional),
    }


def bracket_row(symbol: str, brackets: list[Bracket]) -> Row:
    """Return one row of leverageBracket: numbers, not texts."""
    return {
        "symbol": symbol,
        "brackets": [
            {
                "bracket": bracket.bracket,
                "initialLeverage": bracket.initial_leverage,
                "notionalCap": number(bracket.notional_cap),
                "notionalFloor": number(bracket.notional_floor),
                "maintMarginRatio": number(bracket.maintenance_ratio),
                "cum": number(bracket.cumulative),
            }
            for bracket in brackets
        ],
    }


def order_trade_update(event: OrderEvent, asset: str) -> Row:
    """ORDER_TRADE_UPDATE; `asset` is the symbol's. Children of algo orders carry `si` and `st` as recorded in 2026."""
    order, trade = event.order, event.trade
    body: Row = {
        "s": order.symbol,
        "c": order.client_order_id,
        "S": order.side.value,
        "o": order.type.value,
        "f": order.time_in_force.value,
        "q": short(order.quantity),
        "p": short(order.price),
        "ap": short(order.average_price),
        "sp": "0",
        "x": event.execution.value,
        "X": order.status.value,
        "i": order.order_id,
        "l": short(trade.quantity) if trade else "0",
        "z": short(order.executed_quantity),
        "L": short(trade.price) if trade else "0",
        "n": short(trade.commission) if trade else "0",
        "N": trade.commission_asset if trade else asset,
        "T": trade.time_ms if trade else event.at_ms,
        "t": trade.trade_id if trade else 0,
        "b": short(event.bid_notional),
        "a": short(event.ask_notional),
        "m": trade.maker if trade else False,
        "R": order.reduce_only,
        "wt": order.working_type.value,
        "ot": order.type.value,
        "ps": order.position_side.value,
        "cp": order.close_position,
        "rp": short(trade.realized_pnl) if trade else "0",
        "pP": False,
        "si": order.algo_id,
        "ss": -1 if order.algo_id else 0,
    }
    if order.algo_id:
        body["st"] = "ALGO_CONDITION"
    body.update(
        V=order.self_trade_prevention,
        pm=order.price_match,
        gtd=0,
        er=order.expiry_reason.value,
    )
    return {"e": "ORDER_TRADE_UPDATE", "T": event.at_ms, "E": event.at_ms, "o": body}


def trade_lite(event: OrderEvent) -> Row | None:
    """TRADE_LITE of a fill, None where nothing was filled."""
    order, trade = event.order, event.trade
    if trade is None:
        return None
    return {
        "e": "TRADE_LITE",
        "E": event.at_ms,
        "T": event.at_ms,
        "s": order.symbol,
        "q": short(order.quantity),
        "p": short(order.price),
        "m": trade.maker,
        "c": order.client_order_id,
        "S": order.side.value,
        "L": short(trade.price),
        "l": short(trade.quantity),
        "t": trade.trade_id,
        "i": order.order_id,
    }


def account_update(event: AccountEvent, assets: Mapping[str, str]) -> Row:
    """ACCOUNT_UPDATE; `S` names the symbol of a funding, `assets` the margin asset of each symbol."""
    body: Row = {
        "B": [
            {
                "a": change.asset,
                "wb": amount(change.wallet_balance),
                "cw": amount(change.cross_wallet_balance),
                "bc": short(change.change),
            }
            for change in event.balances
        ],
        "P": [
            {
                "s": change.symbol,
                "pa": short(change.quantity),
                "ep": _entry(change.entry_price),
                "cr": short(change.accumulated_realized),
                "up": amount(change.unrealized_profit),
                "mt": _event_margin(change.margin_type),
                "iw": short(change.isolated_wallet),
                "ps": change.position_side.value,
                "ma": assets[change.symbol],
                "bep": _entry(change.break_even_price),
            }
            for change in event.positions
        ],
        "m": event.reason.value,
    }
    if event.symbol:
        body["S"] = event.symbol
    return {"e": "ACCOUNT_UPDATE", "T": event.at_ms, "E": event.at_ms, "a": body}


def algo_update(event: AlgoEvent) -> Row:
    """ALGO_UPDATE; what the order gave birth to only once it did."""
    algo = event.algo
    body: Row = {
        "caid": algo.client_algo_id,
        "aid": algo.algo_id,
        "at": "CONDITIONAL",
        "o": algo.type.value,
        "s": algo.symbol,
        "S": algo.side.value,
        "ps": algo.position_side.value,
        "f": algo.time_in_force.value,
        "q": short(algo.quantity),
        "X": algo.status.value,
        "ai": str(algo.actual_order_id) if algo.actual_order_id else "",
    }
    if algo.actual_order_id:
        born = algo.status is AlgoStatus.TRIGGERED
        body["ap"] = "0" if born else short(algo.actual_price)
        body["aq"] = "0" if born else short(algo.actual_quantity)
        body["act"] = algo.actual_type
    body.update(
        tp=short(algo.trigger_price),
        p=short(algo.price),
        V=algo.self_trade_prevention,
        wt=algo.working_type.value,
        pm=algo.price_match,
        cp=algo.close_position,
        pP=algo.price_protect,
        R=algo.reduce_only,
        tt=algo.triggered_ms,
        gtd=0,
    )
    if algo.reject_reason:
        body["rm"] = algo.reject_reason
    return {"e": "ALGO_UPDATE", "T": event.at_ms, "E": event.at_ms, "o": body}


def account_config_update(event: AccountConfigEvent) -> Row:
    """ACCOUNT_CONFIG_UPDATE: leverage of a symbol, or multi-assets mode."""
    head: Row = {"e": "ACCOUNT_CONFIG_UPDATE", "E": event.at_ms, "T": event.at_ms}
    if event.symbol:
        return {**head, "ac": {"s": event.symbol, "l": event.leverage}}
    return {**head, "ai": {"j": event.multi_assets}}


def _entry(price: Decimal) -> str:
    text = short(price)
    return text if "." in text else f"{text}.0"


def _event_margin(kind: MarginType) -> str:
    return "isolated" if kind is MarginType.ISOLATED else "cross"
