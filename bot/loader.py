"""Loads by name what settings choose: `strategies/<name>.py`."""

import importlib
import inspect
from importlib.util import find_spec

from bot.domain.errors import ConfigurationError
from bot.trading.limits import CorePlan
from bot.trading.strategy import Strategy


def strategy_class(name: str) -> type[Strategy]:
    """Return the strategy in `strategies/<name>.py`; raises ConfigurationError when there is none to be had."""
    if not name.isidentifier() or find_spec(f"strategies.{name}") is None:
        raise ConfigurationError(f"there is no strategy {name!r}: strategies/{name}.py does not exist.")
    try:
        module = importlib.import_module(f"strategies.{name}")
    except (ImportError, SyntaxError) as error:
        raise ConfigurationError(f"strategies/{name}.py cannot be loaded: {error}. Correct it.") from error
    for candidate in vars(module).values():
        if inspect.isclass(candidate) and issubclass(candidate, Strategy) and candidate.__module__ == module.__name__:
            return candidate
    raise ConfigurationError(f"strategies/{name}.py holds no subclass of Strategy. Add one.")


def check_strategies(plan: CorePlan) -> None:
    """Build every symbol's parameters as a start would; raises ConfigurationError for what its strategy refuses."""
    for each in plan.symbols:
        strategy_class(each.strategy).parameters_type.read(each.strategy, each.parameters)
