"""What the simulator received, did and sent. Market frames are counted, everything else is kept, newest last."""

from collections import Counter, deque
from typing import Any

import msgspec

_LONGEST = 50_000


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One line: `wall_ms` and `market_ms`, what kind of thing, and its parts."""

    wall_ms: int
    market_ms: int
    kind: str
    detail: dict[str, Any]


class Journal:
    """The last 50,000 entries; older ones are forgotten and counted."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=_LONGEST)
        self.frames: Counter[str] = Counter()
        self.forgotten = 0
        self.wall_ms = 0
        self.market_ms = 0

    def note(self, kind: str, **detail: Any) -> None:
        """Write a line at the present time."""
        if len(self.entries) == _LONGEST:
            self.forgotten += 1
        self.entries.append(Entry(self.wall_ms, self.market_ms, kind, detail))
