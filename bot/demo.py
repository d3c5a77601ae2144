"""`act demo`: simulator, bot, alerts and dashboard as processes of their own, started in order and ended together."""

import argparse
import json
import math
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import urlsplit

from bot.domain.errors import ActError, ConfigurationError
from bot.runtime import heartbeat
from bot.runtime.children import Child
from bot.runtime.lock import InstanceLock, holder, home_lock

KEY, SECRET = "demo-key", "demo-secret"
MARKER = ".act-demo"
BAD_CONFIG = 78
START_SECONDS = 60.0
PROGRESS_SECONDS = 5.0
REVIVE_SECONDS = 1.0
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
    _check(options)
    os.umask(0o077)
    with Demo(options) as demo:
        demo.start()
        if options.seconds is None:
            return demo.show()
        return demo.measure(float(options.seconds))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="act demo",
        description="Trade on a simulated exchange on this machine: no account, no keys, nothing leaves loopback.",
        epilog="example: act demo --symbols BTCUSDT,ETHUSDT --speed 120 --for 60 --no-dashboard --json",
    )
    parser.add_argument("--symbols", default="BTCUSDT,ETHUSDT,SOLUSDT", help="what to trade (default %(default)s)")
    parser.add_argument("--speed", default="120", help="market seconds in a second (default %(default)s)")
    parser.add_argument("--seed", default="1", help="number that decides the generated prices (default %(default)s)")
    parser.add_argument("--data", default="", metavar="FILE", help="replay recorded candles or trades instead")
    parser.add_argument("--start", default="", metavar="TIME", help="where in the file the market begins (UTC)")
    parser.add_argument(
        "--exchange-info", default="", metavar="FILE", help="contract filters as the exchange answered them"
    )
    parser.add_argument("--for", dest="seconds", metavar="SECONDS", help="end by itself and compare the books")
    parser.add_argument("--no-dashboard", action="store_true", help="leave the dashboard out")
    parser.add_argument("--port", default="8501", help="the dashboard's port, 0 = any (default %(default)s)")
    parser.add_argument("--home", default="demo", metavar="DIR", help="folder for configuration, database and logs")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON line")
    return parser


# what was asked for


def _check(options: argparse.Namespace) -> None:
    """Refuse what can be seen to be wrong before anything starts; the simulator judges the rest."""
    if not _symbols(options):
        raise ConfigurationError("--symbols names none. Write --symbols BTCUSDT,ETHUSDT.")
    if not _number(options.speed) > 0:
        raise ConfigurationError(f"--speed {options.speed} is no number above 0. Write --speed 120.")
    if options.seconds is not None and not _number(options.seconds) > 0:
        raise ConfigurationError(f"--for {options.seconds} is no number of seconds above 0. Write --for 60.")
    if not options.seed.lstrip("-").isdecimal():
        raise ConfigurationError(f"--seed {options.seed} is no whole number. Write --seed 7.")
    if not options.no_dashboard:
        _check_port(options.port)
    _check_home(Path(options.home).absolute())


def _symbols(options: argparse.Namespace) -> list[str]:
    named = (symbol.strip().upper() for symbol in options.symbols.split(","))
    return list(dict.fromkeys(symbol for symbol in named if symbol))


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _check_port(text: str) -> None:
    if not text.isdecimal() or int(text) > 65_535:
        raise ConfigurationError(f"--port {text} is no port. Write one from 1 to 65535, or 0 for any free one.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(text)))
        except OSError as error:
            raise DemoFailed(
                f"port {text} for the dashboard cannot be used: {error.strerror}. "
                "Choose another with --port, 0 takes any free one."
            ) from error


def _check_home(home: Path) -> None:
    try:
        ground = next(each for each in (home, *home.parents) if each.exists())
        if not ground.is_dir():
            raise ConfigurationError(f"{ground} is not a folder. Choose another with --home.")
        if ground == home and any(home.iterdir()) and not (home / MARKER).exists():
            raise ConfigurationError(f"{home} is not empty and no demo made it. Choose another folder with --home.")
        if not os.access(ground, os.W_OK | os.X_OK):
            raise ConfigurationError(f"{ground} cannot be written. Check its owner, or choose another with --home.")
    except OSError as error:
        raise _unusable(home, error) from error


def _unusable(home: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{home} cannot be written: {error.strerror}. Choose another with --home.")


class Demo:
    """The processes of one demo."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._home = Path(options.home).absolute()
        self._lock = InstanceLock(self._home / MARKER, f"the demo folder {self._home}", cure="choose another --home")
        self._children: dict[str, Child] = {}
        self._urls: dict[str, str] = {}
        self._signals: dict[int, Any] = {}
        self._running_at = math.inf
        self._revive_at = math.inf
        self._killed_pid = 0
        self._is_spawning = False
        self._is_interrupted = False

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._signals[number] = signal.signal(number, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for number, before in self._signals.items():
            signal.signal(number, before)

    # start

    def start(self) -> None:
        """Start every part; raises DemoFailed or ConfigurationError with the part's own words."""
        if (self._home / MARKER).exists():
            self._lock.take()
        self._say("starting the simulated exchange ...")
        self._urls = self._start_simulator()
        self._take_home()
        self._say(f"starting the bot, in {self._home} ...")
        self._spawn("bot", ["run", "--demo"], with_keys=True)
        url = "" if self._options.no_dashboard else self._start_dashboard()
        self._await_running()
        self._running_at = time.monotonic()
        self._spawn("alerts", ["alerts"])
        self._say(f"alerts: {self._home / 'logs' / 'alerts.jsonl'}")
        if url:
            self._await_answer(url)
            self._say(f"dashboard: {url}")

    def _start_simulator(self) -> dict[str, str]:
        options = self._options
        arguments = ["simulator", "--port=0", f"--symbols={','.join(_symbols(options))}"]
        given = {name: getattr(options, name) for name in ("speed", "seed", "data", "start", "exchange_info")}
        arguments += [f"--{name.replace('_', '-')}={value}" for name, value in given.items() if value]
        words = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - the home is not ours before the options have proven good
        simulator = self._spawn("simulator", arguments, words=words, with_keys=True, answers=True)
        urls: dict[str, str] = json.loads(self._first_line(simulator))
        return urls

    def _take_home(self) -> None:
        try:
            if not self._lock.held:
                self._lock.take()
            with home_lock(self._home):
                for name in ("status", "logs"):
                    shutil.rmtree(self._home / name, ignore_errors=True)
                    (self._home / name).mkdir()
            (self._home / "act.toml").write_text(self._configuration(), encoding="utf-8")
        except OSError as error:
            raise _unusable(self._home, error) from error

    def _configuration(self) -> str:
        urls = self._urls
        lines = [
            'mode = "demo"',
            "",
            *(f"[symbols.{json.dumps(symbol)}]" for symbol in _symbols(self._options)),
            "",
            "[endpoints]",
            f'rest = "{urls["rest"]}"',
            f'ws_api = "{urls["ws_api"]}"',
            *(f'{route} = "{urls["streams"]}/{route}"' for route in ("market", "public", "private")),
            "",
            "[simulator]",
            f"speed = {Decimal(self._options.speed):f}",
        ]
        return "\n".join(lines) + "\n" + ("" if self._options.data else SHORTENED)

    def _start_dashboard(self) -> str:
        dashboard = self._spawn("dashboard", ["dashboard", "--port", self._options.port], answers=True)
        return str(json.loads(self._first_line(dashboard))["dashboard"])

    def _spawn(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        words: IO[bytes] | None = None,
        with_keys: bool = False,
        answers: bool = False,
    ) -> Child:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ACT_")}
        environment["ACT_HOME"] = str(self._home)
        if with_keys:
            environment |= {"ACT_BINANCE_API_KEY": KEY, "ACT_BINANCE_API_SECRET": SECRET}
        self._is_spawning = True  # interrupted in between, a process would run that nobody knows of
        try:
            child = self._children[name] = Child(
                name,
                [sys.executable, "-m", "bot", *arguments],
                environment,
                words or (self._home / "logs" / f"{name}.stderr").open("a+b"),
                answers=answers,
            )
        finally:
            self._is_spawning = False
        if self._is_interrupted:
            raise KeyboardInterrupt
        return child

    def _interrupt(self, *_: object) -> None:
        self._is_interrupted = True
        if not self._is_spawning:
            raise KeyboardInterrupt

    def _first_line(self, child: Child) -> str:
        line = child.first_line()
        if line:
            return line
        raise self._ended(child)

    def _await_running(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self._check_alive()
            beat = self._beat()
            if beat.get("state") == "running" and beat.get("pid") != self._killed_pid:
                return
            time.sleep(0.02)
        raise DemoFailed(f"the bot was not running after {START_SECONDS:.0f} s. See {self._home / 'logs'}.")

    def _await_answer(self, url: str) -> None:
        parts = urlsplit(url)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self._check_alive()
            with suppress(OSError), socket.create_connection((parts.hostname, parts.port), 1):
                return
            time.sleep(0.1)
        raise DemoFailed(f"the dashboard did not answer within {START_SECONDS:.0f} s. See {self._home / 'logs'}.")

    def _check_alive(self) -> None:
        for child in tuple(self._children.values()):
            if child.has_ended() and not self._left_to_revive(child):
                raise self._ended(child)
        if time.monotonic() >= self._revive_at:
            self._revive()

    def _left_to_revive(self, child: Child) -> bool:
        """Let go of a bot that was killed from outside, or that found another one in its place; as a service would."""
        if child.name != "bot" or not (child.killed or holder(self._home)):
            return False
        self._killed_pid = self._beat().get("pid", 0) if child.killed else self._killed_pid
        del self._children["bot"]
        child.forget()
        self._revive_at = time.monotonic() + REVIVE_SECONDS
        return True

    def _revive(self) -> None:
        """Start the bot again, unless somebody has done so."""
        if holder(self._home):
            self._revive_at = time.monotonic() + REVIVE_SECONDS
            return
        self._revive_at = math.inf
        self._say("the bot was killed; starting it again ...")
        self._spawn("bot", ["run", "--demo"], with_keys=True)

    def _await_revived(self) -> None:
        """Wait for the successor of a bot that was killed."""
        if self._killed_pid:
            self._await_running()

    def _ended(self, child: Child) -> ActError:
        """Let go of a part that ended by itself; return the error to raise, in the part's own last words."""
        code = child.end()
        del self._children[child.name]
        words = (child.said().splitlines() or ["none"])[-1].removeprefix("act: ").removeprefix("act simulator: ")
        child.forget()
        if code == BAD_CONFIG:
            return ConfigurationError(words)
        return DemoFailed(f"the {child.name} ended with {_named(code)}, its last words: {words}")

    # run

    def show(self) -> int:
        """Print a line every few seconds until Ctrl-C."""
        with suppress(KeyboardInterrupt):
            self._say("trading; Ctrl-C ends everything.")
            self._trade_until(math.inf)
        self._say("ending ...")
        return int(self.stop() > 0)

    def measure(self, seconds: float) -> int:
        """Let it trade, hold the market, compare the books, end, and print what happened."""
        from bot import proof

        watch = proof.HeartbeatWatch(self._home)
        watch.start()
        lost = self._lost_until(self._running_at + seconds)
        differences = self._differences(proof.COMPARE_SECONDS if lost is None else 0)
        beat_ok = watch.finish()
        crashed = self.stop()
        counts = proof.counted(self._home)
        result = {
            **{name: counts[name] for name in ("orders", "fills", "trades", "open_positions")},
            "equity": self._beat().get("equity", ""),
            "ledger_equal": not differences,
            "differences": differences,
            "heartbeat_ok": beat_ok,
            "incidents": counts["incidents"],
            "errors": counts["errors"] + crashed + (lost is not None),
        }
        print(json.dumps(result) if self._options.json else "\n".join(f"{key}: {result[key]}" for key in result))
        return 1 if differences or result["errors"] else 0

    def _trade_until(self, deadline: float) -> None:
        next_line = 0.0
        while (now := time.monotonic()) < deadline:
            self._check_alive()
            if now >= next_line:
                self._say(_line(self._beat()))
                next_line = now + PROGRESS_SECONDS
            time.sleep(min(0.25, deadline - now))
        self._check_alive()

    def _lost_until(self, deadline: float) -> ActError | None:
        try:
            self._trade_until(deadline)
            self._await_revived()
        except ActError as lost:
            print(f"act: {lost}", file=sys.stderr)
            return lost
        return None

    def _differences(self, patience_seconds: float) -> list[str]:
        from bot import proof

        control = self._urls["control"]
        try:
            _ask(f"{control}/clock", {"hold": True})
            return proof.differences(self._home, lambda: _ask(f"{control}/ledger"), patience_seconds=patience_seconds)
        except DemoFailed as error:
            return [str(error)]

    # stop

    def stop(self) -> int:
        """End every process, the exchange last; return how many ended badly. Asked a second time, end them by force."""
        try:
            self._end_another_bot()
            return self._end("bot", "dashboard") + self._end("alerts", "simulator")
        except KeyboardInterrupt:
            for child in self._children.values():
                child.kill()
            raise
        finally:
            self._keep_words_of_simulator()
            for child in self._children.values():
                child.forget()
            self._children.clear()
            self._lock.release()

    def _end(self, *names: str) -> int:
        children = [self._children[name] for name in names if name in self._children]
        for child in children:
            child.ask_to_end()
        codes = {child.name: child.end() for child in children}
        return sum(code not in {0, -signal.SIGTERM} for name, code in codes.items() if name != "dashboard")

    def _end_another_bot(self) -> None:
        """End a bot that somebody started on this demo's home after ours was killed."""
        if "bot" in self._children or math.isinf(self._revive_at):
            return
        if pid := holder(self._home):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + START_SECONDS
        while holder(self._home) and time.monotonic() < deadline:
            time.sleep(0.05)

    def _keep_words_of_simulator(self) -> None:
        simulator, logs = self._children.get("simulator"), self._home / "logs"
        if simulator is not None and simulator.said() and logs.is_dir():
            (logs / "simulator.stderr").write_text(simulator.said(), encoding="utf-8")

    # talk

    def _beat(self) -> dict[str, Any]:
        try:
            return heartbeat.read(self._home / "status" / "heartbeat.json")
        except (OSError, ValueError):
            return {}

    def _say(self, text: str) -> None:
        if not self._options.json:
            print(text, flush=True)


def _named(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def _ask(url: str, content: object = None) -> bytes:
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:  # noqa: S310 - loopback
            answer: bytes = reply.read()
            return answer
    except OSError as error:
        raise DemoFailed(f"the simulated exchange did not answer {url}: {error}.") from error


def _line(beat: Mapping[str, Any]) -> str:
    market = datetime.fromtimestamp(int(beat.get("market_ms", 0)) / 1000, UTC)
    return (
        f"{market:%H:%M:%S} market time  {beat.get('state', '?'):<9} equity {beat.get('equity', '?')}"
        f"  today {beat.get('day_pnl', '?')}  positions {beat.get('positions', '?')}"
    )
