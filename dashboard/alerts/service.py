"""`act alerts`: a process of its own that reads the bot's outbox, its heartbeat and our own notices, and tells people.

It needs nothing from the bot but its files, so it also speaks when the bot is dead. What was told is kept in
`status/desk.db`: a restart repeats nothing and leaves nothing out.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from bot.domain.errors import ConfigurationError
from bot.domain.records import Alert
from bot.settings import Settings, home, load, secret
from dashboard.alerts.courier import Courier
from dashboard.alerts.deliveries import ChannelLedger, Outbox
from dashboard.alerts.log import Log
from dashboard.alerts.message import Channel, Message, Severity
from dashboard.alerts.rules import RESULT_EVENTS, Rules, severity_of
from dashboard.alerts.slack import SlackBot, SlackHook
from dashboard.alerts.watch import HeartbeatWatch, News, Turn
from dashboard.alerts.webhook import Webhook
from dashboard.heartbeat import Sign, read

POLL_SECONDS = 1.0
RESTART_SECONDS = 5.0
LAST_WORDS_SECONDS = 0.8
_SECRETS = ("ACT_SLACK_TOKEN", "ACT_SLACK_WEBHOOK", "ACT_ALERTS__WEBHOOK_URL")

_log = structlog.get_logger()


def main(argv: list[str]) -> int:
    """Run until SIGTERM or SIGINT, which it obeys within two seconds; returns the exit code."""
    options = _parser().parse_args(argv)
    folder = Path(options.home).resolve() if options.home else home()
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is not a folder. Choose another with --home, or set ACT_HOME.")
    settings = load(folder)
    os.umask(0o077)
    _set_up_logs()
    asyncio.run(_run(settings, folder))
    return 0


class Service:
    """Reads outbox and heartbeat, and hands what is news to every channel."""

    def __init__(self, outbox: Outbox, rules: Rules, couriers: Sequence[Courier], sign: Callable[[], Sign]) -> None:
        self._outbox = outbox
        self._rules = rules
        self._couriers = couriers
        self._sign = sign
        self._watch = HeartbeatWatch(outbox.death())
        self._began = time.monotonic()
        self._starts: dict[str, int] = {}
        self._saved: dict[str, int] = {}
        self._read_up_to = -1
        self._noticed_up_to = -1
        self._failed_looks = 0

    @property
    def channels(self) -> list[str]:
        """Return the names of the channels that are served."""
        return [courier.name for courier in self._couriers]

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop, then send for a last moment what can still be sent."""
        sending = asyncio.Event()
        workers = [asyncio.create_task(_kept_alive(courier, sending)) for courier in self._couriers]
        while not stop.is_set():
            self._look()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), POLL_SECONDS)
        self._look()
        await self._last_words()
        sending.set()
        _, late = await asyncio.wait(workers, timeout=LAST_WORDS_SECONDS / 2)
        for worker in late:
            worker.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        self._save_cursors()
        await asyncio.gather(*(courier.close() for courier in self._couriers))
        self._outbox.desk.close()

    def _look(self) -> None:
        try:
            self.look()
        except Exception as error:  # noqa: BLE001 - the edge of the task: counted, logged, tried again at the next look
            self._failed_looks += 1
            why = (str(error).splitlines() or [""])[0]
            _log.error("alerts.look_failed", kind=type(error).__name__, why=why, failed=self._failed_looks)

    def look(self) -> None:
        """Take what is new in outbox and heartbeat, once."""
        sign = self._sign()
        mode = sign.beat.mode if sign.beat else ""
        if news := self._watch.look(sign, time.monotonic() - self._began):
            self._offer(self._heartbeat_message(news, mode), 0)
            self._outbox.save_death(self._watch.died_ms)
        self._take_posted(mode)
        self._take_notices(mode)
        self._save_cursors()

    def _take_posted(self, mode: str) -> None:
        if self._read_up_to < 0:
            self._starts = {courier.name: self._outbox.start(courier.name) for courier in self._couriers}
            self._read_up_to = min(self._starts.values())
        for posted in self._outbox.after(self._read_up_to):
            self._offer(self._posted_message(posted.alert, mode), posted.number)
            self._read_up_to = posted.number

    def _take_notices(self, mode: str) -> None:
        """Take what people's own side has to tell; what was told before is known by its id."""
        if self._noticed_up_to < 0:
            self._noticed_up_to = self._outbox.notices_start()
        for notice in self._outbox.desk.notices_after(self._noticed_up_to):
            self._offer(self._posted_message(notice.alert, mode), 0)
            self._noticed_up_to = notice.number

    def _offer(self, message: Message, number: int) -> None:
        loudness = self._rules.loudness(message)
        for courier in self._couriers:
            if not number or number > self._starts[courier.name]:
                courier.offer(message, loudness, number)

    def _save_cursors(self) -> None:
        if self._read_up_to < 0:
            return
        for courier in self._couriers:
            settled = max(courier.settled_up_to(self._read_up_to), self._starts[courier.name])
            if settled != self._saved.get(courier.name):
                self._outbox.save_cursor(courier.name, settled)
                self._saved[courier.name] = settled

    async def _last_words(self) -> None:
        for _ in range(round(LAST_WORDS_SECONDS / 0.05)):
            if not any(courier.waiting for courier in self._couriers):
                return
            await asyncio.sleep(0.05)

    def _posted_message(self, alert: Alert, mode: str) -> Message:
        return Message(
            key=alert.alert_id,
            at_ms=alert.at_ms,
            severity=severity_of(alert.severity),
            event=alert.event,
            symbol=alert.symbol,
            headline=self._rules.headline(mode, alert.title),
            text=alert.text,
            thread=alert.thread,
            result=alert.event in RESULT_EVENTS,
        )

    def _heartbeat_message(self, news: News, mode: str) -> Message:
        dead = news.turn is Turn.DEAD
        severity = Severity.CRITICAL if dead else Severity.WARNING
        event = f"heartbeat_{news.turn}"
        now = time.time_ns() // 1_000_000
        return Message(news.key, now, severity, event, "", self._rules.headline(mode, news.title), news.text)


def channels(settings: Settings, folder: Path) -> list[Channel]:
    """Return the configured channels: the log always; Slack by token, else by webhook; your own webhook."""
    chosen: list[Channel] = [Log(folder / "logs" / "alerts.jsonl")]
    token, hook = secret("ACT_SLACK_TOKEN"), secret("ACT_SLACK_WEBHOOK")
    room = secret("ACT_SLACK_CHANNEL")
    channel = room.get_secret_value() if room else settings.alerts.channel
    if token and not channel:
        raise ConfigurationError(
            "ACT_SLACK_TOKEN needs a channel: set ACT_SLACK_CHANNEL, or alerts.channel in act.toml."
        )
    if token:
        chosen.append(SlackBot(token.get_secret_value(), channel, settings.alerts.critical_channel))
    elif hook:
        chosen.append(SlackHook(hook.get_secret_value()))
    if settings.alerts.webhook_url:
        chosen.append(Webhook(settings.alerts.webhook_url))
    return chosen


def assemble(settings: Settings, folder: Path) -> Service:
    """Plug the service of a bot's home together; raises ConfigurationError for what a person must fix."""
    outbox = Outbox(settings.database.url, settings.database.desk_url, folder / "status")
    couriers = [Courier(channel, ChannelLedger(outbox.desk, channel.name)) for channel in channels(settings, folder)]
    beat = folder / "status" / "heartbeat.json"
    rules = Rules(settings.alerts.name, settings.alerts.events)
    return Service(outbox, rules, couriers, lambda: read(beat, time.time_ns() // 1_000_000))


async def _run(settings: Settings, folder: Path) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    service = assemble(settings, folder)
    _log.info("alerts.started", channels=service.channels)
    await service.run(stop)
    _log.info("alerts.stopped")


async def _kept_alive(courier: Courier, stop: asyncio.Event) -> None:
    crashes = 0
    while not stop.is_set():
        try:
            await courier.run(stop)
        except Exception as error:  # noqa: BLE001 - the edge of a task: counted, logged, started again
            crashes += 1
            _log.error("alerts.channel_crashed", channel=courier.name, kind=type(error).__name__, crashes=crashes)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RESTART_SECONDS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="act alerts",
        description="Send the bot's alerts to Slack, a webhook and the log, and watch its heartbeat.",
        epilog="example: ACT_SLACK_TOKEN=... ACT_SLACK_CHANNEL=C0123456 act alerts",
    )
    parser.add_argument(
        "--home", default="", help="folder with act.toml, status/ and logs/ (default ACT_HOME, else here)"
    )
    return parser


def _set_up_logs() -> None:
    hidden = [value for name in _SECRETS if (value := os.environ.get(name))]

    def redact(_: Any, __: str, entry: Any) -> Any:
        return {key: _without(hidden, value) for key, value in entry.items()}

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _without(hidden: Sequence[str], value: Any) -> Any:
    if not isinstance(value, str):
        return value
    for each in hidden:
        value = value.replace(each, "***")
    return value
