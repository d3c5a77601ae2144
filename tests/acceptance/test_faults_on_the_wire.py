"""What the bot survives on real sockets: a kill at any moment, cut streams, answers that say nothing."""

import json
import random
import time

import pytest

from support.processes import Stage


def assert_nothing_doubled(stage: Stage) -> None:
    """At no time two live orders for one intent, and no client order id accepted twice."""
    orders = [row for row in json.loads(stage.control("/ledger"))["orders"] if row["client_order_id"].startswith("a")]
    ids = [row["client_order_id"] for row in orders]
    assert len(ids) == len(set(ids))
    live = [row["client_order_id"].rsplit("-", 1)[0] for row in orders if row["status"] in {"NEW", "PARTIALLY_FILLED"}]
    assert len(live) == len(set(live))


@pytest.mark.parametrize("seed", [3])
def test_a_bot_killed_at_a_random_moment_comes_back_with_equal_books(tmp_path, seed):
    kill_and_come_back(tmp_path, seed, kills=2)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("seed", range(100, 110))
def test_many_kills_leave_nothing_lost_and_nothing_doubled(tmp_path, seed):
    kill_and_come_back(tmp_path, seed, kills=5)


def kill_and_come_back(tmp_path, seed, kills):
    chance = random.Random(seed)
    with Stage(tmp_path / "home", seed=seed) as stage:
        stage.start_bot()
        stage.wait_for_fills(1, 30)
        for _ in range(kills):
            time.sleep(chance.uniform(0.2, 2.0))
            stage.kill_bot()
            stage.start_bot()
        stage.hold()
        stage.books_become_equal()
        assert_nothing_doubled(stage)


def test_every_stream_reset_at_once_is_survived_with_equal_books(tmp_path):
    with Stage(tmp_path / "home", seed=5) as stage:
        stage.start_bot()
        stage.wait_for_fills(2, 30)
        stage.control("/faults", [{"match": {"kind": "open"}, "action": {"reset": True}}])
        time.sleep(3)
        stage.wait_for("running", 30)
        fills = len(json.loads(stage.control("/ledger"))["fills"])
        stage.wait_for_fills(fills + 1, 30)
        stage.hold()
        stage.books_become_equal()
        assert_nothing_doubled(stage)


def test_a_503_on_every_third_order_half_of_them_executed_never_doubles_an_order(tmp_path):
    orders = (
        {"kind": "wsapi", "method": "order.place"},
        {"kind": "rest", "method": "POST", "path": "/fapi/v1/order"},
        {"kind": "rest", "method": "POST", "path": "/fapi/v1/algoOrder"},
    )
    unknown = {
        "status": 503,
        "body": {"code": -1000, "msg": "Unknown error, please check your request or try again later."},
    }
    faults = [{"match": {**order, "every": 3}, "action": {"process": 0.5, **unknown}} for order in orders]
    with Stage(tmp_path / "home", seed=8, faults=faults) as stage:
        stage.start_bot()
        stage.wait_for_fills(6, 60)
        stage.hold()
        stage.books_become_equal()
        assert_nothing_doubled(stage)
