"""What cannot work is refused in one line that says what to do, with exit code 78 or 1, and nothing is half-written."""

import json
import os
import socket
import subprocess
import sys
from decimal import DefaultContext, FloatOperation, localcontext

import pytest

from bot import cli
from bot.runtime.lock import InstanceLock, home_lock
from dashboard import launch
from simulator.server import main as simulator
from simulator.server.assemble import assemble
from support.processes import KEYS, Stage, parts

MINUTE_MS = 60_000
BAD_CONFIG = 78
FAILED = 1
# One process starts the bot again and again: most of a start is spent on imports.
STARTS = """
import io, json, os, sys
from contextlib import redirect_stderr, redirect_stdout
from bot.cli import main

answers = {}
for name, (home, keys) in json.load(sys.stdin).items():
    os.environ.update(keys)
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = main(["run", "--demo", "--home", home])
    answers[name] = [code, out.getvalue(), err.getvalue()]
print(json.dumps(answers))
"""
EXPECTED = {
    "a malformed configuration": ["not valid TOML", "line 1"],
    "an unknown key": ["unknown key risk.daily_los", "daily_loss"],
    "an unknown symbol": ["NOSUCHUSDT"],
    "a wrong API key": ["API key"],
    "a wrong API secret": ["checking the API key"],
    "an address where nobody listens": ["cannot be reached", "[endpoints]"],
    "an address that is none": ["endpoints.rest"],
    "an address that would show the key to everybody": ["plain text", "https://"],
    "a database that cannot be written": ["act.db"],
    "a status folder that is a file": ["cannot be written"],
    "another bot on the same home": [f"pid {os.getpid()}", "already runs"],
}
PASSING = {"an address where nobody listens"}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Start the bot once for each thing that cannot work; return exit code, stdout and stderr by its name."""
    base = tmp_path_factory.mktemp("homes")
    with Stage(base / "exchange", symbols="BTCUSDT", speed=1) as exchange, socket.socket() as silent:
        exchange.hold()
        silent.bind(("127.0.0.1", 0))
        deaf = f"http://127.0.0.1:{silent.getsockname()[1]}"
        another_key, another_secret = dict(KEYS), dict(KEYS)
        another_key["ACT_BINANCE_API_KEY"] = "another-key-than-that"
        another_secret["ACT_BINANCE_API_SECRET"] = "another-secret-than-that"
        homes = {name: a_home(base / f"{number}", exchange) for number, name in enumerate(EXPECTED)}
        a_home(homes["an unknown symbol"], exchange, symbol="NOSUCHUSDT")
        a_home(homes["an address where nobody listens"], exchange, rest=deaf)
        a_home(homes["an address that is none"], exchange, rest="over there")
        a_home(homes["an address that would show the key to everybody"], exchange, rest="http://example.com")
        (homes["a malformed configuration"] / "act.toml").write_text('mode = "demo\n')
        (homes["an unknown key"] / "act.toml").write_text("[symbols.BTCUSDT]\n[risk]\ndaily_los = 3\n")
        (homes["a database that cannot be written"] / "status" / "act.db").mkdir(parents=True)
        (homes["a status folder that is a file"] / "status").write_text("")
        keys = {"a wrong API key": another_key, "a wrong API secret": another_secret}
        with home_lock(homes["another bot on the same home"]):
            starts = {name: (str(home), keys.get(name, KEYS)) for name, home in homes.items()}
            run = subprocess.run(
                [sys.executable, "-c", STARTS], input=json.dumps(starts), capture_output=True, text=True, check=False
            )
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)


def a_home(home, exchange, *, symbol="BTCUSDT", **urls):
    """Write the configuration of a bot on the simulated exchange."""
    routes = {route: f"{exchange.urls['streams']}/{route}" for route in ("market", "public", "private")}
    endpoints = {"rest": exchange.urls["rest"], "ws_api": exchange.urls["ws_api"], **routes, **urls}
    lines = [f'{name} = "{url}"' for name, url in endpoints.items()]
    home.mkdir(exist_ok=True)
    (home / "act.toml").write_text(f'mode = "demo"\n[symbols.{symbol}]\n[endpoints]\n' + "\n".join(lines) + "\n")
    return home


@pytest.mark.parametrize("name", EXPECTED)
def test_a_start_with(answers, name):
    code, out, err = answers[name]
    assert (code, out) == (FAILED if name in PASSING else BAD_CONFIG, ""), err
    assert err.startswith("act: ")
    assert err.count("\n") == 1, err
    for words in EXPECTED[name]:
        assert words in err
    for secret in ("demo-secret", "another-key-than-that", "another-secret-than-that"):
        assert secret not in err


@pytest.mark.parametrize("main", [simulator.main, launch.main])
def test_a_port_that_is_taken(capsys, main):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = str(held.getsockname()[1])
        assert main(["--port", port]) == FAILED
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert port in printed.err


# candle files


def rows(count=3_000, start_ms=1_747_958_400_000):
    return [
        ["BTCUSDT", str(start_ms + n * MINUTE_MS), "100000", "100010", "99990", "100000", "1.5"] for n in range(count)
    ]


def broken(kind):
    table = rows()
    match kind:
        case "a duplicate":
            table.insert(100, table[100])
        case "rows out of order":
            table[100], table[101] = table[101], table[100]
        case "a value that is no number":
            table[100][5] = "NaN"
        case "a hole in the history":
            del table[100:110]
        case "too little history":
            table = table[:500]
        case "another symbol":
            table = [["ETHUSDT", *row[1:]] for row in table]
    return table


def write(path, table, head="symbol,open_time,open,high,low,close,volume"):
    path.write_text("\n".join([head, *(",".join(row) for row in table)]) + "\n")
    return path


@pytest.mark.parametrize(
    "kind",
    [
        "a duplicate",
        "rows out of order",
        "a value that is no number",
        "a hole in the history",
        "too little history",
        "another symbol",
    ],
)
def test_a_candle_file_with(tmp_path, capsys, kind):
    path = write(tmp_path / "candles.csv", broken(kind))
    assert simulator.main(["--symbols", "BTCUSDT", "--data", str(path)]) == BAD_CONFIG
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("act simulator: ")
    assert printed.err.count("\n") == 1
    assert "candles.csv" in printed.err or "BTCUSDT" in printed.err


@pytest.mark.parametrize("content", [b"", b"not,a,candle,file\n1,2,3,4\n", b"\xff\xfe\x00\x01" * 50])
def test_a_file_that_holds_no_candles(tmp_path, capsys, content):
    path = tmp_path / "candles.csv"
    path.write_bytes(content)
    assert simulator.main(["--symbols", "BTCUSDT", "--data", str(path)]) == BAD_CONFIG
    assert capsys.readouterr().err.count("\n") == 1


def test_other_rows_of_a_candle_file_do_not_matter(tmp_path):
    later = [["ETHUSDT", *row[1:5], "NaN", row[6]] for row in broken("a duplicate")]
    mine = rows()
    del mine[2_900:2_910]
    path = write(tmp_path / "candles.csv", [*later, *mine])
    server = assemble(simulator.read_options(["--symbols", "BTCUSDT", "--data", str(path)]), 0)
    assert server


def test_a_symbol_that_the_recorded_contracts_do_not_know(tmp_path, capsys):
    info = tmp_path / "info.json"
    info.write_text(json.dumps({"symbols": []}))
    assert simulator.main(["--symbols", "BTCUSDT", "--exchange-info", str(info)]) == BAD_CONFIG
    assert capsys.readouterr().err.count("\n") == 1


# the demo


@pytest.fixture(autouse=True)
def _decimal_traps_are_put_back():
    before = DefaultContext.traps[FloatOperation]
    with localcontext():
        yield
    DefaultContext.traps[FloatOperation] = before


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Start a demo that cannot be, and return its exit code and what it said; nothing may be left of it."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "twice.csv", broken("a duplicate"))

    def run(*arguments, home=tmp_path / "demo", dashboard=False):
        before = sorted(tmp_path.rglob("*"))
        code = cli.main(
            ["demo", "--json", "--for=5", f"--home={home}", *([] if dashboard else ["--no-dashboard"]), *arguments]
        )
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("act: ")
        assert printed.err.count("\n") == 1
        assert sorted(tmp_path.rglob("*")) == before
        assert not parts(home)
        return code, printed.err

    return run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--symbols=NOSUCHUSDT", "unknown symbol 'NOSUCHUSDT'"),
        ("--symbols=,", "--symbols BTCUSDT"),
        ("--for=0", "--for 60"),
        ("--for=-3", "--for 60"),
        ("--for=nan", "--for 60"),
        ("--for=soon", "--for 60"),
        ("--speed=fast", "--speed 120"),
        ("--speed=0", "--speed 120"),
        ("--speed=1e9", "up to 100000"),
        ("--seed=lucky", "--seed 7"),
        ("--start=yesterday", "--start 2025-05-23T00:00:00Z"),
        ("--data=missing.parquet", "missing.parquet: no such file"),
        ("--data=.", "a folder"),
        ("--symbols=btcusdt --data=twice.csv", "BTCUSDT at 2025-05-23T01:40:00Z: duplicate row"),
        ("--exchange-info=missing.json", "missing.json: cannot be read"),
        ("--exchange-info=twice.csv", "GET /fapi/v1/exchangeInfo"),
    ],
)
def test_a_demo_with(refused, arguments, words):
    code, said = refused(*arguments.split())
    assert code == BAD_CONFIG
    assert words in said


def test_a_demo_in_a_home_that_is_a_file(refused, tmp_path):
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        assert refused(home=home)[0] == BAD_CONFIG


def test_a_demo_in_a_home_that_another_one_uses(refused, tmp_path):
    with InstanceLock(tmp_path / ".act-demo", "it"):
        code, said = refused(home=tmp_path)
    assert code == BAD_CONFIG
    assert f"(pid {os.getpid()}) already runs on the demo folder" in said


@pytest.mark.parametrize(("port", "expected"), [("99999", BAD_CONFIG), ("http", BAD_CONFIG), (None, FAILED)])
def test_a_demo_whose_dashboard_has_no_port(refused, port, expected):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = port or str(held.getsockname()[1])
        code, said = refused(f"--port={port}", dashboard=True)
    assert code == expected
    assert port in said
