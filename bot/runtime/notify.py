"""Tells systemd how the service is, one datagram at a time (sd_notify); silent where there is no systemd."""

import os
import socket


def tell(message: str) -> bool:
    """Send `READY=1`, `WATCHDOG=1`, `STOPPING=1` or `STATUS=...`; return whether a supervisor was there to hear it."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    target = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            channel.sendto(message.encode(), target)
        except OSError:
            return False
    return True


def watchdog_seconds() -> float:
    """Return how often `WATCHDOG=1` is due (a third of the limit), 0 = no watchdog is set."""
    limit = os.environ.get("WATCHDOG_USEC", "")
    return int(limit) / 3_000_000 if limit.isdigit() else 0.0
