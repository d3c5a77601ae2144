"""Signatures: HMAC-SHA256, or Ed25519 where the key is a PEM file (docs/wire.md A.4, B.9)."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Protocol
from urllib.parse import quote

from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

from bot.domain.errors import ConfigurationError
from bot.exchange.binance.settings import BinanceSettings

_STAMPED = re.compile(r"timestamp=\d+&signature=[^&]*$")


class Signer(Protocol):
    """Signs a request. `can_log_on`: an order connection may be authorised once instead of per request."""

    can_log_on: bool

    def sign(self, payload: str) -> str:
        """Return the signature of the exact text that is sent."""


class HmacSigner:
    can_log_on = False

    def __init__(self, secret: str) -> None:
        self._keyed = hmac.new(secret.encode(), digestmod=hashlib.sha256)

    def sign(self, payload: str) -> str:
        digest = self._keyed.copy()
        digest.update(payload.encode())
        return digest.hexdigest()


class Ed25519Signer:
    can_log_on = True

    def __init__(self, pem: str) -> None:
        self._signer = eddsa.new(_private_key(pem), "rfc8032")

    def sign(self, payload: str) -> str:
        return base64.b64encode(self._signer.sign(payload.encode())).decode()


def signer_for(settings: BinanceSettings) -> Signer:
    """Build the signer of an account; raises ConfigurationError when there is no usable secret."""
    if settings.private_key_file is None:
        secret = settings.api_secret.get_secret_value()
        return Ed25519Signer(secret) if secret.lstrip().startswith("-----BEGIN") else HmacSigner(secret)
    try:
        return Ed25519Signer(settings.private_key_file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"the private key file cannot be read: {error.strerror}. Check its path.") from None


def restamp(url: str, timestamp_ms: int, signer: Signer) -> str:
    """Give a signed URL another timestamp and sign it anew; unsigned URLs come back unchanged.

    The SDK puts the local clock's time last but one and the signature last, and knows no clock offset.
    """
    address, _, query = url.partition("?")
    if not _STAMPED.search(query):
        return url
    payload = _STAMPED.sub(f"timestamp={timestamp_ms}", query)
    return f"{address}?{payload}&signature={quote(signer.sign(payload), safe='')}"


def _private_key(pem: str) -> ECC.EccKey:
    try:
        key = ECC.import_key(pem)
    except (ValueError, IndexError, TypeError):
        raise ConfigurationError("the private key is no readable PEM key. Give the Ed25519 private key.") from None
    if key.curve != "Ed25519" or not key.has_private():
        raise ConfigurationError("the private key is not an Ed25519 private key. Give that key.")
    return key


type Timestamp = Callable[[], int]
