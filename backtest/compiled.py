"""Compiles a strategy's kernel and the scans that find the next candle worth looking at. numba lives here alone.

What is compiled is the very code that runs live: `start`, `step` and `flags` of the strategy with everything they call,
taken as they are. Machine code is kept on disk, in a folder named by the source it came from, so that a changed
indicator is compiled again and an unchanged one never.
"""

import hashlib
import inspect
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
import numpy as np
from numba import njit
from numba.typed import List
from numpy.typing import NDArray

from backtest import kernels
from bot.trading.strategy import Strategy

type Integers = NDArray[np.int64]
type Floats = NDArray[np.float64]
type Flags = NDArray[np.uint8]


@dataclass(frozen=True)
class CompiledKernel:
    """A strategy's kernel as machine code.

    `flags(open_time, high, low, close, volume, interval_ms, numbers, out)` fills `out` with the bits of each candle;
    `readings(open_time, high, low, close, volume, interval_ms)` returns the strategy's readings, one row a candle, and
    `flags_of(readings, numbers, out)` the bits they give, so that combinations of numbers share the readings.
    """

    flags: Callable[..., None]
    readings: Callable[..., Floats]
    flags_of: Callable[..., None]


@dataclass(frozen=True)
class Scans:
    """The searches of `backtest.kernels` as machine code; their docstrings say what they look for."""

    next_entry: Callable[..., int]
    next_touch: Callable[..., int]
    next_breach: Callable[..., int]


@cache
def compiled_kernel(kind: type[Strategy]) -> CompiledKernel | None:
    """Compile a strategy's kernel, or take it from disk; None for a strategy without one."""
    kernel = kind.kernel
    if kernel is None:
        return None
    loops = (kernels.flags_loop, kernels.readings_loop, kernels.flags_of_loop)
    parts = {"start": kernel.start, "step": kernel.step, "flags": kernel.flags}
    with _kept_in(_digest(*parts.values(), *loops)):
        flags, readings, flags_of = (_compile(loop, parts) for loop in loops)
    return CompiledKernel(flags, readings, flags_of)


@cache
def scans() -> Scans:
    """Compile the searches, or take them from disk."""
    functions = (kernels.next_entry, kernels.next_touch, kernels.next_breach)
    with _kept_in(_digest(*functions)):
        entry, touch, breach = (_compile(function, {}) for function in functions)
    return Scans(entry, touch, breach)


def joined(arrays: Sequence[Integers] | Sequence[Floats]) -> Any:
    """Return arrays of one type as a list that compiled code can look into, without copying them.

    All of them as read-only: to numba that is part of the type, and arrays read from files are not to be written.
    """
    return List([_read_only(array) for array in arrays])


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def compile_with(function: Callable[..., Any], parts: dict[str, Callable[..., Any]]) -> Callable[..., Any]:
    """Compile a function whose global names `parts` stand for others; what it calls is compiled with it."""
    with _kept_in(_digest(function, *parts.values())):
        return _compile(function, parts)


def _compile(function: Callable[..., Any], parts: dict[str, Callable[..., Any]]) -> Callable[..., Any]:
    compiled: Callable[..., Any] = _compiled(function, parts, {})
    return compiled


def _compiled(
    function: Callable[..., Any], parts: dict[str, Callable[..., Any]], done: dict[Callable[..., Any], Any]
) -> Any:
    if function not in done:
        plain = _plain(function)
        names = dict(plain.__globals__)
        for name, used in _functions_of(plain, parts):
            names[name] = _compiled(used, parts, done)
        copy = FunctionType(plain.__code__, names, plain.__name__, plain.__defaults__)
        copy.__module__, copy.__qualname__ = plain.__module__, plain.__qualname__
        done[function] = njit(cache=True, error_model="numpy")(copy)
    return done[function]


def _functions_of(
    function: FunctionType, parts: dict[str, Callable[..., Any]]
) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the plain Python functions that a function names, those that `parts` stand for among them."""
    for name in function.__code__.co_names:
        used = parts.get(name, function.__globals__.get(name))
        if isinstance(used, FunctionType):
            yield name, used


def _plain(function: Callable[..., Any]) -> FunctionType:
    if not isinstance(function, FunctionType):
        raise TypeError(f"{function!r} is no plain function: a kernel is made of functions of its module.")
    return function


def _digest(*functions: Callable[..., Any]) -> str:
    """Return what names the source of these functions, of all they call, and of numba itself."""
    seen: set[FunctionType] = set()
    waiting = [_plain(function) for function in functions]
    while waiting:
        function = waiting.pop()
        if function not in seen:
            seen.add(function)
            waiting += [_plain(used) for _, used in _functions_of(function, {})]
    sources = sorted(f"{each.__module__}.{each.__qualname__}\n{inspect.getsource(each)}" for each in seen)
    constants = sorted(repr(_constants(each)) for each in seen)
    return hashlib.sha256("\n".join([numba.__version__, *sources, *constants]).encode()).hexdigest()[:20]


def _constants(function: FunctionType) -> list[tuple[str, object]]:
    """Return the module constants a function reads: they become part of the machine code."""
    named = ((name, function.__globals__.get(name)) for name in sorted(function.__code__.co_names))
    return [(name, value) for name, value in named if isinstance(value, int | float | str | tuple)]


@contextmanager
def _kept_in(digest: str) -> Iterator[None]:
    before = numba.config.CACHE_DIR
    folder = cache_folder() / digest
    try:
        folder.mkdir(parents=True, exist_ok=True)
        numba.config.CACHE_DIR = str(folder)
        yield
    finally:
        numba.config.CACHE_DIR = before


@cache
def cache_folder() -> Path:
    """Return where machine code is kept: `ACT_CACHE`, else the user's cache folder, else a temporary one."""
    given = os.environ.get("ACT_CACHE")
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "auto-coin-trader"
    folder = (Path(given) if given else usual) / "compiled"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        folder = Path(tempfile.gettempdir()) / f"auto-coin-trader-{os.getuid()}" / "compiled"
        folder.mkdir(parents=True, exist_ok=True)
    return folder
