"""The table of a sweep: order, neighbours, and what is written."""

import csv
from decimal import Decimal

import pyarrow.parquet as pq

from backtest.sweep.grid import read_grid
from backtest.sweep.table import lines_of, print_table, ranked, write_csv, write_parquet
from backtest.sweep.work import CONFIRMED, FAILED, SCREENED, Found

GRID = read_grid(["k=1,2,3", "execution.entry=market,limit"])


def found(number, pnl="1", state=CONFIRMED, **more):
    figures = {
        "candles": 10,
        "trades": 4,
        "pnl": pnl,
        "fees": "0.5",
        "funding": "0",
        "max_drawdown": "2.25",
        "sharpe": more.pop("sharpe", 1.5),
        "sortino": None,
        "win_rate": 0.5,
        "profit_factor": None,
        "exposure": 0.1,
    }
    return Found(number, state, {} if state == FAILED else figures, **more)


def lines(*each, objective="pnl", **more):
    return lines_of(GRID, {one.number: one for one in each}, objective, **more)


def test_confirmed_rows_come_before_screened_before_failed_each_from_the_best_on():
    shown = lines(
        found(0, "1"), found(1, "3"), found(2, "9", SCREENED), found(3, state=FAILED, error="no"), found(4, "2")
    )
    assert [line.number for line in shown] == [1, 4, 0, 2, 3]


def test_of_a_drawdown_less_is_better_and_what_has_no_value_comes_last():
    assert ranked([found(0, sharpe=None), found(1, sharpe=-3.0), found(2, sharpe=0.5)], "sharpe") == [2, 1, 0]
    less = Found(1, CONFIRMED, {"max_drawdown": "1.5"})
    assert ranked([Found(0, CONFIRMED, {"max_drawdown": "10"}), less], "max_drawdown") == [1, 0]


def test_a_row_is_compared_with_the_rows_one_step_away():
    own = next(line for line in lines(found(0, "4"), found(2, "10"), found(4, "-2")) if line.number == 2).values
    assert own["neighbours"] == 2
    assert own["neighbour_pnl_median"] == "1"
    assert own["neighbour_pnl_worst"] == "-2"
    assert (own["robustness"], own["robustness_worst"]) == (0.1, -0.2)


def test_without_profit_or_neighbours_there_is_no_robustness():
    losing = lines(found(0, "-4"), found(2, "10"))[-1].values
    assert (losing["neighbour_pnl_median"], losing["robustness"]) == ("10", None)
    alone = lines(found(0, "4"))[0].values
    assert (alone["neighbours"], alone["neighbour_pnl_median"], alone["robustness"]) == (0, None, None)


def test_failed_neighbours_do_not_count():
    own = lines(found(0, "4"), found(2, state=FAILED, error="no"))[0].values
    assert own["neighbours"] == 0


def test_json_has_money_as_text_and_says_how_far_a_row_can_be_trusted():
    row = lines(found(1, "12.34", limits=("daily_loss",)), best=[1])[0].as_json()
    assert row["parameters"] == {"k": "1", "execution.entry": "limit"}
    assert (row["pnl"], row["trades"], row["state"], row["limits"]) == ("12.34", 4, CONFIRMED, ["daily_loss"])
    assert row["best"] is True
    assert "candles" not in row


def test_csv_and_parquet_hold_every_row(tmp_path):
    shown = lines(found(0, "4.00000001"), found(2, "1", SCREENED), found(4, state=FAILED, error="it, too"))
    write_csv(tmp_path / "out.csv", shown, GRID)
    write_parquet(tmp_path / "out.parquet", shown, GRID)
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["state"] for row in rows] == [CONFIRMED, SCREENED, FAILED]
    assert (rows[0]["k"], rows[0]["pnl"], rows[0]["sortino"], rows[2]["error"]) == ("1", "4.00000001", "", "it, too")
    table = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [(row["k"], row["execution.entry"]) for row in table] == [(1.0, "market"), (2.0, "market"), (3.0, "market")]
    assert (table[0]["pnl"], table[2]["pnl"]) == (Decimal("4.00000001"), None)


def test_the_terminal_shows_the_first_rows_and_how_many_more_there_are(capsys):
    print_table(lines(found(0, "1234.5"), found(2, "2"), found(4, state=FAILED, error="no")), ["k", "entry"], 1)
    shown = capsys.readouterr().out
    assert "1,234.50" in shown
    assert "2 more: --top N" in shown
    assert FAILED not in shown
