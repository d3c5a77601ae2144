import json
import time

import httpx
import pytest
import respx

from dashboard.alerts.log import Log
from dashboard.alerts.message import Busy, Message, Refused, Severity, Unreachable
from dashboard.alerts.slack import SlackBot, SlackHook
from dashboard.alerts.webhook import Webhook
from support.receiver import Receiver

TOKEN = "xoxb-canary"
HEADLINE = "[DEMO] act-1 · LONG BTCUSDT filled"
HOOK = "https://receiver.example/alerts"


def a_message(key="a1", severity=Severity.INFO, **fields):
    known = {
        "event": "entry",
        "symbol": "BTCUSDT",
        "headline": "[DEMO] act-1 · LONG BTCUSDT filled",
        "text": "stop <63,000>",
    }
    return Message(key, 1_748_000_096_000, severity, **(known | fields))


def a_bot(receiver, **options):
    return SlackBot(TOKEN, "C1", "C9", base_url=f"{receiver.url}/api/", timeout_seconds=1, **options)


async def test_a_position_is_one_thread_whose_first_message_shows_the_result():
    async with Receiver() as receiver:
        bot = a_bot(receiver)
        first = a_message(thread="BTCUSDT-1")
        root = await bot.send(first, "")
        result = a_message("a2", event="exit", headline="[DEMO] act-1 · LONG BTCUSDT closed +4.20", thread="BTCUSDT-1")
        await bot.send(result, root)
        await bot.revise(root, first, result)
    (_, posted), (_, reply), (path, revised) = receiver.requests
    assert posted["channel"] == "C1"
    assert "thread_ts" not in posted
    assert posted["text"] == HEADLINE
    assert posted["blocks"][1]["text"]["text"] == "stop &lt;63,000&gt;"
    assert reply["thread_ts"] == root.partition(":")[2]
    assert path == "api/chat.update"
    assert revised["ts"] == reply["thread_ts"]
    assert "closed +4.20" in revised["text"]
    assert set(receiver.tokens) == {f"Bearer {TOKEN}"}


async def test_a_critical_message_calls_people_in_its_own_channel():
    async with Receiver() as receiver:
        await a_bot(receiver).send(a_message(severity=Severity.CRITICAL), "C1:1")
    ((_, posted),) = receiver.requests
    assert posted["channel"] == "C9"
    assert posted["text"].startswith("<!here> ")


async def test_slack_is_asked_again_after_the_time_it_names():
    async with Receiver("429:1") as receiver:
        began = time.monotonic()
        await a_bot(receiver).send(a_message(), "")
        assert time.monotonic() - began >= 1
    assert len(receiver.requests) == 1


async def test_a_slack_that_stays_busy_is_left_alone_for_as_long_as_it_asks():
    async with Receiver("429:0", "429:0", "429:0", "429:33") as receiver:
        with pytest.raises(Busy) as caught:
            await a_bot(receiver).send(a_message(), "")
    assert caught.value.retry_after_seconds == 33


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("500", Unreachable),
        ("503", Unreachable),
        ("hang", Unreachable),
        ("reset", Unreachable),
        ("invalid_auth", Refused),
    ],
)
async def test_a_slack_that_fails_is_told_apart_by_what_to_do_next(word, error):
    async with Receiver(word) as receiver:
        with pytest.raises(error) as caught:
            await a_bot(receiver).send(a_message(), "")
    assert TOKEN not in f"{caught.value!r}{caught.value.__cause__!r}"


async def test_a_refused_connection_is_unreachable_on_every_slack_path():
    async with Receiver() as receiver:
        gone = receiver.url
    with pytest.raises(Unreachable):
        await SlackBot(TOKEN, "C1", base_url=f"{gone}/api/", timeout_seconds=1).send(a_message(), "")
    with pytest.raises(Unreachable):
        await SlackHook(f"{gone}/services/secret", timeout_seconds=1).send(a_message(), "")


@pytest.mark.parametrize(
    ("word", "error"), [("429:0", None), ("500", Unreachable), ("404", Refused), ("hang", Unreachable)]
)
async def test_a_slack_webhook_obeys_the_same_rules(word, error):
    async with Receiver(word) as receiver:
        hook = SlackHook(f"{receiver.url}/services/secret-canary", timeout_seconds=1)
        if error is None:
            assert await hook.send(a_message(), "") == ""
            assert receiver.headlines == [HEADLINE]
            return
        with pytest.raises(error) as caught:
            await hook.send(a_message(), "")
    assert "canary" not in f"{caught.value!r}{caught.value.__cause__!r}"


@respx.mock
async def test_the_json_webhook_gets_plain_fields():
    route = respx.post(HOOK).mock(return_value=httpx.Response(204))
    channel = Webhook(HOOK)
    assert await channel.send(a_message(), "") == ""
    await channel.close()
    body = json.loads(route.calls.last.request.content)
    assert body["id"] == "a1"
    assert body["headline"] == HEADLINE
    assert body["severity"] == "INFO"


@respx.mock
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(429, headers={"Retry-After": "7"}), Busy),
        (httpx.Response(502), Unreachable),
        (httpx.Response(401), Refused),
        (httpx.Response(302, headers={"Location": "https://elsewhere.example"}), Refused),
        (httpx.ReadTimeout("slow"), Unreachable),
        (httpx.ConnectError("refused"), Unreachable),
    ],
)
async def test_the_json_webhook_tells_failures_apart_and_follows_no_redirect(answer, error):
    respx.post(HOOK).mock(side_effect=[answer])
    channel = Webhook(HOOK)
    with pytest.raises(error):
        await channel.send(a_message(), "")
    await channel.close()


async def test_the_log_gets_one_json_object_a_line(tmp_path):
    log = Log(tmp_path / "logs" / "alerts.jsonl")
    await log.send(a_message(text="two\nlines"), "")
    await log.send(a_message("a2", Severity.CRITICAL), "")
    await log.close()
    first, second = [json.loads(line) for line in (tmp_path / "logs" / "alerts.jsonl").read_text().splitlines()]
    assert first["event"] == "alert.entry"
    assert first["text"] == "two\nlines"
    assert second["level"] == "critical"
