"""Worker processes on this machine, with the arrays of their work in shared memory.

The memory is made once and given back when the pool ends, however it ends. A process that dies takes nothing with it:
the combination it was at is given to another one once more, then counts as failed, and the others go on.
"""

import gc
import os
import pickle
import signal
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.shared_memory import SharedMemory
from types import TracebackType
from typing import Final, Protocol, Self

from backtest.sweep.work import FAILED, Found, Job, Work
from bot.domain.errors import ActError
from bot.domain.money import forbid_floats

_CACHE_LINE: Final = 64
_MOST_TRIES: Final = 2
_PATIENCE_SECONDS: Final = 5
_FIRST_BREATH_LOST: Final = "the worker processes end before they begin: start with --jobs 1 to see why."

type Batch = Sequence[Job]
type Place = tuple[int, int]


class Runner(Protocol):
    """Whoever tries combinations. `width` is how many at a time, `cpu_s` what others than this process have spent."""

    width: int
    cpu_s: float

    def run(self, batches: Iterable[Batch]) -> Iterator[Found]:
        """Try all, and yield each as it is found, in any order."""
        ...


class InProcess:
    """Tries one after the other, here."""

    width = 1
    cpu_s = 0.0

    def __init__(self, work: Work) -> None:
        self._work = work
        work.warm_up()

    def run(self, batches: Iterable[Batch]) -> Iterator[Found]:
        """Try all in order."""
        for batch in batches:
            for job in batch:
                yield self._work.do(job)


class SharedWork:
    """Work laid into shared memory: its arrays behind each other, and what describes them."""

    def __init__(self, work: Work) -> None:
        buffers: list[pickle.PickleBuffer] = []
        head = pickle.dumps(work, protocol=5, buffer_callback=buffers.append)
        views = [memoryview(head), *(buffer.raw() for buffer in buffers)]
        self.places: list[Place] = []
        end = 0
        for view in views:
            self.places.append((end, view.nbytes))
            end += -(-view.nbytes // _CACHE_LINE) * _CACHE_LINE
        self._memory = _new_memory(max(end, 1))
        for view, place in zip(views, self.places, strict=True):
            _part(self._memory, place)[:] = view
        self.name = self._memory.name

    def end(self) -> None:
        """Give the memory back."""
        self._memory.close()
        with suppress(FileNotFoundError):
            self._memory.unlink()


def _part(memory: SharedMemory, place: Place) -> memoryview:
    start, size = place
    return memoryview(memory.buf or b"")[start : start + size]


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    link: Connection
    waiting: deque[Job] = field(default_factory=deque)
    is_ready: bool = False


class Processes:
    """A pool of worker processes; use it as a context."""

    def __init__(self, work: Work, jobs: int) -> None:
        self.width = jobs
        self.cpu_s = 0.0
        self._shared = SharedWork(work)
        self._workers: list[_Worker] = []
        self._tries: Counter[int] = Counter()
        self._again: deque[Batch] = deque()
        self._source: Iterator[Batch] = iter(())
        self._is_exhausted = True
        try:
            self._workers = [self._start() for _ in range(jobs)]
            self._wait_until_ready()
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def run(self, batches: Iterable[Batch]) -> Iterator[Found]:
        """Try all, and yield each as it is found. What is left over when the caller stops is forgotten."""
        self._source = iter(batches)
        self._is_exhausted = False
        for worker in self._workers:
            self._feed(worker)
        while not self._is_exhausted or self._again or any(worker.waiting for worker in self._workers):
            for worker in self._heard():
                yield from self._listen(worker)
                if not worker.waiting:
                    self._feed(worker)

    def _start(self) -> _Worker:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(self._shared.name, self._shared.places, theirs), daemon=True)
        # A child keeps the mask it is born with: Ctrl-C is for us, who end it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        return _Worker(process, ours)

    def _wait_until_ready(self) -> None:
        while not all(worker.is_ready for worker in self._workers):
            for worker in self._heard():
                list(self._listen(worker))

    def _heard(self) -> list[_Worker]:
        links = wait([worker.link for worker in self._workers])
        return [worker for worker in self._workers if worker.link in links]

    def _listen(self, worker: _Worker) -> Iterator[Found]:
        try:
            message = worker.link.recv()
        except (EOFError, OSError):
            yield from self._bury(worker)
            return
        if isinstance(message, Found):
            worker.waiting.popleft()
            self.cpu_s += message.cpu_s
            yield message
        else:
            worker.is_ready = True

    def _feed(self, worker: _Worker) -> None:
        batch = self._next_batch() if worker.is_ready else None
        if batch:
            worker.waiting = deque(batch)
            with suppress(OSError):  # its end is noticed when we listen
                worker.link.send(list(batch))

    def _next_batch(self) -> Batch | None:
        if self._again:
            return self._again.popleft()
        batch = next(self._source, None)
        self._is_exhausted = batch is None
        return batch

    def _bury(self, worker: _Worker) -> Iterator[Found]:
        """Take a dead worker's place, and give what it had to others; what it was at only if it is the first time."""
        worker.process.join()
        worker.link.close()
        if not worker.is_ready:
            raise ActError(_FIRST_BREATH_LOST)
        if worker.waiting:
            fatal = worker.waiting.popleft()
            self._tries[fatal.number] += 1
            self._again.extend([job] for job in worker.waiting)
            if self._tries[fatal.number] < _MOST_TRIES:
                self._again.append([fatal])
            else:
                why = f"its worker process died {_MOST_TRIES} times (exit code {worker.process.exitcode})"
                yield Found(fatal.number, FAILED, error=why)
        fresh = self._start()
        worker.process, worker.link, worker.waiting, worker.is_ready = fresh.process, fresh.link, deque(), False

    def _end(self) -> None:
        for worker in self._workers:
            with suppress(OSError):
                worker.link.send(None)
        for worker in self._workers:
            if worker.waiting or not worker.is_ready:
                worker.process.terminate()
            worker.process.join(_PATIENCE_SECONDS)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.link.close()
        self._workers = []
        self._shared.end()


def _new_memory(size: int) -> SharedMemory:
    """Make memory whose name says whose it is; what a dead process of our pid has left behind is passed over."""
    numbers = count()
    while True:
        with suppress(FileExistsError):
            return SharedMemory(f"act-{os.getpid()}-{next(numbers)}", create=True, size=size)


def serve(name: str, places: Sequence[Place], link: Connection) -> None:
    """Be a worker: take batches until None comes or the other end is gone."""
    forbid_floats()
    memory = SharedMemory(name)
    try:
        _serve(memory, places, link)
    finally:
        gc.collect()
        memory.close()


def _serve(memory: SharedMemory, places: Sequence[Place], link: Connection) -> None:
    head, *buffers = (_part(memory, place) for place in places)
    work: Work = pickle.loads(head, buffers=buffers)  # noqa: S301 - written by the process that started this one
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        work.warm_up()
        link.send("ready")
        while (batch := link.recv()) is not None:
            for job in batch:
                link.send(work.do(job))
