"""Slack, by bot token (a thread for each position, whose first message shows the result) or by incoming webhook."""

from collections.abc import Awaitable, Mapping
from typing import Any, override
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.domain.errors import ConfigurationError
from dashboard.alerts.message import Busy, Channel, Message, Refused, Severity, Unreachable, retry_after

TIMEOUT_SECONDS = 8
SECTION_LIMIT = 2_900  # Slack takes 3,000 characters in a section's text
SLACK_API = AsyncWebClient.BASE_URL
WEBHOOK_HOST = "hooks.slack.com"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_PASSING = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"})


class SlackBot(Channel):
    """Posts through the Web API. References are `channel:ts`, kept in the deliveries: threads outlive restarts."""

    def __init__(
        self,
        token: str,
        channel: str,
        critical_channel: str = "",
        *,
        base_url: str = SLACK_API,
        timeout_seconds: int = TIMEOUT_SECONDS,
    ) -> None:
        """Use `base_url` (with a trailing slash) for a stand-in server."""
        self._channel = channel
        self._critical_channel = critical_channel or channel
        self._client = AsyncWebClient(
            token=token,
            base_url=base_url,
            timeout=timeout_seconds,
            retry_handlers=[AsyncRateLimitErrorRetryHandler(max_retry_count=3)],
        )

    @property
    @override
    def name(self) -> str:
        return "slack"

    @property
    @override
    def paced(self) -> bool:
        return True

    @override
    async def send(self, message: Message, root: str) -> str:
        channel = self._critical_channel if message.severity is Severity.CRITICAL else self._channel
        thread_ts: str | None = None
        if root and message.severity is not Severity.CRITICAL:
            channel, _, thread_ts = root.partition(":")
        content = _content(message)
        answer = await _answered(
            self._client.chat_postMessage(
                channel=channel, text=content["text"], blocks=content["blocks"], thread_ts=thread_ts
            )
        )
        return f"{answer['channel']}:{answer['ts']}"

    @override
    async def revise(self, root: str, first: Message, result: Message) -> None:
        channel, _, ts = root.partition(":")
        lines = f"{_bold(first.headline)}\n{escape(first.text)}\n{_bold(result.headline)}\n{escape(result.text)}"
        text = f"{escape(first.headline)} → {escape(result.headline)}"
        await _answered(self._client.chat_update(channel=channel, ts=ts, text=text, blocks=[_section(lines)]))

    @override
    async def close(self) -> None:
        """Nothing to let go of: the client opens a session for each call."""


class SlackHook(Channel):
    """Posts to an incoming webhook: one way, no threads, no later changes."""

    def __init__(self, url: str, *, timeout_seconds: int = TIMEOUT_SECONDS) -> None:
        """Take a webhook address at Slack's own host, or on this machine for a stand-in; else ConfigurationError."""
        parts = urlsplit(url)
        at_slack = parts.scheme == "https" and parts.hostname == WEBHOOK_HOST
        if not at_slack and parts.hostname not in _LOOPBACK:
            raise ConfigurationError(
                f"ACT_SLACK_WEBHOOK must be an https address at {WEBHOOK_HOST}: copy it from the Slack app's page."
            )
        self._client = AsyncWebhookClient(
            url, timeout=timeout_seconds, retry_handlers=[AsyncRateLimitErrorRetryHandler(max_retry_count=3)]
        )

    @property
    @override
    def name(self) -> str:
        return "slack-webhook"

    @property
    @override
    def paced(self) -> bool:
        return True

    @override
    async def send(self, message: Message, root: str) -> str:
        content = _content(message)
        try:
            answer = await self._client.send(text=content["text"], blocks=content["blocks"])
        except (aiohttp.ClientError, TimeoutError, SlackClientError) as error:
            raise Unreachable(type(error).__name__) from None
        _judge_status(answer.status_code, answer.headers)
        return ""

    @override
    async def revise(self, root: str, first: Message, result: Message) -> None:
        """Do nothing: a webhook's messages cannot be changed."""

    @override
    async def close(self) -> None:
        """Nothing to let go of: the client opens a session for each call."""


def escape(text: str) -> str:
    """Escape what Slack reads as markup: & < >."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _content(message: Message) -> dict[str, Any]:
    call = "<!here> " if message.severity is Severity.CRITICAL else ""
    blocks = [_section(call + _bold(message.headline))]
    if message.text:
        blocks.append(_section(escape(message.text)))
    return {"text": call + escape(message.headline), "blocks": blocks}


def _bold(text: str) -> str:
    return f"*{escape(text).replace('*', '∗')}*"  # noqa: RUF001 - a star of their own would end the bold


def _section(text: str) -> dict[str, Any]:
    short = text if len(text) <= SECTION_LIMIT else f"{text[:SECTION_LIMIT]} …"
    return {"type": "section", "text": {"type": "mrkdwn", "text": short}}


async def _answered(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except SlackApiError as error:
        _judge_answer(error)
        raise Refused(_code(error)) from None
    except (aiohttp.ClientError, TimeoutError, SlackClientError, OSError) as error:
        raise Unreachable(type(error).__name__) from None


def _judge_answer(error: SlackApiError) -> None:
    response = error.response
    if _code(error) == "ratelimited":
        raise Busy(retry_after(response.headers.get("Retry-After"))) from None
    if response.status_code >= 500 or _code(error) in _PASSING:
        raise Unreachable(f"status {response.status_code}") from None


def _code(error: SlackApiError) -> str:
    data = error.response.data
    return str(data.get("error", "unknown")) if isinstance(data, dict) else "unknown"


def _judge_status(status: int, headers: Mapping[str, str]) -> None:
    if status == 429:
        raise Busy(retry_after(headers.get("Retry-After")))
    if status >= 500:
        raise Unreachable(f"status {status}")
    if status >= 400:
        raise Refused(f"status {status}")
