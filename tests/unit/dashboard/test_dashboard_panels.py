from datetime import UTC, datetime
from decimal import Decimal

import pytest

from dashboard.heartbeat import Heartbeat, Pulse, Sign
from dashboard.panels import Cell, Tile, header, limits, table, tiles, usage_bar, why

NOW_MS = 1_748_000_096_000


def a_sign(pulse=Pulse.ALIVE, age=1.2, **fields):
    beat = {
        "mode": "demo",
        "state": "running",
        "equity": Decimal("10012.5"),
        "day_pnl": Decimal("12.5"),
        "positions": 2,
    }
    return Sign(Heartbeat(ts=datetime(2025, 5, 23, 11, 34, 56, tzinfo=UTC), **(beat | fields)), pulse, age)


def test_the_header_prints_mode_state_age_equity_and_signed_day_result():
    markup = header(a_sign(), NOW_MS, NOW_MS)
    for text in ("DEMO", "running", "1.2 s", "10,012.50", "+12.50", "2025-05-23 11:34:56"):
        assert text in markup
    assert "act-dead" not in markup


@pytest.mark.parametrize(
    ("pulse", "age", "words"),
    [
        (Pulse.DEAD, 75.0, "silent for 1 m 15 s: data from 11:34:56"),
        (Pulse.STOPPED, 75.0, "was stopped: data from 11:34"),
    ],
)
def test_a_stale_heartbeat_greys_the_numbers_and_says_from_when_they_are(pulse, age, words):
    markup = header(a_sign(pulse, age), NOW_MS, NOW_MS)
    assert "act-dead" in markup
    assert words in markup


def test_without_any_heartbeat_the_header_says_so_and_shows_no_number():
    markup = header(Sign(None, Pulse.NEVER, float("inf")), NOW_MS, 0)
    assert "No heartbeat" in markup
    assert "Equity" not in markup


def test_live_mode_has_its_own_badge():
    assert 'class="act-badge live">LIVE' in header(a_sign(mode="live"), NOW_MS, NOW_MS)


def test_an_old_stream_is_called_stale():
    assert "12 s stale" in header(a_sign(streams={"market": {"age_ms": 12_000}}), NOW_MS, NOW_MS)


def test_a_lost_stream_is_called_down():
    assert ">down<" in header(a_sign(streams={"user": {"age_ms": 10, "up": False}}), NOW_MS, NOW_MS)


def test_market_time_is_shown_beside_the_wall_clock_when_they_differ():
    markup = header(a_sign(), NOW_MS, NOW_MS - 86_400_000)
    assert "2025-05-22 11:34:56" in markup
    assert "wall" in markup


def test_outside_text_is_escaped_everywhere():
    evil = "<script>alert(1)</script>"
    pages = [
        header(a_sign(reason=evil, state=evil, mode=evil), NOW_MS, NOW_MS),
        table(evil, [evil], [[Cell(evil, title=evil)]], empty=evil, note=evil),
        table(evil, [], [], empty=evil),
        tiles([Tile(evil, evil, evil, title=evil)]),
        why(evil, evil, [(evil, evil)], evil),
        limits([(evil, 0.5)]),
    ]
    assert not any("<script" in page for page in pages)


def test_an_empty_table_speaks():
    assert "No positions yet: the bot is waiting" in table("P", ["a"], [], empty="No positions yet: the bot is waiting")


def test_numbers_are_aligned_right():
    markup = table("T", ["Symbol", "Qty"], [[Cell("BTCUSDT"), Cell("1.5", numeric=True)]], empty="none")
    assert '<th class="num">Qty</th>' in markup
    assert '<td class="num">1.5</td>' in markup


@pytest.mark.parametrize(
    ("share", "markup"), [(0.2, "width:20%"), (0.75, 'class="warn"'), (1.4, 'class="down" style="width:100%"')]
)
def test_a_limit_bar_warns_before_it_is_full(share, markup):
    assert markup in usage_bar(share)
