"""Our live path against the official SDK's, taking turns: `make bench-live`.

Each turn is a process of its own, so that one does not warm up or slow down the other. Writes the medians of the turns
and the ratios to the SDK to `benchmarks/live/results.json` and, for people, to `benchmarks/live/RESULTS.md`.
A new reader is a module with `--rate` and `--seconds` that prints one JSON line, named in READERS.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

READERS = {
    "sdk": "benchmarks.live.sdk_client",
    "act": "benchmarks.live.act_client",
    "bare": "benchmarks.live.bare_reader",
}
PATHS = ("sdk", "act")
RATES = {"flat_out": 0, "10k": 10_000}
_FIGURES = ("per_second", "per_cpu_second", "core_share", "p50_us", "p99_us", "p999_us", "max_us")
_ORDER_FIGURES = ("p50_us", "p90_us", "p99_us", "max_us")
_RESULTS = Path(__file__).with_name("results.json")


def _read(module: str, rate: int, seconds: float) -> dict[str, float]:
    return _turn(module, "--rate", str(rate), "--seconds", str(seconds))


def _turn(module: str, *arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _medians(turns: list[dict[str, float]], figures: tuple[str, ...] = _FIGURES) -> dict[str, float]:
    return {figure: round(statistics.median(turn[figure] for turn in turns), 3) for figure in figures}


def compared(rounds: int, seconds: float) -> dict:
    """Run every reader at every rate, `rounds` times in turn, and return medians and ratios to the SDK."""
    turns: dict[tuple[str, str], list[dict[str, float]]] = {}
    for _ in range(rounds):
        for rate_name, rate in RATES.items():
            for reader, module in READERS.items():
                turn = _read(module, rate, seconds)
                print(json.dumps(turn), file=sys.stderr)
                turns.setdefault((rate_name, reader), []).append(turn)
    medians = {f"{reader} {rate}": _medians(done) for (rate, reader), done in turns.items()}
    return {"rounds": rounds, "seconds": seconds, "medians": medians, "ratios": _ratios(medians)}


def _ratios(medians: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    sdk_flat, sdk_paced = medians["sdk flat_out"], medians["sdk 10k"]
    return {
        reader: {
            "ingest": round(medians[f"{reader} flat_out"]["per_cpu_second"] / sdk_flat["per_cpu_second"], 2),
            "p99_latency": round(medians[f"{reader} 10k"]["p99_us"] / sdk_paced["p99_us"], 3),
        }
        for reader in READERS
        if reader != "sdk"
    }


def ordered(rounds: int, orders: int) -> dict:
    """Run both paths from tick to order, `rounds` times in turn, and return medians and ratios to the SDK."""
    turns: dict[str, list[dict[str, float]]] = {path: [] for path in PATHS}
    for _ in range(rounds):
        for path in PATHS:
            turn = _turn("benchmarks.live.orders", path, "--orders", str(orders))
            print(json.dumps(turn), file=sys.stderr)
            turns[path].append(turn)
    medians = {path: _medians(done, _ORDER_FIGURES) for path, done in turns.items()}
    ratios = {figure: round(medians["act"][figure] / medians["sdk"][figure], 3) for figure in ("p50_us", "p99_us")}
    return {"rounds": rounds, "orders": orders, "medians": medians, "ratios": ratios}


def _table(results: dict) -> str:
    streams, orders, many = results["streams"], results["orders"], results["many_symbols"]
    rows = [
        ("ingest to price state, messages per CPU second, against the SDK", ">= 5", streams["ratios"]["act"]["ingest"]),
        ("p99 data latency at 10k messages/s, against the SDK", "<= 0.167", streams["ratios"]["act"]["p99_latency"]),
        ("tick to order p50, filters, risk and committed intent included", "<= 0.333", orders["ratios"]["p50_us"]),
        ("tick to order p99", "<= 0.333", orders["ratios"]["p99_us"]),
        (f"the bot on {many['symbols']} symbols at market speed, share of a core", "<= 0.40", many["core_share"]),
        (f"the bot on {many['symbols']} symbols, resident memory in MiB", "<= 400", many["rss_mib"]),
    ]
    lines = ["| what | goal | measured |", "|---|---|---|"]
    return "\n".join(lines + [f"| {what} | {goal} | {measured} |" for what, goal, measured in rows])


def _report(results: dict) -> str:
    machine = results["machine"]
    medians = {**results["streams"]["medians"], **{f"order {k}": v for k, v in results["orders"]["medians"].items()}}
    figures = "\n".join(f"- {name}: " + ", ".join(f"{k} {v}" for k, v in row.items()) for name, row in medians.items())
    return f"""# The live path against the official SDK's

Written by `make bench-live`; do not edit. Medians of {results["streams"]["rounds"]} interleaved turns, each a process
of its own, on {machine["cores"]} cores, Python {machine["python"]}, load {machine["load"]} at the end.

{_table(results)}

"act" is the bot's own adapter, shell, core and database; "sdk" the official SDK's streams and REST with nothing behind
them; "bare" picows and msgspec alone, the floor. Ratios travel between machines, absolute figures do not. On a machine
with other work to do, the tails (p99 and beyond) show that work more than either path.

{figures}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--orders", type=int, default=1_500)
    options = parser.parse_args()
    results = {
        "streams": compared(options.rounds, options.seconds),
        "orders": ordered(options.rounds, options.orders),
        "many_symbols": _turn("benchmarks.live.many_symbols"),
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load": round(os.getloadavg()[0], 1),
        },
    }
    _RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    _RESULTS.with_name("RESULTS.md").write_text(_report(results), encoding="utf-8")
    print(_table(results))


if __name__ == "__main__":
    main()
