"""Child processes: what they say is kept, and none of them outlives the process that started it."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

PARENT = "ACT_PARENT_PID"
KILL_AFTER_SECONDS = 20.0
_LAST_WORDS_BYTES = 20_000
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have this process ended by SIGTERM when the one named in ACT_PARENT_PID is gone, however it went.

    The kernel does it (prctl(2), PR_SET_PDEATHSIG), also across exec; elsewhere than on Linux nothing happens, nor in
    a process that somebody else started with the same environment.
    """
    parent = int(os.environ.pop(PARENT, "0") or "0")
    if not parent or sys.platform != "linux":
        return
    if os.getppid() == parent:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if not Path(f"/proc/{parent}").exists():
        os.kill(os.getpid(), signal.SIGTERM)


class Child:
    """One process in a session of its own, so that Ctrl-C reaches its parent alone; its stderr goes to `words`."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], words: IO[bytes], *, answers: bool
    ) -> None:
        """Start it; `answers` True when the first line of its stdout is wanted."""
        self.name = name
        self._words = words
        self._process = subprocess.Popen(  # noqa: S603 - the caller names our own programs
            command,
            env={**environment, PARENT: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if answers else subprocess.DEVNULL,
            stderr=words,
            text=True,
            start_new_session=True,
        )

    def first_line(self) -> str:
        """Wait for the first line of its stdout; "" when it ended without one."""
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        threading.Thread(target=self._drain, name=f"{self.name} stdout", daemon=True).start()
        return line.strip()

    def has_ended(self) -> bool:
        """Return whether the process is gone."""
        return self._process.poll() is not None

    @property
    def killed(self) -> bool:
        """Return whether somebody ended it by SIGKILL."""
        return self._process.poll() == -signal.SIGKILL

    def said(self) -> str:
        """Return the end of what it wrote to stderr."""
        size = os.fstat(self._words.fileno()).st_size
        start = max(0, size - _LAST_WORDS_BYTES)
        return os.pread(self._words.fileno(), size - start, start).decode(errors="replace").strip()

    def ask_to_end(self) -> None:
        """Send SIGTERM; nothing happens to a process that is gone."""
        if not self.has_ended():
            self._process.terminate()

    def end(self) -> int:
        """Wait for the end, by force after a while; return the exit code, negative for a signal."""
        try:
            return self._process.wait(KILL_AFTER_SECONDS)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """End it at once; return the exit code, negative for a signal."""
        self._process.kill()
        return self._process.wait()

    def forget(self) -> None:
        """Let go of what it said; for a process that is gone."""
        self._words.close()

    def _drain(self) -> None:
        if self._process.stdout is not None:
            with self._process.stdout as lines:
                for _ in lines:
                    pass
