"""Core, shell, adapter and simulator in one thread on a virtual clock: a market day with faults, repeatable."""

import pytest

from database.ledger import difference
from support.bed_run import run_bed

UNKNOWN = {"code": -1000, "msg": "Unknown error, please check your request or try again later."}
FAULTS = [
    {
        "match": {"kind": "wsapi", "method": "order.place", "every": 5},
        "action": {"process": 0.5, "status": 503, "body": UNKNOWN},
    },
    {
        "match": {"kind": "rest", "method": "POST", "path": "/fapi/v1/algoOrder", "every": 7},
        "action": {"process": 0.5, "status": 503, "body": UNKNOWN},
    },
    {"match": {"kind": "ws", "stream": "user", "event": "ORDER_TRADE_UPDATE", "every": 6}, "action": {"duplicate": 2}},
    {"match": {"kind": "ws", "stream": "user", "event": "ORDER_TRADE_UPDATE", "every": 11}, "action": {"drop": True}},
    {
        "match": {"kind": "rest", "method": "GET", "probability": 0.05},
        "action": {"process": False, "status": 502, "body": "<html>"},
    },
]
LATER = {
    300: [{"match": {"kind": "open"}, "action": {"reset": True}}],
    700: [{"match": {"kind": "open", "route": "private"}, "action": {"expire_listen_key": True}}],
    1_000: [{"match": {"kind": "open", "route": "market"}, "action": {"silent": {"ms": 9_000, "pings": True}}}],
}


@pytest.mark.timeout(240)
def test_a_market_day_with_faults_ends_with_equal_books_and_repeats_to_the_byte(tmp_path):
    runs = [
        run_bed(tmp_path / name, seed=7, market_minutes=1_440, speed=600, faults=FAULTS, later=LATER)
        for name in ("one", "two")
    ]
    assert difference(runs[0].ours, runs[0].theirs) == []
    assert runs[0].ours == runs[0].theirs
    assert runs[0].fills > 20
    assert runs[0].journal_hash == runs[1].journal_hash


def test_another_seed_makes_another_day(tmp_path):
    hashes = {run_bed(tmp_path / str(seed), seed=seed, market_minutes=30, speed=600).journal_hash for seed in (1, 2)}
    assert len(hashes) == 2
