"""Ids derived from their cause, never by chance: the same cause gives the same id, in this life and the next."""

import re
from hashlib import blake2b
from typing import Final, NamedTuple

from bot.domain.order import Purpose

_OURS: Final = re.compile(r"a([a-z0-9]{4})([exs])([0-9a-f]{20})-([1-9][0-9]*)")


class ClientId(NamedTuple):
    """What a client order id of a bot like this one says."""

    instance: str
    purpose: Purpose
    intent_id: str
    attempt: int


def intent_id(purpose: Purpose, cause: str) -> str:
    """Return the id of the intent with this cause: its role letter and 20 hex digits."""
    return purpose + blake2b(cause.encode(), digest_size=10).hexdigest()


def client_id(instance: str, intent: str, attempt: int) -> str:
    """Return the client order id of an attempt: `a<instance 4><role 1><hash 20>-<n>`."""
    return f"a{instance}{intent}-{attempt}"


def parse(client_order_id: str) -> ClientId | None:
    """Read a client order id; None when no bot of this kind wrote it."""
    match = _OURS.fullmatch(client_order_id)
    if match is None:
        return None
    instance, role, digest, attempt = match.groups()
    return ClientId(instance, Purpose(role), role + digest, int(attempt))
