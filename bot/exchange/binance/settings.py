"""Where the exchange is, who we are there, and how long we wait for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import SecretStr

from bot.domain.errors import ConfigurationError

_ENCRYPTED = frozenset({"https", "wss"})


@dataclass(frozen=True, slots=True)
class BinanceSettings:
    """URLs, credentials and patience of one Binance account.

    Stream URLs name the route without `/ws` or `/stream`: `wss://fstream.binance.com/market`. Credentials are an API
    key with either its HMAC secret or its Ed25519 private key in PEM form, as the secret itself or as a file; the file
    wins when both are given.
    """

    rest_url: str
    ws_api_url: str
    market_stream_url: str
    public_stream_url: str
    private_stream_url: str
    api_key: SecretStr
    api_secret: SecretStr = field(default_factory=lambda: SecretStr(""))
    private_key_file: Path | None = None
    recv_window_ms: int = 5_000
    request_timeout_seconds: float = 4.0
    reply_timeout_seconds: float = 4.0
    first_data_timeout_seconds: float = 30.0

    def __post_init__(self) -> None:
        for name, url in self._urls().items():
            _refuse_plain_text(name, url)

    @classmethod
    def loopback(cls, urls: Mapping[str, str], api_key: str, api_secret: str) -> Self:
        """Build the settings of a simulator from the `rest`, `ws_api` and `streams` of its ready line."""
        return cls(
            rest_url=urls["rest"],
            ws_api_url=urls["ws_api"],
            market_stream_url=f"{urls['streams']}/market",
            public_stream_url=f"{urls['streams']}/public",
            private_stream_url=f"{urls['streams']}/private",
            api_key=SecretStr(api_key),
            api_secret=SecretStr(api_secret),
        )

    def _urls(self) -> dict[str, str]:
        return {
            "endpoints.rest": self.rest_url,
            "endpoints.ws_api": self.ws_api_url,
            "endpoints.market": self.market_stream_url,
            "endpoints.public": self.public_stream_url,
            "endpoints.private": self.private_stream_url,
        }


def _refuse_plain_text(name: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and parts.scheme in {"http", "https", "ws", "wss"}
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(f"{name} is not a URL of http(s) or ws(s): {url!r}. Correct [endpoints].")
    host = parts.hostname or ""
    if parts.scheme in _ENCRYPTED or _is_loopback(host):
        return
    raise ConfigurationError(f"{name} would send keys in plain text to {host}. Use https:// and wss://.")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
