"""What crosses the seam between the protocol and its socket shell: requests and connections in, actions out."""

from collections.abc import Mapping

import msgspec

_JSON_HEADERS = {"Content-Type": "application/json"}


class HttpRequest(msgspec.Struct, frozen=True, gc=False):
    """One request as received; `query` and `body` raw and undecoded, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""


class HttpReply(msgspec.Struct, frozen=True, gc=False):
    status: int
    body: bytes
    headers: Mapping[str, str]


class Reply(msgspec.Struct, frozen=True, gc=False):
    """Answer request `request_id`."""

    request_id: int
    reply: HttpReply


class ResetRequest(msgspec.Struct, frozen=True, gc=False):
    """Cut the connection of request `request_id`: by TCP reset, or closed in order."""

    request_id: int
    in_order: bool = False


class Send(msgspec.Struct, frozen=True, gc=False):
    """Send one text frame."""

    connection_id: int
    text: str


class Ping(msgspec.Struct, frozen=True, gc=False):
    connection_id: int
    payload: bytes


class Close(msgspec.Struct, frozen=True, gc=False):
    """Close a WebSocket with a close frame."""

    connection_id: int
    code: int
    reason: str = ""


class Abort(msgspec.Struct, frozen=True, gc=False):
    """Cut a WebSocket by TCP reset, without a close frame."""

    connection_id: int


type Action = Reply | ResetRequest | Send | Ping | Close | Abort


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """A WebSocket handshake that is not accepted: answered with `status`, or reset where that is 0."""

    status: int


def json_reply(status: int, content: object, headers: Mapping[str, str] | None = None) -> HttpReply:
    """Build a reply with a JSON body."""
    merged = dict(_JSON_HEADERS) if headers is None else {**_JSON_HEADERS, **headers}
    return HttpReply(status, msgspec.json.encode(content), merged)
