"""From a combination's parameters to how it is traded: settings once for each choice of settings, the rest by plan."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from backtest.options import read_settings, terms_of, with_symbols
from backtest.run import Recording, Terms
from backtest.sweep.grid import Grid
from bot.domain.errors import ConfigurationError
from bot.loader import strategy_class
from bot.settings import Settings
from bot.trading.limits import SymbolPlan


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of swept settings: the terms it gives, before the strategy's parameters."""

    settings: Settings
    terms: Terms


class Study:
    """The command's options as a base, and what each combination changes of it."""

    def __init__(self, options: argparse.Namespace, settings: Settings, paths: list[Path], grid: Grid) -> None:
        """Take the settings as `read_settings` gave them; raises ConfigurationError for what no run could take."""
        self._options = options
        self._paths = paths
        self._grid = grid
        self._choices: dict[tuple[tuple[str, str], ...], Choice] = {}
        self.settings = with_symbols(settings, options, paths)
        self.base = terms_of(options, self.settings)
        self._check()

    def terms(self, parameters: Mapping[str, str]) -> Terms:
        """Return how a combination is traded; raises ConfigurationError for numbers that do not go together."""
        own = {name: value for name, value in parameters.items() if "." not in name}
        terms = self._choice(parameters).terms
        return replace(terms, plan=replace(terms.plan, symbols=tuple(_with(each, own) for each in terms.plan.symbols)))

    def plans(self) -> list[SymbolPlan]:
        """Return what trades on each symbol in any combination: strategies may be swept too."""
        return [each for choice in self._choices.values() for each in choice.terms.plan.symbols]

    def left_out(self, parameters: Mapping[str, str], recording: Recording) -> tuple[str, ...]:
        """Name the configured costs that a screen of this combination leaves out."""
        if self._options.no_limits:
            return ()
        costs = self._choice(parameters).settings.costs
        found = {
            "spread and slippage": any(tier.spread_bps or tier.slippage_bps for tier in costs.tiers),
            "funding": bool(costs.funding_rate or recording.funding),
            "latency": bool(costs.latency_ms),
        }
        return tuple(name for name, is_there in found.items() if is_there)

    def _choice(self, parameters: Mapping[str, str]) -> Choice:
        key = tuple((name, value) for name, value in parameters.items() if "." in name)
        if key not in self._choices:
            self._choices[key] = self._choose([f"{name}={value}" for name, value in key])
        return self._choices[key]

    def _choose(self, changes: list[str]) -> Choice:
        given: dict[str, Any] = {
            **vars(self._options),
            "set": [*self._options.set, *changes],
            "symbol": list(self.settings.symbols),
        }
        options = argparse.Namespace(**given)
        settings = with_symbols(read_settings(options)[0], options, self._paths)
        return Choice(settings, terms_of(options, settings))

    def _check(self) -> None:
        """Try each value of each axis once, so that a wrong name or number is refused before anything runs."""
        first = self._grid.parameters(0)
        for axis in self._grid.axes:
            if not axis.is_setting:
                _check_known(axis.name, self.base.plan.symbols)
            terms = [self.terms({**first, axis.name: value}) for value in axis.values]
            for each in terms:
                for plan in each.plan.symbols:
                    strategy_class(plan.strategy).parameters_type.read(plan.strategy, plan.parameters)
            if len(terms) > 1 and _unnamed(terms[0]) == _unnamed(terms[-1]):
                raise ConfigurationError(
                    f"--param {axis.name}: it changes nothing in how this backtest trades. Sweep something else."
                )


def _with(plan: SymbolPlan, parameters: Mapping[str, str]) -> SymbolPlan:
    known = _names(plan)
    taken = {name: value for name, value in parameters.items() if name in known}
    return replace(plan, parameters={**plan.parameters, **taken})


def _names(plan: SymbolPlan) -> set[str]:
    return {each.name for each in fields(strategy_class(plan.strategy).parameters_type)}


def _check_known(name: str, plans: tuple[SymbolPlan, ...]) -> None:
    known = set().union(*(_names(plan) for plan in plans))
    if name not in known:
        strategies = ", ".join(sorted({plan.strategy for plan in plans}))
        raise ConfigurationError(
            f"--param {name}: {strategies} has no such parameter. Known: {', '.join(sorted(known))}; "
            "settings are written section.key, such as risk.daily_loss."
        )


def _unnamed(terms: Terms) -> Terms:
    return replace(terms, plan=replace(terms.plan, config_hash=""))
