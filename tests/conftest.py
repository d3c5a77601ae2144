"""What holds for every test."""

from decimal import DefaultContext, FloatOperation, getcontext

import pytest


@pytest.fixture(autouse=True)
def floats_allowed():
    """Undo what a command called in this process does to decimal contexts: it forbids floats from then on."""
    DefaultContext.traps[FloatOperation] = getcontext().traps[FloatOperation] = False
    yield
    DefaultContext.traps[FloatOperation] = getcontext().traps[FloatOperation] = False
