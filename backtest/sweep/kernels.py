"""The screen's loop: the fill rules of market entries over arrays of bits and ticks, with money in whole numbers.

A plain function which runs as it stands and as machine code alike (see `backtest.compiled`). It repeats what core and
venue do where no limit binds and taking costs nothing but a fee; whatever it finds is held against them.
"""

COLUMNS = 10
ENTRY_ROW, EXIT_ROW, SIDE, QUANTITY, ENTRY, EXIT, IS_STOP, ENTRY_FEE, EXIT_FEE, PNL = range(COLUMNS)

_LONG = 1
_BOTH = 3
_EXIT_LONG = 4
_EXIT_SHORT = 8


def screen_loop(bits, opened, high, low, close, first, rules, trips, curve):  # noqa: ANN001, ANN201 - arrays of numba
    """Trade the candles from `first` on, write a row of `trips` for each position, and return how many there are.

    The row of a position still open at the end has the exit row -1 and is marked at the last close. `rules` are those
    of `backtest.sweep.screen.Rules`, prices are ticks, quantities steps, money whole units of 1e-8. `curve` receives
    the largest fall of equity at closes from its peak (1e-8) and the candles that closed with a position open.
    """
    size_over, size_under, least, most, worth_least_over, worth_least_under = rules[:6]
    grid, offset, stop_over, stop_under, worth_over, worth_under, fee_over, fee_under = rules[6:]
    worth = worth_over / worth_under
    end = len(opened)
    found = 0
    wallet = 0
    peak = 0.0
    deepest = 0.0
    held = 0
    at = first
    while at < end - 1:
        asked = bits[at] & _BOTH
        if asked in (0, _BOTH):
            at += 1
            continue
        price = int(close[at])
        quantity = size_over // (price * size_under)
        if quantity < least or quantity > most or quantity * price * worth_least_under < worth_least_over:
            at += 1
            continue
        side = 1 if asked == _LONG else -1
        leaves = _EXIT_LONG if side == 1 else _EXIT_SHORT
        entry = int(opened[at + 1])
        stop = _stop(entry, side, grid, offset, stop_over, stop_under)
        entry_fee = _rounded(entry * quantity * fee_over, fee_under)
        wallet -= entry_fee
        at += 1
        entry_row = at
        is_leaving = False
        exit_row = -1
        is_stop = 0
        left = 0
        while at < end:
            if is_leaving:
                exit_row = at
                left = int(opened[at])
                break
            if (side == 1 and low[at] <= stop) or (side == -1 and high[at] >= stop):
                exit_row = at
                is_stop = 1
                left = int(opened[at])
                if (left - stop) * side > 0:
                    left = stop
                break
            equity = wallet + side * quantity * (close[at] - entry) * worth
            peak = max(peak, equity)
            deepest = max(deepest, peak - equity)
            is_leaving = bits[at] & leaves != 0
            held += 1
            at += 1
        if exit_row < 0:
            left = int(close[end - 1])
        exit_fee = _rounded(left * quantity * fee_over, fee_under) if exit_row >= 0 else 0
        gross = _rounded(side * quantity * (left - entry) * worth_over, worth_under)
        if exit_row >= 0:
            wallet += gross - exit_fee
            peak = max(peak, float(wallet))
            deepest = max(deepest, peak - wallet)
        row = trips[found]
        row[ENTRY_ROW] = entry_row
        row[EXIT_ROW] = exit_row
        row[SIDE] = side
        row[QUANTITY] = quantity
        row[ENTRY] = entry
        row[EXIT] = left
        row[IS_STOP] = is_stop
        row[ENTRY_FEE] = entry_fee
        row[EXIT_FEE] = exit_fee
        row[PNL] = gross - entry_fee - exit_fee
        found += 1
        at += 1
    curve[0] = deepest
    curve[1] = held
    return found


def _stop(entry: int, side: int, grid: int, offset: int, over: int, under: int) -> int:
    """Return the stop in ticks: so far away, rounded to the price grid towards the entry, one unit of it away at least.

    `over` / `under` is the distance as a fraction of the entry.
    """
    if side == 1:
        away = _ceil(entry * (under - over), under, grid, offset)
        return min(away, _ceil(entry, 1, grid, offset) - grid)
    away = _floor(entry * (under + over), under, grid, offset)
    return max(away, _floor(entry, 1, grid, offset) + grid)


def _floor(over: int, under: int, grid: int, offset: int) -> int:
    return (over - offset * under) // (under * grid) * grid + offset


def _ceil(over: int, under: int, grid: int, offset: int) -> int:
    return -((offset * under - over) // (under * grid)) * grid + offset


def _rounded(over: int, under: int) -> int:
    """Return over / under rounded to a whole number, halves away from zero."""
    if over < 0:
        return -((-2 * over + under) // (2 * under))
    return (2 * over + under) // (2 * under)
