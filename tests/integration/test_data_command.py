import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from backtest.history import read_funding, read_history, read_marks
from backtest.months import DAY_MS, day_of, moment, month_of
from bot import cli
from support.market_archive import HOUR, PretendedExchange, served
from support.market_files import MIDNIGHT, MINUTE, candles, instruments, parquet

BTC = instruments("BTCUSDT", tick="0.01")


def act(*arguments, home):
    """Run the command in this process and return its exit code."""
    return cli.main(["data", arguments[0], "--home", str(home), *map(str, arguments[1:])])


def started(*arguments, home):
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    return subprocess.Popen(
        [sys.executable, "-m", "bot", "data", *map(str, arguments), "--home", str(home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def an_exchange(*, days_ago=70, **options):
    """Return an exchange whose market began so many days ago, all months and days of it archived but today."""
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    listed_ms = now_ms // DAY_MS * DAY_MS - days_ago * DAY_MS
    days = {day_of(at) for at in range(listed_ms, now_ms // DAY_MS * DAY_MS, DAY_MS)}
    months = {month_of(moment(day)) for day in days} - {month_of(now_ms)}
    return PretendedExchange(listed_ms=listed_ms, now_ms=now_ms, months=months, days=days, **options)


def urls(base):
    return ("--archive-url", base, "--rest-url", base)


def test_what_was_fetched_can_be_read_and_is_whole(tmp_path, capsys):
    exchange = an_exchange()
    first = day_of(exchange.listed_ms)
    arguments = ("BTCUSDT", "--from", first, "--funding", "--mark", "8h")
    with served(exchange) as base:
        assert act("fetch", *arguments, "--interval", "15m", *urls(base), home=tmp_path) == 0
        told = capsys.readouterr().out.splitlines()
        assert [line.split(":")[0] for line in told] == ["BTCUSDT 15m", "BTCUSDT funding", "BTCUSDT mark-8h"]
        exchange.asked.clear()
        assert act("fetch", *arguments, "--interval", "15m", *urls(base), home=tmp_path) == 0
        assert not exchange.asked_for("/data/")
    history = read_history([tmp_path / "data"], BTC)
    series = history.series["BTCUSDT"]
    assert history.findings == ()
    assert history.interval_ms == 15 * MINUTE
    assert series.open_time[0] == exchange.listed_ms
    assert exchange.now_ms - series.open_time[-1] < 45 * MINUTE
    assert read_funding(tmp_path / "data", ("BTCUSDT",))["BTCUSDT"].at_ms.size >= 70 * 3
    assert read_marks(tmp_path / "data", ("BTCUSDT",))["BTCUSDT"].opening(exchange.listed_ms + 8 * HOUR) is not None
    assert act("verify", home=tmp_path) == 0


def test_a_fetch_that_is_killed_leaves_whole_months_and_goes_on_afterwards(tmp_path):
    exchange = an_exchange()
    slow = an_exchange()
    answer = slow.answer

    def slowly(path, given):
        time.sleep(0.1)
        return answer(path, given)

    slow.answer = slowly
    arguments = ("fetch", "BTCUSDT", "ETHUSDT", "--from", day_of(exchange.listed_ms))
    with served(slow) as base:
        process = started(*arguments, *urls(base), home=tmp_path)
        deadline = time.monotonic() + 60
        while not list((tmp_path / "data").rglob("*.parquet")) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    kept = sorted((tmp_path / "data").rglob("*.parquet"))
    assert kept
    assert read_history([tmp_path / "data"], BTC).findings == ()
    with served(exchange) as base:
        process = started(*arguments, *urls(base), home=tmp_path)
        _, errors = process.communicate(timeout=100)
        assert (process.returncode, errors) == (0, "")
    monthly = exchange.asked_for("/monthly/klines/BTCUSDT")
    assert not [path for path in monthly if kept[0].stem in path]
    both = read_history([tmp_path / "data"], instruments("BTCUSDT", "ETHUSDT", tick="0.01"))
    assert both.findings == ()
    assert {series.open_time[0] for series in both.series.values()} == {exchange.listed_ms}


def test_an_exchange_that_cannot_be_reached_is_one_line_and_exit_1(tmp_path, capsys):
    exchange = an_exchange(days_ago=2)
    exchange.troubles["/data/"] = [(418, {"Retry-After": "3600"}, b"")]
    with served(exchange) as base:
        assert act("fetch", "BTCUSDT", "--from", day_of(exchange.listed_ms), *urls(base), home=tmp_path) == 1
    errors = capsys.readouterr().err
    assert errors.startswith("act: http://127.0.0.1:")
    assert errors.count("\n") == 1


def test_verify_tells_people_and_machines_and_fails_for_wrong_data_only(tmp_path, capsys):
    file = parquet(tmp_path / "a.parquet", [*candles(count=20)[:5], *candles(count=20)[9:]])
    assert act("import", file, home=tmp_path) == 0
    assert capsys.readouterr().out == f"BTCUSDT 1m: 16 new of 16 rows in {file}\n"
    assert act("verify", "BTCUSDT", home=tmp_path) == 0
    assert "BTCUSDT 1m: 16 rows, 2025-03-01T00:00:00Z to 2025-03-01T00:19:00Z; hole 1" in capsys.readouterr().out
    wrong = parquet(tmp_path / "b.parquet", candles(interval=5 * MINUTE, count=3, base=900.0))
    assert act("import", wrong, home=tmp_path) == 0
    capsys.readouterr()
    assert act("verify", "--json", home=tmp_path) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["wrong"] == 2
    assert [each["name"] for each in told["series"]] == ["1m", "5m"]
    assert [each["kind"] for each in told["series"][1]["findings"]] == ["contradiction"] * 2
    assert told["series"][1]["findings"][0]["at_ms"] == MIDNIGHT


def test_import_refuses_a_contradiction_unless_told_to_replace(tmp_path, capsys):
    one = parquet(tmp_path / "one.parquet", candles())
    rows = candles()
    other = parquet(tmp_path / "other.parquet", [rows[0], *(row | {"volume": 7.0} for row in rows[1:])])
    assert act("import", one, home=tmp_path) == 0
    assert act("import", other, home=tmp_path) == 1
    assert "two rows that differ (volume 1.001 and 7.0)" in capsys.readouterr().err
    assert act("import", other, "--replace", home=tmp_path) == 0
    assert f"0 new of 5 rows in {other}, 4 stored ones replaced" in capsys.readouterr().out
    assert read_history([tmp_path / "data"], BTC).series["BTCUSDT"].volume.tolist() == [1000.0] + [7000.0] * 4


NO_SYMBOLS = [
    "../../../evil",
    "A/B",
    "..",
    "BTC USDT",
    "",
    "btcusdt",
    "BTC.P",
    "\tA",
    "A\0",
    "\u00c9USDT",
    "\u0661USDT",
]


@pytest.mark.parametrize("name", NO_SYMBOLS)
def test_a_symbol_that_cannot_be_is_never_stored(tmp_path, capsys, name):
    home = tmp_path / "a" / "home"
    home.mkdir(parents=True)
    file = parquet(tmp_path / "a" / "x.parquet", candles() + candles(name))
    assert act("import", file, home=home) == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert f"x.parquet: {name!r} in column 'symbol' is no symbol of Binance" in told
    assert sorted(tmp_path.rglob("*.parquet")) == [file]
    if name != "btcusdt":
        assert act("import", file, "--symbol", name, home=home) == 78
        assert act("fetch", name, "--from", "2025-01-01", home=home) == 78
    assert sorted(tmp_path.rglob("*.parquet")) == [file]


@pytest.mark.parametrize("name", ["BTCUSDT_210924", "1000PEPEUSDT", "\u5e01\u5b89\u4eba\u751fUSDT"])
def test_every_symbol_of_the_exchange_is_stored(tmp_path, name):
    assert act("import", parquet(tmp_path / "x.parquet", candles(name)), home=tmp_path) == 0
    assert list(read_history([tmp_path / "data"], instruments(name)).series) == [name]


@pytest.mark.parametrize(
    "arguments",
    [
        ("fetch", "--from", "2025-01-01"),
        ("fetch", "BTCUSDT"),
        ("fetch", "BTCUSDT", "--from", "yesterday"),
        ("fetch", "BTCUSDT", "--from", "2025-01-01", "--interval", "7m"),
        ("import",),
        ("import", "a", "--mark", "--funding"),
        ("verify", "--silence", "x"),
        ("nothing",),
        (),
    ],
)
def test_wrong_use_is_exit_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["data", *arguments])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: act data")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("fetch", "BTCUSDT", "--from", "2025-01-01", "--archive-url", "nowhere"), 78),
        (("fetch", "BTCUSDT", "--from", "2025-01-02", "--to", "2025-01-02"), 1),
        (("import", "missing.parquet"), 1),
        (("import", "."), 1),
        (("verify",), 1),
        (("verify", "BTCUSDT"), 1),
    ],
)
def test_errors_are_one_line_on_stderr(tmp_path, capsys, arguments, code):
    assert act(*arguments, home=tmp_path) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("act: ")
    assert printed.err.count("\n") == 1
    assert "--data" not in printed.err
    assert not list(tmp_path.rglob("*.parquet"))


def test_five_years_of_minutes_are_read_in_well_under_700_mebibytes(tmp_path):
    count = 5 * 365 * 1440
    chance = np.random.default_rng(5)
    close = np.rint(1e6 + np.cumsum(chance.integers(-50, 51, count)))
    columns = {
        "open_time": MIDNIGHT - DAY_MS * 365 * 6 + np.arange(count) * MINUTE,
        "open": close / 10,
        "high": (close + 50) / 10,
        "low": (close - 50) / 10,
        "close": close / 10,
        "volume": chance.integers(0, 10**6, count) / 1000,
    }
    file = parquet(tmp_path / "BTCUSDT.parquet", pa.table(columns))
    script = (
        "import sys; from pathlib import Path; from backtest.history import read_history;"
        "from support.market_files import instruments;"
        f"history = read_history([Path({str(file)!r})], instruments('BTCUSDT'));"
        "print(history.series['BTCUSDT'].open_time.size, int('pandas' in sys.modules));"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    rows, pandas, kibibytes = map(int, done.stdout.split())
    assert (rows, pandas) == (count, 0)
    assert kibibytes < 600 * 1024
