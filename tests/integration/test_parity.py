"""`act parity` on real runs: the bot's own shell and adapter on a replay, beside a backtest of the same candles."""

import csv
import json
import math
import random
from decimal import Decimal

import pytest

from bot import cli
from dashboard.alerts.deliveries import Outbox
from database.desk import DeskWriter
from database.session import act_url, desk_url, writing_engine
from database.tables import Candles, Decisions, table_of
from support.backtest_data import MAINNET, YEAR_2025, needs_recorded
from support.replay_bed import replay

LIVELY = """
[strategy.vwap_reversion]
k = 1.0
adx_max = 60
stop_pct = 0.25
[pacing]
cooldown_after_win_seconds = 120
cooldown_after_loss_seconds = 600
"""
MARKET = '[execution]\nentry = "market"\n'
MAY_23 = 1_747_958_400_000
MINUTE = 60_000
HISTORY = 1_740
START = MAY_23 + 10 * MINUTE
EXECUTION = {"latency", "slippage", "execution", "volatility", "fee", "funding", "end"}


def parity(capsys, home, *arguments):
    """Return the exit code and what `act parity --json` printed."""
    capsys.readouterr()  # what the bot logged
    code = cli.main(["parity", "--home", str(home), "--json", *map(str, arguments)])
    printed = capsys.readouterr()
    assert printed.err == ""
    return code, json.loads(printed.out)


def swings(path, minutes):
    """Write candles that swing around a price and wander; every few minutes they leave the bands."""
    chance = random.Random(5)
    level, close = 100_000.0, 1_000_000
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["symbol", "open_time", "open", "high", "low", "close", "volume"])
        for minute in range(minutes):
            level += chance.gauss(0, 25)
            opened, close = close, round(10 * (level + 180 * math.sin(minute / 6) + chance.gauss(0, 40)))
            high = max(opened, close) + chance.randrange(200)
            low = min(opened, close) - chance.randrange(200)
            prices = [f"{ticks / 10:.1f}" for ticks in (opened, high, low, close)]
            rows.writerow(["BTCUSDT", START - (HISTORY - minute) * MINUTE, *prices, chance.randrange(20, 90)])
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A home in which the bot traded eight hours of such candles, and their file."""
    folder = tmp_path_factory.mktemp("parity")
    data = swings(folder / "BTCUSDT-1m.csv", HISTORY + 500)
    replay(
        folder / "home", data=data, exchange_info=None, symbols="BTCUSDT", start_ms=START, market_minutes=480,
        speed=300, config=LIVELY,
    )  # fmt: skip
    return folder / "home", data


def assert_adds_up(found):
    """Every difference has a cause that a live run is known for, and the causes make up the whole of the money."""
    assert found["unexplained"] == 0
    assert {each["cause"] for each in found["differences"]} <= EXECUTION
    profit = found["pnl"]
    assert sum(map(Decimal, profit["by_cause"].values())) == Decimal(profit["difference"])
    assert Decimal(profit["bot"]) - Decimal(profit["backtest"]) == Decimal(profit["difference"])


def test_the_bot_decides_as_the_backtest_and_the_rest_has_a_cause(capsys, run):
    home, data = run
    code, found = parity(capsys, home, "--data", data)
    assert code == 0
    assert found["shift_days"] == (1_760_000_000_000 - START) // 86_400_000
    assert found["from"] == "2025-05-23T00:10:00Z"
    assert found["decisions"]["compared"] >= 20
    assert found["trades"]["matched"] >= 5
    assert found["decisions"]["same"] >= 0.8 * found["decisions"]["compared"]
    assert found["orders"]["same"] == found["orders"]["compared"]
    assert_adds_up(found)


def test_without_a_file_the_candles_the_bot_stored_give_the_same(capsys, run):
    home, data = run
    (_, by_file), (_, by_store) = parity(capsys, home, "--data", data), parity(capsys, home)
    assert by_store["shift_days"] == 0
    for name in ("decisions", "orders", "fills", "trades", "pnl"):
        assert by_store[name] == by_file[name]


def test_a_part_of_the_day_comes_with_its_past(capsys, run):
    home, _ = run
    _, whole = parity(capsys, home)
    _, part = parity(capsys, home, "--from", "2025-10-09T01:30:00Z", "--to", "2025-10-09T03:30:00Z")
    assert "start_up" not in {each["cause"] for each in part["differences"]}
    inside = [each for each in whole["differences"] if "T01:30" <= _clock(each["at"]) < "T03:29"]
    assert [each for each in part["differences"] if _clock(each["at"]) < "T03:29"] == inside
    assert_adds_up(part)


def _clock(at_ms):
    minutes = at_ms // MINUTE % 1_440
    return f"T{minutes // 60:02}:{minutes % 60:02}"


def test_people_read_the_same_in_lines(capsys, run):
    home, _ = run
    assert cli.main(["parity", "--home", str(home)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2025-10-09T00:10:00Z to 2025-10-09T08:10:00Z"
    assert any(line.startswith("decisions: ") and " the same" in line for line in lines)
    assert lines[-1].startswith("profit: backtest ")


def test_other_settings_than_the_bots_are_seen_as_edge(capsys, run):
    home, _ = run
    _, found = parity(capsys, home, "--set", "strategy.vwap_reversion.k=1.6")
    assert found["decisions"]["different"]["edge"] > 0
    assert found["unexplained"] > 0


def test_a_decision_that_was_tampered_with_is_edge(capsys, run):
    home, _ = run
    decisions = table_of(Decisions)
    engine = writing_engine(act_url(home / "status"))
    with engine.connect() as connection:
        taken = decisions.select().where(decisions.c.action == "enter").order_by(decisions.c.at_ms.desc())
        row = dict(connection.execute(taken).mappings().first())
    try:
        with engine.begin() as connection:
            connection.execute(decisions.delete().where(decisions.c.decision_id == row["decision_id"]))
        _, found = parity(capsys, home)
    finally:
        with engine.begin() as connection:
            connection.execute(decisions.insert().values(row))
        engine.dispose()
    assert "edge" in found["decisions"]["different"]


def test_a_candle_that_the_bot_saw_otherwise_is_named_as_the_cause(capsys, run):
    home, data = run
    candles = table_of(Candles)
    engine = writing_engine(act_url(home / "status"))
    one = candles.select().where(candles.c.open_time == 1_759_968_000_000 + 40 * MINUTE)
    with engine.connect() as connection:
        row = dict(connection.execute(one).mappings().one())
    this = candles.c.open_time == row["open_time"]
    try:
        with engine.begin() as connection:
            connection.execute(
                candles.update().where(this).values(close=row["close"] + 2_000, high=row["high"] + 2_000)
            )
        _, found = parity(capsys, home, "--data", data, "--set", "strategy.vwap_reversion.k=1.25")
    finally:
        with engine.begin() as connection:
            connection.execute(candles.update().where(this).values(close=row["close"], high=row["high"]))
        engine.dispose()
    named = {each["cause"] for each in found["differences"]}
    assert "data" in named


def test_above_the_limit_people_are_told_once_and_the_command_fails(capsys, run):
    home, _ = run
    for _ in range(2):
        capsys.readouterr()
        assert cli.main(["parity", "--home", str(home), "--json", "--alert-above", "0.000001"]) == 1
        printed = capsys.readouterr()
        found = json.loads(printed.out)
        assert printed.err.startswith("act: --alert-above was passed, so act alerts will tell people: PARITY ")
        assert printed.err.count("\n") == 1
    desk = DeskWriter(desk_url(home / "status"))
    (notice,) = desk.notices_after(0)
    desk.close()
    assert (notice.alert.severity, notice.alert.event) == ("WARNING", "parity")
    compared = found["decisions"]["compared"]
    assert notice.alert.title.startswith(
        f"PARITY {compared - found['decisions']['same']} of {compared} decisions differ"
    )
    assert "profit: backtest" in notice.alert.text
    outbox = Outbox("", "", home / "status")
    assert outbox.notices_start() == 0
    outbox.desk.close()


def test_below_the_limit_nobody_is_told(capsys, run):
    home, _ = run
    for limit in ("1000000", "100%"):
        assert parity(capsys, home, "--alert-above", limit)[0] == 0


def test_data_of_other_days_is_one_line_that_speaks_of_the_days(capsys, run):
    home, data = run
    assert cli.main(["parity", "--home", str(home), "--data", str(data), "--shift-days", "5"]) == 78
    (line,) = capsys.readouterr().err.splitlines()
    assert "--data has no candles of BTCUSDT for that period" in line
    assert "5 days before the bot's clock. Correct --shift-days" in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "2027-01-01"), "act: the bot recorded nothing in that period."),
        (("--data", "/nonexistent.csv"), "act: /nonexistent.csv: no such file"),
        (("--from", "2025-05-24", "--to", "2025-05-23"), "act: --from 2025-05-24T00:00:00Z does not lie before --to"),
        (("--shift-days", "5"), "act: --shift-days says how far --data lies back."),
        (("--set", "strategy.vwap_reversion.kk=1"), "kk"),
    ],
)
def test_what_cannot_be_compared_is_one_line(capsys, run, arguments, words):
    home, _ = run
    assert cli.main(["parity", "--home", str(home), *arguments]) in {1, 78}
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_a_home_without_a_bot_is_a_bad_configuration(capsys, tmp_path):
    (tmp_path / "act.toml").write_text("[symbols.BTCUSDT]\n")
    assert cli.main(["parity", "--home", str(tmp_path)]) == 78
    assert "the bot has not been started here" in capsys.readouterr().err


@needs_recorded
@pytest.mark.timeout(240)
@pytest.mark.parametrize("execution", [MARKET, ""], ids=["market entries", "limit entries"])
def test_recorded_hours_give_the_same_decisions_and_orders(capsys, tmp_path, execution):
    replay(
        tmp_path / "home", data=YEAR_2025, exchange_info=MAINNET, symbols="BTCUSDT,ETHUSDT", start_ms=MAY_23,
        market_minutes=250, speed=300, config=execution,
    )  # fmt: skip
    _, found = parity(capsys, tmp_path / "home", "--data", YEAR_2025, "--exchange-info", MAINNET)
    assert found["decisions"]["compared"] == found["decisions"]["same"] >= 8
    assert found["orders"]["compared"] == found["orders"]["same"] >= 5
    assert found["trades"]["backtest"] == found["trades"]["bot"] == found["trades"]["matched"] >= 4
    assert_adds_up(found)
