"""Readers of the traffic source against each other, taking turns: `python -m benchmarks.live.compare`.

Each turn is a process of its own. Writes medians and ratios to the SDK to `benchmarks/live/results.json`.
A new reader is a module with `--rate` and `--seconds` that prints one JSON line, named in READERS.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

READERS = {"sdk": "benchmarks.live.sdk_client", "bare": "benchmarks.live.bare_reader"}
RATES = {"flat_out": 0, "10k": 10_000}
_FIGURES = ("per_second", "per_cpu_second", "core_share", "p50_us", "p99_us", "p999_us", "max_us")
_RESULTS = Path(__file__).with_name("results.json")


def _turn(module: str, rate: int, seconds: float) -> dict[str, float]:
    command = [sys.executable, "-m", module, "--rate", str(rate), "--seconds", str(seconds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _medians(turns: list[dict[str, float]]) -> dict[str, float]:
    return {figure: statistics.median(turn[figure] for turn in turns) for figure in _FIGURES}


def compared(rounds: int, seconds: float) -> dict:
    """Run every reader at every rate, `rounds` times in turn, and return medians and ratios to the SDK."""
    turns: dict[tuple[str, str], list[dict[str, float]]] = {}
    for _ in range(rounds):
        for rate_name, rate in RATES.items():
            for reader, module in READERS.items():
                turn = _turn(module, rate, seconds)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    results = compared(options.rounds, options.seconds)
    _RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results["ratios"]))


if __name__ == "__main__":
    main()
