"""Who asks, and is it them: API key, timestamp window, HMAC-SHA256 and Ed25519 signatures (docs/wire.md B.1, B.9)."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlencode

from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

from simulator.venue.errors import VenueError

_SIGNATURE = re.compile(r"(^|&)signature=([^&]*)")
_DEFAULT_WINDOW_MS = 5_000
_LONGEST_WINDOW_MS = 60_000
_AHEAD_MS = 1_000


class Credentials:
    """One API key and what its signatures are checked with: an HMAC secret, or an Ed25519 key in PEM form.

    A secret that looks like PEM and is no Ed25519 key raises `ValueError`.
    """

    def __init__(self, api_key: str, secret: str) -> None:
        self.api_key = api_key
        self._secret = secret.encode()
        self._verifier = _ed25519(secret) if secret.lstrip().startswith("-----BEGIN") else None

    @property
    def is_ed25519(self) -> bool:
        """Session logon is for Ed25519 keys only."""
        return self._verifier is not None

    def check_key(self, api_key: str | None) -> None:
        """Raise -2014 for no key at all and -2015 for another one."""
        if not api_key:
            raise VenueError(-2014, "API-key format invalid.", 401)
        if api_key != self.api_key:
            raise VenueError(-2015, "Invalid API-key, IP, or permissions for action.", 401)

    def check_signature(self, payload: str, signature: str) -> None:
        """Raise -1022 unless `signature` belongs to `payload`."""
        if not self._belongs(payload.encode(), signature):
            raise VenueError(-1022, "Signature for this request is not valid.")

    def _belongs(self, payload: bytes, signature: str) -> bool:
        if self._verifier is None:
            expected = hmac.new(self._secret, payload, hashlib.sha256).hexdigest()
            return hmac.compare_digest(expected.encode(), signature.lower().encode())
        try:
            self._verifier.verify(payload, base64.b64decode(signature, validate=True))
        except (ValueError, binascii.Error):
            return False
        return True


def _ed25519(pem: str) -> Any:
    key = ECC.import_key(pem)
    if key.curve != "Ed25519":
        raise ValueError(f"the API secret is a {key.curve} key; give an HMAC secret or an Ed25519 key")
    return eddsa.new(key.public_key() if key.has_private() else key, "rfc8032")


def check_request(credentials: Credentials, query: str, body: str, params: Mapping[str, str], wall_ms: int) -> None:
    """Check time and signature of a REST request over the raw query string followed by the raw body."""
    check_time(params, wall_ms)
    if not params.get("signature"):
        raise missing("signature")
    credentials.check_signature(_unsigned(query) + _unsigned(body), params["signature"].replace(" ", "+"))


def check_message(credentials: Credentials, params: Mapping[str, str], wall_ms: int) -> None:
    """Check time and signature of a WebSocket API request over its params, sorted by name.

    The documentation signs values as they are, the official SDK percent-encodes them: both are accepted.
    """
    check_time(params, wall_ms)
    signature = params.get("signature")
    if not signature:
        raise missing("signature")
    items = sorted((name, value) for name, value in params.items() if name != "signature")
    as_they_are = "&".join(f"{name}={value}" for name, value in items)
    try:
        credentials.check_signature(as_they_are, signature)
    except VenueError:
        credentials.check_signature(urlencode(items), unquote(signature) if "%" in signature else signature)


def check_time(params: Mapping[str, str], wall_ms: int) -> None:
    """Raise -1021 for a request too old or from the future, -1102 for one without a timestamp."""
    timestamp = _whole(params, "timestamp", None)
    window = _whole(params, "recvWindow", _DEFAULT_WINDOW_MS)
    if window > _LONGEST_WINDOW_MS:
        raise VenueError(-1131, "recvWindow must be less than 60000.")
    if timestamp >= wall_ms + _AHEAD_MS:
        raise VenueError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if wall_ms - timestamp > window:
        raise VenueError(-1021, "Timestamp for this request is outside of the recvWindow.")


def missing(name: str) -> VenueError:
    """Build -1102 for parameter `name`."""
    return VenueError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def _whole(params: Mapping[str, str], name: str, default: int | None) -> int:
    text = params.get(name)
    if text is None and default is not None:
        return default
    if text is None or not text.isascii() or not text.isdigit():
        raise missing(name)
    return int(text)


def _unsigned(part: str) -> str:
    return _SIGNATURE.sub("", part).removeprefix("&")
