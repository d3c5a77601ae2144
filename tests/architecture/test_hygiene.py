"""What must not stand in the project's files."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("hygiene", Path(__file__).with_name("hygiene.py"))
hygiene = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hygiene)


def test_no_float_stands_where_money_is():
    assert hygiene.floats() == []


def test_wall_clock_and_chance_are_used_only_at_the_seam():
    assert hygiene.clocks() == []


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.time()",
        "import time as t\nt.monotonic_ns()",
        "from time import time\ntime()",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime as d\nd.now()",
        "from asyncio import sleep\nsleep(1)",
        "import asyncio\nasyncio.get_running_loop().time()",
        "from random import randint\nrandint(1, 2)",
        "import random\nrandom.Random()",
        "import random\nrandom.SystemRandom()",
        "import numpy as np\nnp.random.default_rng()",
        "import secrets\nsecrets.token_bytes(3)",
        "from uuid import uuid4\nuuid4()",
    ],
)
def test_the_clock_and_chance_are_found_under_any_name(code):
    assert hygiene.clock_lines(code) == [2]


@pytest.mark.parametrize("code", ["import random\nrandom.Random(7)", "import time\ntime.gmtime(0)", "clock.time()"])
def test_seeded_chance_and_given_times_are_no_finding(code):
    assert hygiene.clock_lines(code) == []


def test_no_tracked_file_names_a_package_registry():
    assert hygiene.hosts() == []


def test_no_tracked_file_holds_a_secret():
    assert hygiene.secrets(hygiene.tracked()) == []


def test_no_tracked_file_is_a_lock_that_names_hosts():
    assert not [path for path in hygiene.tracked() if path.name in {"uv.lock", "poetry.lock", "pylock.toml"}]


def test_unfinished_work_is_not_left_behind():
    words = re.compile(r"\b(TODO|FIXME|XXX)\b|raise NotImplementedError")
    found = [
        name
        for name, path in hygiene.sources(("bot", "simulator", "database", "dashboard", "strategies"))
        if words.search(hygiene.text(path))
    ]
    assert found == []


def test_every_import_contract_is_kept():
    run = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout


def test_package_init_files_are_empty():
    packages = ("bot", "simulator", "database", "dashboard", "strategies", "backtest")
    assert [name for name, path in hygiene.sources(packages) if path.name == "__init__.py" and hygiene.text(path)] == []


@pytest.mark.parametrize(
    "page",
    [
        p.relative_to(ROOT).as_posix()
        for p in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    ],
)
def test_commands_quoted_in_the_documentation_exist(page):
    from bot.cli import COMMANDS

    text = hygiene.text(ROOT / page)
    quoted = re.findall(r"(?:`|^\s*\$?\s*)act ([a-z][a-z-]+)", text, flags=re.MULTILINE)
    targets = set(re.findall(r"^([a-z][a-z-]*):", hygiene.text(ROOT / "Makefile"), flags=re.MULTILINE))
    made = re.findall(r"(?:`|^\s*\$?\s*)make ([a-z][a-z-]+)", text, flags=re.MULTILINE)
    assert [name for name in quoted if name not in COMMANDS] == []
    assert [name for name in made if name not in targets] == []
