"""Books that are opened on an account with a past."""

import json

from support.bed_run import run_bed


def test_books_opened_on_a_new_account_reach_back_to_its_beginning(tmp_path):
    result = run_bed(tmp_path / "home", seed=3, market_minutes=30, speed=600)
    assert json.loads(result.ours)["from_ms"] == 0


def test_books_opened_on_a_used_account_begin_now_and_stay_reconciled(tmp_path):
    deposit = {"match": {"kind": "account"}, "action": {"transfer": {"asset": "USDT", "amount": "250"}}}
    result = run_bed(tmp_path / "home", seed=3, market_minutes=60, speed=600, faults=[deposit])
    ours = json.loads(result.ours)
    theirs = json.loads(result.theirs)
    assert ours["from_ms"] > 0
    assert ours["opening"] == [{"asset": "USDT", "balance": "10250"}]
    assert ours["transfers"] == []
    assert ours["wallets"] == theirs["wallets"]
    assert ours["fills"] == theirs["fills"]
    beat = json.loads((tmp_path / "home" / "status" / "heartbeat.json").read_text())
    assert "unreconciled" not in beat["gates"]
