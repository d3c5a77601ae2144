"""The control endpoints of the simulator itself, `/sim/v1/*`: ledger, clock, journal, faults (docs/ledger.md)."""

from typing import Any, Protocol
from urllib.parse import parse_qsl

import msgspec

from simulator.faults import FaultError, FaultPlan
from simulator.server.journal import Journal
from simulator.server.wire import HttpReply, HttpRequest, json_reply

PREFIX = "/sim/v1/"


class _ClockOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hold: bool | None = None
    offset_ms: int | None = None


_CLOCK = msgspec.json.Decoder(_ClockOrder)


class Controlled(Protocol):
    """What the control endpoints need of the server."""

    journal: Journal
    plan: FaultPlan

    @property
    def is_held(self) -> bool:
        """Say whether the market stands still."""

    def hold(self, wall_ms: int) -> dict[str, int]:
        """Stop the market."""

    def release(self, wall_ms: int) -> None:
        """Let it run again."""

    def shift_clock(self, offset_ms: int) -> None:
        """Let the exchange's wall clock differ."""

    def ledger_bytes(self) -> bytes:
        """Return the canonical ledger."""

    def add_faults(self, text: bytes, wall_ms: int) -> None:
        """Load faults."""

    def clear_faults(self) -> None:
        """Forget faults."""


def answer(server: Controlled, request: HttpRequest, wall_ms: int) -> HttpReply:
    """Answer one control request."""
    try:
        return _answer(server, request, wall_ms)
    except (msgspec.DecodeError, FaultError, RecursionError) as error:
        return json_reply(400, {"error": str(error)})


def _answer(server: Controlled, request: HttpRequest, wall_ms: int) -> HttpReply:
    match request.method, request.path.removeprefix(PREFIX):
        case "GET", "ledger":
            return HttpReply(200, server.ledger_bytes(), {"Content-Type": "application/json"})
        case "POST", "clock":
            return json_reply(200, _set_clock(server, _CLOCK.decode(request.body), wall_ms))
        case "GET", "journal":
            since = dict(parse_qsl(request.query)).get("since", "0")
            return json_reply(200, journal_page(server.journal, int(since) if since.isdigit() else 0))
        case "GET", "faults":
            return json_reply(200, server.plan.counts())
        case "POST", "faults":
            server.add_faults(request.body, wall_ms)
            return json_reply(200, {"loaded": len(server.plan.counts())})
        case "DELETE", "faults":
            server.clear_faults()
            return json_reply(200, {"loaded": 0})
    return json_reply(404, {"error": f"no control endpoint {request.method} {request.path}; see docs/simulator.md"})


def _set_clock(server: Controlled, order: _ClockOrder, wall_ms: int) -> dict[str, Any]:
    if order.offset_ms is not None:
        server.shift_clock(order.offset_ms)
    if order.hold is True:
        return server.hold(wall_ms)
    if order.hold is False:
        server.release(wall_ms)
    return {"held": server.is_held}


def journal_page(journal: Journal, since: int) -> dict[str, Any]:
    """Return the journal from entry number `since` on, and the counts of frames by event."""
    skip = max(0, since - journal.forgotten)
    return {
        "forgotten": journal.forgotten,
        "next": journal.forgotten + len(journal.entries),
        "frames": dict(journal.frames),
        "entries": journal_entries(journal)[skip:],
    }


def journal_entries(journal: Journal) -> list[dict[str, Any]]:
    """Return every entry as a flat row."""
    return [
        {"wall_ms": entry.wall_ms, "market_ms": entry.market_ms, "kind": entry.kind, **entry.detail}
        for entry in journal.entries
    ]
