"""The log as a channel: one JSON object a line in `logs/alerts.jsonl`. It is always on, so nothing goes unwritten."""

import json
import logging
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import override

from dashboard.alerts.message import Channel, Message, Unreachable

FILE_BYTES = 5_000_000
FILES_KEPT = 5


class Log(Channel):
    """Appends to the file and rotates it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handler = RotatingFileHandler(
            path, maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8", delay=True
        )

    @property
    @override
    def name(self) -> str:
        return "log"

    @property
    @override
    def paced(self) -> bool:
        return False

    @override
    async def send(self, message: Message, root: str) -> str:
        line = json.dumps(
            {
                "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "level": message.severity.value.lower(),
                "event": f"alert.{message.event}",
                "alert_id": message.key,
                "symbol": message.symbol,
                "headline": message.headline,
                "text": message.text,
                "market_ms": message.at_ms,
            },
            ensure_ascii=False,
        )
        try:
            self._write(line)
        except OSError as error:
            raise Unreachable(f"the log cannot be written: {error.strerror}") from None
        return ""

    @override
    async def revise(self, root: str, first: Message, result: Message) -> None:
        """Do nothing: a log is not rewritten."""

    @override
    async def close(self) -> None:
        self._handler.close()

    def _write(self, line: str) -> None:
        record = logging.LogRecord("alerts", logging.INFO, "", 0, line, None, None)
        if self._handler.shouldRollover(record):
            self._handler.doRollover()
        stream = self._handler.stream
        if stream is None:
            raise Unreachable("the log is closed")
        stream.write(f"{line}\n")
        stream.flush()
