"""Real processes on real sockets: a simulator, a bot on it, and what a person would do to them."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Self

KEYS = {"ACT_BINANCE_API_KEY": "demo-key", "ACT_BINANCE_API_SECRET": "demo-secret"}
DEMO_PACING = """
[pacing]
min_seconds_between_trades = 5
cooldown_after_win_seconds = 60
cooldown_after_loss_seconds = 60

[strategy.vwap_reversion]
min_session_candles = 5
"""


def act(
    *arguments: str, home: Path | None = None, env: dict[str, str] | None = None, timeout: float = 60
) -> subprocess.CompletedProcess:
    """Run an `act` command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        env={**_environment(home), **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def start(*arguments: str, home: Path | None = None, env: dict[str, str] | None = None) -> subprocess.Popen:
    """Start an `act` command."""
    return subprocess.Popen(
        [sys.executable, "-m", "bot", *arguments],
        env={**_environment(home), **KEYS, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def parts(home: Path) -> dict[str, int]:
    """Return the running processes of a home, by the command they run; Linux only."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"ACT_HOME={home}\0".encode() in (folder / "environ").read_bytes():
                found[(folder / "cmdline").read_bytes().decode().split("\0")[3]] = int(folder.name)
        except (OSError, IndexError):
            continue
    return found


def _environment(home: Path | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ACT_")}
    return {**kept, **({"ACT_HOME": str(home)} if home else {})}


class Stage:
    """One simulator, and a bot that may be killed and started again on the same home."""

    def __init__(
        self,
        home: Path,
        *,
        symbols: str = "BTCUSDT,ETHUSDT,SOLUSDT",
        speed: int = 240,
        seed: int = 1,
        faults: list | None = None,
        market: tuple[str, ...] = (),
        config: str = DEMO_PACING,
    ) -> None:
        """`market` are further options of the simulator, `config` further lines of act.toml."""
        self.home = home
        self.market = market
        self.config = config
        self.symbols = symbols
        self.speed = speed
        self.seed = seed
        self.faults = faults
        self.urls: dict[str, str] = {}
        self.bot: subprocess.Popen | None = None

    def __enter__(self) -> Self:
        self.home.mkdir(exist_ok=True)
        arguments = ["simulator", "--symbols", self.symbols, "--speed", str(self.speed), "--seed", str(self.seed)]
        arguments += self.market
        if self.faults:
            path = self.home / "faults.json"
            path.write_text(json.dumps(self.faults))
            arguments += ["--faults", str(path)]
        self.simulator = start(*arguments)
        self.urls = json.loads(self.simulator.stdout.readline())
        routes = "".join(f'{route} = "{self.urls["streams"]}/{route}"\n' for route in ("market", "public", "private"))
        sections = "".join(f"[symbols.{symbol}]\n" for symbol in self.symbols.split(","))
        endpoints = f'[endpoints]\nrest = "{self.urls["rest"]}"\nws_api = "{self.urls["ws_api"]}"\n{routes}'
        simulator = f"[simulator]\nspeed = {self.speed}\n"
        (self.home / "act.toml").write_text(f'mode = "demo"\n{sections}{endpoints}{simulator}{self.config}')
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self.bot, self.simulator):
            if process is not None and process.poll() is None:
                process.terminate()
                try:
                    process.communicate(timeout=20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.communicate()
            elif process is not None:
                process.communicate()

    def start_bot(self, wait: float = 40) -> None:
        self.bot = start("run", "--demo", home=self.home)
        self.wait_for("running", wait)

    def kill_bot(self) -> None:
        self.bot.send_signal(signal.SIGKILL)
        self.bot.communicate()

    def beat(self) -> dict:
        try:
            return json.loads((self.home / "status" / "heartbeat.json").read_text())
        except (FileNotFoundError, ValueError):
            return {}

    def wait_for(self, state: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.bot.poll() is not None:
                raise AssertionError(f"the bot ended with {self.bot.returncode}: {self.bot.stderr.read()}")
            beat = self.beat()
            if beat.get("state") == state and beat.get("pid") == self.bot.pid:
                return
            time.sleep(0.05)
        raise AssertionError(f"not {state} within {seconds} s: {self.beat()}")

    def control(self, path: str, content: object = None) -> bytes:
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.urls['control']}{path}", data=body)
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.read()

    def hold(self) -> None:
        self.control("/clock", {"hold": True})

    def release(self) -> None:
        self.control("/clock", {"hold": False})

    def books_become_equal(self, seconds: float = 10) -> None:
        """Assert that the bot's books equal the exchange's within the time, byte for byte."""
        deadline = time.monotonic() + seconds
        theirs = self.control("/ledger")
        while True:
            ours = act("ledger", home=self.home).stdout.encode()
            if ours == theirs:
                return
            if time.monotonic() > deadline:
                path = self.home / "theirs.json"
                path.write_bytes(theirs)
                raise AssertionError(act("ledger", "--diff", str(path), home=self.home).stdout)
            time.sleep(0.3)

    def journal(self) -> list[dict]:
        answer = json.loads(self.control("/journal"))
        return answer["entries"] if isinstance(answer, dict) else answer

    def wait_for_fills(self, count: int, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if len(json.loads(self.control("/ledger"))["fills"]) >= count:
                return
            time.sleep(0.1)
        raise AssertionError(f"fewer than {count} fills within {seconds} s; {self.beat()}")
