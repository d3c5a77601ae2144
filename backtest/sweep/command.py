"""`act sweep`: one backtest for each combination of parameters."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from backtest.history import written
from backtest.options import add_named, add_options, check_counts, data_paths, inputs_of, read_recording, read_settings
from backtest.outputs import Outputs, check_outputs
from backtest.sweep.grid import read_grid
from backtest.sweep.screen import screen_complaint
from backtest.sweep.store import Store
from backtest.sweep.study import Study
from backtest.sweep.sweep import Sweep
from backtest.sweep.table import OBJECTIVES, Line, lines_of, print_table, write_csv, write_parquet
from backtest.sweep.work import FAILED, Work, load_kernels, readings_of
from backtest.sweep.workers import InProcess, Processes, Runner
from bot.domain.errors import ConfigurationError
from bot.trading.limits import SymbolPlan

_PATIENCE_SECONDS: Final = 2
_CONFIRMED: Final = 10
_DEFAULT_SEARCH: Final = ("pnl", "max_drawdown")


class Clock:
    """What the parts of a sweep take: load (files), start (machine code, workers), run (arrays to results)."""

    def __init__(self) -> None:
        self._seconds = {"load": 0.0, "start": 0.0, "run": 0.0}
        self._cpu = dict(self._seconds)
        self._since, self._since_cpu = perf_counter(), process_time()  # clock: measures

    def note(self, part: str) -> None:
        """Count the time since the last note to a part."""
        now, now_cpu = perf_counter(), process_time()  # clock: measures
        self._seconds[part] += now - self._since
        self._cpu[part] += now_cpu - self._since_cpu
        self._since, self._since_cpu = now, now_cpu

    def as_json(self, sweep: Sweep) -> dict[str, Any]:
        """Return the published figures; what was found in an earlier run is not counted as a combination."""
        run_s = self._seconds["run"]
        count = sweep.combinations
        return {
            "combinations": count,
            "resumed": sweep.resumed,
            "seconds": round(run_s, 6),
            "combinations_per_s": round(count / run_s, 3) if run_s else 0,
            "cpu_s": round(self._cpu["run"] + sweep.runner.cpu_s, 6),
            "load_s": round(self._seconds["load"], 6),
            "start_s": round(self._seconds["start"], 6),
            "jobs": sweep.runner.width,
        }


def main(argv: list[str]) -> int:
    """Run a sweep, print and write what was asked for; return the exit code: 1 where a combination failed."""
    options = _parser().parse_args(argv)
    grid = read_grid(options.param)
    objectives = _objectives(options)
    _check(options)
    settings, folder = read_settings(options)
    paths = data_paths(options, folder)
    study = Study(options, settings, paths, grid)
    _check_set(options, [axis.name for axis in grid.axes], study.plans())
    if options.screen:
        _check_screen(screen_complaint(study.terms(grid.parameters(0)).plan))
    clock = Clock()
    recording = read_recording(options, study.settings, folder, paths)
    clock.note("load")
    for line in written(recording.history.findings):
        sys.stderr.write(f"{line}\n")
    with Store(_store_path(options)) as store:
        sweep, best = _run(options, Sweep(grid, study, recording, store), objectives, clock)
        lines = lines_of(grid, sweep.found, objectives[0], best)
        failed = [line for line in lines if line.values["state"] == FAILED]
        _write(options, lines, sweep, objectives, clock)
        if not failed and not options.store:
            store.forget()
    print_table(lines, [axis.name for axis in grid.axes], options.top)
    sys.stdout.write(", ".join(f"{key} {value}" for key, value in clock.as_json(sweep).items()) + "\n")
    if failed:
        sys.stderr.write(f"act: {len(failed)} of {len(lines)} combinations failed: {failed[0].values['error']}\n")
    return int(bool(failed))


def _run(
    options: argparse.Namespace, sweep: Sweep, objectives: tuple[str, ...], clock: Clock
) -> tuple[Sweep, Sequence[int]]:
    plans = sweep.study.plans()
    load_kernels(sweep.recording, plans)
    clock.note("start")
    readings = readings_of(sweep.recording, plans)
    clock.note("run")
    work = Work(sweep.recording, sweep.study.base, readings)
    if options.screen:
        _announce_screen(work, sweep)
    total = options.optuna or len(sweep.grid)
    best: Sequence[int] = ()
    with _runner(options, work, total) as sweep.runner, _bar(total) as sweep.told:
        clock.note("start")
        if options.optuna:
            search = _loaded("search", "--optuna")
            best = search.search(sweep.grid, options.optuna, objectives, options.seed or 0, sweep.try_all)
        elif options.screen:
            sweep.screen_and_confirm(options.confirm or _CONFIRMED, objectives[0])
        else:
            sweep.try_all(range(len(sweep.grid)))
        clock.note("run")
    return sweep, best


def _runner(options: argparse.Namespace, work: Work, total: int) -> AbstractContextManager[Runner]:
    if options.scheduler:
        cluster: AbstractContextManager[Runner] = _loaded("cluster", "--scheduler").Cluster(work, options.scheduler)
        return cluster
    jobs = min(options.jobs or len(os.sched_getaffinity(0)), total)
    return Processes(work, jobs) if jobs > 1 else nullcontext(InProcess(work))


def _loaded(name: str, option: str) -> Any:
    """Import a part that needs a library of the extra `sweep`."""
    try:
        return import_module(f"backtest.sweep.{name}")
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{option} needs {error.name}, which is not installed. Run: pip install 'auto-coin-trader[sweep]'"
        ) from error


def _announce_screen(work: Work, sweep: Sweep) -> None:
    _check_screen(work.screen.refusal(sweep.study.terms(sweep.grid.parameters(0)).plan))
    left_out = sweep.left_out(sweep.grid.parameters(0))
    if left_out:
        sys.stderr.write(
            f"--screen leaves out {', '.join(left_out)}: it ranks roughly, only rows marked confirmed have all costs.\n"
        )


def _check_screen(complaint: str) -> None:
    if complaint:
        raise ConfigurationError(f"--screen: {complaint}.")


def _as_json(
    lines: Sequence[Line], sweep: Sweep, objectives: Sequence[str], clock: Clock, *, screens: bool
) -> dict[str, Any]:
    left_out = sweep.left_out(sweep.grid.parameters(0))
    plan = sweep.study.base.plan
    return {
        "results": [line.as_json() for line in lines],
        "axes": {axis.name: list(axis.values) for axis in sweep.grid.axes},
        "objectives": list(objectives),
        "screen": {"exact": not left_out, "left_out": list(left_out)} if screens else None,
        "timing": clock.as_json(sweep),
        "config_hash": plan.config_hash,
        "code_version": plan.code_version,
    }


def _write(
    options: argparse.Namespace, lines: Sequence[Line], sweep: Sweep, objectives: Sequence[str], clock: Clock
) -> None:
    with Outputs() as outputs:
        if options.json:
            result = _as_json(lines, sweep, objectives, clock, screens=options.screen)
            outputs.add_text(options.json, json.dumps(result, indent=1) + "\n")
        if options.out:
            write = write_parquet if options.out.suffix == ".parquet" else write_csv
            outputs.add(options.out, lambda path: write(path, lines, sweep.grid))


@contextmanager
def _bar(total: int) -> Iterator[Callable[[], None]]:
    """Show how far it is, on a terminal, once it has lasted a while."""
    console = Console(stderr=True)
    columns = TextColumn("combinations"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    progress = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
    task = progress.add_task("", total=total)
    began = perf_counter()  # clock: a bar for what lasts

    def told() -> None:
        progress.advance(task)
        if not progress.live.is_started and perf_counter() - began > _PATIENCE_SECONDS:  # clock: a bar for what lasts
            progress.start()

    try:
        yield told
    finally:
        progress.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="act sweep",
        description="Backtest every combination of parameters with the live core; compare each with its neighbours.",
        epilog="example: act sweep --data um_perp_1m_2025.parquet --symbol BTCUSDT --exchange-info info.json "
        "--set execution.entry=market --param k=1.5:3:0.1 --param adx_max=15:30:1 --screen --out sweep.parquet",
    )
    add = parser.add_argument
    add(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUES",
        help="first:last:step or a,b,c for a parameter of the strategy or a setting (risk.daily_loss); repeat it",
    )
    add("--jobs", type=int, metavar="N", help="processes on this machine (default: one for each core)")
    add_named(
        parser,
        "--scheduler",
        str,
        metavar="URL",
        help="run on the workers of this Dask scheduler instead",
    )
    add("--optuna", type=int, metavar="N", help="search by N trials of Optuna's TPE instead of trying all")
    add("--seed", type=int, metavar="N", help="of the search (default 0)")
    add("--screen", action="store_true", help="rank all by a fast screen, and confirm only the best by the core")
    add("--confirm", type=int, metavar="N", help=f"so many, and their neighbours (default {_CONFIRMED})")
    add_named(
        parser,
        "--objective",
        str,
        metavar="NAMES",
        help=f"what to sort by, for --optuna several with commas: {' '.join(OBJECTIVES)} (default pnl; "
        f"--optuna {','.join(_DEFAULT_SEARCH)})",
    )
    add_named(
        parser,
        "--store",
        Path,
        metavar="FILE",
        help="keep what is found there, and take from there what is known",
    )
    add("--top", type=int, default=20, metavar="N", help="rows to print (default 20)")
    add_named(parser, "--json", Path, metavar="FILE", help="write the result for machines")
    add_named(parser, "--out", Path, metavar="FILE", help="write the table: .parquet or .csv")
    add_options(parser)
    return parser


def _objectives(options: argparse.Namespace) -> tuple[str, ...]:
    default = _DEFAULT_SEARCH if options.optuna else _DEFAULT_SEARCH[:1]
    names = tuple(name.strip() for name in options.objective.split(",")) if options.objective else default
    unknown = [name for name in names if name not in OBJECTIVES]
    if unknown or len(set(names)) < len(names):
        raise ConfigurationError(f"--objective {options.objective}: choose from {', '.join(OBJECTIVES)}, each once.")
    if len(names) > 1 and not options.optuna:
        raise ConfigurationError(f"--objective {options.objective}: several need --optuna. Give one.")
    return names


def _check(options: argparse.Namespace) -> None:
    """Refuse what cannot be, before anything is read."""
    check_counts(options, "jobs", "optuna", "confirm", "top")
    pairs = (("optuna", "screen"), ("scheduler", "jobs"))
    for one, other in pairs:
        if getattr(options, one) and getattr(options, other):
            raise ConfigurationError(f"--{one} and --{other} exclude each other. Give one of them.")
    for part, whole in (("confirm", "screen"), ("seed", "optuna")):
        if getattr(options, part) is not None and not getattr(options, whole):
            raise ConfigurationError(f"--{part} does nothing without --{whole}. Give both, or leave --{part} out.")
    kept = "--store" if options.store else "what is kept until the sweep is over"
    check_outputs({"--json": options.json, "--out": options.out, kept: _store_path(options)}, inputs_of(options))
    if options.out and options.out.suffix not in {".parquet", ".csv"}:
        raise ConfigurationError(f"--out {options.out}: end its name with .parquet or .csv.")


def _check_set(options: argparse.Namespace, swept: Sequence[str], plans: Sequence[SymbolPlan]) -> None:
    """Refuse a setting that is swept too: the sweep would go over it without a word."""
    sections = {f"strategy.{plan.strategy}" for plan in plans} | {f"symbols.{plan.symbol}.parameters" for plan in plans}
    known = {*swept, *(f"{section}.{name}" for section in sections for name in swept)}
    for each in options.set:
        if each.partition("=")[0].strip() in known:
            raise ConfigurationError(f"--set {each}: --param sweeps the same. Give one of the two.")


def _store_path(options: argparse.Namespace) -> Path | None:
    """Return where results are kept as they come: where asked for, else beside what will be written until it is."""
    if options.store:
        return Path(options.store)
    target: Path | None = options.out or options.json
    return target.with_name(f"{target.name}.unfinished") if target else None
