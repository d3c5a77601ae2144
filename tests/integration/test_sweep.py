"""`act sweep` as people use it: in this process, on several, interrupted and continued, by mistake."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bot import cli
from support.backtest_data import (
    MAINNET,
    YEAR_2025,
    an_instrument,
    backtest,
    needs_recorded,
    write_exchange_info,
    write_parquet,
)
from support.full_disk import files_of_at_most
from support.random_candles import random_case
from support.sweep_cases import memory_of

CASE = random_case(19)
FREE = ("--set", "execution.entry=market", "--no-limits")
SMALL = ("--param", "k=1:2:0.5", "--param", "adx_max=30,60")
MANY = ("--param", "k=0.5:1.48:0.02", "--param", "adx_max=30:60:10")


@pytest.fixture(autouse=True)
def _somewhere(tmp_path, monkeypatch, without_settings):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def given(tmp_path):
    """The words that name a good file of candles and its contract."""
    folder = tmp_path / "given"
    folder.mkdir()
    write_parquet(folder / "candles.parquet", CASE.candles, CASE.filters)
    write_exchange_info(folder / "info.json", an_instrument("BTCUSDT", CASE.filters))
    data = ("--data", folder / "candles.parquet", "--symbol", "BTCUSDT", "--exchange-info", folder / "info.json")
    sizes = ("--set", f"strategy.vwap_reversion.notional={CASE.rules.notional}")
    warm = ("--set", "strategy.vwap_reversion.warm_up=100")
    return tuple(map(str, (*data, *sizes, *warm)))


def sweep(out, *words, code=0):
    assert cli.main(["sweep", *map(str, words), "--json", str(out)]) == code
    return json.loads(Path(out).read_bytes())


def unsized(given):
    """Return the words without the one that sets the notional."""
    at = next(place for place, word in enumerate(given) if ".notional=" in word)
    return (*given[: at - 1], *given[at + 1 :])


def without_timing(result):
    return {name: value for name, value in result.items() if name != "timing"}


def row_of(result, **parameters):
    wanted = {name.replace("__", "."): value for name, value in parameters.items()}
    return next(row for row in result["results"] if row["parameters"] == wanted)


# what it finds


def test_every_row_is_the_backtest_of_its_parameters(tmp_path, given, capsys):
    result = sweep("out.json", *given, *FREE, *SMALL, "--jobs", 1)
    assert len(result["results"]) == 6
    assert {row["state"] for row in result["results"]} == {"confirmed"}
    pnls = [float(row["pnl"]) for row in result["results"]]
    assert pnls == sorted(pnls, reverse=True)
    row = row_of(result, k="1.5", adx_max="30")
    alone = backtest(
        tmp_path / "one.json", *given, *FREE, "--set", "strategy.vwap_reversion.k=1.5",
        "--set", "strategy.vwap_reversion.adx_max=30",
    )  # fmt: skip
    for name, value in alone["summary"].items():
        assert name == "candles" or row[name] == value, name
    assert row["trades"] > 3
    timing = result["timing"]
    assert (timing["combinations"], timing["resumed"], timing["jobs"]) == (6, 0, 1)
    assert timing["cpu_s"] > 0
    assert "combinations_per_s" in timing
    assert "adx_max" in capsys.readouterr().out


def test_settings_can_be_swept_like_parameters(given):
    result = sweep(
        "out.json", *unsized(given), "--set", "execution.entry=market", "--jobs", 1,
        "--param", "pacing.cooldown_after_loss_seconds=0,36000", "--param", "notional=20,40",
    )  # fmt: skip
    free = row_of(result, pacing__cooldown_after_loss_seconds="0", notional="40")
    slow = row_of(result, pacing__cooldown_after_loss_seconds="36000", notional="40")
    assert free["trades"] > slow["trades"] > 0


def test_processes_find_the_same_as_this_one(given):
    alone = sweep("one.json", *given, *FREE, *SMALL, "--jobs", 1)
    several = sweep("two.json", *given, *FREE, *SMALL, "--jobs", 2, "--out", "two.parquet")
    assert several["timing"]["jobs"] == 2
    assert without_timing(several) == without_timing(alone)
    assert Path("two.parquet").stat().st_size > 0
    assert memory_of(os.getpid()) == set()


def test_a_screen_confirms_the_best_and_their_neighbours(given):
    full = sweep("full.json", *given, *FREE, *SMALL, "--jobs", 1)
    result = sweep("out.json", *given, *FREE, *SMALL, "--jobs", 1, "--screen", "--confirm", 1)
    assert result["screen"] == {"exact": True, "left_out": []}
    assert {row["state"] for row in result["results"]} == {"confirmed", "screened"}
    assert result["results"][0]["parameters"] == full["results"][0]["parameters"]
    for row in result["results"]:
        same = row_of(full, **row["parameters"])
        assert (row["pnl"], row["fees"], row["trades"], row["win_rate"]) == (
            same["pnl"], same["fees"], same["trades"], same["win_rate"],
        )  # fmt: skip
        assert row["limits"] == []


def test_a_screen_under_limits_says_which_one_bound(given):
    free = ("--set", "costs.tiers=[]", "--set", "costs.funding_rate=0", "--set", "execution.entry=market")
    result = sweep("out.json", *given, *free, *SMALL, "--jobs", 1, "--screen", "--confirm", 6)
    assert result["screen"]["exact"]
    assert ["symbol_cooldown_active"] in [row["limits"] for row in result["results"]]


def test_a_screen_says_which_costs_it_leaves_out(given, capsys):
    result = sweep("out.json", *given, "--set", "execution.entry=market", *SMALL, "--jobs", 1, "--screen")
    assert result["screen"] == {"exact": False, "left_out": ["spread and slippage", "funding"]}
    assert "--screen leaves out spread and slippage, funding" in capsys.readouterr().err


def test_a_search_finds_the_same_with_the_same_seed(given):
    words = (*given, *FREE, *SMALL, "--jobs", 1, "--optuna", 10)
    first, again = sweep("a.json", *words), sweep("b.json", *words)
    assert without_timing(first) == without_timing(again)
    assert first["objectives"] == ["pnl", "max_drawdown"]
    assert [row for row in first["results"] if row["best"]]


@needs_recorded
def test_recorded_candles_screen_like_the_core(capsys):
    result = sweep(
        "out.json", "--data", YEAR_2025, "--exchange-info", MAINNET, "--symbol", "BTCUSDT", "--symbol", "LINKUSDT",
        "--from", "2025-05-05", "--to", "2025-06-25", *FREE, "--param", "k=2,2.5", "--jobs", 1, "--screen",
    )  # fmt: skip
    assert {row["state"] for row in result["results"]} == {"confirmed"}
    assert [row["limits"] for row in result["results"]] == [[], []]
    assert sum(row["trades"] for row in result["results"]) > 100


def test_what_the_screen_cannot_hold_goes_to_the_core(given):
    words = (*unsized(given), *FREE, "--param", "notional=50,1000000000000000", "--jobs", 1, "--screen", "--confirm", 1)
    result = sweep("out.json", *words)
    assert {row["state"] for row in result["results"]} == {"confirmed"}


# interrupted and continued


def start(*words):
    command = [sys.executable, "-m", "bot", "sweep", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def wait_for_rows(path, count, process):
    deadline = time.monotonic() + 60
    while not path.is_file() or path.read_bytes().count(b"\n") < count:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_sweep_leaves_no_memory_and_goes_on_where_it_was(given, tmp_path, how):
    words = (*given, *FREE, *MANY, "--json", tmp_path / "out.json")
    process = start(*words, "--jobs", 2)
    rows = tmp_path / "out.json.unfinished"
    wait_for_rows(rows, 20, process)
    assert memory_of(process.pid)
    os.killpg(process.pid, how) if how is signal.SIGINT else process.kill()
    out, err = process.communicate(timeout=30)
    assert process.returncode == (130 if how is signal.SIGINT else -how)
    assert not (tmp_path / "out.json").exists()
    assert b"Traceback" not in out + err
    if how is signal.SIGINT:
        told = f"act: interrupted. What was found is kept in {rows}: the same command goes on from there."
        assert err.decode().splitlines()[-1] == told
    gone = time.monotonic() + 10
    while memory_of(process.pid) and time.monotonic() < gone:
        time.sleep(0.05)
    assert memory_of(process.pid) == set()
    kept = rows.read_bytes().count(b"\n")
    result = sweep(tmp_path / "out.json", *given, *FREE, *MANY, "--jobs", 1)
    assert 20 <= result["timing"]["resumed"] <= kept
    assert result["timing"]["combinations"] + result["timing"]["resumed"] == len(result["results"]) == 200
    assert not rows.exists()


def test_a_store_answers_for_what_it_knows_and_grows(given):
    words = (*given, *FREE, "--jobs", 1, "--store", "rows")
    first = sweep("a.json", *words, "--param", "k=1,2")
    second = sweep("b.json", *words, "--param", "k=1,2,3")
    assert (first["timing"]["combinations"], first["timing"]["resumed"]) == (2, 0)
    assert (second["timing"]["combinations"], second["timing"]["resumed"]) == (1, 2)
    assert Path("rows").read_bytes().count(b"\n") == 3


def test_a_full_disk_ends_a_sweep_in_one_line_and_keeps_what_was_found(given, tmp_path, capsys):
    words = (*given, *FREE, *SMALL, "--jobs", "1", "--json", str(tmp_path / "out.json"))
    rows = tmp_path / "out.json.unfinished"
    with files_of_at_most(1_000):
        assert cli.main(["sweep", *words]) == 78
    told = capsys.readouterr().err.splitlines()[-1]
    assert "cannot be written: File too large. Make room, or name another place. What was found is kept in" in told
    kept = rows.read_bytes()
    assert kept.endswith(b"\n")
    assert not (tmp_path / "out.json").exists()
    result = sweep(tmp_path / "out.json", *words[:-2])
    assert result["timing"]["resumed"] == kept.count(b"\n") > 0


# by mistake


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--param", "kk=1,2"), "no such parameter"),
        (("--param", "k=-1:1:1"), "k and adx_max must be above 0"),
        (("--param", "k=a,b"), "k"),
        (("--param", "execution.enter=market,limit"), "execution.enter"),
        (("--param", "risk.daily_loss=1,2"), "changes nothing"),
        (("--param", "k=1,2", "--jobs", "0"), "--jobs 0"),
        (("--param", "k=1,2", "--optuna", "5", "--screen"), "exclude each other"),
        (("--param", "k=1,2", "--objective", "luck"), "choose from"),
        (("--param", "k=1,2", "--objective", "pnl,sharpe"), "need --optuna"),
        (("--param", "k=1,2", "--out", "table.xlsx"), ".parquet or .csv"),
        (("--param", "k=1,2", "--out", "nowhere/table.csv"), "folder that exists"),
        (("--param", "k=1,2", "--screen", "--set", "execution.entry=limit"), "market entries only"),
        (("--param", "k=1,2", "--scheduler", "tcp://127.0.0.1:9", "--jobs", "2"), "exclude each other"),
        (("--param", "k=1,2", "--out", "same.csv", "--store", "same.csv"), "both name same.csv"),
        (("--param", "k=1,2", "--out", "given/../out.json"), "both name"),
        (("--param", "k=1,2", "--store", "given/candles.parquet"), "--store would replace"),
        (("--param", "k=1,2", "--confirm", "3"), "--confirm does nothing without --screen"),
        (("--param", "k=1,2", "--seed", "0"), "--seed does nothing without --optuna"),
        (("--param", "k=1,2", "--set", "strategy.vwap_reversion.k=1"), "vwap_reversion.k=1: --param sweeps the same"),
        (("--param", "k=1,2", "--set", "symbols.BTCUSDT.parameters.k=1"), "--param sweeps the same"),
        (("--param", "execution.entry=market,limit"), "execution.entry=market: --param sweeps the same"),
        (("--param", "k=1,2", "--out", ""), "--out '': this names nothing"),
        (("--param", "k=1,2", "--objective", ""), "--objective '': this names nothing"),
        ((), "at least one --param"),
    ],
)
def test_a_mistake_is_told_in_one_line_and_nothing_is_written(given, tmp_path, capsys, words, said):
    before = sorted(tmp_path.rglob("*"))
    assert cli.main(["sweep", *given, *FREE, *words, "--json", str(tmp_path / "out.json")]) == 78
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("option", ["--json", "--out", "--store"])
def test_a_pipe_is_never_replaced_by_a_file(given, tmp_path, capsys, option):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    assert cli.main(["sweep", *given, *FREE, *SMALL, option, str(pipe)]) == 78
    assert f"{option} {pipe}: this is a device, a pipe or a socket" in capsys.readouterr().err
    assert pipe.is_fifo()


def test_what_is_no_address_of_a_scheduler_is_the_last_word(given):
    process = start(*given, *FREE, *SMALL, "--scheduler", "foo")
    told = process.communicate(timeout=60)[1].decode().splitlines()
    assert told[-1].startswith("act: --scheduler foo: no Dask scheduler answers (missing port number")
    assert process.returncode == 78


def test_bad_data_is_told_in_one_line(given, tmp_path, capsys):
    (tmp_path / "given" / "candles.parquet").write_bytes(b"no candles")
    assert cli.main(["sweep", *given, *FREE, *SMALL, "--json", "out.json"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not Path("out.json").exists()
