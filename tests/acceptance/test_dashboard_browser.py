"""The dashboard as a person sees it: a real browser, the real process, a database that keeps filling."""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

CHROMIUM = next((path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).exists()), "")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
FEED = Path(__file__).parents[1] / "support" / "fed_home.py"
PATIENCE_MS = 40_000

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium: the dashboard was not looked at")
playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: the dashboard was not looked at")


@contextmanager
def running(*command, env=None, cwd=None):
    """Run a process whose first line of stdout says that it is ready; end it afterwards."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ACT_", "STREAMLIT_"))}
    process = subprocess.Popen(
        command, env=kept | (env or {}), cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline()
        if not line:
            raise AssertionError(process.stderr.read())
        yield line, process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@contextmanager
def a_dashboard(home, cwd):
    """Start it exactly as `act dashboard` does, from a folder that is not the project's."""
    act = Path(sys.executable).with_name("act")
    with running(str(act), "dashboard", "--port", "0", "--home", str(home), cwd=cwd) as (line, process):
        url = json.loads(line)["dashboard"]
        _await_health(url)
        yield url
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    feed = (sys.executable, str(FEED), str(home), "--tick", "0.25", "--ahead", "420")
    with running(*feed) as (_, feeding), a_dashboard(home, tmp_path_factory.mktemp("elsewhere")) as url:
        yield home, url, feeding


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser, stage):
    """Open a page of the dashboard; afterwards, no request may have left this machine and nothing may have failed."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    asked, broken = set(), []
    page.on("request", lambda request: asked.add(urlsplit(request.url)))
    page.on("websocket", lambda socket: asked.add(urlsplit(socket.url)))
    page.on("pageerror", lambda error: broken.append(str(error)))

    def go(path=""):
        page.goto(stage[1] + path)
        return page

    yield go
    context.close()
    on_the_wire = {part for part in asked if part.scheme not in {"data", "blob"}}
    elsewhere = {part.geturl() for part in on_the_wire if part.hostname != "127.0.0.1"}
    assert on_the_wire
    assert not elsewhere
    assert not broken
    assert page.is_closed()


def test_the_overview_shows_positions_and_follows_them(visit):
    page = visit()
    page.get_by_text("Open positions").wait_for()
    header = page.locator(".act-header")
    assert "DEMO" in header.inner_text()
    assert "running" in header.inner_text()
    before = _tables(page)
    _until(lambda: _tables(page) != before)
    for expected in ("EQUITY USDT", "Round trips", "Fills", "Latest alerts", "at exchange"):
        _until(lambda expected=expected: expected in page.locator("body").inner_text())
    words = page.locator("body").inner_text()
    assert re.search(r"\b(LONG|SHORT)\b", words)
    assert re.search(r"[+-]\d+\.\d\d", words)
    assert page.locator("[data-testid=stException]").count() == 0
    page.close()


def test_the_trading_of_a_running_demo_is_seen(browser, tmp_path):
    options = ("--port", "0", "--speed", "240", "--seed", "3", "--home", str(tmp_path))
    with running(sys.executable, "-m", "bot", "demo", *options, cwd=tmp_path) as (_, demo):
        said = next(line for line in demo.stdout if line.startswith("dashboard: "))
        url = said.split()[1]
        _await_health(url)
        context = browser.new_context()
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        asked = set()
        page.on("request", lambda request: asked.add(urlsplit(request.url)))
        page.goto(url)
        positions = page.locator(".act-panel", has_text="Open positions")
        positions.get_by_text("at exchange").first.wait_for()
        before = positions.inner_text()
        _until(lambda: positions.inner_text() != before)
        context.close()
        assert {part.hostname for part in asked if part.scheme not in {"data", "blob"}} == {"127.0.0.1"}


def test_a_deep_link_opens_the_chart_with_header_markers_and_reasons(visit):
    page = visit("/chart?symbol=ETHUSDT")
    page.get_by_text("Last decision").wait_for()
    page.locator("[data-testid=stEChartsChart] canvas, canvas").first.wait_for()
    words = page.locator("body").inner_text()
    assert "ETHUSDT" in words
    assert "VWAP with 1.2 sigma bands" in words
    assert re.search(r"Why (no trade now|the position is held)", words)
    assert page.locator(".act-header").count() == 1
    page.get_by_text("Inspect", exact=True).click()
    page.get_by_text("standing still").wait_for()
    assert page.locator("[data-testid=stException]").count() == 0
    page.close()


def test_a_dead_bot_is_called_dead_and_its_numbers_are_grey(visit, stage):
    home, _, feeding = stage
    beat = home / "status" / "heartbeat.json"
    page = visit()
    page.get_by_text("Open positions").wait_for()
    feeding.send_signal(signal.SIGSTOP)
    try:
        old = json.loads(beat.read_text()) | {"ts": "2025-05-23T11:34:56+00:00"}
        beat.write_text(json.dumps(old))
        page.get_by_text("data from 11:34:56").wait_for()
        _until(lambda: page.locator(".act-dead .act-tiles").count() == 1)
        assert page.locator(".act-dead .act-big").first.evaluate("node => getComputedStyle(node).color") == GREY
    finally:
        feeding.send_signal(signal.SIGCONT)
    page.close()


def test_a_taken_port_is_a_one_line_error(stage, tmp_path):
    port = urlsplit(stage[1]).port
    command = (sys.executable, "-m", "bot", "dashboard", "--port", str(port), "--home", str(tmp_path))
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "--port" in done.stderr


def test_a_foreign_host_is_refused_and_only_loopback_listens(stage):
    port = urlsplit(stage[1]).port
    assert _handshake(port, f"127.0.0.1:{port}") == 101
    assert _handshake(port, "evil.example") == 403
    assert _handshake(port, f"127.0.0.1:{port}", origin="https://evil.example") == 403
    listening = {line.split()[1] for line in _listeners() if line.split()[1].endswith(f":{port:04X}")}
    assert listening == {f"0100007F:{port:04X}"}


GREY = "rgb(94, 102, 115)"


def _listeners():
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:] + Path("/proc/net/tcp6").read_text().splitlines()[1:]
    return [line for line in lines if line.split()[3] == "0A"]


def _handshake(port, host, origin=""):
    """Ask for the socket through which all numbers go, and return the status of the answer."""
    key = base64.b64encode(b"0123456789abcdef").decode()
    lines = ["GET /_stcore/stream HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *([f"Origin: {origin}"] if origin else [])]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return int(connection.recv(64).split()[1])


def _tables(page):
    return [table.inner_text() for table in page.locator(".act-panel table").all()]


def _until(condition, seconds=PATIENCE_MS / 1000):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(playwright.Error):
            if condition():
                return
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


def _await_health(url):
    deadline = time.monotonic() + 40
    while True:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=5):
                return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
