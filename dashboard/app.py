"""The entry script that Streamlit runs: look, pages, and the header that stands on every page."""

from pathlib import Path

import streamlit as st

from dashboard import live
from dashboard.views import chart, overview

st.set_page_config(page_title="Auto Coin Trader", layout="wide", initial_sidebar_state="collapsed")
st.html(Path(__file__).with_name("style.css"))
chosen = st.navigation(
    [
        st.Page(overview.page, title="Overview", url_path="overview", default=True),
        st.Page(chart.page, title="Chart", url_path="chart"),
    ],
    position="top",
)
live.every(live.HEADER_SECONDS, live.header)
chosen.run()
