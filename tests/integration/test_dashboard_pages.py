"""Every page runs on a filled home, on an empty one and on a broken one, without a browser."""

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard import data
from support.fed_home import Feed


@pytest.fixture
def fed(tmp_path, monkeypatch):
    monkeypatch.setenv("ACT_HOME", str(tmp_path))
    st.cache_resource.clear()
    feed = Feed(tmp_path)
    feed.warm_up()
    for _ in range(200):
        feed.advance()
    feed.beat()
    yield feed
    feed.store.close()


def a_page(name):
    def script():
        import importlib

        import streamlit

        module = importlib.import_module(f"dashboard.views.{streamlit.session_state['page']}")
        module.page()

    page = AppTest.from_function(script, default_timeout=60)
    page.session_state["page"] = name
    return page


def markup(page):
    return "".join(element.proto.body for element in page.get("html"))


def test_the_overview_shows_what_the_bot_wrote(fed):
    page = a_page("overview").run()
    assert not page.exception
    shown = markup(page)
    assert "Equity USDT" in shown
    assert f"{fed.equity().equity:,.2f}" in shown
    for title in ("Open positions", "Open orders", "Round trips", "Fills", "Risk limits used", "Latest alerts"):
        assert title in shown


def test_the_chart_follows_its_controls(fed):
    page = a_page("chart").run()
    assert not page.exception
    assert "BTCUSDT" in markup(page)
    page.session_state["symbol"] = "SOLUSDT"
    page.session_state["view"] = "Inspect"
    page.run()
    assert not page.exception
    assert "standing still" in markup(page)
    assert "SOLUSDT" in markup(page)


def test_a_symbol_in_the_address_is_the_one_shown(fed):
    page = a_page("chart")
    page.query_params["symbol"] = "ETHUSDT"
    page.run()
    assert "<b>ETHUSDT</b>" in markup(page)


@pytest.mark.parametrize("name", ["overview", "chart"])
def test_a_home_without_a_bot_speaks_in_words(name, tmp_path, monkeypatch):
    monkeypatch.setenv("ACT_HOME", str(tmp_path))
    st.cache_resource.clear()
    page = a_page(name).run()
    assert not page.exception
    assert "the bot has not been started here" in markup(page)


@pytest.mark.parametrize("name", ["overview", "chart"])
def test_a_broken_database_speaks_in_words(name, tmp_path, monkeypatch):
    monkeypatch.setenv("ACT_HOME", str(tmp_path))
    st.cache_resource.clear()
    (tmp_path / "status").mkdir()
    (tmp_path / "status" / "act.db").write_bytes(b"this is no database at all" * 100)
    page = a_page(name).run()
    assert not page.exception
    assert "could not be read" in markup(page)


def test_what_is_drawn_matches_what_the_bot_computed(fed):
    view = data.candle_view("BTCUSDT", 60)
    symbol = fed.symbols[0]
    last = view.frame.iloc[-1]
    assert len(view.frame) == 60
    assert last["close"] == pytest.approx(float(symbol.rounded(symbol.price)))
    assert last["vwap"] == pytest.approx(float(symbol.verdict.inputs["vwap"]), abs=0.1)
    assert last["adx"] == pytest.approx(symbol.verdict.inputs["adx"], abs=0.1)
    assert view.adx_line == 60
