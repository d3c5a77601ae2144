"""What people read and ask from the command line. Reads the tables; asks by rows in the people's file."""

import argparse
import getpass
import json
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from bot.domain.errors import ConfigurationError, GiveUp
from bot.domain.money import plain
from bot.lifeline import is_beating
from bot.loader import check_strategies
from bot.runtime import heartbeat
from bot.runtime.clock import SystemClock
from bot.runtime.lock import home_lock
from bot.settings import Settings, home, load
from bot.story import signed, tell, utc, verdict
from bot.trading.attribution import expected
from bot.trading.limits import Costs
from database import backup
from database import ledger as books
from database.desk import DeskWriter
from database.executions import ExecutedTrade, executed
from database.queries import Queries
from database.schema import upgrade
from database.session import act_url, desk_url

_NO_TRADES = "no completed trades yet"
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


class _Desk:
    """The files of one home."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.home = Path(options.home).resolve() if options.home else home()
        self.settings: Settings = load(self.home)
        self.status = self.home / "status"
        self.act_url = self.settings.database.url or act_url(self.status)
        self.desk_url = self.settings.database.desk_url or desk_url(self.status)

    def queries(self) -> Queries:
        return Queries(self.act_url, self.desk_url)

    def beat(self) -> dict[str, Any]:
        return heartbeat.read(self.status / "heartbeat.json")


def _parser(name: str, purpose: str, example: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"act {name}", description=purpose, epilog=f"example: {example}")
    parser.add_argument(
        "--home", default="", help="folder with act.toml, status/ and logs/ (default ACT_HOME, else here)"
    )
    return parser


# reading


def status(argv: list[str]) -> int:
    """Print how the bot stands."""
    parser = _parser("status", "How the bot stands, by its heartbeat and tables.", "act status --json")
    parser.add_argument("--json", action="store_true", help="for machines")
    options = parser.parse_args(argv)
    desk = _Desk(options)
    try:
        beat = desk.beat()
    except (OSError, ValueError):
        beat = {"state": "stopped", "reason": "there is no heartbeat"}
    queries = desk.queries()
    positions, orders = queries.open_positions(), queries.open_orders()
    if options.json:
        print(_json({"heartbeat": beat, "positions": positions, "orders": orders}))
        return 0
    age = heartbeat.age_seconds(beat, datetime.now(UTC)) if "ts" in beat else 0.0
    print(f"[{str(beat.get('mode', '?')).upper()}] {_state_words(beat, age)}")
    if "ts" in beat:
        print(f"heartbeat {age:.1f} s old, equity {beat.get('equity', '?')}, today {beat.get('day_pnl', '?')}")
    _table(
        ("SYMBOL", "SIDE", "QUANTITY", "ENTRY", "LAST CLOSE", "UNREALIZED", "STOP", "STOP RESTS"),
        [
            (
                p.symbol,
                "LONG" if p.quantity > 0 else "SHORT",
                plain(abs(p.quantity)),
                plain(p.entry_price),
                plain(p.last_close) if p.last_close is not None else "?",
                signed((p.last_close - p.entry_price) * p.quantity) if p.last_close is not None else "?",
                plain(p.stop_price),
                "yes" if p.stop_rests else "NO",
            )
            for p in positions
        ],
        "no open positions",
    )
    _table(
        ("SYMBOL", "ORDER", "PURPOSE", "SIDE", "QUANTITY", "FILLED", "PRICE", "ATTEMPT", "STATE"),
        [
            (
                o.symbol,
                o.client_order_id,
                o.purpose or "not ours",
                o.side.value,
                plain(o.quantity),
                plain(o.executed_quantity),
                plain(o.price),
                f"{o.attempt}/{desk.settings.execution.attempts}",
                o.state.value,
            )
            for o in orders
        ],
        "no open orders",
    )
    return 0


def _state_words(beat: dict[str, Any], age: float) -> str:
    reason = f": {beat['reason']}" if beat.get("reason") else ""
    words = f"{beat.get('state', '?')}{reason}"
    if age <= heartbeat.DEAD_SECONDS or beat.get("state") == "stopped":
        return words
    return f"dead; its last word was {words}"


def ledger(argv: list[str]) -> int:
    """Print the books as canonical JSON, or compare them with a file: exit 0 equal, 1 different."""
    parser = _parser("ledger", "The books, from the bot's own database alone.", "act ledger --diff exchange.json")
    parser.add_argument("--diff", default="", metavar="FILE", help="print the first 20 differing rows instead")
    options = parser.parse_args(argv)
    ours = books.canonical(_Desk(options).act_url)
    if not options.diff:
        sys.stdout.buffer.write(ours)
        sys.stdout.buffer.flush()
        return 0
    try:
        theirs = Path(options.diff).read_bytes()
        rows = books.difference(ours, theirs)
    except (OSError, GiveUp) as error:
        raise ConfigurationError(f"{options.diff} is not a ledger that can be compared: {error}") from error
    for row in rows:
        print(row)
    return int(ours != theirs)


def why(argv: list[str]) -> int:
    """Print what led to an order."""
    parser = _parser("why", "The chain behind an order: signal, decision, intent, attempts, fills.", "act why 4711")
    parser.add_argument("order", help="order id or client order id")
    parser.add_argument("--json", action="store_true", help="for machines")
    options = parser.parse_args(argv)
    chain = _Desk(options).queries().order_chain(options.order)
    if chain.order is None and chain.algo_order is None:
        print(f"act: no order {options.order!r} in the books. See act orders.", file=sys.stderr)
        return 1
    print(_json(chain) if options.json else "\n".join(tell(chain)))
    return 0


def trades(argv: list[str]) -> int:
    """Print completed round trips, or what their profit is made of."""
    parser = _list_parser("trades", "Completed round trips, newest first.")
    parser.add_argument(
        "--attribution", action="store_true", help="what each profit is made of, beside what [costs] expected"
    )
    options = parser.parse_args(argv)
    desk = _Desk(options)
    rows = desk.queries().trades(options.limit, options.symbol.upper())
    if options.attribution:
        return _attribution([_Attributed(each, desk.settings.costs) for each in executed(desk.act_url, rows)], options)
    if options.json:
        print(_json(rows))
        return 0
    _table(
        ("SYMBOL", "TRIP", "SIDE", "QUANTITY", "ENTRY", "EXIT", "FEES", "FUNDING", "PNL", "REASON", "ENDED"),
        [
            (
                t.symbol,
                t.trip,
                t.side,
                plain(t.quantity),
                plain(t.entry_price),
                plain(t.exit_price),
                plain(t.fees),
                signed(t.funding),
                signed(t.pnl),
                t.exit_reason,
                utc(t.exit_ms),
            )
            for t in rows
        ],
        _NO_TRADES,
    )
    return 0


class _Attributed:
    """A round trip, what its profit is made of, and what the cost model expected of its fills."""

    def __init__(self, found: ExecutedTrade, costs: Costs) -> None:
        self.trade = found.trade
        self.parts = found.parts
        self.expected = expected(found.executions, costs)

    def as_json(self) -> dict[str, Any]:
        row, parts = msgspec.structs.asdict(self.trade), msgspec.structs.asdict(self.parts)
        return row | {"attribution": parts, "expected": msgspec.structs.asdict(self.expected)}


def _attribution(rows: Sequence[_Attributed], options: argparse.Namespace) -> int:
    if options.json:
        print(_json([row.as_json() for row in rows]))
        return 0
    _table(
        ("SYMBOL", "TRIP", "SIDE", "EDGE", "SLIPPAGE", "EXPECTED", "FEES", "EXPECTED", "FUNDING", "PNL", "ENDED"),
        [
            (
                row.trade.symbol,
                row.trade.trip,
                row.trade.side,
                signed(row.parts.edge),
                signed(-row.parts.slippage),
                signed(-row.expected.slippage),
                signed(-row.parts.fees),
                signed(-row.expected.fees),
                signed(row.parts.funding),
                signed(row.parts.pnl),
                utc(row.trade.exit_ms),
            )
            for row in rows
        ],
        _NO_TRADES,
    )
    return 0


def decisions(argv: list[str]) -> int:
    """Print decisions."""
    rows, as_json = _listed(
        "decisions", "What was decided, taken or refused, newest first.", argv, lambda q, n, s: q.decisions(n, s)
    )
    if as_json:
        print(_json(rows))
        return 0
    _table(
        ("TIME", "SYMBOL", "ACTION", "SIDE", "PRICE", "QUANTITY", "REASON"),
        [(utc(d.at_ms), d.symbol, d.action, d.side.value, plain(d.price), plain(d.quantity), verdict(d)) for d in rows],
        "no decisions yet: the strategy has given no signal",
    )
    return 0


def orders(argv: list[str]) -> int:
    """Print orders."""
    rows, as_json = _listed("orders", "Orders, newest first.", argv, lambda q, n, s: q.orders(n, s))
    if as_json:
        print(_json(rows))
        return 0
    _table(
        ("CREATED", "SYMBOL", "ORDER ID", "CLIENT ORDER ID", "SIDE", "TYPE", "QUANTITY", "FILLED", "PRICE", "STATE"),
        [
            (
                utc(o.created_ms),
                o.symbol,
                o.report.order_id,
                o.client_order_id,
                o.report.side.value,
                o.report.type,
                plain(o.report.quantity),
                plain(o.report.executed_quantity),
                plain(o.report.price),
                o.state.value,
            )
            for o in rows
        ],
        "no orders yet",
    )
    return 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


def _list_parser(name: str, purpose: str) -> argparse.ArgumentParser:
    parser = _parser(name, purpose, f"act {name} --symbol BTCUSDT --limit 20")
    parser.add_argument("--symbol", default="", help="only this one")
    parser.add_argument("--limit", type=_count, default=50, metavar="NUMBER", help="how many (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="for machines")
    return parser


def _listed(name: str, purpose: str, argv: list[str], read: Any) -> tuple[Sequence[Any], bool]:
    options = _list_parser(name, purpose).parse_args(argv)
    return read(_Desk(options).queries(), options.limit, options.symbol.upper()), options.json


# asking


def pause(argv: list[str]) -> int:
    """Ask the bot to open nothing new."""
    return _ask(_parser("pause", "Open nothing new; stops and exits go on.", "act pause").parse_args(argv), "pause", {})


def resume(argv: list[str]) -> int:
    """Ask the bot to trade again."""
    parser = _parser("resume", "Trade again after a pause or halt.", "act resume --clear drawdown")
    parser.add_argument(
        "--clear", default="", metavar="RULE", help="lift the halt of this rule; recorded with your name"
    )
    options = parser.parse_args(argv)
    code = _ask(options, "resume", {"clear": options.clear} if options.clear else {})
    kill = _Desk(options).status / "KILL"
    try:
        kill.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{kill} cannot be removed: {error.strerror}. Remove it by hand.") from error
    return code


def flatten(argv: list[str]) -> int:
    """Ask the bot to close positions."""
    parser = _parser("flatten", "Close positions at market.", "act flatten --symbol BTCUSDT --yes")
    parser.add_argument("--symbol", default="", help="only this one (default all)")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args(argv)
    what = options.symbol.upper() or "every position"
    if not options.yes and not _confirmed(f"Close {what} at market? Type flatten: ", "flatten"):
        print("nothing was asked")
        return 1
    return _ask(options, "flatten", {"symbol": options.symbol.upper()} if options.symbol else {})


def _ask(options: argparse.Namespace, command: str, arguments: dict[str, str]) -> int:
    desk = _Desk(options)
    desk.queries().instance()
    clock = SystemClock()
    request_id = f"{clock.wall_ms()}-{clock.token(6)}"
    DeskWriter(desk.desk_url).ask(request_id, getpass.getuser(), command, arguments, clock.wall_ms())
    words = " ".join([command, *arguments.values()])
    when = "See act status." if is_beating(desk.status) else "No bot is running here: it is done at the next start."
    print(f"asked: {words} (request {request_id}). {when}")
    return 0


def _confirmed(question: str, word: str) -> bool:
    try:
        return input(question).strip() == word
    except EOFError:
        return False


# keeping


def config(argv: list[str]) -> int:
    """Show or check the configuration."""
    parser = _parser(
        "config", "The configuration as the bot would read it; secrets never stand in it.", "act config check"
    )
    parser.add_argument("what", choices=["show", "check"])
    options = parser.parse_args(argv)
    settings = _Desk(options).settings
    if options.what == "show":
        print(json.dumps(json.loads(settings.resolved()), indent=2, sort_keys=True))
        return 0
    check_strategies(settings.core_plan(""))
    print(f"the configuration is good ({', '.join(sorted(settings.symbols))}; hash {settings.config_hash()})")
    return 0


def db(argv: list[str]) -> int:
    """Upgrade, back up or restore the database."""
    parser = _parser("db", "Keep the database.", "act db backup /backups/act-today")
    parser.add_argument("what", choices=["upgrade", "backup", "restore"])
    parser.add_argument("folder", nargs="?", default="", help="where the backup is written to, or read from")
    options = parser.parse_args(argv)
    if options.what != "upgrade" and not options.folder:
        parser.error(f"{options.what} needs a folder")
    desk = _Desk(options)
    match options.what:
        case "upgrade":
            with home_lock(desk.home):
                upgrade(desk.act_url, desk.desk_url, SystemClock())
            print("the database has the newest shape")
        case "backup":
            backup.backup(desk.act_url, desk.desk_url, Path(options.folder))
            print(f"backed up to {options.folder}, verified")
        case _:
            with home_lock(desk.home):
                backup.restore(desk.act_url, desk.desk_url, Path(options.folder), SystemClock())
            print(f"restored from {options.folder}; the replaced files were kept beside it")
    return 0


# printing


def _json(value: Any) -> str:
    return json.dumps(value, default=_plain, indent=2)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    return plain(value) if hasattr(value, "quantize") else str(value)


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]], empty: str) -> None:
    texts = [[str(cell) for cell in row] for row in rows]
    if not texts:
        print(empty)
        return
    columns = [_column(list(column)) for column in zip(heads, *texts, strict=True)]
    limit = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for row in zip(*columns, strict=True):
        print("  ".join(row).rstrip()[:limit])


def _column(cells: list[str]) -> list[str]:
    width = max(map(len, cells))
    numbers = all(_NUMBER.fullmatch(cell) for cell in cells[1:])
    return [cell.rjust(width) if numbers else cell.ljust(width) for cell in cells]
