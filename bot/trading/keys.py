"""The key of each row the core writes, so that one event writes each row once."""

from collections.abc import Callable
from typing import Any, Final

from bot.domain.fill import Fill, Funding, OpeningBalance, Transfer
from bot.domain.instrument import Instrument
from bot.domain.records import (
    Alert,
    AlgoOrderRow,
    CommandRow,
    Decision,
    Incident,
    Intent,
    OrderRow,
    PositionRow,
    RiskEvent,
    RiskState,
    Row,
    SignalRow,
    TradeRow,
)

_KEYS: Final[dict[type, Callable[[Any], tuple[object, ...]]]] = {
    Intent: lambda row: (row.intent_id,),
    OrderRow: lambda row: (row.symbol, row.client_order_id, 0 if row.intent_id else row.report.order_id),
    AlgoOrderRow: lambda row: (row.symbol, row.client_algo_id),
    Fill: lambda row: (row.symbol, row.trade_id),
    Funding: lambda row: (row.symbol, row.kind, row.time_ms),
    Transfer: lambda row: (row.kind, row.time_ms, row.symbol, row.asset, row.amount),
    OpeningBalance: lambda row: (row.asset,),
    PositionRow: lambda row: (row.symbol,),
    TradeRow: lambda row: (row.symbol, row.trip),
    SignalRow: lambda row: (row.signal_id,),
    Decision: lambda row: (row.decision_id,),
    RiskEvent: lambda row: (row.risk_event_id,),
    RiskState: lambda row: (row.rule, row.symbol),
    CommandRow: lambda row: (row.request_id,),
    Alert: lambda row: (row.alert_id,),
    Incident: lambda row: (row.incident_id,),
    Instrument: lambda row: (row.symbol,),
}


def key_of(row: Row) -> tuple[object, ...]:
    """Return the row's table and key."""
    return (type(row), *_KEYS[type(row)](row))
