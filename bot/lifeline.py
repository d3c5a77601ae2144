"""`act health` and `act halt`: nothing but files, so they answer at once whatever else is broken or busy."""

import argparse
import getpass
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.domain.errors import ConfigurationError
from bot.runtime import heartbeat

HEALTHY = frozenset({"running", "paused", "reconciling", "starting"})


def health(argv: list[str]) -> int:
    """Exit 0 while the heartbeat is fresh and the bot is well, else 1."""
    parser = _parser("health", "Judge the heartbeat by its age and state.", "act health --max-age 10")
    parser.add_argument(
        "--max-age", type=float, default=heartbeat.DEAD_SECONDS, metavar="SECONDS", help="default %(default)g"
    )
    options = parser.parse_args(argv)
    status = _status_folder(options)
    try:
        beat = heartbeat.read(status / "heartbeat.json")
        age = heartbeat.age_seconds(beat, _now())
        state = str(beat["state"])
    except FileNotFoundError:
        print(f"dead: no bot has run in {status.parent}. Start it with act run, or name its folder with --home.")
        return 1
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"dead: {status / 'heartbeat.json'} cannot be read ({_first_line(error)}). Restart the bot.")
        return 1
    reason = f": {beat['reason']}" if beat.get("reason") else ""
    print(f"{state}, {age:.1f} s old{reason}")
    return int(age > options.max_age or state not in HEALTHY)


def halt(argv: list[str]) -> int:
    """Stop entries within a second, by a file that works even when the database does not."""
    options = _parser(
        "halt", "Stop entries at once: writes status/KILL. act resume removes it.", "act halt"
    ).parse_args(argv)
    status = _status_folder(options)
    kill = status / "KILL"
    try:
        status.mkdir(parents=True, exist_ok=True)
        kill.write_text(f"{getpass.getuser()} {_now().isoformat()}\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{kill} cannot be written: {error.strerror}. Check its owner.") from error
    print(f"{kill} written: no entries until act resume. Stops and exits go on.")
    if not is_beating(status):
        print(f"act: no bot is running in {status.parent}: is --home or ACT_HOME right?", file=sys.stderr)
    return 0


def is_beating(status: Path) -> bool:
    """Return whether a bot has proven its life in this status folder within the last seconds."""
    try:
        beat: dict[str, Any] = heartbeat.read(status / "heartbeat.json")
        return heartbeat.age_seconds(beat, _now()) <= heartbeat.DEAD_SECONDS and beat.get("state") != "stopped"
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _parser(name: str, purpose: str, example: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"act {name}", description=purpose, epilog=f"example: {example}")
    parser.add_argument(
        "--home", default="", help="folder with act.toml, status/ and logs/ (default ACT_HOME, else here)"
    )
    return parser


def _status_folder(options: argparse.Namespace) -> Path:
    return Path(options.home or os.environ.get("ACT_HOME") or ".").resolve() / "status"


def _now() -> datetime:
    return datetime.now(UTC)  # clock: a person's tool that judges ages by the wall clock


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
