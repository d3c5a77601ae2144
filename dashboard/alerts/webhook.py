"""A JSON webhook of your own: one POST an alert, as plain fields."""

from typing import override

import httpx

from dashboard.alerts.message import Busy, Channel, Message, Refused, Unreachable, retry_after

TIMEOUT_SECONDS = 8


class Webhook(Channel):
    """POSTs `{"id", "at_ms", "severity", "event", "symbol", "headline", "text", "thread"}`; any 2xx is success."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False)

    @property
    @override
    def name(self) -> str:
        return "webhook"

    @property
    @override
    def paced(self) -> bool:
        return False

    @override
    async def send(self, message: Message, root: str) -> str:
        try:
            answer = await self._client.post(self._url, json=_body(message))
        except httpx.HTTPError as error:
            raise Unreachable(type(error).__name__) from None
        except httpx.InvalidURL:
            raise Refused("the address is not a valid one") from None
        if answer.status_code == 429:
            raise Busy(retry_after(answer.headers.get("Retry-After")))
        if answer.status_code >= 500:
            raise Unreachable(f"status {answer.status_code}")
        if not answer.is_success:
            raise Refused(f"status {answer.status_code}")
        return ""

    @override
    async def revise(self, root: str, first: Message, result: Message) -> None:
        """Do nothing: what was posted stays."""

    @override
    async def close(self) -> None:
        await self._client.aclose()


def _body(message: Message) -> dict[str, str | int]:
    return {
        "id": message.key,
        "at_ms": message.at_ms,
        "severity": message.severity.value,
        "event": message.event,
        "symbol": message.symbol,
        "headline": message.headline,
        "text": message.text,
        "thread": message.thread,
    }
