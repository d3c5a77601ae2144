"""What refreshes by itself: the header on every page, and a guard that turns a missing database into words."""

from collections.abc import Callable

import streamlit as st
from sqlalchemy.exc import SQLAlchemyError

from bot.domain.errors import ActError
from dashboard import data, panels

HEADER_SECONDS = 1
TABLE_SECONDS = 2
CURVE_SECONDS = 5


def every(seconds: int | None, draw: Callable[[], None]) -> None:
    """Draw a part of the page and redraw only it, each so many seconds; None = it stands still."""
    st.fragment(draw, run_every=seconds)()


def header() -> None:
    """Draw the header."""
    market_ms = guarded(data.market_ms, aloud=False) or 0
    st.html(panels.header(data.sign(), data.now_ms(), market_ms))


def show(build: Callable[[], str]) -> None:
    """Draw markup built from the database; when it cannot be read, say why instead."""
    if (markup := guarded(build)) is not None:
        say(markup)


def say(markup: str) -> None:
    """Draw markup, its live numbers grey while the bot is not."""
    st.html(panels.page_wrap(markup, live=data.sign().live))


def guarded[T](read: Callable[[], T], *, aloud: bool = True) -> T | None:
    """Read from the database; None when it cannot be read, which is then said on the page."""
    try:
        return read()
    except ActError as error:
        words = str(error)
    except SQLAlchemyError as error:
        words = f"The database cannot be read now ({type(error).__name__}): the next refresh tries again."
    if aloud:
        say(panels.notice(words))
    return None
