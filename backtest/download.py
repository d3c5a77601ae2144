"""Fetches market data: whole months and days from Binance's public archive, the recent rest by REST.

What is stored is not fetched again; each piece is stored as soon as it is checked, so that an interrupted fetch goes on
where it was.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from backtest.candle_files import MINUTE_MS, Part, check_candles, check_times, interval_name
from backtest.errors import DataError
from backtest.months import DAY_MS, day_of, month_bounds, months_between
from backtest.storage import CANDLES, FUNDING, MARK, Kind, Shelf, Window, uncovered
from backtest.vision import check_sum, rows_of, unzipped
from bot.domain.errors import ConfigurationError, RetryLater
from simulator.market.recordings import iso

ARCHIVE_URL = "https://data.binance.vision"
REST_URL = "https://fapi.binance.com"

_ATTEMPTS = 6
_LONGEST_WAIT_SECONDS = 300.0
_GRACE_MS = 10_000
_LATE_MS = 3_600_000
_ARCHIVE_FOLDERS = {CANDLES: "klines", MARK: "markPriceKlines", FUNDING: "fundingRate"}
_REST_PATHS = {CANDLES: "/fapi/v1/klines", MARK: "/fapi/v1/markPriceKlines", FUNDING: "/fapi/v1/fundingRate"}
_REST_ROWS = {CANDLES: 1500, MARK: 1500, FUNDING: 1000}
# Half of what an address may use in a minute: a bot may be trading from the same one.
_MOST_WEIGHT = 1200
_UNKNOWN_SYMBOL = -1121


@dataclass(slots=True)
class Fetched:
    """What became of a fetch: months that were stored already, months that brought rows, rows new and replaced."""

    months_kept: int = 0
    months_fetched: int = 0
    new_rows: int = 0
    replaced_rows: int = 0
    months_empty: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows, and the times they are all there is of."""

    part: Part | None
    covers: Window


class Web:
    """GET with patience: 429, 418, 5xx and broken connections are tried again, as long as Retry-After asks for."""

    def __init__(
        self,
        client: httpx.Client,
        sleep: Callable[[float], None],
        *,
        archive_url: str = ARCHIVE_URL,
        rest_url: str = REST_URL,
    ) -> None:
        self._client = client
        self._sleep = sleep
        self._archive_url = _checked(archive_url)
        self._rest_url = _checked(rest_url)

    def archived(self, path: str) -> tuple[Path, bytes] | None:
        """Return a file of the archive whose published SHA-256 is right, None where there is none.

        Raises `DataError` when it stays wrong, `RetryLater` when the archive cannot be reached.
        """
        name = Path(path)
        for attempt in range(_ATTEMPTS):
            answer = self._get(f"{self._archive_url}/{path}", {})
            if answer.status_code == 404:
                return None
            published = self._get(f"{self._archive_url}/{path}.CHECKSUM", {})
            if published.status_code == 404:
                raise DataError(f"{self._archive_url}/{path}: has no CHECKSUM beside it, so it cannot be trusted")
            try:
                check_sum(name, answer.content, published.text)
            except DataError:
                if attempt == _ATTEMPTS - 1:
                    raise
                self._sleep(2.0**attempt)
                continue
            return name, answer.content
        raise AssertionError

    def rows(self, kind: Kind, symbol: str, interval_ms: int, window: Window) -> list[Any]:
        """Return one page of rows from the start of the window, oldest first. Raises `DataError`, `RetryLater`."""
        given = {"symbol": symbol, "startTime": window[0], "endTime": window[1] - 1, "limit": _REST_ROWS[kind]}
        if kind is not FUNDING:
            given["interval"] = interval_name(interval_ms)
        answer = self._get(f"{self._rest_url}{_REST_PATHS[kind]}", given)
        if answer.status_code == 404:
            raise ConfigurationError(f"{answer.url} answers 404: check --rest-url")
        self._pace(answer)
        try:
            rows = answer.json()
        except ValueError as error:
            raise RetryLater(f"{answer.url} answers no JSON: try again, or check --rest-url") from error
        if not isinstance(rows, list):
            raise RetryLater(f"{answer.url} answers no list of rows: try again, or check --rest-url")
        return rows

    def _get(self, url: str, given: dict[str, Any]) -> httpx.Response:
        trouble = ""
        for attempt in range(_ATTEMPTS):
            wait_seconds = 2.0**attempt
            try:
                answer = self._client.get(url, params=given)
            except httpx.TransportError as error:
                trouble = str(error) or type(error).__name__
            else:
                if answer.status_code not in {418, 429} and answer.status_code < 500:
                    return _accepted(answer)
                wait_seconds = _retry_after(answer, wait_seconds)
                trouble = f"status {answer.status_code}, to be tried again after {wait_seconds:.0f} s"
            if wait_seconds > _LONGEST_WAIT_SECONDS or attempt == _ATTEMPTS - 1:
                break
            self._sleep(wait_seconds)
        raise RetryLater(
            f"{url} cannot be reached ({trouble}): try again later; what was fetched is kept", wait_seconds
        )

    def _pace(self, answer: httpx.Response) -> None:
        used = answer.headers.get("X-MBX-USED-WEIGHT-1M", "")
        if used.isdigit() and int(used) > _MOST_WEIGHT:
            self._sleep(60.0)


def fetch(
    shelf: Shelf,
    window: Window,
    web: Web,
    now_ms: int,
    *,
    replace: bool = False,
    told: Callable[[str], None] = lambda _: None,
) -> Fetched:
    """Fetch what is missing of a series in these times; `told` hears each month when it is done.

    Only what is over is fetched, never an open candle. Raises `DataError` for data that is wrong or contradicts what is
    stored, `RetryLater` when the exchange cannot be reached.
    """
    done = Fetched()
    unit_ms = shelf.interval_ms or MINUTE_MS
    end_ms = min(window[1], (now_ms - _GRACE_MS) // unit_ms * unit_ms)
    for month in months_between(window[0], end_ms):
        first, after = month_bounds(month)
        missing = uncovered(shelf.covered(month), (max(first, window[0]), min(after, end_ms)))
        if missing:
            rows = 0
            for piece in _pieces(shelf, month, missing, web, now_ms):
                if piece.part:
                    rows += piece.part.times.size
                    added = shelf.add(piece.part, piece.covers, replace=replace)
                    done.new_rows += added.new
                    done.replaced_rows += added.replaced
            done.months_fetched += bool(rows)
            done.months_empty += not rows
        else:
            done.months_kept += 1
        told(month)
    return done


def _pieces(shelf: Shelf, month: str, missing: Sequence[Window], web: Web, now_ms: int) -> Iterator[Piece]:
    bounds = month_bounds(month)
    if bounds[1] <= now_ms:
        whole = _archived(shelf, "monthly", month, bounds, web)
        if whole:
            yield whole
            return
    for window in missing:
        at_ms = window[0]
        while shelf.kind is not FUNDING and at_ms < window[1]:
            day = (at_ms // DAY_MS * DAY_MS, at_ms // DAY_MS * DAY_MS + DAY_MS)
            found = _archived(shelf, "daily", day_of(at_ms), day, web) if day[1] <= now_ms else None
            if not found:
                break
            yield found
            at_ms = day[1]
        yield from _by_rest(shelf, (at_ms, window[1]), web, now_ms)


def _archived(shelf: Shelf, period: str, name: str, bounds: Window, web: Web) -> Piece | None:
    symbol, label = shelf.symbol, interval_name(shelf.interval_ms)
    folder = f"data/futures/um/{period}/{_ARCHIVE_FOLDERS[shelf.kind]}/{symbol}"
    if shelf.kind is FUNDING:
        file = web.archived(f"{folder}/{symbol}-fundingRate-{name}.zip")
    else:
        file = web.archived(f"{folder}/{label}/{symbol}-{label}-{name}.zip")
    if not file:
        return None
    path, content = file
    part = rows_of(path, unzipped(path, content), symbol, shelf.kind)
    if part and (part.times[0] < bounds[0] or part.times[-1] >= bounds[1]):
        raise DataError(f"{path}: has rows of {iso(int(part.times[0]))}, outside of {name}: report it to Binance")
    return Piece(part, bounds)


def _by_rest(shelf: Shelf, window: Window, web: Web, now_ms: int) -> Iterator[Piece]:
    at_ms = window[0]
    while at_ms < window[1]:
        rows = web.rows(shelf.kind, shelf.symbol, shelf.interval_ms, (at_ms, window[1]))
        part = _part(shelf, rows)
        if part and (part.times[0] < at_ms or part.times[-1] >= window[1]):
            raise DataError(f"{part.path}: {shelf.symbol} has rows that were not asked for, after {iso(at_ms)}")
        last_ms = int(part.times[-1]) + (shelf.interval_ms or MINUTE_MS) if part else at_ms
        end_ms = last_ms if len(rows) == _REST_ROWS[shelf.kind] else window[1]
        # what is not there within the last hour may only be late
        yield Piece(part, (at_ms, min(end_ms, max(last_ms, now_ms - _LATE_MS))))
        at_ms = end_ms


def _part(shelf: Shelf, rows: Sequence[Any]) -> Part | None:
    if not rows:
        return None
    path = Path(_REST_PATHS[shelf.kind])
    try:
        if shelf.kind is FUNDING:
            values = [(row["fundingTime"], row["fundingRate"]) for row in rows]
        else:
            values = [row[: 1 + len(shelf.kind.value_names)] for row in rows]
        columns = list(zip(*values, strict=True))
        times = np.array(columns[0], dtype=np.int64)
        found = [np.array([float(text) for text in column]) for column in columns[1:]]
        named = dict(zip(shelf.kind.value_names, found, strict=True))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(f"{path}: {shelf.symbol} has a row that is none ({error}): try again") from error
    if not all(np.isfinite(column).all() for column in found):
        raise DataError(f"{path}: {shelf.symbol} has a row with a value that is no number: try again")
    check_times(path, shelf.symbol, times, shelf.kind.time_name, whole_minutes=shelf.kind is not FUNDING)
    part = Part(path, shelf.symbol, times // MINUTE_MS * MINUTE_MS, named)
    if shelf.kind is not FUNDING:
        check_candles(part)
    return part


def _accepted(answer: httpx.Response) -> httpx.Response:
    if answer.status_code in {200, 404}:
        return answer
    code, words = _error_of(answer)
    if code == _UNKNOWN_SYMBOL:
        symbol = answer.request.url.params.get("symbol", "")
        raise DataError(f"the exchange knows no symbol {symbol!r}: check its spelling, such as BTCUSDT")
    raise RetryLater(f"{answer.url.copy_with(query=None)} refuses with status {answer.status_code}: {words}")


def _error_of(answer: httpx.Response) -> tuple[int, str]:
    try:
        body = answer.json()
        return int(body["code"]), str(body["msg"])
    except (ValueError, KeyError, TypeError):
        return 0, " ".join(answer.text.split())[:200]


def _retry_after(answer: httpx.Response, otherwise: float) -> float:
    text = answer.headers.get("Retry-After", "")
    return max(otherwise, float(text)) if text.isdigit() else otherwise


def _checked(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in {"https", "http"} or not parsed.host:
        raise ConfigurationError(f"{url!r} is no base URL such as {ARCHIVE_URL}: check --archive-url and --rest-url")
    return url.rstrip("/")
