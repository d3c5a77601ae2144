from typing import get_args

import pytest
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from bot.domain import records
from bot.domain.account import LeverageBracket
from database.rows import MAPS, Ninth, read
from database.tables import Act, Desk
from support.database_rows import a_bracket, a_report, an_order, client_id, one_of_each

POSTGRES = postgresql.dialect(paramstyle="format")


def test_every_row_has_a_table():
    rows = set(get_args(records.Row.__value__))
    assert {type(row) for row in one_of_each()} == rows
    assert set(MAPS) == rows | {LeverageBracket}


def test_brackets_are_no_row_by_itself_so_that_none_outlives_its_table():
    assert LeverageBracket not in get_args(records.Row.__value__)


def test_the_tables_of_the_design_exist():
    asked = (
        "orders algo_orders fills positions opening_balances transfers signals candles_1m funding_events decisions "
        "risk_events intents instruments leverage_brackets strategies config_versions equity commands alerts incidents "
        "execution_metrics"
    )
    assert set(asked.split()) <= set(Act.metadata.tables)
    assert {"requests", "deliveries"} <= set(Desk.metadata.tables)


@pytest.mark.parametrize("table", [*Act.metadata.tables.values(), *Desk.metadata.tables.values()], ids=str)
def test_tables_compile_for_postgresql(table):
    text = str(CreateTable(table).compile(dialect=POSTGRES))
    assert "NUMERIC" not in text
    for index in table.indexes:
        CreateIndex(index).compile(dialect=POSTGRES)


@pytest.mark.parametrize("mapping", MAPS.values(), ids=lambda mapping: mapping.table.name)
@pytest.mark.parametrize("dialect", [sqlite.dialect(), POSTGRES], ids=["sqlite", "postgresql"])
def test_upserts_take_their_values_in_column_order(mapping, dialect):
    statement = mapping.upsert(dialect)
    marker = "?" if dialect.name == "sqlite" else "%s"
    assert statement.split("ON CONFLICT")[0].count(marker) == len(mapping.columns)


@pytest.mark.parametrize("row", [*one_of_each(), a_bracket()], ids=lambda row: type(row).__name__)
def test_the_driver_gets_plain_values(row):
    assert {type(value) for value in MAPS[type(row)].encode(row)} <= {str, int, bool, float}


def test_only_amounts_made_by_ourselves_are_refused_for_a_ninth_decimal():
    refusing = {kind.__name__ for kind, mapping in MAPS.items() if mapping.ninth is Ninth.REFUSE and mapping.money}
    assert refusing == {"Intent", "SignalRow", "Decision"}


def test_our_orders_keep_one_row_before_and_after_they_get_an_id():
    mapping = MAPS[records.OrderRow]
    before, after = an_order(1, order_id=0), an_order(1, order_id=7)
    assert mapping.key_of(mapping.encode(before)) == mapping.key_of(mapping.encode(after))


def test_foreign_orders_that_share_a_client_order_id_have_rows_of_their_own():
    mapping = MAPS[records.OrderRow]
    keys = {
        mapping.key_of(mapping.encode(an_order(1, intent_id="", client_order_id="adl_autoclose", order_id=number)))
        for number in (7, 8)
    }
    assert len(keys) == 2


def test_our_id_pattern_is_enough_to_know_our_orders():
    mapping = MAPS[records.OrderRow]
    ours = an_order(1, intent_id="", client_order_id=client_id(5))
    assert mapping.encode(ours)[-1] == 0


def test_nested_reports_are_read_with_their_own_update_time():
    row = an_order(1, updated_ms=55)
    values = dict(zip(MAPS[records.OrderRow].columns, MAPS[records.OrderRow].values(row), strict=True))
    assert read(records.OrderRow, values) == row
    assert row.report == a_report(1, updated_ms=55)
