import json
import subprocess
import sys
from decimal import Decimal

from bot.runtime.logs import Redactor


def test_a_known_secret_is_masked_wherever_it_stands():
    assert Redactor(["s3cr3t-value"]).clean("url?x=s3cr3t-value&y=1") == "url?x=[redacted]&y=1"


def test_what_looks_like_a_secret_is_masked_without_being_known():
    clean = Redactor().clean
    assert "abcdef" not in clean("GET /fapi/v1/order?symbol=X&signature=abcdef0123")
    assert "pqia91" not in clean('{"listenKey":"pqia91ma19"}')
    assert "xoxb" not in clean("token " + "xoxb-" + "1234567890-abcdefghij")
    assert "T0000" not in clean("https://hooks.slack.com/services/" + "T0000/B000/XXXX")


def test_control_characters_cannot_repaint_a_terminal():
    assert "\x1b" not in Redactor().clean("symbol\x1b[31m\x07")


def test_values_keep_their_kind_and_decimals_become_plain_text():
    entry = Redactor(["hidden-thing"])(None, "info", {"n": 1, "d": Decimal("1E-8"), "deep": {"k": ["hidden-thing"]}})
    assert entry == {"n": 1, "d": "0.00000001", "deep": {"k": ["[redacted]"]}}


def test_every_log_of_the_process_ends_as_one_json_object_a_line(tmp_path):
    script = """
import logging, sys, warnings, structlog
from pathlib import Path
from bot.runtime import logs
logs.set_up(Path(sys.argv[1]), ["canary-secret"], to_stdout=False)
structlog.get_logger().info("trade.filled", price="1")
logging.getLogger("somebody.else").error("failed with canary-secret\\nand a second line")
warnings.warn("canary-secret", stacklevel=1)
raise RuntimeError("canary-secret")
"""
    run = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    written = [path.read_text() for path in tmp_path.iterdir()]
    lines = [json.loads(line) for text in written for line in text.splitlines()]
    assert "canary-secret" not in "".join(written) + run.stderr + run.stdout
    assert "Traceback" not in run.stderr
    events = [line["event"] for line in json_lines(tmp_path / "act.jsonl")]
    assert events[0] == "trade.filled"
    assert events[-1] == "process.crashed"
    assert [line["event"] for line in json_lines(tmp_path / "act-trades.jsonl")] == ["trade.filled"]
    assert len(json_lines(tmp_path / "act-errors.jsonl")) == 2
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    assert all(path.stat().st_mode & 0o007 == 0 for path in tmp_path.iterdir())


def json_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]
