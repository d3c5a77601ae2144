"""Copies of both files that are whole: taken while the bot runs, and put back only while it is stopped."""

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bot.domain.errors import ConfigurationError
from bot.ports import Clock
from database.instance import LENGTH, set_instance
from database.schema import upgrade
from database.session import FILE_MODE, is_sound, sqlite_path, writing_engine

_PAGES_A_STEP = 500
_PAUSE_SECONDS = 0.002
_INCOMING = ".incoming"


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did: the new instance id, and where the replaced files were put."""

    instance: str
    kept_aside: tuple[Path, ...]


def backup(act_url: str, desk_url: str, folder: Path) -> tuple[Path, ...]:
    """Copy both files into a new folder, check the copies, and return them. The bot may run.

    Raises ConfigurationError when a file is missing, is no SQLite file, or the folder holds a backup already.
    """
    sources = _existing((act_url, desk_url))
    part = folder.with_name(folder.name + ".part")
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty: name a new folder, so that no backup replaces another")
    try:
        part.mkdir(parents=True, mode=0o750)
        for source in sources:
            _copy(source, part / source.name)
        part.rename(folder)
    except OSError as error:
        raise ConfigurationError(f"{folder}: the backup could not be written ({error.strerror})") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return tuple(folder / source.name for source in sources)


def restore(act_url: str, desk_url: str, folder: Path, clock: Clock) -> Restored:
    """Put a backup's files in place of the present ones, bring them to the newest shape, and renew the instance id.

    The caller holds the home's lock: the bot must not run. The replaced files stay beside the new ones. The new
    instance id makes orders of the replaced books recognisable as not ours. Raises ConfigurationError, with nothing
    changed, when a copy is missing or damaged.
    """
    targets = [_file(url) for url in (act_url, desk_url)]
    sources = [folder / target.name for target in targets]
    for source in sources:
        if not source.is_file() or not is_sound(source):
            raise ConfigurationError(f"{source} is missing or damaged: choose another backup; nothing was changed")
    for source, target in zip(sources, targets, strict=True):
        _prepare(source, target)
    suffix = f".replaced-{clock.wall_ms()}"
    kept = [_replace(target, suffix) for target in targets]
    upgrade(act_url, desk_url, clock)
    return Restored(_renew_instance(act_url, clock), tuple(path for path in kept if path))


def _existing(urls: tuple[str, str]) -> list[Path]:
    paths = [_file(url) for url in urls]
    for path in paths:
        if not path.is_file():
            raise ConfigurationError(f"{path} does not exist: there is nothing to back up yet")
    return paths


def _file(url: str) -> Path:
    path = sqlite_path(url)
    if path is None:
        raise ConfigurationError("backup and restore are for SQLite files; use pg_dump and pg_restore for PostgreSQL")
    return path


def _copy(source: Path, target: Path) -> None:
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE))
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as reader,
            closing(sqlite3.connect(target)) as writer,
        ):
            reader.backup(writer, pages=_PAGES_A_STEP, sleep=_PAUSE_SECONDS)
            writer.execute("PRAGMA journal_mode = DELETE").fetchone()  # one file, readable from any medium
    except sqlite3.Error as error:
        raise ConfigurationError(f"{source}: the backup failed ({error}); free the disk and try again") from error
    if not is_sound(target):
        raise ConfigurationError(f"{source}: its copy is damaged; check the disk, then restore the latest good backup")


def _prepare(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    incoming = target.with_name(target.name + _INCOMING)
    incoming.unlink(missing_ok=True)
    _copy(source, incoming)


def _replace(target: Path, suffix: str) -> Path | None:
    """Put the prepared copy in place; the file it replaces moves aside together with its write-ahead log."""
    aside = target.with_name(target.name + suffix)
    kept = aside if target.exists() else None
    for tail in ("", "-wal", "-shm"):
        present = target.with_name(target.name + tail)
        if present.exists():
            present.rename(aside.with_name(aside.name + tail))
    target.with_name(target.name + _INCOMING).rename(target)
    return kept


def _renew_instance(act_url: str, clock: Clock) -> str:
    instance = clock.token(LENGTH)
    engine = writing_engine(act_url)
    with engine.begin() as connection:
        set_instance(connection, instance)
    engine.dispose()
    return instance
