"""Starts the dashboard: checks the port, then becomes the Streamlit process, so signals reach it directly."""

import argparse
import json
import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

ADDRESS = "127.0.0.1"
DEFAULT_PORT = 8501
ENTRY_SCRIPT = Path(__file__).with_name("app.py")


def main(argv: list[str]) -> int:
    """Serve the dashboard on loopback until a signal ends it; returns only when it cannot be started.

    The first line of stdout is `{"dashboard": "http://127.0.0.1:PORT"}`, written before the server answers.
    """
    options = _parser().parse_args(argv)
    home = Path(options.home).resolve()
    if not home.is_dir():
        return _refuse(f"{home} is not a folder: choose another with --home, or create it.")
    try:
        port = _free_port(options.port)
    except (OSError, OverflowError) as error:
        return _refuse(f"Port {options.port} cannot be used ({error}): choose another with --port, or 0 for any.")
    print(json.dumps({"dashboard": f"http://{ADDRESS}:{port}"}), flush=True)  # noqa: T201 - the answer to the caller
    return _become_streamlit(port, home)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="act dashboard",
        description="Show what the bot does, in a browser on this machine.",
        epilog="example: act dashboard --port 8600",
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 = any free one (default %(default)s)")
    parser.add_argument("--home", default=os.environ.get("ACT_HOME", "."), help="folder of the bot (default ACT_HOME)")
    return parser


def _refuse(message: str) -> int:
    print(message, file=sys.stderr)  # noqa: T201 - the one line a person reads
    return 1


def _free_port(wanted: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((ADDRESS, wanted))
        port: int = probe.getsockname()[1]
        return port


def _become_streamlit(port: int, home: Path) -> NoReturn:
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # Streamlit talks while it ends, and does not end unheard
    os.execve(sys.executable, _command(port), {**os.environ, "ACT_HOME": str(home)})  # noqa: S606 - no shell is meant


def _command(port: int) -> list[str]:
    server = [f"--server.port={port}", f"--server.address={ADDRESS}"]
    return [sys.executable, "-P", "-m", "streamlit", "run", str(ENTRY_SCRIPT), *server]
