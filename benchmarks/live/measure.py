"""What every reader of the traffic source shares: starting it, and turning samples into figures."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.live.source import STAMP_BASE


@contextmanager
def running_source(*arguments: str) -> Iterator[dict]:
    """Run the source in a process of its own and yield what it says: {"streams": its address, "symbols": [...]}."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.live.source", *arguments], stdout=subprocess.PIPE)
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        process.stdout.close()


class Tally:
    """Counts messages from `begin()` on, over wall and CPU time of this process; keeps latencies of stamped ones."""

    def __init__(self) -> None:
        self.count = 0
        self.latencies_ns: list[int] = []
        self._wall = self._cpu = 0.0

    def begin(self) -> None:
        self.count = 0
        self.latencies_ns.clear()
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def seen(self, stamp: int) -> None:
        self.count += 1
        if stamp > STAMP_BASE:
            self.latencies_ns.append(time.monotonic_ns() - (stamp - STAMP_BASE))

    def figures(self) -> dict[str, float]:
        """Return messages a second of wall time and of CPU time, share of a core used, latency percentiles in us."""
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        ordered = sorted(self.latencies_ns) or [0]
        return {
            "messages": self.count,
            "per_second": round(self.count / wall),
            "per_cpu_second": round(self.count / cpu),
            "core_share": round(cpu / wall, 3),
            **{name: round(ordered[int(len(ordered) * share)] / 1000, 1) for name, share in _PERCENTILES.items()},
            "max_us": round(ordered[-1] / 1000, 1),
        }


_PERCENTILES = {"p50_us": 0.50, "p99_us": 0.99, "p999_us": 0.999}
