"""What a person or the exchange does to the account beside the client: trades, transfers, liquidation, new rules."""

from decimal import Decimal, InvalidOperation
from typing import Any

from simulator.faults import Deed, OwnRequest, as_text
from simulator.market.tape import MINUTE_MS
from simulator.server.api import Api
from simulator.server.formats import symbol_format
from simulator.server.rest import ENDPOINTS, check_names
from simulator.venue.errors import VenueError, refusal


def intervene(api: Api, deed: Deed) -> Any:
    """Do to the account what a fault says, and return what came of it; a refusal is an outcome, too."""
    try:
        return _done(api, deed)
    except VenueError as error:
        return {"code": error.code, "msg": error.message}


def _done(api: Api, deed: Deed) -> Any:
    if deed.request is not None:
        return _requested(api, deed.request)
    if deed.transfer is not None:
        api.exchange.transfer(deed.transfer.asset, _amount(deed.transfer.amount))
    if deed.liquidate:
        api.exchange.liquidate(api.board(deed.liquidate).symbol)
    if deed.fund:
        return _funded(api, api.board(deed.fund).symbol)
    if deed.symbol:
        _change_symbol(api, deed.symbol)
    if deed.hedge_mode is not None:
        api.exchange.force_position_mode(dual=deed.hedge_mode)
    return "done"


def _funded(api: Api, symbol: str) -> str:
    """Settle funding now, but once a minute at most: an exchange does no other, and the ledger relies on it."""
    minute = api.exchange.now_ms // MINUTE_MS
    if any(row.time_ms // MINUTE_MS == minute for row in api.exchange.funding_history(symbol, limit=1)):
        return "settled in this minute already"
    api.exchange.fund(symbol)
    return "done"


def _requested(api: Api, request: OwnRequest) -> Any:
    endpoint = ENDPOINTS.get((request.method, request.path))
    if endpoint is None:
        raise VenueError(-5000, f"Path {request.path}, Method {request.method} is invalid", 404)
    params = {name: as_text(value) for name, value in request.params.items()}
    check_names(endpoint, params)
    return endpoint.handler(api, params)


def _amount(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise refusal(-1130, "amount") from None


def _change_symbol(api: Api, changes: dict[str, Any]) -> None:
    board = api.board(str(changes.get("symbol", "")))
    entries = api.exchange.exchange_info["symbols"]
    entry = next(row for row in entries if row["symbol"] == board.symbol)
    new_rules = {rule["filterType"]: rule for rule in changes.get("filters", [])}
    rules = [{**rule, **new_rules.get(rule["filterType"], {})} for rule in entry["filters"]]
    changed = {**entry, **changes, "filters": rules}
    api.exchange.update_symbol(changed)
    board.form = api.forms[board.symbol] = symbol_format(changed)
