import asyncio
import os
import signal
import sys
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec
import pytest

from bot.domain.errors import ConfigurationError
from bot.domain.records import Alert
from bot.runtime.clock import SystemClock
from bot.runtime.heartbeat import HeartbeatFile
from bot.settings import AlertsSection, Settings, load
from dashboard.alerts.service import assemble, channels
from dashboard.heartbeat import Heartbeat
from database.desk import Delivery, DeskWriter
from database.schema import upgrade
from database.session import act_url, desk_url
from database.store import SqlStore
from support.receiver import Receiver

CANARY = "canary-5f1e"


class Home:
    """A bot's home whose outbox and heartbeat the test writes."""

    def __init__(self, folder):
        self.folder = folder
        self.status = folder / "status"
        self.status.mkdir(exist_ok=True)
        clock = SystemClock()
        upgrade(act_url(self.status), desk_url(self.status), clock)
        self.store = SqlStore(act_url(self.status), desk_url(self.status), clock)
        self.file = HeartbeatFile(self.status / "heartbeat.json")

    def beat(self, age_seconds=0.0):
        self.file.write(round((time.time() - age_seconds) * 1000), {"mode": "demo", "state": "running"})

    def raise_alerts(self, *names, severity="INFO", event="start", thread=""):
        self.store.commit([Alert(name, 1, severity, event, "", f"title {name}", "", thread) for name in names])

    def give_notice(self, name):
        desk = DeskWriter(desk_url(self.status))
        desk.give_notice(Alert(name, 1, "WARNING", f"event of {name}", "", f"title {name}", "", ""))
        desk.close()

    def state(self, name, channel):
        desk = DeskWriter(desk_url(self.status))
        delivery = desk.delivery(name, channel)
        desk.close()
        return delivery.state if delivery else None


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path)
    made.beat()
    yield made
    made.store.close()


class Alerts:
    """The real process."""

    def __init__(self, home, **env):
        self.home, self.env = home, env

    async def __aenter__(self):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ACT_")}
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "alerts"),
            env={**kept, "ACT_HOME": str(self.home.folder), **self.env},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        return self

    async def __aexit__(self, *_):
        if self.process.returncode is None:
            self.process.kill()
        self.words = b"".join(await self.process.communicate()).decode()

    async def end(self):
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(self.process.wait(), 10)
        return code, time.monotonic() - began


@asynccontextmanager
async def a_service(folder):
    """The same service within this process."""
    service, stop = assemble(load(folder), folder), asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    try:
        yield service
    finally:
        stop.set()
        await task


async def until(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.05)


def hook(receiver):
    return {"ACT_SLACK_WEBHOOK": f"{receiver.url}/services/{CANARY}"}


async def test_killed_and_started_again_it_repeats_nothing_and_leaves_nothing_out(home):
    home.raise_alerts("a1", "a2", event="entry", thread="BTCUSDT-1")
    async with Receiver() as receiver:
        async with Alerts(home, **hook(receiver)) as first:
            await until(lambda: len(receiver.requests) == 2 and home.state("a2", "slack-webhook") == "sent")
            first.process.kill()
        home.raise_alerts("a3", event="exit", thread="BTCUSDT-1")
        async with Alerts(home, **hook(receiver)) as second:
            await until(lambda: home.state("a3", "slack-webhook") == "sent")
            code, seconds = await second.end()
    assert [line.rpartition(" ")[2] for line in receiver.headlines] == ["a1", "a2", "a3"]
    assert receiver.headlines[0] == "[DEMO] act-1 · title a1"
    assert code == 0
    assert seconds < 2
    assert CANARY not in first.words + second.words
    logged = (home.folder / "logs" / "alerts.jsonl").read_text().splitlines()
    assert len(logged) == 3


async def test_notices_of_our_own_side_are_told_once_each_also_those_given_while_nobody_listened(home, monkeypatch):
    home.give_notice("n1")
    async with Receiver() as receiver:
        monkeypatch.setenv("ACT_SLACK_WEBHOOK", receiver.url)
        async with a_service(home.folder):
            await until(lambda: home.state("n1", "slack-webhook") == "sent")
            home.give_notice("n2")
            home.give_notice("n2")
            await until(lambda: home.state("n2", "slack-webhook") == "sent")
        home.give_notice("n3")
        async with a_service(home.folder):
            await until(lambda: home.state("n3", "slack-webhook") == "sent")
    assert receiver.headlines == [f"[DEMO] act-1 · title {name}" for name in ("n1", "n2", "n3")]


async def test_a_dead_heartbeat_is_told_once_and_its_return_once(home, monkeypatch):
    home.beat(age_seconds=20)
    async with Receiver() as receiver:
        monkeypatch.setenv("ACT_SLACK_WEBHOOK", receiver.url)
        async with a_service(home.folder):
            await until(lambda: len(receiver.requests) == 1)
        async with a_service(home.folder) as service:
            service.look()
            home.beat()
            await until(lambda: len(receiver.requests) == 2)
    dead, back = receiver.headlines
    assert dead.startswith("<!here> [DEMO] act-1 · The bot's heartbeat is older than 10 s")
    assert back == "[DEMO] act-1 · The bot's heartbeat is back: running"


async def test_a_hanging_receiver_holds_up_neither_other_channels_nor_the_end(home):
    async with Receiver("hang") as receiver, Receiver() as own:
        env = {**hook(receiver), "ACT_ALERTS__WEBHOOK_URL": f"{own.url}/{CANARY}"}
        async with Alerts(home, **env) as alerts:
            home.raise_alerts("a1")
            await until(lambda: home.state("a1", "webhook") == "sent")
            code, seconds = await alerts.end()
    assert (code, seconds < 10) == (0, True)
    assert home.state("a1", "slack-webhook") == "sending"
    assert CANARY not in alerts.words


async def test_what_may_have_arrived_is_not_sent_again_unless_it_is_critical(home, monkeypatch):
    home.raise_alerts("info", event="e1")
    home.raise_alerts("critical", event="e2", severity="CRITICAL")
    desk = DeskWriter(desk_url(home.status))
    for name in ("info", "critical"):
        desk.record(Delivery(name, "slack-webhook", "sending", 1))
    desk.close()
    async with Receiver() as receiver:
        monkeypatch.setenv("ACT_SLACK_WEBHOOK", receiver.url)
        async with a_service(home.folder):
            await until(lambda: home.state("critical", "slack-webhook") == "sent")
    assert len(receiver.requests) == 1
    assert home.state("info", "slack-webhook") == "unknown"


async def test_a_broken_receiver_is_tried_again(home, monkeypatch):
    home.raise_alerts("a1")
    async with Receiver("500") as receiver:
        monkeypatch.setenv("ACT_SLACK_WEBHOOK", receiver.url)
        async with a_service(home.folder):
            await until(lambda: home.state("a1", "slack-webhook") == "sent")
    assert len(receiver.requests) == 1
    assert len(receiver.tokens) == 2


async def test_it_waits_for_a_bot_that_is_started_later(tmp_path):
    async with a_service(tmp_path) as service:
        service.look()
        home = Home(tmp_path)
        home.beat()
        home.raise_alerts("a1")
        await until(lambda: home.state("a1", "log") == "sent")
        home.store.close()


async def test_a_new_channel_is_not_told_of_the_distant_past(home, monkeypatch):
    home.raise_alerts(*(f"a{number}" for number in range(50)), event="entry", thread="t")
    async with Receiver() as receiver:
        monkeypatch.setenv("ACT_ALERTS__WEBHOOK_URL", receiver.url)
        async with a_service(home.folder):
            await until(lambda: home.state("a49", "webhook") == "sent")
    assert len(receiver.requests) == 20


async def test_a_webhook_elsewhere_is_one_line_and_exit_78(home):
    async with Alerts(home, ACT_SLACK_WEBHOOK=f"https://example.org/{CANARY}") as alerts:
        await asyncio.wait_for(alerts.process.wait(), 15)
    assert alerts.process.returncode == 78
    assert "hooks.slack.com" in alerts.words
    assert len(alerts.words.strip().splitlines()) == 1
    assert CANARY not in alerts.words


def test_a_token_without_a_channel_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("ACT_SLACK_TOKEN", f"xoxb-{CANARY}")
    with pytest.raises(ConfigurationError, match="ACT_SLACK_CHANNEL") as caught:
        channels(Settings(), tmp_path)
    assert CANARY not in str(caught.value)


def test_channels_follow_what_is_configured(tmp_path, monkeypatch):
    monkeypatch.setenv("ACT_SLACK_TOKEN", f"xoxb-{CANARY}")
    monkeypatch.setenv("ACT_SLACK_CHANNEL", "C1")
    settings = Settings(alerts=AlertsSection(webhook_url="http://127.0.0.1:9/"))
    assert [channel.name for channel in channels(settings, tmp_path)] == ["log", "slack", "webhook"]


def test_the_heartbeat_it_reads_is_the_one_the_bot_writes(home):
    beat = msgspec.json.decode((home.status / "heartbeat.json").read_bytes(), type=Heartbeat)
    assert abs(beat.ts - datetime.now(UTC)).total_seconds() < 60
