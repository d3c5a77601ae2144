"""Optuna's TPE over the same values as the grid's, for one objective or several.

Combinations are asked for and told in rounds of a fixed size, in order: the same seed finds the same, whatever the
number of workers, and a search that was interrupted finds its way again from what is stored.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import optuna

from backtest.sweep.grid import Axis, Grid
from backtest.sweep.table import OBJECTIVES, score
from backtest.sweep.work import FAILED, Found

ROUND: Final = 8


def search(
    grid: Grid,
    trials: int,
    objectives: Sequence[str],
    seed: int,
    try_all: Callable[[Sequence[int]], Mapping[int, Found]],
    *,
    round_size: int = ROUND,
) -> list[int]:
    """Try as many combinations, repetitions counted, and return those that no other one surpasses everywhere.

    `try_all` tries combinations by number; it is asked again for what it has found already.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
    better = optuna.study.StudyDirection
    directions = [better.MAXIMIZE if OBJECTIVES[name] else better.MINIMIZE for name in objectives]
    study = optuna.create_study(directions=directions, sampler=sampler)
    left = trials
    numbers: dict[int, int] = {}
    while left:
        asked = [study.ask() for _ in range(min(left, round_size))]
        left -= len(asked)
        for trial in asked:
            numbers[trial.number] = grid.number([_place(trial, axis) for axis in grid.axes])
        found = try_all([numbers[trial.number] for trial in asked])
        for trial in asked:
            _tell(study, trial, found[numbers[trial.number]], objectives)
    return sorted({numbers[trial.number] for trial in study.best_trials})


def _place(trial: optuna.Trial, axis: Axis) -> int:
    if axis.is_numeric:
        return trial.suggest_int(axis.name, 0, len(axis.values) - 1)
    return axis.values.index(trial.suggest_categorical(axis.name, axis.values))


def _tell(study: optuna.Study, trial: optuna.Trial, found: Found, objectives: Sequence[str]) -> None:
    scores = [score(found.figures, name) for name in objectives]
    if found.state == FAILED or None in scores:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return
    study.tell(trial, [float(value) for value in scores if value is not None])
