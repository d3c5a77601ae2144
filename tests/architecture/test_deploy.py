"""The units for systemd say what the bot promises, and only what systemd understands."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bot.cli import BAD_CONFIG, COMMANDS

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
ANALYZE = shutil.which("systemd-analyze")
HARDENED = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "CapabilityBoundingSet": "",
}


class ManyValued(dict):
    """Collects the values of a key that is written several times, as systemd does."""

    def __setitem__(self, key, value):
        if isinstance(value, list) and key in self:
            self[key].extend(value)
        else:
            super().__setitem__(key, value)


def unit(path: Path) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(dict_type=ManyValued, strict=False, comment_prefixes=("#",))
    parser.optionxform = str
    parser.read_string(path.read_text())
    return {section: dict(parser[section]) for section in parser.sections()}


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_every_unit_is_hardened(path):
    service = unit(path)["Service"]
    assert {key: service.get(key) for key in HARDENED} == HARDENED
    assert "MemoryDenyWriteExecute" not in service, "compiled indicators could not run"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_every_command_of_a_unit_exists(path):
    started = re.findall(r"/\.venv/bin/act ([a-z]+)", path.read_text())
    assert [name for name in started if name not in COMMANDS] == []


def test_the_bot_is_restarted_unless_its_configuration_is_bad():
    parts = unit(DEPLOY / "act.service")
    assert parts["Service"]["Restart"] == "on-failure"
    assert parts["Service"]["RestartPreventExitStatus"] == str(BAD_CONFIG)
    assert int(parts["Unit"]["StartLimitBurst"]) > 0


def test_the_bot_proves_its_life_to_systemd_and_gets_time_to_end():
    service = unit(DEPLOY / "act.service")["Service"]
    assert service["Type"] == "notify"
    assert 10 <= int(service["WatchdogSec"]) <= 60
    assert int(service["TimeoutStopSec"]) > 15


def test_secrets_reach_the_bot_as_credentials_only():
    text = (DEPLOY / "act.service").read_text()
    assert re.findall(r"^LoadCredential=(\w+):", text, flags=re.MULTILINE) == ["binance_api_key", "binance_api_secret"]
    assert not re.search(r"^Environment.*(KEY|SECRET|TOKEN)", text, flags=re.MULTILINE)


def test_somebody_speaks_when_the_bot_has_failed():
    assert unit(DEPLOY / "act.service")["Unit"]["OnFailure"] == "act-alert@%n.service"
    assert (DEPLOY / "act-alert@.service").exists()


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_understands_every_line(path):
    run = subprocess.run(
        [ANALYZE, "verify", str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={"SYSTEMD_LOG_LEVEL": "warning"},
    )
    complaints = [line for line in run.stderr.splitlines() if path.name in line and "is not executable" not in line]
    assert complaints == []


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_the_bot_s_unit_leaves_little_exposed():
    command = [ANALYZE, "security", "--offline=true", "--threshold=20", str(DEPLOY / "act.service")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout.splitlines()[-1]
