"""`act simulator` as a process: the ready line, the end on a signal, and one line for everything it cannot use."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from simulator.server.main import main

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("ACT_")}


def start(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "simulator.server.main", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**ENVIRONMENT, **environment},
    )


def finish(process):
    output, errors = process.communicate(timeout=20)
    return process.returncode, output, errors


def listen_key_status(urls, key):
    request = urllib.request.Request(f"{urls['rest']}/fapi/v1/listenKey", method="POST", headers={"X-MBX-APIKEY": key})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def test_ready_line_names_the_addresses_and_a_signal_ends_it_at_once():
    process = start("--symbols", "BTCUSDT", ACT_BINANCE_API_KEY="mine", ACT_BINANCE_API_SECRET="secret")
    urls = json.loads(process.stdout.readline())
    port = urls["rest"].rsplit(":", 1)[1]

    assert urls == {
        "rest": f"http://127.0.0.1:{port}",
        "ws_api": f"ws://127.0.0.1:{port}/ws-fapi/v1",
        "streams": f"ws://127.0.0.1:{port}",
        "control": f"http://127.0.0.1:{port}/sim/v1",
    }
    assert listen_key_status(urls, "mine") == 200
    assert listen_key_status(urls, "demo-key") == 401
    with urllib.request.urlopen(f"{urls['control']}/ledger", timeout=5) as answer:
        assert json.load(answer)["schema"] == "act-ledger/1"

    before = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code, _, errors = finish(process)

    assert time.monotonic() - before < 1
    assert (code, errors) == (0, "")


def test_a_port_that_is_taken_is_one_line_and_exit_1():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        code, output, errors = finish(start("--port", str(port)))

    assert (code, output) == (1, "")
    assert errors.count("\n") == 1
    assert f"port {port}" in errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--symbols", "NOPE"], "unknown symbol 'NOPE'"),
        (["--symbols", ""], "--symbols"),
        (["--speed", "0"], "--speed"),
        (["--start", "yesterday"], "--start"),
        (["--balance", "much"], "--balance"),
        (["--faults", "missing.json"], "missing.json"),
        (["--faults", "bad.json"], "docs/simulator.md"),
        (["--data", "missing.parquet"], "missing.parquet"),
        (["--exchange-info", "missing.json"], "missing.json"),
        (["--api-secret-file", "missing.txt"], "missing.txt"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_78(tmp_path, monkeypatch, capsys, arguments, words):
    (tmp_path / "bad.json").write_text('[{"match": {"kind": "earthquake"}, "action": {}}]')
    monkeypatch.chdir(tmp_path)

    code = main(arguments)
    output, errors = capsys.readouterr()

    assert (code, output) == (78, "")
    assert errors.count("\n") == 1
    assert words in errors


def test_bad_input_ends_the_process_without_a_traceback():
    code, output, errors = finish(start("--symbols", "NOPE"))

    assert (code, output) == (78, "")
    assert errors.startswith("act simulator: unknown symbol 'NOPE'")
    assert "Traceback" not in errors
