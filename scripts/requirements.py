"""Prints what pyproject.toml asks for, one requirement a line: `scripts/requirements.py build run test`.

Groups: `build` (build-system), `run` (dependencies), or the name of an extra. pip cannot be told to
install a project's requirements without building the project, which here needs them installed.
"""

import sys
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:
    raise SystemExit(
        f"Python {sys.version.split()[0]}: expected 3.11 or newer, which has tomllib; "
        "remove .venv and name another interpreter, such as `make PYTHON=python3.12`"
    ) from None

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def requirements(group: str) -> list[str]:
    """The requirements of one group."""
    pyproject = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    groups = {
        "build": pyproject["build-system"]["requires"],
        "run": pyproject["project"]["dependencies"],
        **pyproject["project"]["optional-dependencies"],
    }
    if group not in groups:
        raise SystemExit(f"unknown group {group!r}; known: {', '.join(groups)}")
    return groups[group]


if __name__ == "__main__":
    print(*dict.fromkeys(line for group in sys.argv[1:] for line in requirements(group)), sep="\n")
