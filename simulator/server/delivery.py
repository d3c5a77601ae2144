"""Frames on their way out: who subscribed to what, envelopes, silence, WebSocket faults, and what waits for later."""

import heapq
from collections.abc import Callable

import msgspec

from simulator.faults import Deed, Fault, FaultPlan, changed
from simulator.server.connections import Connection, Route
from simulator.server.journal import Journal
from simulator.server.wire import Abort, Action, Close, Send

USER = "user"
_FOREVER_MS = 1 << 60
_DIRECT = {"ack", "reply"}


class Channel:
    """One market stream and the connections that receive it."""

    __slots__ = ("connections", "name", "route")

    def __init__(self, name: str, route: Route) -> None:
        self.name = name
        self.route = route
        self.connections: dict[int, Connection] = {}


class Delivery:
    """The way out: an ordered list of actions for the shell, and a schedule of things that fall due in wall time."""

    def __init__(self, plan: FaultPlan, journal: Journal) -> None:
        self.plan = plan
        self.journal = journal
        self.wall_ms = 0
        self.connections: dict[int, Connection] = {}
        self._actions: list[Action] = []
        self._schedule: list[tuple[int, int, Callable[[], None], bool]] = []
        self._order = 0

    def take(self) -> list[Action]:
        """Hand over what is to be done now, in order."""
        actions, self._actions = self._actions, []
        return actions

    def do(self, action: Action) -> None:
        """Let the shell do something."""
        self._actions.append(action)

    def later(self, due_ms: int, work: Callable[[], None], *, planned: bool = False) -> None:
        """Run `work` at wall time `due_ms`; at once where that is not in the future.

        What is `planned` keeps its time; the rest is on its way already and is hurried on by `run_all`.
        """
        if due_ms <= self.wall_ms:
            work()
            return
        self._order += 1
        heapq.heappush(self._schedule, (due_ms, self._order, work, planned))

    def next_due_ms(self) -> int | None:
        """Return the wall time of the next scheduled thing."""
        return self._schedule[0][0] if self._schedule else None

    def run_next_due(self, wall_ms: int) -> bool:
        """Run one scheduled thing that is due; False when none is."""
        if not self._schedule or self._schedule[0][0] > wall_ms:
            return False
        due_ms, _, work, _ = heapq.heappop(self._schedule)
        self.wall_ms = max(self.wall_ms, due_ms)
        work()
        return True

    def run_all(self) -> None:
        """Run now what is on its way, whatever its time."""
        while on_its_way := sorted(item[:3] for item in self._schedule if not item[3]):
            self._schedule = [item for item in self._schedule if item[3]]
            for _, _, work in on_its_way:
                work()

    def publish(self, channel: Channel, event: str, data: str) -> None:
        """Send a market payload to everybody who subscribed."""
        self.journal.frames[event] += len(channel.connections)
        if self.plan.touches_frames:
            for connection in list(channel.connections.values()):
                self._through_faults(connection, channel.name, channel.name, event, data)
            return
        wrapped = ""
        for connection in channel.connections.values():
            if connection.silent_until_ms > self.wall_ms:
                continue
            if not connection.combined:
                self._actions.append(Send(connection.connection_id, data))
                continue
            wrapped = wrapped or enveloped(channel.name, data)
            self._actions.append(Send(connection.connection_id, wrapped))

    def user_event(self, connection: Connection, name: str, event: str, data: str) -> None:
        """Send a user event under stream `name`."""
        self.journal.frames[event] += 1
        self._through_faults(connection, USER, name, event, data)

    def direct(self, connection: Connection, text: str, event: str) -> None:
        """Send an answer (`ack` or `reply`), which has no envelope."""
        self._through_faults(connection, "", "", event, text)

    def close(self, connection: Connection, code: int, reason: str = "") -> None:
        """Close a connection in order."""
        self._forget(connection)
        self.journal.note("closed", connection=connection.connection_id, code=code)
        self.do(Close(connection.connection_id, code, reason))

    def abort(self, connection: Connection) -> None:
        """Cut a connection by TCP reset."""
        self._forget(connection)
        self.journal.note("reset", connection=connection.connection_id)
        self.do(Abort(connection.connection_id))

    def hush(self, connection: Connection, ms: int, *, pings: bool) -> None:
        """Keep a connection silent for `ms`, 0 for ever."""
        connection.silent_until_ms = self.wall_ms + ms if ms else _FOREVER_MS
        connection.silent_pings = pings

    def disturb(self, connection: Connection, deed: Deed) -> None:
        """Do to a whole connection what a fault says."""
        if deed.silent is not None:
            self.hush(connection, deed.silent.ms, pings=deed.silent.pings)
        if isinstance(deed.close, int):
            self.close(connection, deed.close)
        elif deed.reset:
            self.abort(connection)

    def release_held_back(self, fault: Fault) -> None:
        """Send what a reorder fault has collected, shuffled."""
        frames, fault.held_back = fault.held_back, []
        self.plan.draw.shuffle(frames)
        for connection_id, text in frames:
            self._send(connection_id, text)

    def _forget(self, connection: Connection) -> None:
        self.connections.pop(connection.connection_id, None)

    def _through_faults(self, connection: Connection, stream: str, name: str, event: str, data: str) -> None:
        if connection.is_silent(self.wall_ms):
            return
        fault = self._fault_for(connection, stream, event, data)
        if fault is None:
            self._send(connection.connection_id, _text(connection, name, event, data))
            return
        self._disturbed(connection, fault, name, event, data)

    def _fault_for(self, connection: Connection, stream: str, event: str, data: str) -> Fault | None:
        if not self.plan.touches_frames:
            return None
        return self.plan.frame(connection.route, stream, event, data)

    def _disturbed(self, connection: Connection, fault: Fault, name: str, event: str, data: str) -> None:
        deed = fault.deed
        self.journal.note("fault", on="ws", connection=connection.connection_id, event=event)
        if deed.mutate or deed.remove:
            data = changed(data, deed)
        text = _text(connection, name, event, data) if deed.text is None else deed.text
        ident = connection.connection_id
        if deed.reorder:
            self._hold_back(fault, ident, text)
        elif not deed.drop:
            self.later(self.wall_ms + deed.delay_ms, lambda: self._send(ident, text))
            for _ in range(self.plan.copies(deed)):
                self.later(self.wall_ms + max(deed.delay_ms, deed.copies_delay_ms), lambda: self._send(ident, text))
        for extra in deed.inject:
            body = extra if isinstance(extra, str) else msgspec.json.encode(extra).decode()
            self._send(ident, body if isinstance(extra, str) else _text(connection, name, event, body))
        self.disturb(connection, deed)

    def _hold_back(self, fault: Fault, connection_id: int, text: str) -> None:
        fault.held_back.append((connection_id, text))
        if len(fault.held_back) >= fault.deed.reorder:
            self.release_held_back(fault)
        elif len(fault.held_back) == 1:
            self.later(self.wall_ms + fault.deed.reorder_ms, lambda: self.release_held_back(fault))

    def _send(self, connection_id: int, text: str) -> None:
        connection = self.connections.get(connection_id)
        if connection is not None and not connection.is_silent(self.wall_ms):
            self._actions.append(Send(connection_id, text))


def enveloped(stream: str, data: str) -> str:
    """Wrap a payload as the combined form does."""
    return f'{{"stream":"{stream}","data":{data}}}'


def _text(connection: Connection, name: str, event: str, data: str) -> str:
    return enveloped(name, data) if connection.combined and event not in _DIRECT else data
