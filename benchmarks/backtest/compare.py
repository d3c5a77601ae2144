"""Our backtest beside other engines', taking turns on the same candles: `make bench-backtest`.

Every turn is a fresh process. Counted are CPU seconds of the run, indicators included; imports, loading and compiling
are not. Writes `results.json` and, for people, `RESULTS.md` beside this file. A new rival is a module that takes a file
and prints what `measure.report` prints, a `requirements-<name>.txt`, and a row in RIVALS.
"""

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.backtest import data, ours
from benchmarks.backtest.install import ROOT, python_of
from benchmarks.backtest.results import as_page, as_table, goals

_RESULTS = Path(__file__).with_name("results.json")
_SILENT_SECONDS = 1_800
_BACKTESTING_COMBINATIONS = 4


@dataclass(frozen=True)
class Rival:
    """A module in an environment; `repetitions` are runs in one process, where the first is unlike the rest."""

    module: str
    environment: str
    repetitions: int = 1
    arguments: tuple[str, ...] = ()


RIVALS = {
    "vectorbt": Rival("on_vectorbt", "vectorbt", repetitions=9),
    "vectorbt-rust": Rival("on_vectorbt", "vectorbt-rust", repetitions=9),
    "backtesting": Rival("on_backtesting", "backtesting"),
    "backtesting-lookup": Rival("on_backtesting", "backtesting", arguments=("--way", "lookup")),
    "freqtrade": Rival("on_freqtrade", "freqtrade"),
    "nautilus": Rival("on_nautilus", "nautilus"),
}
SWEEPS = {
    "vectorbt loop": Rival("on_vectorbt", "vectorbt", arguments=("--sweep", "1")),
    "vectorbt 10 columns": Rival("on_vectorbt", "vectorbt", arguments=("--sweep", "10")),
    "vectorbt 100 columns": Rival("on_vectorbt", "vectorbt", arguments=("--sweep", "100")),
    "backtesting optimize": Rival(
        "on_backtesting",
        "backtesting",
        arguments=("--sweep", "grid", "--combinations", str(_BACKTESTING_COMBINATIONS)),
    ),
}
OURS = {"act": (), "act every candle": ("--every-candle",)}
OUR_SWEEPS = {
    "act full core": (),
    "act screen and confirm": ("--screen",),
    "act screen and confirm the best": ("--screen", "--confirm", "1"),
}

type Turn = Callable[[Path], dict]


def _turn_of(rival: Rival) -> Turn:
    python = python_of(rival.environment)

    def turn(file: Path) -> dict:
        command = [str(python), "-m", f"benchmarks.backtest.{rival.module}", str(file)]
        command += ["--repetitions", str(rival.repetitions), *rival.arguments]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, cwd=ROOT, timeout=_SILENT_SECONDS, env=_plain()
        )
        return json.loads(done.stdout.splitlines()[-1])

    return turn


def _plain() -> dict[str, str]:
    """Return an environment that keeps engines from reading our settings or using more than their process."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ACT_", "PYTHON"))}


def _our_turn(run: Callable[..., dict], also: tuple[str, ...]) -> Turn:
    return lambda file: run(file, *also)


def _contenders(rivals: dict[str, Rival], own: dict[str, Turn], only: set[str]) -> dict[str, Turn]:
    """Return who takes part; one that cannot be installed is named in a line and left out."""
    chosen = {name: turn for name, turn in own.items() if not only or name.split()[0] in only}
    for name, rival in rivals.items():
        if only and not {name, name.split()[0]} & only:
            continue
        try:
            chosen[name] = _turn_of(rival)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{name} is left out: it could not be installed. {_last_line(error)}", file=sys.stderr)
    return chosen


def _last_line(error: Exception) -> str:
    said = (getattr(error, "stderr", "") or str(error)).strip()
    return said.splitlines()[-1] if said else ""


def taken(contenders: dict[str, Turn], files: dict[str, Path], rounds: int) -> dict[str, dict[str, list[dict]]]:
    """Let everybody run on every file, `rounds` times in turn; who fails is named in a line and left out there."""
    turns: dict[str, dict[str, list[dict]]] = {name: {} for name in files}
    failed = set()
    for number in range(rounds):
        for file_name, file in files.items():
            for name, turn in contenders.items():
                if (file_name, name) in failed:
                    continue
                try:
                    figures = turn(file)
                except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
                    failed.add((file_name, name))
                    print(f"{name} is left out on {file_name}: it failed. {_last_line(error)}", file=sys.stderr)
                    continue
                print(f"{number + 1}/{rounds} {file_name} {name}: {json.dumps(figures)}", file=sys.stderr)
                turns[file_name].setdefault(name, []).append(figures)
    return turns


def summed(turns: list[dict]) -> dict[str, float | int | str]:
    """Return the median, best and first CPU seconds of turns.

    Where a process runs several times, its first run (cold memory) is reported but not counted in the median.
    """
    counted = [seconds for turn in turns for seconds in (turn["cpu_s"][1:] or turn["cpu_s"])]
    walls = [seconds for turn in turns for seconds in (turn["wall_s"][1:] or turn["wall_s"])]
    last = turns[-1]
    found: dict[str, float | int | str] = {
        "runs": len(counted),
        "cpu_s": statistics.median(counted),
        "best_cpu_s": min(counted),
        "first_cpu_s": statistics.median(turn["cpu_s"][0] for turn in turns),
        "wall_s": statistics.median(walls),
        **{key: last[key] for key in ("candles", "trades", "combinations", "version") if key in last},
    }
    work = found.get("combinations") or found["candles"]
    return found | {"per_cpu_second": round(work / found["cpu_s"], 2), "per_second": round(work / found["wall_s"], 2)}


def _medians(turns: dict[str, dict[str, list[dict]]]) -> dict[str, dict[str, dict]]:
    return {file: {name: summed(done) for name, done in each.items()} for file, each in turns.items()}


def _warm(files: dict[str, Path], contenders: dict[str, Turn]) -> None:
    """Compile our steps once, untimed: they are kept on disk, so that later processes compile nothing."""
    if "act" in contenders:
        taken({"act": contenders["act"]}, {"warm-up": files["recorded"]}, 1)


def measured(options: argparse.Namespace) -> dict:
    only = set(options.only.split(",")) - {""}
    contenders = _contenders(RIVALS, {name: _our_turn(ours.backtest, also) for name, also in OURS.items()}, only)
    files = {"recorded": data.recorded(), "dense": data.dense_years(1)}
    _warm(files, contenders)
    runs = _medians(taken(contenders, files, options.rounds))
    if options.quick:
        return {"runs": runs}
    growth = {"act": contenders["act"]} if "act" in contenders else {}
    long = {"dense": files["dense"], "dense five years": data.dense_years(data.GROWTH_YEARS)}
    grown = _medians(taken(growth, long, options.rounds))
    sweepers = _contenders(SWEEPS, {name: _our_turn(ours.sweep, also) for name, also in OUR_SWEEPS.items()}, only)
    sweeps = _medians(taken(sweepers, {"dense": files["dense"]}, max(1, options.rounds // 2)))
    return {"runs": runs, "growth": grown, "sweeps": sweeps["dense"]}


def _machine() -> dict[str, object]:
    model = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "cores": os.cpu_count(),
        "processor": model[0] if model else platform.processor(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_at_the_end": round(os.getloadavg()[0], 1),
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _code_version() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], check=False, capture_output=True, text=True, cwd=ROOT
    )
    return done.stdout.strip() or "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backtest", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns of everybody on every file (default 5)")
    parser.add_argument("--only", default="", metavar="NAMES", help=f"of act,{','.join(RIVALS)}, by commas")
    parser.add_argument(
        "--quick", action="store_true", help="one round, neither sweeps nor five years; nothing written"
    )
    options = parser.parse_args()
    if options.quick:
        options.rounds = 1
    unknown = set(options.only.split(",")) - {"", "act", *RIVALS}
    if unknown:
        parser.error(f"--only does not know {', '.join(sorted(unknown))}.")
    results = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": shlex.join(["python", "-m", "benchmarks.backtest", *sys.argv[1:]]),
        "rounds": options.rounds,
        "code_version": _code_version(),
        **measured(options),
        "machine": _machine(),
    }
    results["goals"] = goals(results)
    print(as_table(results))
    if options.quick or options.only:
        print("Nothing was written: only a whole comparison is.", file=sys.stderr)
        return
    _RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    _RESULTS.with_name("RESULTS.md").write_text(as_page(results), encoding="utf-8")


if __name__ == "__main__":
    main()
