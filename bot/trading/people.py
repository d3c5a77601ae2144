"""What people ask for: pause, resume, flatten, halt. Each request is mirrored with its state and result."""

from typing import Final

from msgspec.structs import replace

from bot.domain.events import PersonAsked
from bot.domain.records import CommandRow
from bot.trading import audit, entries, exits
from bot.trading.state import PAUSED, State

ACCEPTED: Final = "ACCEPTED"
DONE: Final = "DONE"
FAILED: Final = "FAILED"
HALTED_BY_PERSON: Final = "halted_by_person"
_REMEMBERED: Final = 1_000


def obey(state: State, asked: PersonAsked) -> None:
    """Carry out a person's request once."""
    if asked.request_id in state.requests:
        return
    state.requests[asked.request_id] = CommandRow(
        request_id=asked.request_id,
        who=asked.who,
        command=asked.command,
        arguments=audit.text_of(asked.arguments),
        state=ACCEPTED,
        result="",
        asked_ms=asked.at_ms,
        updated_ms=state.now_ms,
    )
    if len(state.requests) > _REMEMBERED:
        del state.requests[next(iter(state.requests))]
    match asked.command:
        case "pause":
            audit.halt(state, PAUSED, "", f"paused by {asked.who}", audit.WARNING)
            _answer(state, asked.request_id, DONE, "entries are paused; stops and exits go on")
        case "halt":
            audit.halt(state, HALTED_BY_PERSON, "", f"halted by {asked.who}")
            _answer(state, asked.request_id, DONE, "entries are halted; stops and exits go on")
        case "resume":
            _resume(state, asked)
        case "flatten":
            _flatten(state, asked)
        case _:
            _answer(state, asked.request_id, FAILED, f"unknown command {asked.command}")


def follow_up(state: State) -> None:
    """Answer a request to flatten once nothing it asked for is left open."""
    for row in tuple(state.requests.values()):
        if row.state != ACCEPTED:
            continue
        left = [each for each in _flattened(state, row) if state.by_symbol[each].track.quantity]
        if not left:
            _answer(state, row.request_id, DONE, "flat")
        elif not any(exits.in_flight(state.by_symbol[each]) for each in left):
            _answer(state, row.request_id, FAILED, f"still open: {', '.join(left)}")


def _resume(state: State, asked: PersonAsked) -> None:
    rule = asked.arguments.get("clear", "")
    cleared = state.risk.clear(rule, asked.who, state.now_ms) if rule else []
    state.remember_risk(cleared)
    ended = audit.end_halts(state, asked.arguments.get("symbol", ""), f"resumed by {asked.who}")
    if rule and not cleared:
        _answer(state, asked.request_id, FAILED, f"{rule} does not halt the bot")
        return
    left = [*state.risk.halts(state.now_ms), *(reason for reason, _ in state.halted)]
    ended += [rule] if cleared else []
    result = f"ended: {', '.join(ended) or 'nothing'}" + (f"; still halted: {', '.join(left)}" if left else "")
    _answer(state, asked.request_id, DONE, result)


def _flatten(state: State, asked: PersonAsked) -> None:
    only = asked.arguments.get("symbol", "")
    if only and only not in state.by_symbol:
        _answer(state, asked.request_id, FAILED, f"unknown symbol {only}")
        return
    row = state.requests[asked.request_id]
    state.record(row)
    for name in _flattened(state, row):
        symbol = state.symbol_state(name)
        entries.withdraw(state, symbol)
        exits.leave(state, symbol, exits.FLATTEN, f"{name}-{exits.FLATTEN}-{asked.request_id}")


def _flattened(state: State, row: CommandRow) -> tuple[str, ...]:
    only = audit.decode(row.arguments).get("symbol", "")
    return (only,) if only else tuple(state.by_symbol)


def _answer(state: State, request_id: str, word: str, result: str) -> None:
    row = replace(state.requests[request_id], state=word, result=result, updated_ms=state.now_ms)
    state.requests[request_id] = row
    state.record(row)
