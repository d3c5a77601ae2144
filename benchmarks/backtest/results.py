"""What a comparison found, as ratios against the goals and as a page for people."""

_RUN_GOALS = (
    ("recorded", "vectorbt", "per_cpu_second", 1.0),
    ("dense", "vectorbt", "per_cpu_second", 1 / 3),
    ("recorded", "backtesting", "per_cpu_second", 20.0),
    ("dense", "backtesting", "per_cpu_second", 20.0),
    ("recorded", "freqtrade", "per_cpu_second", 80.0),
    ("dense", "freqtrade", "per_cpu_second", 80.0),
    ("recorded", "nautilus", "per_cpu_second", 80.0),
    ("dense", "nautilus", "per_cpu_second", 80.0),
)
_ROUND_TRIP_US = 90.0
_GROWTH = 5.5
_SWEEP_GOALS = (("act full core", 0.5), ("act screen and confirm", 2.0), ("act screen and confirm the best", 2.0))
_NAMES = {
    "recorded": "recorded BTCUSDT, 2025-05-05 to 06-24",
    "dense": "dense synthetic year",
    "dense five years": "five dense years",
}


def goals(results: dict) -> list[dict]:
    """Return what was asked for beside what was measured; what did not run or failed is said so and not met."""
    found = _run_goals(results["runs"])
    if "growth" in results:
        found.append(_growth(results["growth"]))
    if "sweeps" in results:
        found += _sweeps(results["sweeps"])
    return found


def _run_goals(runs: dict) -> list[dict]:
    found = []
    for file, rival, figure, least in _RUN_GOALS:
        act, other = runs[file].get("act"), runs[file].get(rival)
        what = f"{_NAMES[file]}: full core against {rival}, candles per CPU second"
        ratio = act[figure] / other[figure] if act and other else None
        note = _beside(act, other) if act and other and rival == "vectorbt" else ""
        found.append(_at_least(what, least, ratio, note))
    act = runs["dense"].get("act")
    each_us = act["cpu_s"] / max(1, act["trades"]) * 1e6 if act else None
    return [*found, _at_most("dense synthetic year: CPU microseconds per round trip", _ROUND_TRIP_US, each_us)]


def _beside(act: dict, other: dict) -> str:
    best, first = (other[figure] / act["cpu_s"] for figure in ("best_cpu_s", "first_cpu_s"))
    return f" ({best:.2f} against its best, {first:.2f} against its first run)"


def _growth(growth: dict) -> dict:
    one, five = (growth.get(file, {}).get("act") for file in ("dense", "dense five years"))
    ratio = five["cpu_s"] / one["cpu_s"] if one and five else None
    return _at_most("five dense years against one, CPU seconds", _GROWTH, ratio)


def _sweeps(sweeps: dict) -> list[dict]:
    rivals = [done for name, done in sweeps.items() if name.startswith("vectorbt")]
    found = []
    for name, least in _SWEEP_GOALS:
        for rate, what in (("per_second", "combinations a second, 2 cores"), ("per_cpu_second", "per CPU second")):
            fastest = max((done[rate] for done in rivals), default=0)
            ratio = sweeps[name][rate] / fastest if name in sweeps and fastest else None
            found.append(_at_least(f"sweep of 100: {name} against vectorbt's fastest way, {what}", least, ratio))
    return found


def _at_least(what: str, least: float, measured: float | None, note: str = "") -> dict:
    met = measured is not None and measured >= least
    return {"what": what, "goal": f">= {least:.3g}", "measured": _written(measured) + note, "met": met}


def _at_most(what: str, most: float, measured: float | None) -> dict:
    met = measured is not None and measured <= most
    return {"what": what, "goal": f"<= {most:.3g}", "measured": _written(measured), "met": met}


def _written(measured: float | None) -> str:
    return "not measured" if measured is None else f"{measured:.2f}"


def as_table(results: dict) -> str:
    """Return the whole comparison as Markdown tables."""
    return "\n\n".join(part for part in (_goal_table(results), _run_table(results), _sweep_table(results)) if part)


def _goal_table(results: dict) -> str:
    rows = [(row["what"], row["goal"], row["measured"], "yes" if row["met"] else "no") for row in results["goals"]]
    return _table(("what", "goal", "measured", "met"), rows) if rows else ""


def _run_table(results: dict) -> str:
    head = ("candles", "engine", "version", "candles per CPU second", "best", "first run", "CPU s", "trades", "runs")
    rows = []
    for part in ("runs", "growth"):
        for file, engines in results.get(part, {}).items():
            if part == "growth" and file == "dense":
                continue
            for name, done in sorted(engines.items(), key=lambda item: -item[1]["per_cpu_second"]):
                count = done["candles"]
                rates = (count / done[figure] for figure in ("cpu_s", "best_cpu_s", "first_cpu_s"))
                shown = [f"{rate:,.0f}" for rate in rates]
                version = done.get("version", "")
                rows.append((_NAMES[file], name, version, *shown, f"{done['cpu_s']:.4f}", done["trades"], done["runs"]))
    return _table(head, rows)


def _sweep_table(results: dict) -> str:
    rows = [
        (name, done["combinations"], done["per_second"], done["per_cpu_second"], round(done["cpu_s"], 3))
        for name, done in results.get("sweeps", {}).items()
    ]
    head = ("sweep on the dense year", "combinations", "a second", "per CPU second", "CPU s")
    return _table(head, rows) if rows else ""


def _table(head: tuple[str, ...], rows: list[tuple]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def as_page(results: dict) -> str:
    machine = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in results["machine"].items())
    return f"""# Our backtest beside other engines'

Written by `make bench-backtest` on {results["date"]}; do not edit.
Command `{results["command"]}`, code {results["code_version"]}.
Machine: {machine}.

{_goal_table(results)}

{_run_table(results)}

{_sweep_table(results)}

How it is measured: the reference strategy with market entries, 1-minute BTCUSDT candles. CPU seconds (user and system,
of the process and its children) of the run with its indicators; imports, reading the file and compiling are outside.
Median of {results["rounds"]} interleaved rounds, every turn a fresh process. vectorbt, which is bimodal, compiles on a
short stretch and then runs nine times in its process: the first (cold memory) is shown as "first run", the other eight
count for the median and the best. Our process and the other engines run once in theirs, so cold.

"act" skips candles at which nothing can happen; "act every candle" gives the core every one. "backtesting" declares
what it reads, as its documentation has it; "backtesting-lookup" goes round the engine with plain lists. "vectorbt-rust"
is vectorbt with its compiled extra. The head of each module beside this file says which rule of the strategy an engine
cannot express, which is why trades differ by a few. backtesting.py's sweep runs {_some(results)} combinations; its rate
counts. "screen and confirm" has the core confirm the ten best and their neighbours, as is the default; "the best" only
the best one and its neighbours (`--confirm 1`). Nearly all of that time is the core's. Ratios travel between machines,
absolute figures do not.
"""


def _some(results: dict) -> int:
    return next((each["combinations"] for name, each in results.get("sweeps", {}).items() if "optimize" in name), 0)
