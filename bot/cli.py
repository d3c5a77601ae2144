"""The `act` command: one table of names, loaded only when called, so that `--help` answers at once."""

import gc
import importlib
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

OK = 0
FAILED = 1
USAGE = 2
BAD_CONFIG = 78


@dataclass(frozen=True)
class Entry:
    """Where a command lives (`module:function`, called with the rest of the arguments) and what it is for."""

    target: str
    purpose: str


COMMANDS = {
    "demo": Entry("bot.demo:main", "simulator, bot, alerts and dashboard together, trading; no account needed"),
    "run": Entry("bot.app:main", "the bot itself: --paper, --testnet or --live"),
    "backtest": Entry("backtest.command:main", "the same core on recorded candles, with results and their reasons"),
    "sweep": Entry(
        "backtest.sweep.command:main", "a backtest for each combination of parameters, on all cores or many machines"
    ),
    "parity": Entry("backtest.parity.command:main", "what the bot did against a backtest of the same candles"),
    "bias": Entry("backtest.bias_command:main", "does a backtest know the future, or depend on where its data begins?"),
    "walk-forward": Entry("backtest.walk_command:main", "choose parameters on one stretch, judge them on the next"),
    "simulator": Entry("simulator.server.main:main", "a Binance futures exchange on this machine"),
    "dashboard": Entry("dashboard.launch:main", "what the bot does, in a browser"),
    "alerts": Entry("dashboard.alerts.service:main", "send the bot's alerts to Slack, a webhook, or the log"),
    "status": Entry("bot.desk:status", "state, equity, positions and open orders"),
    "health": Entry("bot.lifeline:health", "exit 0 while the heartbeat is fresh and good, else 1"),
    "ledger": Entry("bot.desk:ledger", "the books as canonical JSON; --diff compares them with another file"),
    "why": Entry("bot.desk:why", "the chain of decisions behind an order"),
    "trades": Entry("bot.desk:trades", "completed round trips"),
    "decisions": Entry("bot.desk:decisions", "what was decided, taken or refused, and why"),
    "orders": Entry("bot.desk:orders", "orders and where they stand"),
    "pause": Entry("bot.desk:pause", "ask the bot to open nothing new"),
    "resume": Entry("bot.desk:resume", "ask the bot to trade again; --clear RULE lifts a halt"),
    "flatten": Entry("bot.desk:flatten", "ask the bot to close positions"),
    "halt": Entry("bot.lifeline:halt", "stop entries within a second (writes status/KILL), running bot or not"),
    "config": Entry("bot.desk:config", "show or check the resolved configuration"),
    "data": Entry("backtest.data_command:main", "fetch, import and verify market data for backtests"),
    "db": Entry("bot.desk:db", "upgrade, backup or restore the database"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code: 0 ok, 1 failure, 2 usage, 78 bad configuration."""
    given = sys.argv[1:] if arguments is None else arguments
    if not given or given[0] in {"-h", "--help", "help"}:
        print(_help())
        return OK if given else USAGE
    if given[0] in {"-V", "--version"}:
        print(_version())
        return OK
    entry = COMMANDS.get(given[0])
    if entry is None:
        print(f"act: there is no command {given[0]!r}.{_suggestion(given[0])} See act --help.", file=sys.stderr)
        return USAGE
    return _run(entry, given[1:])


def _run(entry: Entry, rest: list[str]) -> int:
    from bot.domain.errors import ActError, ConfigurationError
    from bot.domain.money import forbid_floats

    if os.environ.get("ACT_PARENT_PID"):
        from bot.runtime.children import end_with_parent

        end_with_parent()
    forbid_floats()
    try:
        code = _load(entry.target)(rest)
    except ConfigurationError as error:
        _tell(error, str(error))
        return BAD_CONFIG
    except ActError as error:
        _tell(error, str(error))
        return FAILED
    except KeyboardInterrupt as stop:
        _tell(stop, "interrupted.")
        return 128 + signal.SIGINT
    except BrokenPipeError:
        return FAILED
    return code


def _tell(error: BaseException, what: str) -> None:
    """Say what ended a command in one line, with what was added to it on its way here."""
    print(" ".join([f"act: {what}", *getattr(error, "__notes__", ())]), file=sys.stderr)


def _load(target: str) -> Callable[[list[str]], int]:
    """Import a command; while modules load nothing becomes garbage, so nobody looks for it."""
    module, function = target.split(":")
    gc.disable()
    try:
        command: Callable[[list[str]], int] = getattr(importlib.import_module(module), function)
    finally:
        gc.enable()
    return command


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {entry.purpose}" for name, entry in COMMANDS.items()]
    return "\n".join(
        ["usage: act COMMAND [OPTION ...]", "", *lines, "", "act COMMAND --help shows its options and an example."]
    )


def _version() -> str:
    from importlib.metadata import version

    return f"act {version('auto-coin-trader')}"


def _suggestion(given: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(given, COMMANDS, n=1)
    return f" Did you mean {near[0]}?" if near else ""
