"""Our side of the comparison: `act backtest` and `act sweep`, each a fresh process, read from the JSON they write."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.backtest import measure
from benchmarks.backtest.data import exchange_info

_SETTINGS = ("--symbol", "BTCUSDT", "--set", "execution.entry=market", "--no-limits")


def backtest(data: Path, *also: str) -> dict:
    """Return what a rival's process prints: CPU and wall seconds of the run alone, candles, trades."""
    written = _act("backtest", data, *also)
    timing, summary = written["timing"], written["summary"]
    return {
        "candles": summary["candles"],
        "trades": len(written["trades"]),
        "cpu_s": [timing["cpu_s"]],
        "wall_s": [timing["run_s"]],
    }


def sweep(data: Path, *also: str) -> dict:
    """Return the same for 100 combinations on both cores; starting the workers is outside, as imports are."""
    ks, levels = measure.SWEEP_K, measure.SWEEP_ADX_MAX
    wanted = [f"k={ks[0]}:{ks[-1]}:0.1", f"adx_max={levels[0]:g}:{levels[-1]:g}:1"]
    written = _act("sweep", data, "--param", wanted[0], "--param", wanted[1], "--jobs", "2", *also)
    timing = written["timing"]
    return {
        "combinations": timing["combinations"],
        "trades": sum(each.get("trades", 0) for each in written["results"]),
        "cpu_s": [timing["cpu_s"]],
        "wall_s": [timing["seconds"]],
    }


def _act(command: str, data: Path, *also: str) -> dict:
    with tempfile.TemporaryDirectory() as home:
        out = Path(home) / "result.json"
        filters = ("--exchange-info", str(exchange_info()))
        arguments = [command, "--data", str(data.resolve()), *filters, *_SETTINGS, *also, "--json", str(out)]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ACT_")}
        subprocess.run(
            [sys.executable, "-m", "bot", *arguments],
            check=True,
            capture_output=True,
            text=True,
            env={**kept, "ACT_HOME": home},
        )
        return json.loads(out.read_text(encoding="utf-8"))
