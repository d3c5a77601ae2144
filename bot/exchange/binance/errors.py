"""What a failed request means: refused for certain, outcome unknown, come back later, or a person's mistake.

Codes and texts: the exchange's published error list. A 503 has four meanings and only its text tells them apart.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from bot.domain.errors import ActError, ConfigurationError, GiveUp, RetryLater

NO_SUCH_ORDER = -2013
UNKNOWN_ORDER_SENT = -2011
NO_SUCH_LISTEN_KEY = -1125
CLOCK_SKEW = frozenset({-1021, -5028})
ALREADY_SO = frozenset({-4046, -4059, -4171})

_UNKNOWN_CODES = frozenset({-1000, -1006, -1007, -4116})
_CREDENTIAL_CODES = frozenset({-1002, -1022, -2014, -2015})
_RATE_CODES = frozenset({-1003, -1008, -1015})
_LOCKED_CODES = frozenset({-4047, -4048, -4067, -4068, -4161, -4168, -4531})
_FAILED_FOR_CERTAIN = ("service unavailable", "internal error; unable to process your request")
_SECRETS = re.compile(r"(?i)\b(signature|listenKey|apiKey)=[^&\s'\")]+|/ws/[A-Za-z0-9]{40,}")


class Verdict(StrEnum):
    """What to do about a failed request."""

    REFUSED = "refused"
    UNKNOWN = "unknown"
    LATER = "later"
    CONFIGURATION = "configuration"


class ApiFailure(Exception):  # noqa: N818 - an answer like any other, told apart by its verdict
    """A request that did not succeed. `http_status` 0 = no answer came; `code` 0 = the body named none.

    `sent` False = not one byte reached the exchange.
    """

    def __init__(
        self, http_status: int, code: int, message: str, *, retry_after_seconds: float = 0, sent: bool = True
    ) -> None:
        super().__init__(f"{scrub(message)} (HTTP {http_status}, code {code})")
        self.http_status = http_status
        self.code = code
        self.message = scrub(message)
        self.retry_after_seconds = retry_after_seconds
        self.sent = sent

    @property
    def verdict(self) -> Verdict:
        """Judge the failure; what cannot be proven refused is UNKNOWN."""
        return judge(self.http_status, self.code, self.message, sent=self.sent)

    @property
    def passing(self) -> bool:
        """Say whether the same read may well succeed a moment later: it stumbled, mumbled or was not heard."""
        stumbled = self.http_status >= 500 or self.http_status in {0, 200, 408}
        return stumbled and self.sent and not self.retry_after_seconds


def judge(http_status: int, code: int, message: str, *, sent: bool = True) -> Verdict:
    """Judge a failure by HTTP status, code and text (docs/wire.md B.4, B.5)."""
    if not sent or http_status in {418, 429} or code in _RATE_CODES:
        return Verdict.LATER
    if code in _CREDENTIAL_CODES or http_status == 401:
        return Verdict.CONFIGURATION
    if code in _UNKNOWN_CODES or http_status in {0, 408}:
        return Verdict.UNKNOWN
    if http_status >= 500:
        return Verdict.LATER if message.lower().startswith(_FAILED_FOR_CERTAIN) or code == -1001 else Verdict.UNKNOWN
    return Verdict.REFUSED if code else Verdict.UNKNOWN


def domain_error(failure: ApiFailure, what: str) -> ActError:
    """Turn a failed read or set-up call into the domain's error, by what to do next."""
    match failure.verdict:
        case Verdict.CONFIGURATION:
            return ConfigurationError(
                f"{what}: the exchange does not accept the API key ({failure.message}, code {failure.code}). "
                "Check ACT_BINANCE_API_KEY, ACT_BINANCE_API_SECRET, the key's permissions and its IP list."
            )
        case Verdict.REFUSED if failure.code in _LOCKED_CODES:
            return ConfigurationError(
                f"{what}: refused while orders or positions are open ({failure.message}, code {failure.code}). "
                "Close them, or change the setting by hand, then start again."
            )
        case Verdict.REFUSED:
            return GiveUp(f"{what}: {failure.message} (code {failure.code})", failure.code)
        case _:
            return RetryLater(f"{what}: {failure.message}", max(1.0, failure.retry_after_seconds))


@contextmanager
def told_plainly(what: str) -> Iterator[None]:
    """Turn a failed call into the domain's error that says what to do next."""
    try:
        yield
    except ApiFailure as failure:
        raise domain_error(failure, what) from None


def scrub(text: str) -> str:
    """Take signatures, listen keys and API keys out of a text."""
    return _SECRETS.sub(lambda found: f"{found.group(1) or 'listenKey'}=***", text)
