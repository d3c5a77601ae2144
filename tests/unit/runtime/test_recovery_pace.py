import pytest

from bot.runtime.recovery import check_seconds, full_seconds

LIMIT = 2_400  # request weight of a minute
SNAPSHOT = 5 + 5 + 40 + 40  # balance, positions, open orders and open conditional orders of all symbols
HISTORY_OF_A_SYMBOL = 3 * 5
INCOME = 30


@pytest.mark.parametrize("symbols", [1, 3, 10, 50, 100, 200])
def test_what_recovery_reads_by_itself_leaves_nearly_half_of_the_request_weight(symbols):
    full = 60 / full_seconds(symbols) * (HISTORY_OF_A_SYMBOL * symbols + INCOME)
    assert 60 / check_seconds(symbols) * SNAPSHOT + full <= LIMIT * 0.55


def test_few_symbols_are_compared_every_five_seconds_and_read_back_every_minute():
    assert (check_seconds(3), full_seconds(3)) == (5.0, 60.0)
