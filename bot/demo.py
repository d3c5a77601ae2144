"""`act demo`: simulator, bot, alerts and dashboard as processes of their own, started in order and ended together."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from bot.domain.errors import ActError, ConfigurationError
from bot.runtime import heartbeat
from database import ledger
from database.queries import Queries
from database.session import act_url, desk_url

KEY, SECRET = "demo-key", "demo-secret"
MARKER = ".act-demo"
START_SECONDS = 60.0
COMPARE_SECONDS = 10.0
OLDEST_BEAT_SECONDS = 6.0
SHORTENED = """
[pacing]
min_seconds_between_trades = 5
cooldown_after_win_seconds = 60
cooldown_after_loss_seconds = 60

[strategy.vwap_reversion]
min_session_candles = 5
"""


class DemoFailed(ActError):  # noqa: N818 - says what happened
    """A part of the demo ended or did not start."""


def main(argv: list[str]) -> int:
    """Run the demo until Ctrl-C, or for a number of seconds; returns the exit code."""
    options = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    with Demo(options) as demo:
        demo.start()
        if options.seconds is None:
            return demo.show()
        return demo.measure(options.seconds)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="act demo",
        description="Trade on a simulated exchange on this machine: no account, no keys, nothing leaves loopback.",
        epilog="example: act demo --symbols BTCUSDT,ETHUSDT --speed 120 --for 60 --no-dashboard --json",
    )
    parser.add_argument("--symbols", default="BTCUSDT,ETHUSDT,SOLUSDT", help="what to trade (default %(default)s)")
    parser.add_argument("--speed", default="120", help="market seconds in a second (default %(default)s)")
    parser.add_argument("--seed", default="", help="number that decides the generated prices")
    parser.add_argument("--data", default="", metavar="FILE", help="replay recorded candles or trades instead")
    parser.add_argument("--start", default="", metavar="TIME", help="where in the file the market begins (UTC)")
    parser.add_argument(
        "--exchange-info", default="", metavar="FILE", help="contract filters as the exchange answered them"
    )
    parser.add_argument(
        "--for", dest="seconds", type=float, metavar="SECONDS", help="end by itself and compare the books"
    )
    parser.add_argument("--no-dashboard", action="store_true", help="leave the dashboard out")
    parser.add_argument("--port", default="8501", help="the dashboard's port, 0 = any (default %(default)s)")
    parser.add_argument("--home", default="demo", metavar="DIR", help="folder for configuration, database and logs")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON line")
    return parser


class Demo:
    """The processes of one demo."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._home = Path(options.home).resolve()
        self._database = act_url(self._home / "status"), desk_url(self._home / "status")
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._urls: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # start

    def start(self) -> None:
        """Start every part; raises DemoFailed or ConfigurationError with the part's own words."""
        _prepare_home(self._home)
        self._say("starting the simulated exchange ...")
        self._urls = self._start_simulator()
        (self._home / "act.toml").write_text(self._configuration(), encoding="utf-8")
        self._say("starting the bot ...")
        self._spawn("bot", ["run", "--demo"], with_keys=True)
        self._spawn("alerts", ["alerts"])
        if not self._options.no_dashboard:
            self._start_dashboard()
        self._await_running()

    def _start_simulator(self) -> dict[str, str]:
        options = self._options
        arguments = ["simulator", "--port", "0", "--symbols", options.symbols, "--speed", options.speed]
        for name in ("seed", "data", "start", "exchange_info"):
            if value := getattr(options, name):
                arguments += [f"--{name.replace('_', '-')}", value]
        process = self._spawn("simulator", arguments, with_keys=True, read=True)
        line = _first_line(process)
        if not line:
            self._fail_with_words_of("simulator")
        urls: dict[str, str] = json.loads(line)
        return urls

    def _start_dashboard(self) -> None:
        process = self._spawn("dashboard", ["dashboard", "--port", self._options.port], read=True)
        line = _first_line(process)
        if not line:
            self._fail_with_words_of("dashboard")
        self._say(f"dashboard: {json.loads(line)['dashboard']}")

    def _configuration(self) -> str:
        urls = self._urls
        lines = [
            'mode = "demo"',
            "",
            *(f"[symbols.{symbol.strip().upper()}]" for symbol in self._options.symbols.split(",")),
            "",
            "[endpoints]",
            f'rest = "{urls["rest"]}"',
            f'ws_api = "{urls["ws_api"]}"',
            *(f'{route} = "{urls["streams"]}/{route}"' for route in ("market", "public", "private")),
            "",
            "[simulator]",
            f"speed = {self._options.speed}",
        ]
        text = "\n".join(lines) + "\n"
        if not self._options.data:
            text += SHORTENED
        tomllib.loads(text)
        return text

    def _spawn(
        self, name: str, arguments: list[str], *, with_keys: bool = False, read: bool = False
    ) -> subprocess.Popen[str]:
        environment = {**os.environ, "ACT_HOME": str(self._home)}
        for secret in ("ACT_BINANCE_API_KEY", "ACT_BINANCE_API_SECRET"):
            environment.pop(secret, None)
        if with_keys:
            environment |= {"ACT_BINANCE_API_KEY": KEY, "ACT_BINANCE_API_SECRET": SECRET}
        words = (self._home / "logs" / f"{name}.stderr").open("w", encoding="utf-8")
        with words:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "bot", *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if read else subprocess.DEVNULL,
                stderr=words,
                text=True,
                start_new_session=True,
            )
        self._processes[name] = process
        return process

    def _await_running(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self._check_alive()
            if self._beat().get("state") == "running":
                return
            time.sleep(0.05)
        raise DemoFailed(f"the bot was not running after {START_SECONDS:.0f} s. See {self._home / 'logs'}.")

    def _check_alive(self) -> None:
        for name, process in self._processes.items():
            if process.poll() is not None:
                self._fail_with_words_of(name)

    def _fail_with_words_of(self, name: str) -> None:
        process = self._processes[name]
        code = process.wait(START_SECONDS)
        words = (self._home / "logs" / f"{name}.stderr").read_text(encoding="utf-8").strip().splitlines()
        last = words[-1] if words else f"the {name} ended with exit code {code}. See {self._home / 'logs'}."
        if code == 78:
            raise ConfigurationError(last.removeprefix("act: "))
        raise DemoFailed(last.removeprefix("act: "))

    # run

    def show(self) -> int:
        """Print a line every few seconds until Ctrl-C."""
        self._say("trading; Ctrl-C ends everything.")
        with suppress(KeyboardInterrupt):
            while True:
                self._check_alive()
                self._say(_line(self._beat()))
                time.sleep(5)
        self._say("ending ...")
        return 0

    def measure(self, seconds: float) -> int:
        """Let it trade, hold the market, compare the books, end, and print what happened."""
        watch = _HeartbeatWatch(self._home / "status" / "heartbeat.json")
        watch.start()
        self._trade_for(seconds)
        self._post_clock(hold=True)
        equal, differences = self._compare()
        beat_ok = watch.finish()
        beat = self._beat()
        crashed = self.stop()
        result = self._result(beat, beat_ok=beat_ok, equal=equal, differences=differences, crashed=crashed)
        if self._options.json:
            print(json.dumps(result))
        else:
            self._say("\n".join(f"{key}: {value}" for key, value in result.items()))
        return 0 if equal and not result["errors"] else 1

    def _trade_for(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._check_alive()
            time.sleep(min(left, 0.25))

    def _compare(self) -> tuple[bool, list[str]]:
        deadline = time.monotonic() + COMPARE_SECONDS
        while True:
            ours = self._books()
            theirs = self._fetch("/ledger")
            if ours == theirs:
                return True, []
            if time.monotonic() >= deadline:
                return False, ledger.difference(ours, theirs)
            time.sleep(0.25)

    def _books(self) -> bytes:
        return ledger.canonical(self._database[0])

    def _result(
        self, beat: Mapping[str, Any], *, beat_ok: bool, equal: bool, differences: list[str], crashed: int
    ) -> dict[str, Any]:
        counts = Queries(*self._database).counts()
        return {
            "orders": counts.orders,
            "fills": counts.fills,
            "trades": counts.trades,
            "open_positions": counts.open_positions,
            "equity": beat.get("equity", ""),
            "ledger_equal": equal,
            "differences": differences,
            "heartbeat_ok": beat_ok,
            "incidents": counts.incidents,
            "errors": counts.critical_incidents + crashed + _unhandled(self._home / "logs"),
        }

    # stop

    def stop(self) -> int:
        """End every process, the exchange last; return how many had to be killed or ended badly."""
        bad = 0
        for name in ("bot", "alerts", "dashboard", "simulator"):
            process = self._processes.pop(name, None)
            if process is not None:
                bad += _end(process, graceful=name != "dashboard")
        return bad

    # talk

    def _post_clock(self, *, hold: bool) -> None:
        body = json.dumps({"hold": hold}).encode()
        _http(f"{self._urls['control']}/clock", body)

    def _fetch(self, path: str) -> bytes:
        return _http(f"{self._urls['control']}{path}", None)

    def _beat(self) -> dict[str, Any]:
        try:
            return heartbeat.read(self._home / "status" / "heartbeat.json")
        except FileNotFoundError:
            return {}

    def _say(self, text: str) -> None:
        if not self._options.json:
            print(text, flush=True)


def _prepare_home(home: Path) -> None:
    if home.exists() and any(home.iterdir()) and not (home / MARKER).exists():
        raise ConfigurationError(f"{home} is not empty and no demo made it. Choose another folder with --home.")
    try:
        for name in ("status", "logs"):
            shutil.rmtree(home / name, ignore_errors=True)
            (home / name).mkdir(parents=True)
        (home / MARKER).touch()
    except OSError as error:
        raise ConfigurationError(f"{home} cannot be written: {error.strerror}. Choose another with --home.") from error


def _first_line(process: subprocess.Popen[str]) -> str:
    if process.stdout is None:
        return ""
    line = process.stdout.readline()
    threading.Thread(target=_drain, args=(process,), daemon=True).start()
    return line.strip()


def _drain(process: subprocess.Popen[str]) -> None:
    with suppress(ValueError):
        for _ in process.stdout or ():
            pass


def _http(url: str, body: bytes | None) -> bytes:
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:  # noqa: S310 - loopback
            answer: bytes = reply.read()
            return answer
    except urllib.error.URLError as error:
        raise DemoFailed(f"the simulated exchange did not answer {url}: {error.reason}.") from error


def _end(process: subprocess.Popen[str], *, graceful: bool) -> int:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return 1
    finally:
        if process.stdout is not None:
            process.stdout.close()
    return int(graceful and code not in {0, -signal.SIGTERM})


def _line(beat: Mapping[str, Any]) -> str:
    market = datetime.fromtimestamp(int(beat.get("market_ms", 0)) / 1000, UTC)
    return (
        f"{market:%H:%M:%S} market time  {beat.get('state', '?'):<9} equity {beat.get('equity', '?')}"
        f"  today {beat.get('day_pnl', '?')}  positions {beat.get('positions', '?')}"
    )


def _unhandled(logs: Path) -> int:
    count = 0
    for path in logs.glob("*errors.jsonl*"):
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            count += entry.get("event") in {"process.crashed", "loop.unhandled", "task.died"}
    return count


class _HeartbeatWatch(threading.Thread):
    """Reads the heartbeat as a health check would: every read must parse, none may be older than six seconds."""

    def __init__(self, path: Path) -> None:
        super().__init__(name="heartbeat watch", daemon=True)
        self._path = path
        self._done = threading.Event()
        self._good = True

    def run(self) -> None:
        while not self._done.wait(0.2):
            self._good &= self._read()

    def finish(self) -> bool:
        """Stop watching and return whether every read was good."""
        self._done.set()
        self.join()
        return self._good

    def _read(self) -> bool:
        try:
            beat = heartbeat.read(self._path)
        except (OSError, ValueError):
            return False
        return heartbeat.age_seconds(beat, datetime.now(UTC)) <= OLDEST_BEAT_SECONDS
