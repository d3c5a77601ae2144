"""However a demo ends, nothing of it goes on running, and what went wrong is said in one line."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.processes import parts

DEAF = ("sh", "-c", "trap '' INT; exec \"$@\"", "sh")  # as a shell starts what runs in its background
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("ACT_")}


@contextmanager
def a_demo(home: Path, *arguments: str, dashboard: str = "--no-dashboard", shell: tuple[str, ...] = ()):
    """Start a demo in a home; whatever the test does, its processes are gone afterwards."""
    command = [sys.executable, "-m", "bot", "demo", dashboard, "--speed", "240", "--home", str(home), *arguments]
    demo = subprocess.Popen(
        [*shell, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
    )
    try:
        yield demo
    finally:
        if demo.poll() is None:
            demo.kill()
        demo.communicate()
        for pid in parts(home).values():
            os.kill(pid, signal.SIGKILL)


def until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(home: Path) -> bool:
    try:
        return json.loads((home / "status" / "heartbeat.json").read_text())["state"] == "running"
    except FileNotFoundError:
        return False


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


def test_ctrl_c_while_it_starts_ends_all_of_it_even_where_a_shell_had_it_ignored(tmp_path):
    with a_demo(tmp_path, shell=DEAF) as demo:
        until(lambda: "run" in parts(tmp_path))
        demo.send_signal(signal.SIGINT)
        _, errors = demo.communicate(timeout=20)
        assert (demo.returncode, errors) == (130, "act: interrupted.\n")
        assert not parts(tmp_path)


def test_a_killed_demo_leaves_no_part_behind(tmp_path):
    with a_demo(tmp_path, dashboard="--port=0") as demo:
        assert any(line.startswith("dashboard: ") for line in iter(demo.stdout.readline, ""))
        assert parts(tmp_path).keys() == {"simulator", "run", "alerts", "streamlit"}
        demo.kill()
        demo.wait()
        until(lambda: not parts(tmp_path))


def test_a_part_that_dies_is_an_error_and_ends_the_others(tmp_path):
    with a_demo(tmp_path, "--for", "60", "--json") as demo:
        until(lambda: "alerts" in parts(tmp_path))
        os.kill(parts(tmp_path)["alerts"], signal.SIGKILL)
        output, errors = demo.communicate(timeout=30)
        assert not parts(tmp_path)
    assert demo.returncode == 1
    assert errors == "act: the alerts ended with SIGKILL, its last words: none\n"
    assert output.count("\n") == 1
    assert json.loads(output)["errors"] == 1


def test_a_bot_killed_by_somebody_is_started_again_and_its_books_are_equal(tmp_path):
    with a_demo(tmp_path, "--for", "3", "--json") as demo:
        until(lambda: is_running(tmp_path))
        time.sleep(1)
        os.kill(parts(tmp_path)["run"], signal.SIGKILL)
        output, errors = demo.communicate(timeout=60)
        assert not parts(tmp_path)
    result = json.loads(output)
    assert result["ledger_equal"], result["differences"]
    assert (demo.returncode, errors) == (0, ""), result


def test_a_bot_killed_as_the_time_ends_is_started_again_too(tmp_path):
    with a_demo(tmp_path, "--for", "0.1", "--json") as demo:
        until(lambda: is_running(tmp_path))
        os.kill(parts(tmp_path)["run"], signal.SIGKILL)
        output, errors = demo.communicate(timeout=60)
    result = json.loads(output)
    assert result["ledger_equal"], result["differences"]
    assert (demo.returncode, errors) == (0, ""), result


def test_ctrl_c_while_it_trades_ends_all_of_it_well(tmp_path):
    with a_demo(tmp_path) as demo:
        assert "trading; Ctrl-C ends everything.\n" in iter(demo.stdout.readline, "")
        demo.send_signal(signal.SIGINT)
        output, errors = demo.communicate(timeout=20)
        assert (demo.returncode, errors) == (0, "")
        assert output.endswith("ending ...\n")
        assert not parts(tmp_path)
