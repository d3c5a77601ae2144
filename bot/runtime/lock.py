"""One bot for one home and one account: file locks that die with their process."""

import fcntl
import hashlib
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from bot.domain.errors import ConfigurationError


class InstanceLock:
    """Holds an exclusive lock on a file that names its holder; a lock left by a killed process does not block."""

    def __init__(self, path: Path, what: str, *, cure: str = "use another ACT_HOME") -> None:
        self._path = path
        self._what = what
        self._cure = cure
        self._descriptor = -1

    @property
    def path(self) -> Path:
        """Return the file, which names the holder while there is one."""
        return self._path

    @property
    def held(self) -> bool:
        """Return whether this object holds the lock."""
        return self._descriptor >= 0

    def take(self) -> None:
        """Take the lock; raises ConfigurationError naming the process that holds it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise ConfigurationError(
                f"another bot (pid {holder}) already runs on {self._what}. Stop it first, or {self._cure}."
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go; safe to call twice."""
        if self.held:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        self.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def home_lock(home: Path) -> InstanceLock:
    """Return the lock of a home folder: whoever holds it may write `status/act.db`."""
    return InstanceLock(home / "status" / "act.lock", f"the home {home}")


def holder(home: Path) -> int:
    """Return the process id of the bot that runs on a home folder, 0 = none. Looks only, so that none is kept out."""
    try:
        pid = int(home_lock(home).path.read_text(encoding="utf-8"))
        os.kill(pid, 0)
    except (OSError, ValueError):
        return 0
    return 0 if _is_zombie(pid) else pid


def _is_zombie(pid: int) -> bool:
    """Say whether a process has ended and only waits for its parent to ask how (Linux; elsewhere never)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
    except OSError:
        return False
    return state.split()[:1] == ["Z"]


def account_lock(api_key: str, endpoint: str) -> InstanceLock:
    """Return the lock of an exchange account on this host; the key itself appears nowhere."""
    digest = hashlib.sha256(f"{endpoint}\0{api_key}".encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"auto-coin-trader-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return InstanceLock(folder / f"{digest}.lock", "this exchange account")
