"""What answers come wrapped in on the WebSocket API, and the body of a failed request (docs/wire.md B.4, B.9)."""

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.json import Decoder

from bot.exchange.binance.public_answers import WireRateLimit


class _ErrorData(Struct, frozen=True, gc=False, rename={"retry_after": "retryAfter"}):
    retry_after: int = 0


class WireError(Struct, frozen=True, gc=False):
    """The body of a failed request; `data` of a WebSocket answer may name when to come back."""

    code: int = 0
    msg: str = ""
    data: _ErrorData | None = None

    def wait_seconds(self, now_ms: int) -> float:  # float: seconds
        """Return how long to be silent, 0 = not told; the wire names a moment (ms UTC) or a number of seconds."""
        after = self.data.retry_after if self.data else 0
        return max(0.0, (after - now_ms) / 1_000) if after > now_ms // 2 else float(after)  # float: seconds


class WireReply(Struct, frozen=True, gc=False, rename={"rate_limits": "rateLimits"}):
    """An answer of the WebSocket API."""

    id: str | int | None = None
    status: int = 0
    result: Raw | UnsetType = UNSET
    error: WireError | None = None
    rate_limits: list[WireRateLimit] = []


_error = Decoder(WireError)
_reply = Decoder(WireReply)


def read_error(body: bytes) -> WireError:
    """Decode the body of a failed request; what is no JSON object has code 0 and no text."""
    try:
        return _error.decode(body)
    except msgspec.MsgspecError:
        return WireError(0, body[:200].decode(errors="replace") if not body.lstrip().startswith(b"<") else "")


def read_reply(payload: bytes) -> WireReply:
    """Decode an answer of the WebSocket API; raises msgspec.MsgspecError for anything else."""
    return _reply.decode(payload)
