"""A pretended exchange that publishes market data: an archive of zips with checksums, and REST for the recent rest.

`answer` says what a GET gets; a test puts it behind respx or behind a server on loopback.
"""

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from backtest.candle_files import INTERVALS
from backtest.months import DAY_MS, moment, month_bounds
from support.market_files import MINUTE

HOUR = 60 * MINUTE
NAMES = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)


class PretendedExchange:
    """Lists BTCUSDT and ETHUSDT from `listed_ms` on. Months and days are archived when they are in `months`, `days`."""

    def __init__(self, *, listed_ms, now_ms, months=(), days=(), header=True):
        self.listed_ms, self.now_ms = listed_ms, now_ms
        self.months, self.days, self.header = set(months), set(days), header
        self.asked = []
        self.troubles = {}
        self.missing = set()

    def asked_for(self, words):
        return [path for path in self.asked if words in path]

    def answer(self, path, given):
        """Return status, headers and body."""
        self.asked.append(path)
        for words, answers in self.troubles.items():
            if words in path and answers:
                return answers.pop(0)
        if path.startswith("/fapi/"):
            return 200, {"X-MBX-USED-WEIGHT-1M": "10"}, json.dumps(self._rest(path, given)).encode()
        published = path.endswith(".CHECKSUM")
        body = self._archived(path.removesuffix(".CHECKSUM"))
        if body is None:
            return 404, {}, b"<Error><Code>NoSuchKey</Code></Error>"
        if published:
            body = f"{hashlib.sha256(body).hexdigest()}  {path.rsplit('/', 1)[1].removesuffix('.CHECKSUM')}\n".encode()
        return 200, {}, body

    def rows(self, kind, interval_ms, from_ms, to_ms):
        first = max(from_ms, self.listed_ms)
        first = -(-first // interval_ms) * interval_ms
        times = [at for at in range(first, min(to_ms, self.now_ms), interval_ms) if at not in self.missing]
        return [self.row(kind, at, interval_ms) for at in times]

    def row(self, kind, at_ms, interval_ms):
        if kind == "fundingRate":
            return [at_ms + at_ms // interval_ms % 40, interval_ms // HOUR, f"{at_ms // interval_ms % 9 / 10000:.8f}"]
        price = 1000 + at_ms // interval_ms % 50 / 10
        texts = [f"{each:.2f}" for each in (price, price + 1, price - 1, price + 0.1)]
        volume = "0" if kind == "markPriceKlines" else f"{at_ms // interval_ms % 7 / 1000:.3f}"
        return [at_ms, *texts, volume, at_ms + interval_ms - 1, "0", 3, "0", "0", "0"]

    def _archived(self, path):
        _, _, _, _, period, kind, symbol, *rest = path.split("/")
        name = rest[-1].removesuffix(".zip")
        when = name.split("-", 2)[2]
        if symbol not in {"BTCUSDT", "ETHUSDT"} or when not in (self.months if period == "monthly" else self.days):
            return None
        bounds = month_bounds(when) if period == "monthly" else (moment(when), moment(when) + DAY_MS)
        interval_ms = 8 * HOUR if kind == "fundingRate" else INTERVALS[rest[0]]
        lines = [",".join(map(str, row)) for row in self.rows(kind, interval_ms, *bounds)]
        if not lines:
            return None
        names = "calc_time,funding_interval_hours,last_funding_rate" if kind == "fundingRate" else NAMES
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo(f"{name}.csv"), "\n".join([names] * self.header + lines) + "\n")
        return file.getvalue()

    def _rest(self, path, given):
        kind = path.split("/")[3]
        interval_ms = 8 * HOUR if kind == "fundingRate" else INTERVALS[given["interval"]]
        rows = self.rows(kind, interval_ms, int(given["startTime"]), int(given["endTime"]) + 1)[: int(given["limit"])]
        if kind == "fundingRate":
            return [{"symbol": given["symbol"], "fundingTime": at, "fundingRate": rate} for at, _, rate in rows]
        return rows


@contextmanager
def served(exchange: PretendedExchange) -> Iterator[str]:
    """Serve it on loopback; yield its base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            status, headers, body = exchange.answer(parts.path, dict(parse_qsl(parts.query)))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
