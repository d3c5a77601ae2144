"""What a sweep has found so far, one line of JSON for each combination, written as it is found and never changed.

A line is known by a key made of data, code, settings and parameters, so that a file can only ever answer for the same
question. A line that was cut short by a crash is left out.
"""

import hashlib
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

from backtest.errors import DataError
from backtest.outputs import unwritable
from backtest.run import Recording, Terms
from backtest.sweep.work import CONFIRMED, FAILED, SCREENED, Found, Job
from bot.domain.money import plain

_KEY_BYTES: Final = 12
_ROOT: Final = Path(__file__).resolve().parents[2]
_DECIDING: Final = (
    "backtest",
    "bot/domain",
    "bot/exchange/simulated",
    "bot/indicators",
    "bot/trading",
    "simulator/venue",
    "strategies",
)


class Store:
    """Found combinations by key; `path` None keeps nothing. Use it as a context."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._known = _read(path) if path and path.is_file() else {}
        self._used = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()
        if error is not None and self._used:
            error.add_note(f"What was found is kept in {self._path}: the same command goes on from there.")

    def get(self, key: str, job: Job) -> Found | None:
        """Return what was found of a combination before, None = nothing, or not held against the screen as wanted.

        What was confirmed stands for what shall be screened, too.
        """
        line = self._known.get((key, CONFIRMED))
        if line is not None and job.is_exact and not line["checked"]:
            line = None
        if line is None and job.state == SCREENED:
            line = self._known.get((key, SCREENED))
        if line is None:
            return None
        self._used += 1
        return Found(job.number, line["state"], line["figures"], tuple(line["limits"]), is_checked=line["checked"])

    def add(self, key: str, parameters: Mapping[str, str], found: Found) -> None:
        """Keep what was found; what failed is tried again another time. Raises ConfigurationError where it cannot."""
        if self._path is None or found.state == FAILED or found.defect:
            return
        line = {
            "key": key,
            "state": found.state,
            "parameters": dict(parameters),
            "figures": found.figures,
            "limits": list(found.limits),
            "checked": found.is_checked,
        }
        try:
            self._append(self._path, json.dumps(line, separators=(",", ":")).encode() + b"\n")
        except OSError as error:
            raise unwritable(self._path, error) from error
        self._used += 1

    def _append(self, path: Path, line: bytes) -> None:
        """Write a line past any buffer: on a full disk nothing waits to be written later, and no part of it stays."""
        if self._file is None:
            self._file = _open(path)
        whole = self._file.tell()
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError:
            self._file.truncate(whole)
            if not whole:
                path.unlink()
            raise

    def forget(self) -> None:
        """Remove the file: its sweep is over and its results are written."""
        if self._file:
            self._file.close()
            self._file = None
        if self._path:
            self._path.unlink(missing_ok=True)


def key_of(base: str, terms: Terms, parameters: Mapping[str, str]) -> str:
    """Return the key of one combination; `base` stands for data and code, see `base_of`."""
    told = [
        base,
        terms.plan.config_hash,
        plain(terms.balance),
        terms.from_ms,
        terms.unlimited,
        sorted(parameters.items()),
    ]
    return hashlib.blake2b(json.dumps(told).encode(), digest_size=_KEY_BYTES).hexdigest()


def base_of(recording: Recording) -> str:
    """Return what stands for candles, funding, marks and contracts, and for the code that decides."""
    digest = hashlib.blake2b(digest_size=_KEY_BYTES)
    for folder in _DECIDING:
        for path in sorted((_ROOT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    buffers: list[pickle.PickleBuffer] = []
    digest.update(pickle.dumps(recording, protocol=5, buffer_callback=buffers.append))
    for buffer in buffers:
        digest.update(buffer.raw())
    return digest.hexdigest()


def _read(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}): name another file") from error
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for number, text in enumerate(lines, 1):
        try:
            line = json.loads(text)
            found[line["key"], line["state"]] = line
        except (ValueError, LookupError, TypeError) as error:
            if number < len(lines):
                raise DataError(f"{path}, line {number}: no result of a sweep: name another file") from error
    return found


def _open(path: Path) -> BinaryIO:
    _cut_torn_line(path)
    return path.open("ab", buffering=0)


def _cut_torn_line(path: Path) -> None:
    """Take away what a crash has left behind the last whole line."""
    if path.is_file():
        with path.open("rb+") as file:
            whole = file.read().rfind(b"\n") + 1
            file.truncate(whole)
