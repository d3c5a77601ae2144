"""`act` as people use it, and misuse it: every command answers in words and with the right exit code."""

import io
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from bot import cli
from support.fed_home import Feed

TOML = "[symbols.BTCUSDT]\n"
READING = ("status", "trades", "decisions", "orders", "ledger")
ASKING = ("pause", "resume", "flatten --yes")
COMMANDS = sorted(cli.COMMANDS)


@pytest.fixture
def act(capsysbinary, monkeypatch, without_settings):
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        words = [
            word
            for argument in arguments
            for word in (argument.split() if isinstance(argument, str) else [str(argument)])
        ]
        try:
            code = cli.main(words)
        except SystemExit as ended:
            code = ended.code
        printed = capsysbinary.readouterr()
        return code, printed.out.decode(), printed.err.decode()

    return run


@pytest.fixture
def home(act, tmp_path):
    """A folder in which the bot has run and recorded nothing."""
    (tmp_path / "act.toml").write_text(TOML)
    assert act("db upgrade", "--home", tmp_path)[0] == 0
    return tmp_path


def beat(home: Path, *, age_seconds: float = 1, **facts):
    at = datetime.now(UTC) - timedelta(seconds=age_seconds)
    content = {"schema": "act-heartbeat/1", "ts": at.isoformat(), "mode": "demo", "state": "running", **facts}
    (home / "status").mkdir(exist_ok=True)
    (home / "status" / "heartbeat.json").write_text(json.dumps(content))


def one_line(text: str) -> bool:
    return text.endswith("\n") and text.count("\n") == 1 and "Traceback" not in text


# help


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_with_an_example_of_itself(act, command):
    code, out, err = act(command, "--help")
    assert (code, err) == (0, "")
    assert f"usage: act {command}" in out
    example = re.search(r"example: (.*)", out)
    assert example, f"act {command} --help has no example"
    assert f"act {command}" in example[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_option_is_wrong_usage(act, command):
    code, out, err = act(command, "--nonsense")
    assert code == cli.USAGE
    assert out == ""
    assert f"usage: act {command}" in err
    assert "Traceback" not in err


# nothing there yet


@pytest.mark.parametrize("command", [*READING, "why 1", *ASKING])
def test_where_no_bot_has_run_one_line_says_so(act, tmp_path, command):
    code, out, err = act(command, "--home", tmp_path)
    assert code in {cli.FAILED, cli.BAD_CONFIG}
    assert out == ""
    assert one_line(err)
    assert "the bot has not been started here" in err
    assert not (tmp_path / "status").exists(), "reading must not create anything"


def test_health_where_no_bot_has_run_is_bad(act, tmp_path):
    code, out, _ = act("health", "--home", tmp_path)
    assert code == cli.FAILED
    assert out.startswith("dead: no bot has run in")


def test_backup_where_there_is_nothing_says_so_and_leaves_nothing(act, tmp_path):
    code, _, err = act("db backup", tmp_path / "copy", "--home", tmp_path)
    assert code == cli.BAD_CONFIG
    assert one_line(err)
    assert not (tmp_path / "copy").exists()


def test_a_home_that_is_not_there_is_no_crash(act, tmp_path):
    code, _, err = act("status", "--home", tmp_path / "nowhere")
    assert code == cli.BAD_CONFIG
    assert one_line(err)


# empty books


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("status", "no open positions"),
        ("trades", "no completed trades yet"),
        ("decisions", "no decisions yet"),
        ("orders", "no orders yet"),
    ],
)
def test_empty_books_are_said_in_words(act, home, command, words):
    code, out, err = act(command, "--home", home)
    assert (code, err) == (0, "")
    assert words in out


@pytest.mark.parametrize("command", ["status", "trades", "decisions", "orders"])
def test_json_is_one_document_and_nothing_else(act, home, command):
    code, out, err = act(command, "--json", "--home", home)
    assert (code, err) == (0, "")
    json.loads(out)


def test_status_without_a_heartbeat_says_stopped(act, home):
    _, out, _ = act("status", "--home", home)
    assert "stopped" in out.splitlines()[0]


def test_status_shows_mode_state_and_age(act, home):
    beat(home, equity="10000.5", day_pnl="0.5")
    _, out, _ = act("status", "--home", home)
    assert out.startswith("[DEMO] running\n")
    assert "equity 10000.5, today 0.5" in out


def test_status_calls_a_bot_without_a_fresh_heartbeat_dead(act, home):
    beat(home, age_seconds=11, reason="why not")
    assert act("status", "--home", home)[1].startswith("[DEMO] dead; its last word was running: why not\n")
    beat(home, age_seconds=11, state="stopped", reason="stopped by a signal")
    assert act("status", "--home", home)[1].startswith("[DEMO] stopped: stopped by a signal\n")


def test_why_of_an_unknown_order_is_a_failure_that_says_where_to_look(act, home):
    code, out, err = act("why 4711", "--home", home)
    assert (code, out) == (cli.FAILED, "")
    assert one_line(err)
    assert "act orders" in err


def test_the_ledger_of_empty_books_is_canonical(act, home):
    code, out, _ = act("ledger", "--home", home)
    assert code == 0
    assert one_line(out)
    ledger = json.loads(out)
    assert ledger["schema"] == "act-ledger/1"
    assert out == json.dumps(ledger, sort_keys=True, separators=(",", ":")) + "\n"


def test_the_ledger_equals_itself_and_differs_from_another(act, home):
    _, ours, _ = act("ledger", "--home", home)
    (home / "same.json").write_text(ours)
    (home / "other.json").write_text(ours.replace('"from_ms":0', '"from_ms":1'))
    assert act("ledger --diff", home / "same.json", "--home", home)[:2] == (0, "")
    code, out, _ = act("ledger --diff", home / "other.json", "--home", home)
    assert code == cli.FAILED
    assert "from_ms" in out


@pytest.mark.parametrize("content", ["", "not json", "[]", "{}", '{"schema":"act-ledger/1","fills":3}'])
def test_what_is_no_ledger_cannot_be_compared(act, home, content):
    (home / "theirs.json").write_text(content)
    code, _, err = act("ledger --diff", home / "theirs.json", "--home", home)
    assert code in {cli.FAILED, cli.BAD_CONFIG}
    assert "Traceback" not in err


def test_a_ledger_file_that_is_not_there_is_one_line(act, home):
    code, _, err = act("ledger --diff", home / "missing.json", "--home", home)
    assert code == cli.BAD_CONFIG
    assert one_line(err)


# a heartbeat of every kind


@pytest.mark.parametrize(
    ("age_seconds", "state", "code"),
    [(1, "running", 0), (9, "paused", 0), (11, "running", 1), (1, "halted", 1), (1, "degraded", 1), (1, "stopped", 1)],
)
def test_health_judges_age_and_state(act, tmp_path, age_seconds, state, code):
    beat(tmp_path, age_seconds=age_seconds, state=state)
    found, out, _ = act("health", "--home", tmp_path)
    assert found == code
    assert out.startswith(f"{state}, {age_seconds}.")


def test_health_takes_another_limit(act, tmp_path):
    beat(tmp_path, age_seconds=20)
    assert act("health --max-age 30", "--home", tmp_path)[0] == 0


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"schema": "act-heartbeat/1"}', '{"schema": "x", "ts": 1}']
)
def test_health_of_something_that_is_no_heartbeat_is_bad_in_one_line(act, tmp_path, content):
    beat(tmp_path)
    (tmp_path / "status" / "heartbeat.json").write_text(content)
    code, out, err = act("health", "--home", tmp_path)
    assert (code, err) == (cli.FAILED, "")
    assert one_line(out)


# damaged files


@pytest.mark.parametrize("command", [*READING, "why 1", *ASKING, "db upgrade", "db backup copy"])
def test_a_damaged_database_is_one_line_that_says_what_to_do(act, home, monkeypatch, command):
    monkeypatch.chdir(home)
    for name in ("act.db", "desk.db"):
        for path in (home / "status").glob(f"{name}*"):
            path.write_bytes(b"this is no database at all" * 200)
    code, out, err = act(command, "--home", home)
    assert code in {cli.FAILED, cli.BAD_CONFIG}
    assert out == ""
    assert one_line(err)
    assert len(err) > 60


def test_a_damaged_backup_is_not_put_in_place(act, home):
    before = (home / "status" / "act.db").read_bytes()
    (home / "copy").mkdir()
    for name in ("act.db", "desk.db"):
        (home / "copy" / name).write_bytes(b"damaged" * 1000)
    code, _, err = act("db restore", home / "copy", "--home", home)
    assert code == cli.BAD_CONFIG
    assert one_line(err)
    assert (home / "status" / "act.db").read_bytes() == before


def test_a_backup_can_be_put_back(act, home):
    code, out, _ = act("db backup", home / "copy", "--home", home)
    assert code == 0
    assert str(home / "copy") in out
    _, before, _ = act("ledger", "--home", home)
    for path in (home / "status").glob("*.db*"):
        path.unlink()
    assert act("db restore", home / "copy", "--home", home)[0] == 0
    assert act("ledger", "--home", home)[1] == before


@pytest.mark.parametrize("what", ["backup", "restore"])
def test_backup_and_restore_want_a_folder(act, home, what):
    code, _, err = act("db", what, "--home", home)
    assert code == cli.USAGE
    assert "needs a folder" in err


# asking


@pytest.mark.parametrize("command", ASKING)
def test_what_is_asked_while_no_bot_runs_is_kept_for_its_start(act, home, command):
    code, out, _ = act(command, "--home", home)
    assert code == 0
    assert out.startswith(f"asked: {command.split()[0]} ")
    assert "at the next start" in out


def test_what_is_asked_of_a_running_bot_points_to_the_answer(act, home):
    beat(home)
    _, out, _ = act("pause", "--home", home)
    assert "See act status." in out


def test_flatten_wants_a_yes(act, home, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    code, out, _ = act("flatten", "--home", home)
    assert code == cli.FAILED
    assert "nothing was asked" in out


def test_halt_works_without_a_database_and_resume_takes_it_back(act, home):
    code, out, err = act("halt", "--home", home)
    assert code == 0
    assert (home / "status" / "KILL").exists()
    assert "no entries until act resume" in out
    assert "no bot is running" in err
    assert act("resume", "--home", home)[0] == 0
    assert not (home / "status" / "KILL").exists()


def test_halt_of_a_running_bot_says_nothing_more(act, home):
    beat(home)
    assert act("halt", "--home", home)[2] == ""


def test_halt_that_cannot_be_written_is_one_line(act, tmp_path):
    (tmp_path / "status").write_text("a file where the folder should be")
    code, _, err = act("halt", "--home", tmp_path)
    assert code == cli.BAD_CONFIG
    assert one_line(err)


# configuration


def test_a_good_configuration_is_called_good(act, home):
    code, out, _ = act("config check", "--home", home)
    assert code == 0
    assert "the configuration is good (BTCUSDT; hash " in out


def test_the_shown_configuration_is_the_resolved_one(act, home, monkeypatch):
    monkeypatch.setenv("ACT_RISK__DAILY_LOSS", "300")
    _, out, _ = act("config show", "--home", home)
    assert json.loads(out)["risk"]["daily_loss"] == "300"


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("", "no symbol is configured"),
        ("mode = \n", "not valid TOML"),
        ("[symbols.BTCUSDT]\n[risk]\ndaily_los = 3\n", "Did you mean daily_loss?"),
        ("[symbols.BTCUSDT]\n[risk]\ndaily_loss = 'much'\n", "risk.daily_loss"),
        ("[symbols.BTCUSDT]\nstrategy = 'no_such'\n", "no_such"),
        ("[symbols.BTCUSDT]\n[strategy.vwap_reversion]\nkk = 3\n", "unknown key kk"),
        ("[symbols.BTCUSDT]\n[strategy.vwap_reversion]\nk = -3\n", "must be above 0"),
        ("\udcff", "not valid TOML"),
    ],
)
def test_a_bad_configuration_is_one_line_and_exit_78(act, tmp_path, toml, words):
    (tmp_path / "act.toml").write_bytes(toml.encode(errors="surrogateescape"))
    code, out, err = act("config check", "--home", tmp_path)
    assert (code, out) == (cli.BAD_CONFIG, "")
    assert one_line(err)
    assert words in err


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"ACT_RISK__DAILY_LOSS": "much"}, "daily_loss"),
        ({"ACT_RISK": "much"}, "environment"),
        ({"ACT_MODE": "casino"}, "mode"),
    ],
)
def test_a_bad_environment_is_one_line_and_exit_78(act, home, monkeypatch, variables, words):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    code, _, err = act("config check", "--home", home)
    assert code == cli.BAD_CONFIG
    assert one_line(err)
    assert words in err


# running, wrongly


@pytest.mark.parametrize(
    ("arguments", "toml", "words"),
    [
        ("--testnet", TOML, "no API key"),
        ("--live", TOML, 'mode = "live"'),
        ("--testnet", "mode = \n", "not valid TOML"),
        ("--testnet", "nonsense = 1\n", "unknown key nonsense"),
        ("--paper", "", "no symbol is configured"),
        ("--paper", '[symbols.BTCUSDT]\nstrategy = "none_such"\n', "there is no strategy 'none_such'"),
        ("--paper", TOML + '[strategy.vwap_reversion]\nk = "high"\n', "k"),
    ],
)
def test_a_run_that_cannot_be_is_refused_before_anything_is_written(act, tmp_path, arguments, toml, words):
    (tmp_path / "act.toml").write_text(toml)
    code, out, err = act("run", arguments, "--home", tmp_path)
    assert (code, out) == (cli.BAD_CONFIG, "")
    assert one_line(err)
    assert words in err
    assert [path.name for path in tmp_path.iterdir()] == ["act.toml"]


def test_a_run_wants_to_know_how(act, tmp_path):
    code, _, err = act("run", "--home", tmp_path)
    assert code == cli.USAGE
    assert "--testnet" in err


@pytest.mark.parametrize(
    "arguments",
    ["--speed fast", "--data missing.parquet", "--start yesterday", "--symbols ,", "--balance much", "--speed -3"],
)
def test_a_simulator_that_cannot_be_is_one_line(act, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    code, out, err = act("simulator", arguments)
    assert code in {cli.USAGE, cli.BAD_CONFIG}
    assert out == ""
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("act simulator: ")


def test_a_dashboard_of_a_folder_that_is_not_there_is_one_line(act, tmp_path):
    code, out, err = act("dashboard --port 0", "--home", tmp_path / "nowhere")
    assert (code, out) == (cli.FAILED, "")
    assert one_line(err)


def test_a_demo_does_not_touch_a_folder_that_is_not_its_own(act, tmp_path):
    (tmp_path / "precious").write_text("keep me")
    code, _, err = act("demo --no-dashboard --json --for 1", "--home", tmp_path)
    assert code == cli.BAD_CONFIG
    assert one_line(err)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


# the process


def process(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )


def test_the_exit_code_reaches_the_shell():
    assert process("--help").returncode == 0
    assert process("stauts").returncode == cli.USAGE


def test_a_reader_that_hangs_up_causes_no_traceback(home):
    command = f"{sys.executable} -m bot config show --home {home} | head -c 1"
    run = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False)
    assert run.stderr == b""


def test_nothing_is_printed_in_colour(home):
    beat(home)
    for command in (["--help"], ["status"], ["status", "--help"]):
        arguments = [*command, "--home", str(home)] if command == ["status"] else command
        run = process(*arguments, FORCE_COLOR="1", TERM="xterm-256color")
        assert b"\x1b[" not in run.stdout + run.stderr


# books with something in them


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A home in which positions, orders and completed trades stand."""
    home = tmp_path_factory.mktemp("busy")
    (home / "act.toml").write_text(TOML)
    feed = Feed(home)
    feed.warm_up()
    for _ in range(300):
        feed.advance()
    feed.store.commit(feed.working_order(feed.symbols[2]))
    feed.beat()
    feed.store.close()
    return home


def listed(act, command, home):
    code, out, err = act(command, "--json", "--home", home)
    assert (code, err) == (0, "")
    return json.loads(out)


def test_status_shows_each_position_with_its_stop_and_each_open_order(act, busy):
    told = listed(act, "status", busy)
    assert told["positions"]
    assert told["orders"]
    _, out, _ = act("status", "--home", busy)
    for position in told["positions"]:
        side = "LONG" if Decimal(position["quantity"]) > 0 else "SHORT"
        (line,) = [line for line in out.splitlines() if re.match(rf"{position['symbol']} +{side} ", line)]
        assert f" {position['stop_price']} " in line
    assert all(order["client_order_id"] in out for order in told["orders"])


@pytest.mark.parametrize("command", ["trades", "decisions", "orders"])
def test_lists_are_tables_with_one_line_for_each_row(act, busy, command):
    rows = listed(act, f"{command} --limit 7", busy)
    _, out, _ = act(f"{command} --limit 7", "--home", busy)
    assert len(rows) == 7
    assert len(out.splitlines()) == 8
    assert len({len(line) for line in out.splitlines()}) < 8, "columns are lined up"


@pytest.mark.parametrize("command", ["trades", "decisions", "orders"])
def test_lists_can_be_narrowed_to_a_symbol(act, busy, command):
    rows = listed(act, f"{command} --symbol btcusdt", busy)
    assert {row["symbol"] for row in rows} == {"BTCUSDT"}


@pytest.mark.parametrize("command", ["trades", "decisions", "orders"])
@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_limit_that_makes_no_sense_is_wrong_usage(act, busy, command, limit):
    code, out, err = act(f"{command} --limit {limit}", "--home", busy)
    assert (code, out) == (cli.USAGE, "")
    assert "--limit" in err


def test_why_tells_the_chain_from_the_decision_to_the_fill(act, busy):
    order = next(row for row in listed(act, "orders", busy) if row["intent_id"] and row["state"] == "filled")
    _, out, _ = act("why", order["client_order_id"], "--home", busy)
    labels = [line.split()[0] for line in out.splitlines()]
    assert labels[0] == "decision"
    assert labels.index("intent") < labels.index("attempt") < labels.index("fill")
    assert act("why", order["report"]["order_id"], "--home", busy)[1] == out


def test_why_for_machines_is_the_whole_chain(act, busy):
    order = listed(act, "orders --limit 1", busy)[0]
    chain = listed(act, f"why {order['client_order_id']}", busy)
    assert chain["order"] == order


def test_the_ledger_of_books_in_use_can_be_read_while_they_are_written(act, busy):
    code, out, _ = act("ledger", "--home", busy)
    assert code == 0
    assert json.loads(out)["fills"]
