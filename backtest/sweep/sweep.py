"""A sweep: combinations to a runner, what it finds into the store, and the three ways to go through a grid."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from backtest.run import Recording
from backtest.sweep.grid import Grid
from backtest.sweep.store import Store, base_of, key_of
from backtest.sweep.study import Study
from backtest.sweep.table import ranked
from backtest.sweep.work import CONFIRMED, FAILED, SCREENED, Found, Job
from backtest.sweep.workers import Runner
from bot.domain.errors import ActError

_MOST_IN_A_BATCH: Final = 64
_BATCHES_EACH: Final = 4


class ScreenDefect(ActError):  # noqa: N818 - says what it is
    """Core and screen differ in a trade though no limit bound: one of them is wrong, and no result can be trusted."""


class Sweep:
    """What has been found so far, by the number of the combination.

    `runner` tries what is not in the store; `told` is called for each combination that is done.
    """

    runner: Runner
    told: Callable[[], None]

    def __init__(self, grid: Grid, study: Study, recording: Recording, store: Store) -> None:
        self.grid = grid
        self.study = study
        self.recording = recording
        self.found: dict[int, Found] = {}
        self.resumed = 0
        self._store = store
        self._base = base_of(recording)
        self._tried: set[int] = set()

    @property
    def combinations(self) -> int:
        """Return how many combinations this run has tried, in whatever way."""
        return len(self._tried)

    def try_all(self, numbers: Sequence[int], state: str = CONFIRMED, *, is_checked: bool = False) -> dict[int, Found]:
        """Try these combinations, those found before excepted, and return what is known of them now.

        `is_checked`: what the core confirms is held against the screen, where this knows all costs. Raises
        ScreenDefect for a combination that the screen trades otherwise than the core.
        """
        jobs = [self._job(number, state, is_checked=is_checked) for number in dict.fromkeys(numbers)]
        wanted = [job for job in jobs if not self._is_known(job)]
        for found in self.runner.run(_batched(wanted, self._batch_size(len(wanted), state))):
            if found.defect:
                raise ScreenDefect(
                    f"core and screen differ at {_named(self.grid.parameters(found.number))}: {found.defect}. "
                    "This is a defect of the program: report it."
                )
            self._take(found)
        return {number: self.found[number] for number in numbers}

    def screen_and_confirm(self, most: int, objective: str) -> None:
        """Screen all, then let the core confirm the best, their neighbours, and what could not be screened.

        Where a limit might bind the core has been asked at once (`Work`).
        """
        screened = self.try_all(range(len(self.grid)), SCREENED, is_checked=True)
        best = ranked(screened.values(), objective)[:most]
        near = [neighbour for number in best for neighbour in self.grid.neighbours(number)]
        unfit = [number for number, found in screened.items() if found.state == FAILED]
        # The longest first, so that at the end no worker is alone with one.
        longest = sorted({*best, *near, *unfit}, key=lambda number: -screened[number].figures.get("trades", 0))
        self.try_all(longest, is_checked=True)

    def _is_known(self, job: Job) -> bool:
        """Say whether a combination needs no run; what is in the store is taken from there."""
        before = self.found.get(job.number)
        if before is not None and before.state in {job.state, CONFIRMED}:
            return True
        stored = self._store.get(self._key(job.number), job)
        if stored is None:
            return False
        self.found[job.number] = stored
        self.resumed += 1
        self.told()
        return True

    def left_out(self, parameters: Mapping[str, str]) -> tuple[str, ...]:
        """Name the configured costs that a screen of this combination does not know."""
        return self.study.left_out(parameters, self.recording)

    def _job(self, number: int, state: str, *, is_checked: bool) -> Job:
        parameters = self.grid.parameters(number)
        is_exact = is_checked and not self.left_out(parameters)
        return Job(number, state, self.study.terms(parameters), is_exact=is_exact)

    def _take(self, found: Found) -> None:
        self._store.add(self._key(found.number), self.grid.parameters(found.number), found)
        self.found[found.number] = found
        self._tried.add(found.number)
        self.told()

    def _key(self, number: int) -> str:
        parameters = self.grid.parameters(number)
        return key_of(self._base, self.study.terms(parameters), parameters)

    def _batch_size(self, count: int, state: str) -> int:
        if state == CONFIRMED:
            return 1
        return max(1, min(_MOST_IN_A_BATCH, count // (self.runner.width * _BATCHES_EACH)))


def _batched(jobs: Iterable[Job], size: int) -> Iterator[list[Job]]:
    source = iter(jobs)
    while batch := list(islice(source, size)):
        yield batch


def _named(parameters: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in parameters.items())
