"""What the whole bot costs on many symbols at the market's own speed: its processor share and its memory.

`python -m benchmarks.live.many_symbols` starts the simulator and the bot as processes, lets the bot warm up, and then
reads the kernel's account of its process (Linux). Prints one JSON line.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_START_SECONDS = 120
_SETTLE_SECONDS = 5


def _start(arguments: list[str], home: Path) -> subprocess.Popen:
    keys = {"ACT_BINANCE_API_KEY": "demo-key", "ACT_BINANCE_API_SECRET": "demo-secret", "ACT_HOME": str(home)}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ACT_")}
    command = [sys.executable, "-m", "bot", *arguments]
    return subprocess.Popen(command, env={**kept, **keys}, stdout=subprocess.PIPE, text=True)


def _configuration(symbols: list[str], urls: dict[str, str]) -> str:
    routes = [f'{route} = "{urls["streams"]}/{route}"' for route in ("market", "public", "private")]
    endpoints = ["[endpoints]", f'rest = "{urls["rest"]}"', f'ws_api = "{urls["ws_api"]}"', *routes]
    return "\n".join(['mode = "demo"', *(f"[symbols.{symbol}]" for symbol in symbols), *endpoints, ""])


def _await_running(bot: subprocess.Popen, home: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and bot.poll() is None:
        try:
            if json.loads((home / "status" / "heartbeat.json").read_text())["state"] == "running":
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.2)
    raise SystemExit("the bot was not running in time")


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def measured(count: int, seconds: float) -> dict[str, float]:
    """Run the bot on `count` generated symbols and return its share of a core and its resident memory in MiB."""
    symbols = [f"SIM{number}USDT" for number in range(1, count + 1)]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        simulator = _start(["simulator", "--symbols", ",".join(symbols), "--speed", "1"], home)
        try:
            urls = json.loads(simulator.stdout.readline())
            (home / "act.toml").write_text(_configuration(symbols, urls))
            bot = _start(["run", "--demo"], home)
            try:
                _await_running(bot, home)
                time.sleep(_SETTLE_SECONDS)
                before, began = _cpu_seconds(bot.pid), time.monotonic()
                time.sleep(seconds)
                share = (_cpu_seconds(bot.pid) - before) / (time.monotonic() - began)
                return {"symbols": count, "core_share": round(share, 3), "rss_mib": round(_rss_mib(bot.pid))}
            finally:
                bot.terminate()
                bot.communicate(timeout=20)
        finally:
            simulator.terminate()
            simulator.communicate(timeout=20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    print(json.dumps(measured(options.symbols, options.seconds)))


if __name__ == "__main__":
    main()
