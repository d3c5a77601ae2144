"""`act run --live` as a real process: what it has loaded, and what it refuses to have loaded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.processes import KEYS, Stage

NOBODY_LISTENS = "127.0.0.1:9"
REPORTING = """
import sys
{before}
from bot.cli import main
code = main(["run", "--{mode}"])
print("LOADED", *(name for name in sys.modules if name.partition(".")[0] in ("simulator", "backtest")))
sys.exit(code)
"""


def start(home: Path, mode: str, before: str = "") -> subprocess.Popen:
    """Start the bot in a process that says at its end what of the simulation it had loaded."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ACT_")}
    return subprocess.Popen(
        [sys.executable, "-c", REPORTING.format(mode=mode, before=before)],
        env={**environment, **KEYS, "ACT_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        stdin=subprocess.DEVNULL,
    )


class LiveStage(Stage):
    """A simulator, and a bot that takes it for the real exchange."""

    def start_bot(self, wait: float = 40) -> None:
        path = self.home / "act.toml"
        path.write_text(path.read_text().replace('mode = "demo"', 'mode = "live"'))
        self.bot = start(self.home, "live")
        self.wait_for("running", wait)


def test_a_live_bot_has_loaded_nothing_of_the_simulation(tmp_path):
    with LiveStage(tmp_path / "home", symbols="BTCUSDT", speed=60) as stage:
        stage.start_bot()
        assert stage.beat()["mode"] == "live"
        stage.bot.terminate()
        out, err = stage.bot.communicate(timeout=40)
        assert (stage.bot.returncode, out.strip()) == (0, "LOADED"), err


@pytest.mark.parametrize(
    ("mode", "module"),
    [("live", "simulator.venue.exchange"), ("testnet", "backtest.results"), ("demo", "simulator.market.tape")],
)
def test_a_process_with_the_simulation_in_it_is_refused(tmp_path, mode, module):
    urls = {"rest": "http", "ws_api": "ws", "market": "ws", "public": "ws", "private": "ws"}
    endpoints = "".join(f'{name} = "{scheme}://{NOBODY_LISTENS}"\n' for name, scheme in urls.items())
    (tmp_path / "act.toml").write_text(f'mode = "live"\n[symbols.BTCUSDT]\n[endpoints]\n{endpoints}')
    bot = start(tmp_path, mode, f"import {module}")
    _, err = bot.communicate(timeout=40)
    assert bot.returncode == 78
    (line,) = err.splitlines()
    package = module.partition(".")[0]
    assert line.startswith(f"act: {package} is loaded in a process that is to trade on an exchange ({mode})")
    assert not (tmp_path / "status").exists()
