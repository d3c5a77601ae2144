"""What a sweep has found is known again, for the same question only."""

from dataclasses import replace
from decimal import Decimal

import pytest

from backtest.errors import DataError
from backtest.sweep.store import Store, base_of, key_of
from backtest.sweep.work import CONFIRMED, FAILED, SCREENED, Found
from bot.domain.errors import ConfigurationError
from support.full_disk import files_of_at_most
from support.random_candles import random_case
from support.sweep_cases import a_job, a_plan, a_recording, free_terms

TERMS = free_terms(a_plan(random_case(1)))
FOUND = Found(0, CONFIRMED, {"pnl": "1.5"}, ("daily_loss",))


def keep(path, *each):
    with Store(path) as store:
        for key, found in each:
            store.add(key, {"k": "2"}, found)


def read(path, key, job):
    with Store(path) as store:
        return store.get(key, job)


def test_what_was_found_is_known_to_the_next_one(tmp_path):
    keep(tmp_path / "rows", ("a", FOUND))
    job = a_job(TERMS, 7, is_exact=False)
    assert read(tmp_path / "rows", "a", job) == replace(FOUND, number=7)
    assert read(tmp_path / "rows", "b", job) is None


def test_a_screened_row_does_not_stand_for_a_confirmed_one(tmp_path):
    keep(tmp_path / "rows", ("a", replace(FOUND, state=SCREENED)))
    assert read(tmp_path / "rows", "a", a_job(TERMS, is_exact=False)) is None
    assert read(tmp_path / "rows", "a", a_job(TERMS, state=SCREENED, is_exact=False)) is not None


def test_a_screened_row_is_known_though_its_combination_is_to_be_held_against_the_screen(tmp_path):
    keep(tmp_path / "rows", ("a", replace(FOUND, state=SCREENED)))
    assert read(tmp_path / "rows", "a", a_job(TERMS, state=SCREENED)).state == SCREENED


def test_a_confirmed_row_stands_for_a_screened_one(tmp_path):
    keep(tmp_path / "rows", ("a", replace(FOUND, is_checked=True)))
    assert read(tmp_path / "rows", "a", a_job(TERMS, state=SCREENED)).state == CONFIRMED


def test_a_row_that_was_never_held_against_its_screen_does_not_stand_for_one_that_was(tmp_path):
    keep(tmp_path / "rows", ("a", FOUND), ("b", replace(FOUND, is_checked=True)))
    assert read(tmp_path / "rows", "a", a_job(TERMS)) is None
    assert read(tmp_path / "rows", "b", a_job(TERMS)) is not None


def test_what_failed_is_tried_again(tmp_path):
    keep(tmp_path / "rows", ("a", Found(0, FAILED, error="died")), ("b", replace(FOUND, defect="differs")))
    assert not (tmp_path / "rows").exists()


def test_a_line_cut_short_is_left_out_and_taken_away_before_the_next_one(tmp_path):
    path = tmp_path / "rows"
    keep(path, ("a", FOUND), ("b", FOUND))
    path.write_bytes(path.read_bytes()[:-9])
    job = a_job(TERMS, is_exact=False)
    assert read(path, "a", job) is not None
    assert read(path, "b", job) is None
    keep(path, ("c", FOUND))
    assert all(read(path, key, job) for key in "ac")


def test_a_full_disk_ends_a_sweep_and_keeps_whole_lines_only(tmp_path):
    path = tmp_path / "rows"
    keep(path, ("a", FOUND))
    size = path.stat().st_size
    told = pytest.raises(ConfigurationError, match="rows cannot be written: File too large")
    with told as caught, files_of_at_most(2 * size + 10):
        keep(path, ("b", FOUND), ("c", FOUND))
    assert caught.value.__notes__ == [f"What was found is kept in {path}: the same command goes on from there."]
    assert path.stat().st_size == 2 * size


def test_a_full_disk_leaves_no_file_without_a_line(tmp_path):
    with pytest.raises(ConfigurationError) as caught, files_of_at_most(10):
        keep(tmp_path / "rows", ("a", FOUND))
    assert not hasattr(caught.value, "__notes__")
    assert list(tmp_path.iterdir()) == []


def test_another_file_is_refused(tmp_path):
    (tmp_path / "notes").write_text("hello\nworld\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 1: no result of a sweep"):
        Store(tmp_path / "notes")


def test_without_a_file_nothing_is_kept():
    with Store(None) as store:
        store.add("a", {}, FOUND)
        store.forget()
        assert store.get("a", a_job(TERMS)) is None


def test_the_key_changes_with_data_terms_and_parameters():
    one, other = a_recording(BTCUSDT=random_case(1)), a_recording(BTCUSDT=random_case(3))
    base = base_of(one)
    assert base == base_of(a_recording(BTCUSDT=random_case(1)))
    keys = {
        key_of(base, TERMS, {"k": "2"}),
        key_of(base, TERMS, {"k": "3"}),
        key_of(base_of(other), TERMS, {"k": "2"}),
        key_of(base, replace(TERMS, from_ms=60_000), {"k": "2"}),
        key_of(base, replace(TERMS, balance=Decimal(5)), {"k": "2"}),
        key_of(base, replace(TERMS, plan=replace(TERMS.plan, config_hash="x")), {"k": "2"}),
        key_of(base, replace(TERMS, unlimited=False), {"k": "2"}),
    }
    assert len(keys) == 7
