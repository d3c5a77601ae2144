"""An environment of its own for every rival, under `.venv-bench/`, from its `requirements-<name>.txt`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv-bench"
_OWN_UV = ROOT / ".venv-uv" / "bin" / "uv"


def python_of(name: str) -> Path:
    """Return the rival's interpreter, after making or renewing its environment where needed.

    Raises subprocess.CalledProcessError with what the installer said.
    """
    requirements = Path(__file__).with_name(f"requirements-{name}.txt")
    ready, python = FOLDER / name / ".ready", FOLDER / name / "bin" / "python"
    if ready.exists() and ready.read_text() == requirements.read_text():
        return python
    shutil.rmtree(FOLDER / name, ignore_errors=True)
    print(f"installing {name} into {FOLDER.name}/{name}", file=sys.stderr)
    for command in _commands(name, python, requirements):
        subprocess.run(command, check=True, capture_output=True, text=True)
    ready.write_text(requirements.read_text())
    return python


def _commands(name: str, python: Path, requirements: Path) -> list[list[str]]:
    uv = os.environ.get("UV") or shutil.which("uv") or str(_OWN_UV)
    if subprocess.run([uv, "--version"], check=False, capture_output=True).returncode == 0:
        return [
            [uv, "venv", "--quiet", "--python", "3.12", str(FOLDER / name)],
            [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), "-r", str(requirements)],
        ]
    return [
        [sys.executable, "-m", "venv", str(FOLDER / name)],
        [str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements)],
    ]
