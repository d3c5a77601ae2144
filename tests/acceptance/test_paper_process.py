"""`act run --paper` as a real process on public prices: no key, nothing signed, and an account that survives a kill."""

import json
import time
from decimal import Decimal

import pytest

from support.processes import KEYS, Stage, act, start

PUBLIC = {"/fapi/v1/time", "/fapi/v1/exchangeInfo", "/fapi/v1/klines", "/fapi/v1/fundingRate"}
NO_KEYS = {"ACT_BINANCE_API_KEY": "", "ACT_BINANCE_API_SECRET": ""}


class PaperStage(Stage):
    """A simulator that only shows prices; the bot's exchange is in its own process."""

    def start_bot(self, wait: float = 40) -> None:
        self.bot = start("run", "--paper", home=self.home, env=NO_KEYS)
        self.wait_for("running", wait)

    def books(self) -> dict:
        return json.loads(act("ledger", home=self.home).stdout)

    def wait_for_booked_fills(self, count: int, seconds: float) -> dict:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            books = self.books()
            if len(books["fills"]) >= count:
                return books
            time.sleep(0.2)
        raise AssertionError(f"fewer than {count} fills within {seconds} s; {self.beat()}")


@pytest.fixture
def stage(tmp_path):
    with PaperStage(tmp_path / "home", seed=3, speed=240) as stage:
        yield stage


def assert_books_add_up(books: dict) -> None:
    """Position = sum of fills, wallet = opening + totals, no id twice."""
    held: dict[str, Decimal] = {}
    for row in books["fills"]:
        signed = Decimal(row["quantity"]) * (1 if row["side"] == "BUY" else -1)
        held[row["symbol"]] = held.get(row["symbol"], Decimal(0)) + signed
    assert {name: each for name, each in held.items() if each} == {
        row["symbol"]: Decimal(row["quantity"]) for row in books["positions"]
    }
    (totals,) = books["totals"]
    money = {name: Decimal(totals[name]) for name in ("realized_pnl", "commission", "funding", "transfers")}
    change = money["realized_pnl"] - money["commission"] + money["funding"] + money["transfers"]
    assert Decimal(books["wallets"][0]["balance"]) == Decimal(books["opening"][0]["balance"]) + change
    ours = [row["client_order_id"] for row in books["orders"] if not row["algo_id"]]
    assert len(ours) == len(set(ours))
    for ids in ([row["order_id"] for row in books["orders"]], [row["trade_id"] for row in books["fills"]]):
        assert len(ids) == len(set(ids))


def test_paper_trades_on_public_prices_and_its_account_survives_cut_streams_and_a_kill(stage):
    stage.start_bot()
    stage.wait_for_booked_fills(2, 60)
    stage.control("/faults", [{"match": {"kind": "open"}, "action": {"reset": True}}])
    time.sleep(2)
    stage.wait_for("running", 30)
    stage.kill_bot()
    before = stage.books()
    assert_books_add_up(before)
    assert before["opening"] == [{"asset": "USDT", "balance": "10000"}]

    stage.start_bot()
    after = stage.wait_for_booked_fills(len(before["fills"]) + 2, 60)
    assert_books_add_up(after)
    assert after["opening"] == before["opening"]
    kept = {(row["symbol"], row["trade_id"]): row for row in after["fills"]}
    assert all(kept[row["symbol"], row["trade_id"]] == row for row in before["fills"])
    beat = stage.beat()
    assert (beat["mode"], beat["critical_incidents"]) == ("paper", 0)

    theirs = json.loads(stage.control("/ledger"))
    assert (theirs["orders"], theirs["algo_orders"], theirs["fills"]) == ([], [], [])
    journal = stage.journal()
    assert "/fapi/v1/klines" in {entry["path"] for entry in journal if entry["kind"] == "rest"} <= PUBLIC
    assert not [entry for entry in journal if entry["kind"] == "rest" and "timestamp" in entry["params"]]
    assert {entry["route"] for entry in journal if entry["kind"] == "connect"} == {"market", "public"}
    assert not [entry for entry in journal if entry["kind"] == "wsapi"]


def test_the_books_of_a_pretended_account_are_refused_by_every_other_mode(stage):
    stage.start_bot()
    stage.kill_bot()
    run = act("run", "--demo", home=stage.home, env=KEYS)
    assert run.returncode == 78
    assert "this home holds the books of paper, not of demo" in run.stderr
    assert len(run.stderr.splitlines()) == 1
