"""What a command writes: all its files whole or none of them, and none where it must not be.

That is a place which is something else than a file, which is read, or which is named twice.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from backtest.candle_files import is_data_name
from bot.domain.errors import ConfigurationError


class Outputs:
    """Files made beside their places, which all move there when the context ends well; after an error none does."""

    def __init__(self) -> None:
        self._made: dict[Path, Path] = {}
        self._folders: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._put()
        finally:
            self._clear()

    def add(self, path: Path, write: Callable[[Path], object]) -> None:
        """Have a function write what is to stand at `path`; raises ConfigurationError where that cannot be."""
        place = path.resolve()
        beside = place.with_name(f".{place.name}.{os.getpid()}")
        try:
            if not place.parent.is_dir():
                place.parent.mkdir()
                self._folders.append(place.parent)
            self._made[place] = beside
            write(beside)
        except OSError as error:
            raise unwritable(path, error) from error

    def add_text(self, path: Path, text: str) -> None:
        """Have a text stand at `path`; raises ConfigurationError where that cannot be."""
        self.add(path, lambda beside: beside.write_text(text, encoding="utf-8"))

    def _put(self) -> None:
        for place, beside in list(self._made.items()):
            try:
                beside.replace(place)
            except OSError as error:
                raise unwritable(place, error) from error
            del self._made[place]
        self._folders.clear()

    def _clear(self) -> None:
        for beside in self._made.values():
            if beside.exists():
                beside.unlink()
        for folder in self._folders:
            folder.rmdir()


def unwritable(path: Path, error: OSError) -> ConfigurationError:
    """Say in one line why a file cannot be written."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return ConfigurationError(f"{path} cannot be written: {reason}. Make room, or name another place.")


def check_outputs(
    files: Mapping[str, Path | None], inputs: Mapping[str, Sequence[Path]], pages: Mapping[str, Path] | None = None
) -> None:
    """Refuse places that cannot be written and those that contradict each other, before anything is read.

    `files` are what will be written and `inputs` what is read, by the option that names them; `pages` are files whose
    folder is what the option names, and is made where it is missing.
    """
    taken: dict[Path, str] = {}
    for option, page in (pages or {}).items():
        _check_folder(option, page.parent)
        _check_file(option, page)
        taken |= {page.parent.resolve(): option, page.resolve(): option}
    for option, path in files.items():
        if path is None:
            continue
        _check_file(option, path, needs_folder=True)
        place = path.resolve()
        if place in taken:
            raise ConfigurationError(f"{taken[place]} and {option} both name {path}. Give each a file of its own.")
        taken[place] = option
    for option, paths in inputs.items():
        for path in paths:
            _check_untouched(option, path, taken)


def _check_folder(option: str, folder: Path) -> None:
    _check_reach(folder)
    if not folder.is_dir() and (folder.exists() or not folder.resolve().parent.is_dir()):
        raise ConfigurationError(f"{option} {folder}: no folder can be made there. Name one that can.")


def _check_file(option: str, path: Path, *, needs_folder: bool = False) -> None:
    _check_reach(path)
    if path.is_dir() or (needs_folder and not path.resolve().parent.is_dir()):
        raise ConfigurationError(f"{option} {path}: no file can be written there. Name one in a folder that exists.")
    if path.exists() and not path.is_file():
        raise ConfigurationError(f"{option} {path}: this is a device, a pipe or a socket, no file. Name a file.")


def _check_reach(path: Path) -> None:
    try:
        path.exists()
    except OSError as error:
        raise unwritable(path, error) from error


def _check_untouched(option: str, path: Path, taken: Mapping[Path, str]) -> None:
    read = path.resolve()
    for place, writer in taken.items():
        if place == read and not place.is_dir():
            raise ConfigurationError(f"{writer} would replace {path}, which {option} reads. Name another file.")
        if read in place.parents and is_data_name(place.name):
            raise ConfigurationError(
                f"{writer} {place} would be read as candles by {option} {path} the next time. Name another folder."
            )
