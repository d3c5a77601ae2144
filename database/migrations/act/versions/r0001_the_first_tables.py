"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False)


def _big(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _integer(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _float(name: str) -> sa.Column[float]:
    return sa.Column(name, sa.Float(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        _text("alert_id"),
        _big("at_ms"),
        _text("severity"),
        _text("event"),
        _text("symbol"),
        _text("title"),
        _text("text"),
        _text("thread"),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("alert_id", name="alerts_alert_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "algo_orders",
        _text("symbol"),
        _text("client_algo_id"),
        _big("algo_id"),
        _text("intent_id"),
        _text("state"),
        _text("status"),
        _text("side"),
        _text("type"),
        _big("quantity"),
        _big("price"),
        _big("trigger_price"),
        _text("working_type"),
        _flag("close_position"),
        _flag("reduce_only"),
        _text("position_side"),
        _big("activate_price"),
        _big("callback_rate"),
        _big("actual_order_id"),
        _big("reported_ms"),
        _big("created_ms"),
        _big("updated_ms"),
        sa.PrimaryKeyConstraint("symbol", "client_algo_id"),
    )
    op.create_index("algo_orders_by_id", "algo_orders", ["symbol", "algo_id"])
    op.create_index("algo_orders_state", "algo_orders", ["state"])
    op.create_index("algo_orders_updated", "algo_orders", ["symbol", "reported_ms"])
    op.create_table(
        "candles_1m",
        _text("symbol"),
        _big("open_time"),
        _big("open"),
        _big("high"),
        _big("low"),
        _big("close"),
        _big("volume"),
        sa.PrimaryKeyConstraint("symbol", "open_time"),
    )
    op.create_table(
        "commands",
        _text("request_id"),
        _text("who"),
        _text("command"),
        _text("arguments"),
        _text("state"),
        _text("result"),
        _big("asked_ms"),
        _big("updated_ms"),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_table(
        "config_versions",
        _text("config_hash"),
        _big("at_ms"),
        _text("code_version"),
        _text("mode"),
        _text("config"),
        sa.PrimaryKeyConstraint("config_hash"),
    )
    op.create_table(
        "decisions",
        _text("decision_id"),
        _text("symbol"),
        _text("strategy"),
        _big("at_ms"),
        _text("action"),
        _text("side"),
        _text("reason"),
        _big("price"),
        _big("quantity"),
        _text("inputs"),
        _text("gates"),
        _text("sizing"),
        _text("intent_id"),
        _big("retry_ms"),
        _text("config_hash"),
        _text("code_version"),
        sa.PrimaryKeyConstraint("decision_id"),
    )
    op.create_index("decisions_symbol", "decisions", ["symbol", "at_ms"])
    op.create_index("decisions_time", "decisions", ["at_ms"])
    op.create_table(
        "equity",
        _big("at_ms"),
        _big("wallet"),
        _big("unrealized"),
        _big("equity"),
        _big("day_pnl"),
        sa.PrimaryKeyConstraint("at_ms"),
    )
    op.create_table(
        "execution_metrics",
        _text("client_order_id"),
        _text("name"),
        _text("symbol"),
        _float("value"),
        _big("at_ms"),
        sa.PrimaryKeyConstraint("client_order_id", "name"),
    )
    op.create_index("execution_metrics_time", "execution_metrics", ["name", "at_ms"])
    op.create_table(
        "fills",
        _text("symbol"),
        _big("trade_id"),
        _big("order_id"),
        _big("time_ms"),
        _text("side"),
        _text("position_side"),
        _big("price"),
        _big("quantity"),
        _flag("maker"),
        _big("commission"),
        _text("commission_asset"),
        _big("realized_pnl"),
        sa.PrimaryKeyConstraint("symbol", "trade_id"),
    )
    op.create_index("fills_order", "fills", ["symbol", "order_id"])
    op.create_index("fills_symbol_time", "fills", ["symbol", "time_ms"])
    op.create_index("fills_time", "fills", ["time_ms"])
    op.create_table(
        "funding_events",
        _text("symbol"),
        _text("kind"),
        _big("time_ms"),
        _text("asset"),
        _big("amount"),
        sa.PrimaryKeyConstraint("symbol", "kind", "time_ms", "asset"),
    )
    op.create_index("funding_events_time", "funding_events", ["time_ms"])
    op.create_table(
        "incidents",
        _text("incident_id"),
        _text("code"),
        _text("symbol"),
        _text("severity"),
        _big("opened_ms"),
        _big("closed_ms"),
        _text("detail"),
        _integer("count"),
        sa.PrimaryKeyConstraint("incident_id"),
    )
    op.create_index("incidents_open", "incidents", ["closed_ms"])
    op.create_table(
        "instruments",
        _text("symbol"),
        _text("status"),
        _text("base_asset"),
        _text("quote_asset"),
        _text("margin_asset"),
        _big("tick_size"),
        _big("min_price"),
        _big("max_price"),
        _big("step_size"),
        _big("min_quantity"),
        _big("max_quantity"),
        _big("market_step_size"),
        _big("market_min_quantity"),
        _big("market_max_quantity"),
        _big("min_notional"),
        _big("percent_up"),
        _big("percent_down"),
        _integer("max_orders"),
        sa.PrimaryKeyConstraint("symbol"),
    )
    op.create_table(
        "intents",
        _text("intent_id"),
        _text("symbol"),
        _text("purpose"),
        _text("side"),
        _big("quantity"),
        _big("executed_quantity"),
        _big("price"),
        _big("stop_price"),
        _text("reason"),
        _text("decision_id"),
        _text("state"),
        _integer("attempt"),
        _text("client_order_id"),
        _big("created_ms"),
        _big("updated_ms"),
        sa.PrimaryKeyConstraint("intent_id"),
    )
    op.create_index("intents_decision", "intents", ["decision_id"])
    op.create_index("intents_state", "intents", ["state"])
    op.create_table("meta", _text("name"), _text("value"), sa.PrimaryKeyConstraint("name"))
    op.create_table(
        "opening_balances", _text("asset"), _big("balance"), _big("from_ms"), sa.PrimaryKeyConstraint("asset")
    )
    op.create_table(
        "orders",
        _text("symbol"),
        _text("client_order_id"),
        _big("order_id"),
        _text("intent_id"),
        _integer("attempt"),
        _text("state"),
        _text("status"),
        _text("side"),
        _text("type"),
        _text("time_in_force"),
        _big("quantity"),
        _big("price"),
        _big("executed_quantity"),
        _flag("reduce_only"),
        _flag("close_position"),
        _text("position_side"),
        _big("algo_id"),
        _text("expiry_reason"),
        _big("decision_price"),
        _big("reported_ms"),
        _big("expires_ms"),
        _big("created_ms"),
        _big("updated_ms"),
        _big("order_key"),
        sa.PrimaryKeyConstraint("symbol", "client_order_id", "order_key"),
    )
    op.create_index("orders_by_id", "orders", ["symbol", "order_id"])
    op.create_index("orders_intent", "orders", ["intent_id"])
    op.create_index("orders_state", "orders", ["state"])
    op.create_index("orders_updated", "orders", ["symbol", "reported_ms"])
    op.create_table(
        "positions",
        _text("symbol"),
        _big("quantity"),
        _big("cost"),
        _big("entry_price"),
        _big("stop_price"),
        _text("stop_client_algo_id"),
        _big("opened_ms"),
        _text("entry_decision_id"),
        _big("realized_pnl"),
        _big("commission"),
        _big("funding"),
        _big("updated_ms"),
        _big("trip"),
        sa.PrimaryKeyConstraint("symbol"),
    )
    op.create_table(
        "risk_events",
        _text("risk_event_id"),
        _big("at_ms"),
        _text("rule"),
        _text("symbol"),
        _text("kind"),
        _text("detail"),
        sa.PrimaryKeyConstraint("risk_event_id"),
    )
    op.create_index("risk_events_time", "risk_events", ["at_ms"])
    op.create_table(
        "risk_state",
        _text("rule"),
        _text("symbol"),
        _text("value"),
        _big("updated_ms"),
        sa.PrimaryKeyConstraint("rule", "symbol"),
    )
    op.create_table(
        "signals",
        _text("signal_id"),
        _text("symbol"),
        _text("strategy"),
        _big("at_ms"),
        _text("kind"),
        _text("side"),
        _big("price"),
        sa.PrimaryKeyConstraint("signal_id"),
    )
    op.create_index("signals_time", "signals", ["symbol", "at_ms"])
    op.create_table(
        "strategies",
        _text("symbol"),
        _text("strategy"),
        _big("at_ms"),
        _text("verdict"),
        _text("inputs"),
        sa.PrimaryKeyConstraint("symbol", "strategy"),
    )
    op.create_table(
        "trades",
        _text("symbol"),
        _big("trip"),
        _text("side"),
        _big("quantity"),
        _big("entry_ms"),
        _big("entry_price"),
        _big("exit_ms"),
        _big("exit_price"),
        _big("fees"),
        _big("funding"),
        _big("pnl"),
        _text("exit_reason"),
        _text("entry_decision_id"),
        sa.PrimaryKeyConstraint("symbol", "trip"),
    )
    op.create_index("trades_exit", "trades", ["exit_ms"])
    op.create_table(
        "transfers",
        _text("kind"),
        _big("time_ms"),
        _text("symbol"),
        _text("asset"),
        _big("amount"),
        sa.PrimaryKeyConstraint("kind", "time_ms", "symbol", "asset", "amount"),
    )
    op.create_table(
        "wide_values",
        _text("table_name"),
        _text("row_key"),
        _text("column_name"),
        _text("value"),
        sa.PrimaryKeyConstraint("table_name", "row_key", "column_name"),
    )


def downgrade() -> None:
    op.drop_table("wide_values")
    op.drop_table("transfers")
    op.drop_table("trades")
    op.drop_table("strategies")
    op.drop_table("signals")
    op.drop_table("risk_state")
    op.drop_table("risk_events")
    op.drop_table("positions")
    op.drop_table("orders")
    op.drop_table("opening_balances")
    op.drop_table("meta")
    op.drop_table("intents")
    op.drop_table("instruments")
    op.drop_table("incidents")
    op.drop_table("funding_events")
    op.drop_table("fills")
    op.drop_table("execution_metrics")
    op.drop_table("equity")
    op.drop_table("decisions")
    op.drop_table("config_versions")
    op.drop_table("commands")
    op.drop_table("candles_1m")
    op.drop_table("algo_orders")
    op.drop_table("alerts")
