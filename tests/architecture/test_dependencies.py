"""What we import is named in pyproject.toml, what is named is used, and the lock pins it without naming hosts."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = {"bot", "dashboard", "database", "strategies", "simulator", "backtest", "docs", "tests", "support", "benchmarks"}
SHIPPED = ("bot", "dashboard", "database", "strategies", "simulator", "backtest")
# Wanted without being imported: chosen for strategies of users, or for the tools that run beside the code.
NOT_IMPORTED = {
    "pandas-ta",  # the toolbox of strategies that work on tables, and an oracle in our tests
    "numpy",  # pinned because of pandas-ta
    "plotly",  # the report carries its script, read as a file
    "editables", "hatchling", "import-linter", "mypy", "pre-commit", "ruff",
    "pytest-asyncio", "pytest-cov", "pytest-randomly", "pytest-timeout", "pytest-xdist",
}  # fmt: skip
DISTRIBUTIONS = packages_distributions()


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


EXTRAS = (("dashboard/", "dashboard"), ("backtest/sweep/", "sweep"), ("backtest/report/tear_sheet.py", "tearsheet"))
"""Where the optional parts of the program may import what their extra names."""


def named() -> dict[str, set[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"main": project["dependencies"], **project["optional-dependencies"]}
    return {
        group: {canonical(re.match(r"[A-Za-z0-9._-]+", line)[0]) for line in lines} for group, lines in groups.items()
    }


def imported(folders) -> dict[str, str]:
    """Return the distributions that the files of these folders import, each with one file that does."""
    found = {}
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            for top in top_names(ast.parse(path.read_text(encoding="utf-8"))):
                if top not in sys.stdlib_module_names and top not in OURS and top in DISTRIBUTIONS:
                    found[canonical(DISTRIBUTIONS[top][0])] = path.relative_to(ROOT).as_posix()
    return found


def top_names(tree: ast.AST):
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                yield from (alias.name.split(".")[0] for alias in node.names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.split(".")[0]
            case ast.Call(func=ast.Attribute(attr="importorskip"), args=[ast.Constant(value=str(module)), *_]):
                yield module.split(".")[0]


def locked() -> dict[str, str]:
    text = (ROOT / "requirements.lock").read_text()
    return {canonical(block.split("==")[0]): block for block in re.split(r"\n(?=\S)", text.strip())}


def test_every_package_that_ships_code_imports_is_a_named_dependency():
    groups = named()
    missing = {
        name: path
        for name, path in imported(SHIPPED).items()
        if name not in groups["main"] and not any(path.startswith(at) and name in groups[extra] for at, extra in EXTRAS)
    }
    assert missing == {}


def test_every_package_that_tests_and_benchmarks_import_is_a_named_dependency():
    everything = set().union(*named().values())
    assert {name: path for name, path in imported(("tests", "benchmarks")).items() if name not in everything} == {}


def test_every_named_dependency_is_used():
    everything = set().union(*named().values())
    used = set(imported((*SHIPPED, "tests", "benchmarks")))
    assert everything - used - NOT_IMPORTED == set()


def test_the_lock_pins_every_named_dependency():
    everything = set().union(*named().values())
    assert everything - set(locked()) == set()


def test_everything_in_the_lock_is_pinned_with_hashes():
    for name, block in locked().items():
        assert re.match(r"[A-Za-z0-9._-]+==[^\s]+ ", block), name
        assert "--hash=sha256:" in block, name


def test_the_lock_names_no_place_to_fetch_from():
    text = (ROOT / "requirements.lock").read_text()
    assert re.findall(r"https?://|--(?:extra-)?index-url|--find-links|git\+|@ file", text) == []
