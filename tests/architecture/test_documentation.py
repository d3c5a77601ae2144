"""What the pages say is so: generated parts are current, links lead somewhere, examples work."""

import json
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.instrument import Instrument
from bot.domain.market import MINUTE_MS, Candle
from bot.loader import check_strategies
from bot.settings import load
from bot.trading.strategy import ENTER_LONG, EXIT_LONG
from simulator.faults import parse_plan

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(language: str) -> list[tuple[str, str]]:
    pattern = re.compile(rf"^```{language}\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
    return [(name_of(page), text) for page in PAGES for text in pattern.findall(page.read_text(encoding="utf-8"))]


def test_generated_pages_say_what_the_program_says():
    run = subprocess.run(
        [sys.executable, "-m", "docs.generate", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.stderr == ""
    assert run.returncode == 0


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_pictures_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
    assert [each for each in targets if "://" not in each and not (page.parent / each).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_named_in_the_pages_exist(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    named = re.findall(r"`((?:bot|dashboard|database|simulator|tests|docs|deploy|benchmarks)/[\w./-]+)`", text)
    assert [each for each in named if not (ROOT / each).exists()] == []


@pytest.mark.parametrize(("page", "text"), blocks("toml"))
def test_configurations_shown_are_accepted(tmp_path, page, text):
    text = text.replace('"three_up"', '"vwap_reversion"').replace("three_up", "vwap_reversion")
    (tmp_path / "act.toml").write_text(text.replace("rising = 4\n", ""))
    check_strategies(load(tmp_path).core_plan(""))


def test_every_secret_the_code_asks_for_is_on_the_page():
    code = "".join(path.read_text() for folder in ("bot", "dashboard") for path in (ROOT / folder).rglob("*.py"))
    asked = set(re.findall(r'secret\("(\w+)"\)', code))
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert asked
    assert {name for name in asked if f"`{name}`" not in page} == set()


def test_the_fault_plan_shown_can_be_loaded():
    plans = [text for page, text in blocks("json") if '"match"' in text]
    assert plans
    for text in plans:
        assert len(parse_plan(text.encode())) == len(json.loads(text))


def test_the_strategy_shown_works():
    (text,) = [text for page, text in blocks("python") if "class ThreeUp(" in text]
    scope = {"__name__": "three_up"}
    exec(compile(text, "three_up.py", "exec"), scope)
    strategy = scope["ThreeUp"](an_instrument(), {"rising": "2"})
    verdicts = [strategy.on_candle(a_candle(minute, close)) for minute, close in enumerate([10, 11, 12, 11])]
    assert [verdict.flags for verdict in verdicts] == [0, 0, ENTER_LONG, EXIT_LONG]
    assert not verdicts[0].ready


def an_instrument() -> Instrument:
    names = {
        "symbol": "BTCUSDT",
        "status": "TRADING",
        "base_asset": "BTC",
        "quote_asset": "USDT",
        "margin_asset": "USDT",
    }
    amounts = [field for field in Instrument.__struct_fields__ if field not in names and field != "max_orders"]
    return Instrument(**names, **dict.fromkeys(amounts, Decimal("0.1")), max_orders=200)


def a_candle(minute: int, close: int) -> Candle:
    price = Decimal(close)
    return Candle("BTCUSDT", minute * MINUTE_MS, price, price, price, price, Decimal(1))
