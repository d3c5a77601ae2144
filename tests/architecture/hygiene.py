"""Reads the project's own files for what must not stand in them; also run by pre-commit on single files."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

MONEY = (
    "bot/domain", "bot/trading", "bot/exchange/simulated", "simulator/venue", "database",
    *(f"bot/exchange/binance/{name}.py" for name in (
        "account", "account_answers", "encode", "exact", "history", "income", "prices", "public_answers", "stops",
        "user_frames",
    )),
    *(f"simulator/server/{name}.py" for name in ("accounts", "formats", "interventions", "params")),
    "simulator/server/payloads.py", "simulator/server/trading.py",
    "simulator/market/funding.py", "simulator/market/instruments.py",
)  # fmt: skip
# Where a float is right: indicators' readings, percentiles, prices only shown, and wall-clock seconds.
FLOAT_ALLOWED = {
    "bot/domain/errors.py": "seconds of wall time to wait",
    "bot/domain/market.py": "best prices, read only by volatility and display",
    "bot/domain/records.py": "execution metrics are microseconds and basis points",
    "database/tables.py": "execution metrics",
    "database/views.py": "columns that only charts read, execution metrics",
    "database/queries.py": "columns that only charts read, execution metrics",
    "database/backup.py": "seconds of wall time between two steps of a copy",
    "database/migrations/act/versions/r0001_the_first_tables.py": "execution metrics",
    "bot/exchange/binance/stops.py": "seconds of wall time until a stop is overdue",
    "bot/trading/strategy.py": "a strategy reads indicators, which are floats",
}
CLOCK = ("bot", "strategies", "database", "simulator", "backtest")
CLOCK_ALLOWED = {
    "bot/runtime/clock.py": "the seam itself",
    "bot/demo.py": "a person's tool around the processes",
    "bot/proof.py": "what that tool measures",
    "bot/desk.py": "a person's tool that judges ages by the wall clock",
    "simulator/server/sockets.py": "the simulator's own seam to the world",
}
CLOCK_CALLS = re.compile(
    r"time\.(?:time|monotonic|perf_counter|process_time)(?:_ns)?|time\.sleep|asyncio\.sleep"
    r"|datetime\.datetime\.(?:now|utcnow|today)|datetime\.date\.today"
    r"|random\.(?!Random$).*|random\.Random\(\)|numpy\.random\..*|secrets\..*|uuid\.uuid[14]|os\.urandom"
    r"|.*loop(?:\(\))?\.time"
)
_HOSTS = re.compile(r"py" r"pi\.org|python" r"hosted\.org|registry\.npm" r"js|deb\.deb" r"ian\.org|conda\.ana" r"conda")
_SECRETS = re.compile(
    r"xox[abprs]-[0-9A-Za-z-]{10,}|hooks\.slack\.com/services/T[0-9A-Z]{6,}|AKIA[0-9A-Z]{16}|ghp_[0-9A-Za-z]{30,}"
    r"|-----BEGIN (?:RSA |EC )?PRIVATE KEY-----\n[A-Za-z0-9+/=\n]{200,}"
)


def tracked() -> list[Path]:
    """Return every file git knows or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="ignore")


def sources(places: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    for each in places:
        place = ROOT / each
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            yield path.relative_to(ROOT).as_posix(), path


def floats() -> list[str]:
    """Find float literals, calls and annotations where money is. `# float: reason` beside a line allows it."""
    found = []
    for name, path in sources(MONEY):
        if name in FLOAT_ALLOWED:
            continue
        lines = text(path).splitlines()
        for node in ast.walk(ast.parse("\n".join(lines))):
            literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
            named = isinstance(node, ast.Name) and node.id == "float"
            if (literal or named) and "# float:" not in lines[node.lineno - 1]:
                found.append(f"{name}:{node.lineno}: {lines[node.lineno - 1].strip()}")
    return found


def clocks() -> list[str]:
    """Find wall clock, sleeping and chance outside the seam. `# clock: reason` beside a line allows it."""
    found = []
    for name, path in sources(CLOCK):
        if name in CLOCK_ALLOWED:
            continue
        lines = text(path).splitlines()
        for number in clock_lines("\n".join(lines)):
            if "# clock:" not in lines[number - 1]:
                found.append(f"{name}:{number}: {lines[number - 1].strip()}")
    return found


def clock_lines(code: str) -> list[int]:
    """Return the lines that read the clock, sleep on it or draw chance, by whatever name it was imported."""
    tree = ast.parse(code)
    names = dict(_imported(tree))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call.lineno for call in calls if CLOCK_CALLS.fullmatch(_called(call, names))]


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.asname, alias.name) for alias in node.names if alias.asname)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def _called(call: ast.Call, names: dict[str, str]) -> str:
    """Return the full name of what is called; a generator of chance without a seed ends in `()`."""
    name = _dotted(call.func, names)
    return f"{name}()" if name == "random.Random" and not call.args else name


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    match node:
        case ast.Name(id=name):
            return names.get(name, name)
        case ast.Attribute(value=value, attr=attribute):
            return f"{_dotted(value, names)}.{attribute}"
        case ast.Call(func=function):
            return f"{_dotted(function, names)}()"
        case _:
            return ""


def hosts() -> list[str]:
    """Find names of package registries."""
    return [str(path.relative_to(ROOT)) for path in tracked() if _HOSTS.search(text(path))]


def secrets(paths: list[Path]) -> list[str]:
    """Find what looks like a secret, and files that must never be committed."""
    return [str(path) for path in paths if path.name.startswith(".env") or _SECRETS.search(text(path))]


def main(arguments: list[str]) -> int:
    found = floats() if arguments[:1] == ["floats"] else secrets([Path(name) for name in arguments[1:]])
    print("\n".join(found))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
