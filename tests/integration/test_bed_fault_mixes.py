"""Several faults at once on the deterministic bed: whatever happens, the books end equal and every promise is kept.

The campaign takes its seeds from ACT_BED_SEEDS ("17", or "1000:1400"); a seed that breaks something prints how to run
it again.
"""

import os

import pytest

from support.bed_mixes import draw, happen

FIRST, LAST = (os.environ.get("ACT_BED_SEEDS", "1000:1200") + ":").split(":")[:2]
CAMPAIGN = range(int(FIRST), int(LAST or int(FIRST) + 1))


def assert_nothing_broke(home, seed):
    mix = draw(seed)
    outcome = happen(home, mix)
    told = [
        f"seed {seed} at speed {mix.speed} with {mix.settings}",
        *(f"  {at:6.2f} s: {what} {how}" for at, what, how in mix.plan),
        *(f"broke: {line}" for line in outcome.broken),
        f"again: ACT_BED_SEEDS={seed} make bed-faults",
    ]
    assert not outcome.broken, "\n".join(told)
    return outcome


@pytest.mark.parametrize("seed", [4, 10, 16, 36])
def test_a_mix_of_faults_breaks_no_promise(tmp_path, seed):
    assert assert_nothing_broke(tmp_path, seed).fills > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", CAMPAIGN)
def test_a_campaign_of_mixed_faults_breaks_no_promise(tmp_path, seed):
    assert_nothing_broke(tmp_path, seed)


def test_a_mix_with_a_kill_repeats_to_the_byte(tmp_path):
    hashes = {assert_nothing_broke(tmp_path / str(run), 39).journal_hash for run in (1, 2)}
    assert len(hashes) == 1
