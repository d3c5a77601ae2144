"""What holds for every test."""

import os
import sys
from decimal import DefaultContext, FloatOperation, getcontext

import pytest


@pytest.fixture(autouse=True)
def floats_allowed():
    """Undo what a command called in this process does to decimal contexts: it forbids floats from then on."""
    DefaultContext.traps[FloatOperation] = getcontext().traps[FloatOperation] = False
    yield
    DefaultContext.traps[FloatOperation] = getcontext().traps[FloatOperation] = False


@pytest.fixture
def without_settings(monkeypatch):
    """Keep the settings of whoever runs the tests from commands called in this process."""
    for name in [name for name in os.environ if name.startswith("ACT_") and name != "ACT_TEST_DATA"]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def main_module_kept():
    """Undo what Streamlit does to `__main__`: a page stands there from then on, and a spawned process would run it."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main
