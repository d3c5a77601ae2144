"""Logs: one JSON object a line, an event name plus keys, rotated, with secrets redacted at the root."""

import logging
import logging.handlers
import re
import sys
import traceback
from collections.abc import Iterable, MutableMapping
from decimal import Decimal
from pathlib import Path
from typing import Any, override

import structlog

_MASK = "[redacted]"
_PATTERNS = (
    re.compile(r"(?i)((?:signature|listenKey|apiKey|api_key|secret|token)[\"']?\s*[=:]\s*[\"']?)[^\s&\"',}]+"),
    re.compile(r"xox[a-z]-[\w-]+|hooks\.slack\.com/services/[\w/]+"),
    re.compile(r"(?i)(x-mbx-apikey[\"']?\s*[=:]\s*[\"']?)[^\s\"',}]+"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x1b]")


class Redactor:
    """Takes known secrets, and whatever looks like one, out of every text on its way to a log."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = tuple(sorted({secret for secret in secrets if len(secret) >= 6}, key=len, reverse=True))

    def clean(self, text: str) -> str:
        """Return the text without secrets and control characters."""
        for secret in self._secrets:
            text = text.replace(secret, _MASK)
        for pattern in _PATTERNS:
            text = pattern.sub(lambda found: (found.group(1) if found.lastindex else "") + _MASK, text)
        return _CONTROL.sub(" ", text)

    def __call__(self, _logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Clean every value of a structlog entry."""
        for key, value in entry.items():
            entry[key] = self._value(value)
        return entry

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, bool | int | float) or value is None:
            return value
        if isinstance(value, Decimal):
            return format(value, "f")
        if isinstance(value, dict):
            return {str(key): self._value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(item) for item in value]
        return self.clean(str(value))


class _Private(logging.handlers.RotatingFileHandler):
    """A rotating file that only its owner and group may read; a full disk never stops the bot."""

    @override
    def _open(self) -> Any:
        stream = super()._open()
        Path(self.baseFilename).chmod(0o640)
        return stream

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        """Count what could not be written; the heartbeat and the database still tell the truth."""
        self.lost = getattr(self, "lost", 0) + 1


class _Only(logging.Filter):
    def __init__(self, *, level: int = 0, prefix: str = "") -> None:
        super().__init__()
        self._level = level
        self._prefix = prefix

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < self._level:
            return False
        return not self._prefix or str(_event_name(record)).startswith(self._prefix)


def _event_name(record: logging.LogRecord) -> object:
    return record.msg.get("event", "") if isinstance(record.msg, dict) else record.msg


def set_up(folder: Path, secrets: Iterable[str], *, to_stdout: bool, name: str = "act") -> None:
    """Send every log of this process to `<folder>/<name>.jsonl`, errors and trades also to files of their own.

    Covers structlog, the standard library (so the SDK's loggers too), warnings, and uncaught exceptions.
    """
    folder.mkdir(parents=True, exist_ok=True)
    redactor = Redactor(secrets)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redactor,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            redactor,
            structlog.processors.JSONRenderer(),
        ],
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.setLevel(logging.INFO)
    for path, only in _files(folder, name):
        handler = _Private(path, maxBytes=20_000_000, backupCount=5, encoding="utf-8")
        handler.addFilter(only)
        handler.setFormatter(formatter)
        root.addHandler(handler)
    if to_stdout:
        stream = logging.StreamHandler(sys.stdout)
        stream.setFormatter(formatter)
        root.addHandler(stream)
    for noisy in ("binance_common", "urllib3", "asyncio", "httpx", "httpcore", "slack_sdk"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.raiseExceptions = False
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught


def _files(folder: Path, name: str) -> list[tuple[Path, logging.Filter]]:
    return [
        (folder / f"{name}.jsonl", _Only()),
        (folder / f"{name}-errors.jsonl", _Only(level=logging.ERROR)),
        (folder / f"{name}-trades.jsonl", _Only(prefix="trade.")),
    ]


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    text = "".join(traceback.format_exception(kind, error, trace))
    structlog.get_logger().critical("process.crashed", error=f"{kind.__name__}: {error}", traceback=text)
    sys.stderr.write(f"act: stopped by an unexpected error: {kind.__name__}. See the log for details.\n")
