"""Writes the pages that repeat what the program says of itself: `make docs`.

With `--check` it writes nothing and exits 1 when a page is not what the program says.
"""

import ast
import inspect
import io
import os
import pkgutil
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout, suppress
from dataclasses import fields, is_dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic import BaseModel

import strategies
from bot import cli
from bot.domain.money import plain
from bot.loader import strategy_class
from bot.settings import Settings
from bot.trading.risk import RULES
from simulator import faults

FOLDER = Path(__file__).parent
WIDTH = "100"
SECRETS = {
    "ACT_BINANCE_API_KEY": "API key of the exchange account",
    "ACT_BINANCE_API_SECRET": "its HMAC secret, or its Ed25519 private key in PEM form",
    "ACT_SLACK_TOKEN": "Slack bot token: threads and updates",
    "ACT_SLACK_CHANNEL": "Slack channel id for that token, if not in `[alerts]`",
    "ACT_SLACK_WEBHOOK": "Slack incoming webhook, used when there is no token",
}
INTRODUCTION = """\
Settings stand in `act.toml` in `ACT_HOME` (default: the current folder). `act demo` needs none, `act run` at least one
symbol. An unknown key is refused, with a suggestion. `act config check` reads the file as the bot would,
`act config show` prints every value in force."""
ENVIRONMENT = """\
Every key can also be given by the environment, which wins over the file: `ACT_` and the key in capitals, with two
underscores between section and key, such as `ACT_RISK__DAILY_LOSS=300`."""
SECRECY = """\
They are read from the environment, never from `act.toml`. For each the bot looks at the variable, then at the file that
`NAME_FILE` names (mode 0600), then at a systemd credential such as `binance_api_key`."""
GENERATED = "Written by `make docs` from the program itself; do not edit."
EXAMPLE = """\
mode = "paper"

[symbols.BTCUSDT]

[symbols.ETHUSDT]
parameters = { notional = 500 }

[strategy.vwap_reversion]
k = 2.5

[risk]
daily_loss = 300

[alerts]
name = "act-1"
events = { start = "silent", stop = "silent" }
"""


def main(arguments: list[str]) -> int:
    """Write every such page, or with `--check` compare; return the exit code."""
    os.environ["COLUMNS"] = WIDTH
    if arguments == ["--check"]:
        stale = [name for name, page in PAGES.items() if _present(name) != page()]
        sys.stderr.writelines(f"docs/{name} is not current: run make docs\n" for name in stale)
        return int(bool(stale))
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
    return 0


def _present(name: str) -> str:
    path = FOLDER / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


# commands.md


def commands() -> str:
    """Return the page of all commands: what `act COMMAND --help` prints."""
    parts = [
        "# Commands",
        GENERATED,
        f"```\n{_printed(['--help'])}\n```",
        "Exit codes: 0 ok, 1 failure, 2 wrong usage, 78 bad configuration, 130 Ctrl-C. An error is one line on stderr.",
    ]
    parts += [
        f"## act {name}\n\n{_sentence(entry.purpose)}\n\n```\n{_printed([name, '--help'])}\n```"
        for name, entry in cli.COMMANDS.items()
    ]
    return "\n\n".join(parts) + "\n"


def _printed(arguments: list[str]) -> str:
    text = io.StringIO()
    with redirect_stdout(text), suppress(SystemExit):
        cli.main(arguments)
    return text.getvalue().strip()


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


# configuration.md


def configuration() -> str:
    """Return the page of all settings: key, default, meaning."""
    notes = _meanings(Settings)
    sections = [
        _section(name, field.annotation)
        for name, field in Settings.model_fields.items()
        if _is_section(field.annotation)
    ]
    parts = [
        "# Configuration",
        GENERATED,
        INTRODUCTION,
        f"```toml\n{EXAMPLE}```",
        ENVIRONMENT,
        "## Top level",
        _table([("mode", _shown(Settings.model_fields["mode"].default), notes["mode"])]),
        _symbols(),
        _strategies(),
        *sections,
        _rules(),
        _secrets(),
    ]
    return "\n\n".join(parts) + "\n"


def _is_section(kind: object) -> bool:
    return inspect.isclass(kind) and (is_dataclass(kind) or issubclass(kind, BaseModel))


def _section(name: str, kind: Any) -> str:
    notes = _meanings(kind)
    rows = [
        (f"{key}", _shown(default), " ".join(filter(None, [notes[key], _choices(hint)])))
        for key, default, hint in _keys(kind)
    ]
    return f"## [{name}]\n\n{_purpose(kind)}\n\n{_table(rows)}"


def _symbols() -> str:
    kind = get_args(Settings.model_fields["symbols"].annotation)[1]
    return _section("symbols", kind).replace("## [symbols]", "## [symbols.SYMBOL], one for each symbol to trade")


def _strategies() -> str:
    parts = []
    for module in pkgutil.iter_modules(strategies.__path__):
        found = strategy_class(module.name)
        numbers = found.parameters_type
        rows = [(each.name, _shown(each.default), "") for each in fields(numbers)]
        meanings = [_unwrapped(kind).split("\n\n")[-1] for kind in reversed(numbers.__mro__[:-1])]
        parts.append(f"## [strategy.{module.name}]\n\n" + "\n\n".join([_unwrapped(found), *meanings, _table(rows)]))
    return "\n\n".join(parts)


def _rules() -> str:
    parts = [
        "## What each rule is for",
        "An entry has to pass all of these; the first that refuses gives the decision its reason. Exits always pass.",
    ]
    for rule in RULES:
        setting = f", set by `{rule.setting}`" if rule.setting else ""
        parts.append(f"**`{rule.reason}`**{setting}. {_unwrapped(rule)}")
    return "\n\n".join(parts)


def _secrets() -> str:
    rows = [f"| `{name}` | {meaning} |" for name, meaning in SECRETS.items()]
    return "\n".join(
        [
            "## Secrets",
            "",
            SECRECY,
            "",
            "| variable | what |",
            "|---|---|",
            *rows,
        ]
    )


def _keys(kind: Any) -> Iterator[tuple[str, Any, Any]]:
    hints = get_type_hints(kind)
    if is_dataclass(kind):
        for each in fields(kind):
            yield each.name, each.default, hints[each.name]
        return
    for name, field in kind.model_fields.items():
        yield name, field.get_default(call_default_factory=True), hints[name]


def _choices(hint: Any) -> str:
    if get_origin(hint) is not Literal:
        return ""
    return "One of " + ", ".join(f"`{choice}`" for choice in get_args(hint)) + "."


def _purpose(kind: type) -> str:
    """Return a section's docstring without the section's name, which stands above it already."""
    text = re.sub(r"^`\[[^`]*`: ", "", _unwrapped(kind))
    text = re.sub(r": `\[[a-z]+\]`\.", ".", text)
    return f"{text[0].upper()}{text[1:]}"


def _unwrapped(thing: type) -> str:
    return "\n\n".join(" ".join(part.split()) for part in textwrap.dedent(inspect.getdoc(thing) or "").split("\n\n"))


def _meanings(kind: type) -> Mapping[str, str]:
    """Read the text that stands below each field of a class."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    found = {}
    for field, below in zip(body.body, body.body[1:], strict=False) if isinstance(body, ast.ClassDef) else ():
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            found[field.target.id] = str(below.value.value)
    return found


def _shown(value: Any) -> str:
    match value:
        case bool():
            return f"`{str(value).lower()}`"
        case "":
            return "empty"
        case dict():
            return "none"
        case Decimal():
            return f"`{plain(value)}`"
        case tuple():
            return f"`[{', '.join(_inline(row) for row in value)}]`"
        case str():
            return f'`"{value}"`'
        case _:
            return f"`{value}`"


def _inline(row: Any) -> str:
    """Return a dataclass of numbers as an inline table of TOML."""
    return f"{{{', '.join(f'{each.name} = {plain(getattr(row, each.name))}' for each in fields(row))}}}"


def _table(rows: list[tuple[str, str, str]]) -> str:
    with_meaning = any(meaning for _, _, meaning in rows)
    lines = ["| key | default | meaning |", "|---|---|---|"] if with_meaning else ["| key | default |", "|---|---|"]
    for key, default, meaning in rows:
        lines.append(f"| `{key}` | {default} | {meaning} |" if with_meaning else f"| `{key}` | {default} |")
    return "\n".join(lines)


# simulator.md


def simulator() -> str:
    """Return the simulator's page, its last block replaced by what the faults' module says of itself."""
    before, marker, _ = _present("simulator.md").partition("<!-- the text below is written by `make docs`")
    note = f"{marker} from simulator/faults.py -->"
    return f"{before}{note}\n\n```\n{inspect.getdoc(faults)}\n```\n"


PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands,
    "configuration.md": configuration,
    "simulator.md": simulator,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
