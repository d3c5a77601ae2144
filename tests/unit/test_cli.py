"""The table of commands: what it prints, what it returns, and how little it loads."""

import subprocess
import sys

import pytest

from bot import cli

HEAVY = ("pandas", "sqlalchemy", "sqlmodel", "pydantic", "streamlit", "requests", "binance_common", "aiohttp", "picows")


def act(capsys, *arguments):
    code = cli.main(list(arguments))
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def loaded_by(*arguments):
    script = (
        "import sys\n"
        "from bot.cli import main\n"
        f"code = main({list(arguments)!r})\n"
        f"print('LOADED', *(name for name in {HEAVY!r} if name in sys.modules))\n"
        "sys.exit(code)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    return run.stdout.rpartition("LOADED")[2].split()


def test_help_lists_every_command(capsys):
    code, out, _ = act(capsys, "--help")
    assert code == cli.OK
    for name, entry in cli.COMMANDS.items():
        assert f"  {name} " in out
        assert entry.purpose in out


def test_no_command_at_all_is_wrong_usage_and_prints_the_help(capsys):
    code, out, _ = act(capsys)
    assert code == cli.USAGE
    assert out.startswith("usage: act COMMAND")


@pytest.mark.parametrize("word", ["-h", "--help", "help"])
def test_there_are_three_words_for_help(capsys, word):
    assert act(capsys, word)[0] == cli.OK


@pytest.mark.parametrize("word", ["-V", "--version"])
def test_the_version_is_the_installed_one(capsys, word):
    code, out, _ = act(capsys, word)
    assert code == cli.OK
    assert out.startswith("act 0.")


def test_an_unknown_command_is_wrong_usage_and_names_the_nearest(capsys):
    code, out, err = act(capsys, "stauts")
    assert code == cli.USAGE
    assert out == ""
    assert err == "act: there is no command 'stauts'. Did you mean status? See act --help.\n"


def test_an_unknown_command_like_no_other_gets_no_suggestion(capsys):
    _, _, err = act(capsys, "xyzzy")
    assert "Did you mean" not in err


def test_help_loads_nothing_heavy():
    assert loaded_by("--help") == []


def test_an_unknown_command_loads_nothing_heavy():
    assert loaded_by("stauts") == []


@pytest.mark.parametrize("command", ["health", "halt"])
def test_what_is_needed_in_an_emergency_loads_nothing_heavy(tmp_path, command):
    assert loaded_by(command, "--home", str(tmp_path)) == []
