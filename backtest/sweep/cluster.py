"""Workers on many machines, through a Dask scheduler that runs already.

The candles are sent to every worker once. Dask itself gives the work of a worker that died to another one, and gives up
on what has killed several. Each worker needs this program in the same version.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from threading import Lock
from types import TracebackType
from typing import Any, Final, Self

import distributed
import distributed.comm

from backtest.compiled import compiled_kernel, scans
from backtest.sweep.work import FAILED, Found, Work
from backtest.sweep.workers import Batch
from bot.domain.errors import ActError, ConfigurationError
from bot.domain.money import forbid_floats
from bot.loader import strategy_class

_dask: Any = distributed  # half of its signatures have types
_address: Any = distributed.comm
_PATIENCE_SECONDS: Final = 10
_BATCHES_A_THREAD: Final = 4
_one_at_a_time = Lock()


class Cluster:
    """The workers of a Dask scheduler; use it as a context."""

    def __init__(self, work: Work, url: str) -> None:
        try:
            _address.get_address_host_port(url)  # a client of what is no address would never let itself be closed
            self._client = _dask.Client(url, timeout=_PATIENCE_SECONDS, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"--scheduler {url}: no Dask scheduler answers ({error}). Start one with: dask scheduler"
            ) from error
        self.width = sum(self._client.nthreads().values())
        if not self.width:
            self._client.close()
            raise ActError(f"--scheduler {url}: it has no workers. Start some with: dask worker {url}")
        self.cpu_s = 0.0
        self._work = self._client.scatter(work, broadcast=True, hash=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def run(self, batches: Iterable[Batch]) -> Iterator[Found]:
        """Try all, and yield each as it is found; a few batches for each thread are on their way at a time."""
        source = iter(batches)
        sent = {self._submit(batch): batch for batch in islice(source, self.width * _BATCHES_A_THREAD)}
        results = _dask.as_completed(sent, loop=self._client.loop, raise_errors=False)
        for future in results:
            batch = sent.pop(future)
            yield from self._results(future, batch)
            for more in islice(source, 1):
                following = self._submit(more)
                sent[following] = more
                results.add(following)

    def _submit(self, batch: Batch) -> Any:
        return self._client.submit(perform, self._work, list(batch), pure=False)

    def _results(self, future: Any, batch: Batch) -> list[Found]:
        error = future.exception()
        if error is None:
            found: list[Found] = future.result()
            self.cpu_s += sum(each.cpu_s for each in found)
            return found
        if isinstance(error, _dask.KilledWorker):
            return [Found(job.number, FAILED, error="the workers that had it died, see their logs") for job in batch]
        raise error


def perform(work: Work, batch: Batch) -> list[Found]:
    """Try a batch on a worker of the cluster."""
    forbid_floats()
    with _one_at_a_time:  # machine code is taken from disk or made by one thread
        scans()
        for job in batch:
            for each in job.terms.plan.symbols:
                compiled_kernel(strategy_class(each.strategy))
    return [work.do(job) for job in batch]
