"""Faults as data: what goes wrong, when, and how often.

A plan is a JSON list of `{"match": {...}, "action": {...}}`. Every fault counts what it matches; the first one that
fires is applied. All times are wall milliseconds.

    match.kind   "rest"     a REST request           method, path (both with * and ?), params
                 "wsapi"    a WebSocket API request  method ("order.place"), params
                 "ws"       a frame to be sent       route, stream, event, symbol, fields
                 "connect"  a WebSocket handshake    route
                 "open"     the connections that stand open  route          done once, after_ms after loading (0)
                 "account"  what a person or the exchange does to the account: done once, after_ms after loading (0)
    how often    nth         first match that fires (default: `every`, else 1)
                 every       after it, each every-th match (default: each one)
                 times       at most so often (default: no limit, and once where `nth` stands alone)
                 probability of the matches left, this share by the seed (default: 1)

`route` is market, public, private or ws_api. `stream` is the stream's name (`btcusdt@kline_1m`; `user` for user data,
so that no listen key is needed), `event` the frame's `e`, or `ack` and `reply` for answers to control frames and to
WebSocket API requests. `params` and `fields` (dotted: `k.x`, `o.X`) must be equal; params are compared as text.

    rest, wsapi  delay_before_ms  wait before the request is looked at
                 process          true, false, or the share of requests that are executed, by the seed
                                  (not executed, and nothing else said: there is no answer)
                 delay_after_ms   wait between the execution and the answer
                 status, headers, body   answer so instead (body: text as it is, or JSON, for wsapi its `error`;
                                  without one: the exchange's unknown error)
                 close, reset     "before" or "after" the execution: hang up in order, or by TCP reset
    ws           drop             true
                 duplicate        number of extra copies, or [least, most] by the seed; copies_delay_ms
                 delay_ms         this frame alone comes later
                 reorder          shuffle so many matching frames; given up after reorder_ms (1,000)
                 mutate, remove   {"o.X": "ODD"}, ["o.n"]: change the payload
                 text             send this text instead
                 inject           frames (JSON or text) sent right after
    ws, open     close            close code; reset: true; silent: {"ms": 5000 or 0 for ever, "pings": true}
    open         expire_listen_key   true
    account      request          {"method", "path", "params"}: any endpoint, as the account's owner elsewhere would
                 transfer         {"asset": "USDT", "amount": "-5000"}
                 liquidate, fund  symbol; a contract is funded once a minute at most
                 symbol           what changes in its exchangeInfo entry: {"symbol": "BTCUSDT", "status": "SETTLING",
                                  "filters": [{"filterType": "LOT_SIZE", "stepSize": "0.010"}]}
                 hedge_mode       true or false
    connect      refuse           HTTP status, or 0 for a TCP reset (say how often with `times`)
                 drop_after_ms    accept, then reset after so long
                 silent           as above
"""

import fnmatch
import random
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

_TIMED = {"open", "account"}
_JSON = msgspec.json.Decoder()


class FaultError(ValueError):
    """A fault plan cannot be read. The message is one line that says what is wrong and what to do."""


class Silence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say nothing for `ms` (0 = for ever); `pings` keeps answering and sending pings meanwhile."""

    ms: int = 0
    pings: bool = True


class OwnRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request of the account's owner, made elsewhere."""

    method: str
    path: str
    params: dict[str, str | int | bool] = {}


class Transfer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Money into (positive) or out of the futures wallet."""

    asset: str
    amount: str


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Literal["rest", "wsapi", "ws", "connect", "open", "account"]
    method: str = "*"
    path: str = "*"
    params: dict[str, str | int | bool] = {}
    route: str = "*"
    stream: str = "*"
    event: str = "*"
    symbol: str = "*"
    fields: dict[str, Any] = {}
    nth: int = 0
    every: int = 0
    times: int = 0
    probability: float = 1.0
    after_ms: int = 0


class Deed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The action of a fault; which of its parts apply is said by the kind of its match."""

    delay_before_ms: int = 0
    process: bool | float = True
    delay_after_ms: int = 0
    status: int = 0
    headers: dict[str, str] = {}
    body: Any = None
    close: Literal["before", "after"] | int | None = None
    reset: Literal["before", "after"] | bool = False
    drop: bool = False
    duplicate: int | tuple[int, int] = 0
    copies_delay_ms: int = 0
    delay_ms: int = 0
    reorder: int = 0
    reorder_ms: int = 1_000
    mutate: dict[str, Any] = {}
    remove: tuple[str, ...] = ()
    text: str | None = None
    inject: tuple[Any, ...] = ()
    silent: Silence | None = None
    refuse: int | None = None
    drop_after_ms: int | None = None
    expire_listen_key: bool = False
    request: OwnRequest | None = None
    transfer: Transfer | None = None
    liquidate: str = ""
    fund: str = ""
    symbol: dict[str, Any] = {}
    hedge_mode: bool | None = None


class _Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    match: Match
    action: Deed


_PLAN = msgspec.json.Decoder(list[_Spec])


@dataclass
class Fault:
    """One loaded fault and how often it matched and fired."""

    match: Match
    deed: Deed
    seen: int = 0
    fired: int = 0
    held_back: list[tuple[int, str]] = field(default_factory=list)

    def fires(self, draw: random.Random) -> bool:
        """Count one match and say whether it is this one's turn."""
        self.seen += 1
        if self.match.times and self.fired >= self.match.times:
            return False
        if not self._is_turn():
            return False
        if self.match.probability < 1 and draw.random() >= self.match.probability:
            return False
        self.fired += 1
        return True

    def _is_turn(self) -> bool:
        every = self.match.every
        first = self.match.nth or every or 1
        if self.seen < first:
            return False
        if every:
            return (self.seen - first) % every == 0
        return not self.match.nth or self.seen == first or self.match.times > 1


def parse_plan(text: bytes) -> list[Fault]:
    """Read a plan from JSON bytes, or raise `FaultError`."""
    try:
        specs = _PLAN.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise FaultError(f"fault plan not understood: {error}; see docs/simulator.md for the format") from error
    return [Fault(spec.match, spec.action) for spec in specs]


class FaultPlan:
    """The faults in force. Deterministic: the same seed and the same requests give the same faults."""

    def __init__(self, seed: int, faults: list[Fault] | None = None) -> None:
        self.draw = random.Random(seed)  # noqa: S311 - a reproducible schedule, no secret
        self._faults: list[Fault] = []
        self.touches_frames = False
        self.add(faults or [])

    def add(self, faults: list[Fault]) -> None:
        """Put further faults in force."""
        self._faults.extend(faults)
        self.touches_frames = any(fault.match.kind == "ws" for fault in self._faults)

    def clear(self) -> list[Fault]:
        """Forget all faults and return them, for what they still hold back."""
        gone = self._faults
        self._faults = []
        self.touches_frames = False
        return gone

    def counts(self) -> list[dict[str, Any]]:
        """How often each fault matched and fired, in the order they were loaded."""
        return [{"kind": f.match.kind, "seen": f.seen, "fired": f.fired} for f in self._faults]

    def rest(self, method: str, path: str, params: dict[str, str]) -> Deed | None:
        """Return what is to happen to a REST request, if anything."""
        return self._request("rest", method, path, params)

    def wsapi(self, method: str, params: dict[str, str]) -> Deed | None:
        """Return what is to happen to a WebSocket API request, if anything."""
        return self._request("wsapi", method, "", params)

    def connect(self, route: str) -> Deed | None:
        """Return what is to happen to a WebSocket handshake, if anything."""
        hit: Deed | None = None
        for fault in self._of("connect"):
            if fnmatch.fnmatchcase(route, fault.match.route) and fault.fires(self.draw):
                hit = hit or fault.deed
        return hit

    def frame(self, route: str, stream: str, event: str, data: str) -> Fault | None:
        """Return the fault that hits a frame with payload `data`, if any."""
        hit: Fault | None = None
        for fault in self._of("ws"):
            if _hits_frame(fault.match, route, stream, event, data) and fault.fires(self.draw):
                hit = hit or fault
        return hit

    def executes(self, deed: Deed) -> bool:
        """Say whether a request hit by `deed` is executed."""
        if isinstance(deed.process, bool):
            return deed.process
        return self.draw.random() < deed.process

    def copies(self, deed: Deed) -> int:
        """Say how many extra copies of a frame to send."""
        if isinstance(deed.duplicate, int):
            return deed.duplicate
        return self.draw.randint(*deed.duplicate)

    def take_timed(self) -> list[Fault]:
        """Remove and return the faults that wait for no match, only for their time."""
        timed = [fault for fault in self._faults if fault.match.kind in _TIMED]
        self._faults = [fault for fault in self._faults if fault.match.kind not in _TIMED]
        return timed

    def _of(self, kind: str) -> list[Fault]:
        return [fault for fault in self._faults if fault.match.kind == kind]

    def _request(self, kind: str, method: str, path: str, params: dict[str, str]) -> Deed | None:
        hit: Deed | None = None
        for fault in self._of(kind):
            if _hits_request(fault.match, method, path, params) and fault.fires(self.draw):
                hit = hit or fault.deed
        return hit


def as_text(value: str | int | bool) -> str:
    """Return a parameter as it stands in a request."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _hits_request(match: Match, method: str, path: str, params: dict[str, str]) -> bool:
    if not fnmatch.fnmatchcase(method, match.method) or not fnmatch.fnmatchcase(path, match.path):
        return False
    return all(params.get(name) == as_text(value) for name, value in match.params.items())


def _hits_frame(match: Match, route: str, stream: str, event: str, data: str) -> bool:
    if not fnmatch.fnmatchcase(route, match.route) or not fnmatch.fnmatchcase(stream, match.stream):
        return False
    if not fnmatch.fnmatchcase(event, match.event):
        return False
    if match.symbol == "*" and not match.fields:
        return True
    payload = _JSON.decode(data)
    if match.symbol != "*" and not fnmatch.fnmatchcase(_symbol_of(payload), match.symbol):
        return False
    return all(field_of(payload, name) == value for name, value in match.fields.items())


def _symbol_of(payload: Any) -> str:
    for name in ("s", "o.s", "k.s"):
        found = field_of(payload, name)
        if isinstance(found, str):
            return found
    return ""


def field_of(payload: Any, name: str) -> Any:
    """Return the value at a dotted name, None where there is none."""
    for part in name.split("."):
        payload = _step(payload, part)
    return payload


def _step(payload: Any, part: str) -> Any:
    if isinstance(payload, dict):
        return payload.get(part)
    if isinstance(payload, list) and part.isdigit() and int(part) < len(payload):
        return payload[int(part)]
    return None


def changed(data: str, deed: Deed) -> str:
    """Return payload `data` with the fields of `deed` set and removed."""
    payload = _JSON.decode(data)
    for name, value in deed.mutate.items():
        parent = field_of(payload, name.rpartition(".")[0]) if "." in name else payload
        if isinstance(parent, dict):
            parent[name.rpartition(".")[2]] = value
    for name in deed.remove:
        parent = field_of(payload, name.rpartition(".")[0]) if "." in name else payload
        if isinstance(parent, dict):
            parent.pop(name.rpartition(".")[2], None)
    return msgspec.json.encode(payload).decode()
