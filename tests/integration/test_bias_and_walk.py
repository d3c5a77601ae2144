"""`act bias` and `act walk-forward` as people use them: data with holes, several symbols, numbers that are none."""

import pytest

from bot import cli

pytestmark = pytest.mark.usefixtures("without_settings")


# by mistake


@pytest.mark.parametrize("count", [0, -1])
@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("bias lookahead", "--cuts"),
        ("bias warm-up", "--starts"),
        ("walk-forward --param k=1,2", "--in-days"),
        ("walk-forward --param k=1,2", "--out-days"),
    ],
)
def test_fewer_than_one_of_anything_is_refused_before_data_is_read(words, option, count, tmp_path, capsys):
    assert cli.main([*words.split(), option, str(count), "--data", str(tmp_path / "missing.parquet")]) == 78
    assert capsys.readouterr().err == f"act: {option} {count}: give 1 or more.\n"
