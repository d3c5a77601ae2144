"""Why a backtest traded nothing: asked of a second run, which tells its decisions."""

from collections import Counter

from backtest.run import Recording, Terms, run_told


def why_idle(recording: Recording, terms: Terms) -> str:
    """Say in one line what kept a run without a fill from trading: no signal, refusals, or orders nobody filled."""
    _, decisions = run_told(recording, terms)
    refused = Counter(row.reason for row in decisions if row.action == "refuse")
    if not decisions:
        return "nothing was traded: the strategy asked for no entry"
    if not refused:
        return f"nothing was traded: none of {len(decisions):,} entries was filled"
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in refused.most_common())
    return f"nothing was traded: {refused.total():,} of {len(decisions):,} entries were refused ({reasons})"
